package layers

// Protocol flow (sd_listen_fds(3)): whoever starts us has opened LISTEN_FDS
// sockets for us, numbered from 3, and says so in the environment together with
// our process number, so that children that inherit it do not believe it. Names
// stand in LISTEN_FDNAMES, separated by colons. inetd passes one socket as
// standard input instead: a listening one ("wait") or a connection ("nowait").

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

const (
	// firstActivated is the first descriptor of socket activation.
	firstActivated = 3
	// maxActivated bounds LISTEN_FDS.
	maxActivated = 1024
	// unnamed is what sd_listen_fds_with_names(3) calls a socket without name.
	unnamed = "unknown"
)

// Inherited is the connection that this process was started with as file
// descriptor fd, as inetd does ("nowait", fd 0). The descriptor itself is closed,
// so that the peer sees the end when the connection is closed; numbers 0 to 2
// then are the null device. inetd passes the connection as standard error as
// well: nothing may be logged there.
func Inherited(fd int) (net.Conn, error) {
	f, err := shareFD(fd)
	if err != nil {
		return nil, fmt.Errorf("layers: fd %d: %w", fd, err)
	}
	defer f.Close()
	if listening(f) {
		return nil, fmt.Errorf("layers: fd %d is a socket that listens, not a connection (inetd's \"wait\"); listen on fd:%d", fd, fd)
	}
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("layers: fd %d is not a connection: %w", fd, err)
	}
	dropFD(fd)
	return c, nil
}

// listenFD listens on a socket that is open already.
func listenFD(number string) (net.Listener, error) {
	fd, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	f, err := shareFD(fd)
	if err != nil {
		return nil, fmt.Errorf("listen fd %d: %w", fd, err)
	}
	defer f.Close()
	if !listening(f) {
		return nil, fmt.Errorf("listen fd %d: it is not a socket that listens", fd)
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("listen fd %d: %w", fd, err)
	}
	return ln, nil
}

// listenSystemd listens on all sockets of that name.
func listenSystemd(name string) (net.Listener, error) {
	names, err := activated(os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS"), os.Getenv("LISTEN_FDNAMES"), os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("listen systemd:%s: %w", name, err)
	}
	var open []net.Listener
	for i, n := range names {
		keepFromChildren(firstActivated + i)
		if n != name {
			continue
		}
		ln, err := listenFD(strconv.Itoa(firstActivated + i))
		if err != nil {
			closeListeners(open)
			return nil, err
		}
		open = append(open, ln)
	}
	if len(open) == 0 {
		return nil, fmt.Errorf("listen systemd:%s: no socket of that name; passed are %s (FileDescriptorName= in the socket unit)",
			name, strings.Join(slices.Compact(slices.Sorted(slices.Values(names))), ", "))
	}
	return NewGroup(open...), nil
}

func closeListeners(list []net.Listener) {
	for _, ln := range list {
		_ = ln.Close()
	}
}

// activated reads the names of the sockets that process pid was passed, in the
// order of their numbers.
func activated(forPID, count, names string, pid int) ([]string, error) {
	if n, err := strconv.Atoi(forPID); err != nil || n != pid {
		return nil, errors.New("no sockets were passed to this process; start it by a systemd socket unit")
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxActivated {
		return nil, fmt.Errorf("LISTEN_FDS is %q and not a number from 1 to %d", count, maxActivated)
	}
	list := strings.Split(names, ":")
	if names == "" {
		list = slices.Repeat([]string{unnamed}, n)
	}
	if len(list) != n {
		return nil, fmt.Errorf("LISTEN_FDNAMES has %d names for %d sockets", len(list), n)
	}
	return list, nil
}
