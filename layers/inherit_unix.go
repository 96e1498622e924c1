//go:build unix

package layers

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// shareFD duplicates a descriptor and leaves it open, but not for children.
func shareFD(fd int) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	keepFromChildren(fd)
	return os.NewFile(uintptr(dup), "inherited"), nil
}

// dropFD closes a descriptor and every standard one of the same socket.
func dropFD(fd int) {
	var it, s unix.Stat_t
	known := unix.Fstat(fd, &it) == nil
	for n := range firstActivated {
		if known && unix.Fstat(n, &s) == nil && s.Dev == it.Dev && s.Ino == it.Ino {
			nullFD(n)
		}
	}
	if fd >= firstActivated {
		_ = unix.Close(fd)
	}
}

// nullFD makes a descriptor the null device.
func nullFD(fd int) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer null.Close()
	_ = dup2(int(null.Fd()), fd)
}

// keepFromChildren marks a descriptor to be closed in the commands we start,
// but not a standard one.
func keepFromChildren(fd int) {
	if fd >= firstActivated {
		unix.CloseOnExec(fd)
	}
}

// listening reports whether f is a socket that accepts connections.
func listening(f *os.File) bool {
	raw, err := f.SyscallConn()
	if err != nil {
		return false
	}
	value := 0
	_ = raw.Control(func(fd uintptr) {
		value, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	})
	return value != 0
}

// closeToAll takes all permissions from the file that a unix socket is going to
// be bound to. Only Linux and some others can; elsewhere the umask decides for
// the moment until the file has its mode.
func closeToAll(raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) { _ = unix.Fchmod(int(fd), 0) })
}
