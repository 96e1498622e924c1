package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Moving a port without a library (seccomp_unotify(2)): the command is started
// through ourselves, under a filter that stops each of its bind(2) calls and
// asks us. A bind to the port in question we do in its place, to the other port
// of the loopback, on a copy of its socket; every other goes on as it was. That
// holds for static programs and for all that the command starts, and for both
// families: the library leaves binds to IPv6 alone, and who connects there gets
// past our TLS and log-in. The library is what is left where the kernel or a
// container does not allow it. The price: who is under a filter cannot gain
// privileges by sudo, and once we have gone its binds fail.

// rebindCommand is the hidden command that becomes the wrapped one.
const rebindCommand = "under-rebind"

// Sizes of what the kernel and we exchange.
const (
	notifSize   = 80
	respSize    = 24
	maxSockaddr = 128
)

func findPortMover(log *slog.Logger, quiet bool) (portMover, error) {
	return choosePortMover(canCopySockets(), findRebindLibrary(rebindFolders()), log, quiet)
}

// choosePortMover takes the filter, unless it is denied; library is "" if there
// is none.
func choosePortMover(denied error, library string, log *slog.Logger, quiet bool) (portMover, error) {
	switch {
	case denied == nil:
		return &seccompMover{log, quiet}, nil
	case library == "":
		return nil, fmt.Errorf("a command behind -- needs its port moved, and that is not possible here (%w); "+
			"install Debian's package websockify for its rebind.so, or start the server yourself and give its HOST:PORT instead", denied)
	}
	warnOfLibrary(log, denied)
	return preloader{library, quiet}, nil
}

// canCopySockets tries on ourselves whether a filter may ask, and whether
// pidfd_getfd(2) is allowed, which containers may deny.
func canCopySockets() error {
	if err := canAsk(); err != nil {
		return fmt.Errorf("seccomp: %w", err)
	}
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return fmt.Errorf("pidfd_open: %w", err)
	}
	defer func() { _ = unix.Close(pidfd) }()
	fd, err := unix.PidfdGetfd(pidfd, pidfd, 0)
	if err != nil {
		return fmt.Errorf("pidfd_getfd: %w", err)
	}
	return unix.Close(fd)
}

// canAsk tries whether the kernel knows filters that ask (Linux 5.0).
func canAsk() error {
	action := uint32(unix.SECCOMP_RET_USER_NOTIF)
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_ACTION_AVAIL, 0, uintptr(unsafe.Pointer(&action)))
	if errno != 0 {
		return errno
	}
	return nil
}

// seccompMover moves the port by a filter of system calls.
type seccompMover struct {
	log   *slog.Logger
	quiet bool // attach
}

// start runs the command and answers its binds until it and all that it has
// started have ended.
func (m *seccompMover) start(command []string, from, to int) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, err
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	theirs := os.NewFile(uintptr(pair[1]), "filter")
	defer func() { _ = unix.Close(pair[0]) }()
	cmd := exec.Command(self, append([]string{rebindCommand, path}, command...)...)
	cmd.Args[0] = "vncgate"
	attach(cmd, m.quiet)
	cmd.ExtraFiles = []*os.File{theirs}
	err = cmd.Start()
	_ = theirs.Close()
	if err != nil {
		return nil, err
	}
	notify, err := receiveFD(pair[0])
	if err != nil {
		return nil, errors.Join(fmt.Errorf("its port cannot be moved: %w; install Debian's package websockify for its rebind.so", err), cmd.Process.Kill(), cmd.Wait())
	}
	go (&bindMover{notify: notify, from: from, to: to, log: m.log}).run() // ends with the last process under the filter
	return cmd, nil
}

// receiveFD gets the filter's descriptor, or the words why there is none.
func receiveFD(socket int) (int, error) {
	words, rights := make([]byte, 512), make([]byte, unix.CmsgSpace(4))
	n, rightsLen, _, _, err := unix.Recvmsg(socket, words, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rightsLen])
	if err != nil || len(messages) == 0 {
		return -1, errors.New(strings.TrimSpace(string(words[:n])))
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("no filter came")
	}
	return fds[0], nil
}

// becomeRebound is the hidden command: args are the program's path, then its
// name and arguments. It returns only if it fails.
func becomeRebound(args []string) error {
	const socket = 3
	runtime.LockOSThread() // filters are of a thread, and this one becomes the program
	unix.CloseOnExec(socket)
	notify, err := stopAtBind()
	if err != nil {
		_, _ = unix.Write(socket, []byte(err.Error()))
		return err
	}
	if err := unix.Sendmsg(socket, []byte{'.'}, unix.UnixRights(notify), nil, 0); err != nil {
		return err
	}
	_ = unix.Close(notify)
	return fmt.Errorf("%s: %w", args[0], syscall.Exec(args[0], args[1:], os.Environ()))
}

// stopAtBind has each bind(2) of this thread ask the descriptor it returns.
// Root may do so as it is; others have to give up setuid programs for it.
func stopAtBind() (int, error) {
	fd, err := installFilter()
	if !errors.Is(err, unix.EACCES) {
		return fd, err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return -1, fmt.Errorf("no_new_privs: %w", err)
	}
	return installFilter()
}

func installFilter() (int, error) {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // seccomp_data.nr
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: unix.SYS_BIND},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, uintptr(unsafe.Pointer(&program)))
	runtime.KeepAlive(filter)
	if errno != 0 {
		return -1, fmt.Errorf("seccomp: %w", errno)
	}
	return int(fd), nil
}

// bindMover answers the binds of a command.
type bindMover struct {
	notify   int
	from, to int
	log      *slog.Logger
}

// run answers until nobody is left who could ask.
func (m *bindMover) run() {
	defer func() { _ = unix.Close(m.notify) }()
	poll := []unix.PollFd{{Fd: int32(m.notify), Events: unix.POLLIN}}
	for {
		_, err := unix.Poll(poll, -1)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || poll[0].Revents&unix.POLLIN == 0:
			return // POLLHUP: the last one has ended
		}
		if err := m.answer(); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINTR) {
			m.log.Warn("a bind of the command was not looked at", "error", err)
		}
	}
}

// bindCall is one bind(2) that waits for us (struct seccomp_notif).
type bindCall struct {
	id          uint64
	tid, socket int
	address     uint64
	length      uint64
}

// answer takes one question. ENOENT is of a process that was killed meanwhile.
func (m *bindMover) answer() error {
	var b [notifSize]byte
	if err := ioctl(m.notify, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&b)); err != nil {
		return err
	}
	ne := binary.NativeEndian
	call := bindCall{
		id: ne.Uint64(b[:]), tid: int(int32(ne.Uint32(b[8:]))),
		socket: int(int32(ne.Uint64(b[32:]))), address: ne.Uint64(b[40:]), length: ne.Uint64(b[48:]),
	}
	moved, errno := m.move(call)
	var r [respSize]byte // struct seccomp_notif_resp: id, val, error, flags
	ne.PutUint64(r[:], call.id)
	if moved {
		ne.PutUint32(r[16:], uint32(-int32(errno)))
	} else {
		ne.PutUint32(r[20:], unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE)
	}
	return ioctl(m.notify, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&r))
}

// move binds the socket in the caller's place, if it is the port's.
func (m *bindMover) move(call bindCall) (moved bool, errno unix.Errno) {
	to, ok := m.elsewhere(call)
	if !ok {
		return false, 0
	}
	fd, err := copySocket(call.tid, call.socket)
	if err == nil {
		defer func() { _ = unix.Close(fd) }()
		err = unix.Bind(fd, reachable(fd, to))
	}
	if err != nil {
		m.log.Warn("the command's port cannot be moved", "port", m.from, "to", m.to, "error", err)
		if !errors.As(err, &errno) {
			errno = unix.EADDRNOTAVAIL
		}
	}
	return true, errno
}

// reachable gives a socket for both families the IPv4 loopback, since "localhost"
// may mean that alone.
func reachable(fd int, to unix.Sockaddr) unix.Sockaddr {
	six, ok := to.(*unix.SockaddrInet6)
	only, err := unix.GetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	if !ok || err != nil || only != 0 {
		return to
	}
	return &unix.SockaddrInet6{Port: six.Port, Addr: [16]byte{10: 0xff, 0xff, 127, 0, 0, 1}}
}

// elsewhere is the loopback address in place of one with the port.
func (m *bindMover) elsewhere(call bindCall) (unix.Sockaddr, bool) {
	if call.length < 8 || call.length > maxSockaddr {
		return nil, false
	}
	b := make([]byte, call.length)
	local := []unix.Iovec{{Base: &b[0]}}
	local[0].SetLen(len(b))
	remote := []unix.RemoteIovec{{Base: uintptr(call.address), Len: len(b)}}
	if n, err := unix.ProcessVMReadv(call.tid, local, remote, 0); err != nil || n != len(b) {
		return nil, false
	}
	return loopbackInstead(b, m.from, m.to)
}

// loopbackInstead reads a sockaddr (ip(7), ipv6(7)).
func loopbackInstead(b []byte, from, to int) (unix.Sockaddr, bool) {
	if len(b) < 4 || int(binary.BigEndian.Uint16(b[2:])) != from {
		return nil, false
	}
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		return &unix.SockaddrInet4{Port: to, Addr: [4]byte{127, 0, 0, 1}}, true
	case unix.AF_INET6:
		return &unix.SockaddrInet6{Port: to, Addr: [16]byte{15: 1}}, true
	}
	return nil, false
}

// copySocket gets a descriptor of a thread's process.
func copySocket(tid, socket int) (int, error) {
	pid, err := processOf(tid)
	if err != nil {
		return -1, err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(pidfd) }()
	return unix.PidfdGetfd(pidfd, socket, 0)
}

// processOf finds the process of a thread.
func processOf(tid int) (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return 0, err
	}
	var pid int
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "Tgid: %d", &pid); err == nil {
			return pid, nil
		}
	}
	return 0, unix.ESRCH
}

func ioctl(fd int, request uint, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg)); errno != 0 {
		return errno
	}
	return nil
}

// replaceFD makes fd what with is.
func replaceFD(with, fd int) error { return unix.Dup3(with, fd, 0) }
