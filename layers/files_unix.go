//go:build unix

package layers

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// sendFiles passes duplicates: os.File.Fd would switch the caller's file to
// blocking mode.
func sendFiles(u *net.UnixConn, b []byte, files []*os.File) error {
	var fds []int
	defer func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	}()
	for _, f := range files {
		fd, err := duplicate(f)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	n, _, err := u.WriteMsgUnix(b, unix.UnixRights(fds...), nil)
	if err == nil && n < len(b) {
		_, err = u.Write(b[n:])
	}
	return err
}

// duplicate makes another descriptor of f, which children do not inherit. Not by
// the File of a connection or listener: the number of that makes both block.
func duplicate(f syscall.Conn) (int, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	dup, dupErr := -1, error(nil)
	err = raw.Control(func(fd uintptr) {
		dup, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	return dup, errors.Join(err, dupErr)
}

func receiveFiles(u *net.UnixConn, b []byte) (int, []*os.File, error) {
	control := make([]byte, unix.CmsgSpace(maxFiles*4))
	n, size, flags, _, err := u.ReadMsgUnix(b, control) // sets CLOEXEC itself
	if errors.Is(err, io.EOF) {
		err = io.EOF // bare, as Read has it
	}
	files, parseErr := parseRights(control[:size])
	if err == nil {
		err = parseErr
	}
	if err == nil && flags&unix.MSG_CTRUNC != 0 {
		err = errors.New("layers: receive files: more files than there is room for")
	}
	if err != nil {
		for _, f := range files {
			_ = f.Close()
		}
		return n, nil, err
	}
	return n, files, nil
}

func parseRights(control []byte) (files []*os.File, err error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS {
			continue
		}
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return files, nil
}
