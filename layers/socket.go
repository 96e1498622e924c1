package layers

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// maxUnixPath is what fits into sockaddr_un with its final NUL, on Linux; other
// systems have room for a few bytes less and report it themselves.
const maxUnixPath = 107

// ParseAddress reads an address as people write it and returns what net.Dial
// and net.Listen take: "host:port", "[v6]:port", ":port", "unix:/path",
// "unix:@abstract". Two more forms name sockets that are open already, for Listen
// alone: "fd:N" gives network "fd" and the number of a file descriptor,
// "systemd:NAME" network "systemd" and a name of LISTEN_FDNAMES. Errors say how to
// write it.
func ParseAddress(s string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseUnix(s, path)
	}
	if number, ok := strings.CutPrefix(s, "fd:"); ok {
		return parseFD(s, number)
	}
	if name, ok := strings.CutPrefix(s, "systemd:"); ok {
		return parseSystemd(s, name)
	}
	if s == "" {
		return "", "", errors.New("layers: address is empty; write host:port or unix:/path")
	}
	if strings.HasPrefix(s, "/") || strings.HasPrefix(s, "@") {
		return "", "", fmt.Errorf("layers: address %q: a unix socket is written unix:%s", s, s)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", "", addressError(s)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", "", fmt.Errorf("layers: address %q: port %q is not a number from 0 to 65535", s, port)
	}
	return "tcp", net.JoinHostPort(host, port), nil
}

func parseUnix(s, path string) (network, address string, err error) {
	switch {
	case path == "" || path == "@":
		return "", "", fmt.Errorf("layers: address %q: the path is missing, as in unix:/run/vnc.sock or unix:@name", s)
	case len(path) > maxUnixPath:
		return "", "", fmt.Errorf("layers: address %q: the path has %d bytes, a unix socket allows %d", s, len(path), maxUnixPath)
	case strings.ContainsRune(path, 0):
		return "", "", fmt.Errorf("layers: address %q: the path contains a NUL byte", s)
	}
	return "unix", path, nil
}

// addressError explains what net.SplitHostPort only calls "missing port".
func addressError(s string) error {
	switch {
	case strings.Contains(s, "://"):
		return fmt.Errorf("layers: address %q: write host:port or unix:/path, not a URL", s)
	case strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "["):
		return fmt.Errorf("layers: address %q: an IPv6 address needs brackets, as in [::1]:5900", s)
	case isNumber(s):
		return fmt.Errorf("layers: address %q: a port alone is written :%s", s, s)
	case !strings.Contains(s, ":") || strings.HasSuffix(s, "]"):
		return fmt.Errorf("layers: address %q: the port is missing, as in %s:5900", s, s)
	}
	return fmt.Errorf("layers: address %q: write host:port, [v6]:port, :port or unix:/path", s)
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// SetNoDelay asks the TCP socket under c to send small writes at once (the
// default in Go) or to collect them. It is a hint: nothing happens where there
// is no such socket.
func SetNoDelay(c net.Conn, on bool) {
	if t, ok := As[*net.TCPConn](c); ok {
		_ = t.SetNoDelay(on)
	}
}

// SetKeepAlive refines the keep-alive of the TCP socket under c: how long it may
// be idle before it is probed, how often, and how many probes may go unanswered.
// It is a hint like SetNoDelay.
func SetKeepAlive(c net.Conn, config net.KeepAliveConfig) {
	if t, ok := As[*net.TCPConn](c); ok {
		_ = t.SetKeepAliveConfig(config)
	}
}

// SetUserTimeout bounds how long bytes written to the TCP socket under c may go
// unacknowledged before the connection fails (RFC 5482, TCP_USER_TIMEOUT), to the
// millisecond; 0 is the system's own bound, many minutes. It is a hint like
// SetNoDelay, and known to Linux only.
func SetUserTimeout(c net.Conn, d time.Duration) {
	if t, ok := As[*net.TCPConn](c); ok {
		setUserTimeout(t, d)
	}
}

// SetCork asks the TCP socket under c to hold back packets that are not full
// until SetCork(c, false). It is a hint like SetNoDelay, and known to Linux only.
func SetCork(c net.Conn, on bool) {
	if t, ok := As[*net.TCPConn](c); ok {
		setCork(t, on)
	}
}

// Credentials tell which process connected to a unix socket: the kernel's word.
type Credentials struct {
	PID, UID, GID int
}

// PeerCredentials asks the kernel for the peer of the unix socket under c
// (SO_PEERCRED, so as they were at connect). It is errors.ErrUnsupported where
// the stack has no unix socket or the system does not tell.
func PeerCredentials(c net.Conn) (Credentials, error) {
	u, ok := As[*net.UnixConn](c)
	if !ok {
		return Credentials{}, fmt.Errorf("layers: peer credentials of %s: %w", Describe(c), errors.ErrUnsupported)
	}
	cred, err := peerCredentials(u)
	if err != nil {
		return Credentials{}, fmt.Errorf("layers: peer credentials: %w", err)
	}
	return cred, nil
}
