package layers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// maxUnixPath is what fits into sockaddr_un with its final NUL, on Linux; other
// systems have room for a few bytes less and report it themselves.
const maxUnixPath = 107

// ParseAddress reads an address as people write it and returns what net.Dial
// and net.Listen take: "host:port", "[v6]:port", ":port", "unix:/path",
// "unix:@abstract". Errors say how to write it.
func ParseAddress(s string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseUnix(s, path)
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
	case !strings.Contains(s, ":") || strings.HasSuffix(s, "]"):
		return fmt.Errorf("layers: address %q: the port is missing, as in %s:5900", s, s)
	}
	return fmt.Errorf("layers: address %q: write host:port, [v6]:port, :port or unix:/path", s)
}

// Dial connects to an address in the form of ParseAddress. A host name with
// addresses of both families is tried as RFC 8305 (Happy Eyeballs) says; TCP
// keep-alive is on.
func Dial(ctx context.Context, address string) (net.Conn, error) {
	network, address, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("layers: %w", err)
	}
	return c, nil
}

// ListenConfig refines Listen.
type ListenConfig struct {
	// Mode is the permission of a unix socket's file; 0 leaves what the umask
	// makes of 0777. Who may write to it may connect.
	Mode fs.FileMode
}

// Listen listens on an address in the form of ParseAddress. A unix socket that
// an earlier process left behind, and that nobody listens on, is replaced; any
// other file in its place is an error.
func Listen(ctx context.Context, address string, config ListenConfig) (net.Listener, error) {
	network, address, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, network, address)
	if network == "unix" && errors.Is(err, syscall.EADDRINUSE) && !strings.HasPrefix(address, "@") {
		if err = removeStale(ctx, address); err == nil {
			ln, err = lc.Listen(ctx, network, address)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("layers: %w", err)
	}
	if network == "unix" && config.Mode != 0 && !strings.HasPrefix(address, "@") {
		if err := os.Chmod(address, config.Mode.Perm()); err != nil {
			_ = ln.Close()
			return nil, fmt.Errorf("layers: listen unix: %w", err)
		}
	}
	return ln, nil
}

// removeStale removes the socket at path if the system says that no process
// listens on it.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen unix %s: the file exists and is not a socket; remove it or choose another path", path)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("listen unix %s: another process listens there already", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listen unix %s: in use, and cannot tell by whom: %w", path, err)
	}
	return os.Remove(path)
}

// SetNoDelay asks the TCP socket under c to send small writes at once (the
// default in Go) or to collect them. It is a hint: nothing happens where there
// is no such socket.
func SetNoDelay(c net.Conn, on bool) {
	if t, ok := As[*net.TCPConn](c); ok {
		_ = t.SetNoDelay(on)
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
