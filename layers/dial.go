package layers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strings"
	"syscall"
	"time"
)

// ErrNotAllowed is matched by the error of a Dial that an allow list refused.
var ErrNotAllowed = errors.New("not allowed")

// A Dialer connects to addresses in the form of ParseAddress. The zero value
// does as Dial.
type Dialer struct {
	// Allow is asked about every address before the connection to it is made:
	// each of those a name resolves to, not the name, so that a name that
	// resolves differently a moment later gains nothing. Of a name with several
	// addresses only those are tried that it allows. nil allows all.
	Allow func(netip.AddrPort) error
	// AllowUnix is asked about the path of a unix socket, cleaned; nil allows
	// all, but none if there is an Allow.
	AllowUnix func(path string) error
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// KeepAlive refines the keep-alive of TCP, which is on if it is zero.
	KeepAlive net.KeepAliveConfig
	// UserTimeout bounds how long bytes may go unacknowledged, as SetUserTimeout
	// does; 0 leaves it to the system.
	UserTimeout time.Duration
}

// Dial connects to an address in the form of ParseAddress. A host name with
// addresses of both families is tried as RFC 8305 (Happy Eyeballs) says; TCP
// keep-alive is on.
func Dial(ctx context.Context, address string) (net.Conn, error) {
	return Dialer{}.Dial(ctx, address)
}

// Dial connects to address. A unix socket whose queue is full is tried until
// ctx ends. The error matches ErrNotAllowed if the address, or all addresses of
// the name, are refused by Allow or AllowUnix.
func (d Dialer) Dial(ctx context.Context, address string) (net.Conn, error) {
	network, address, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	switch network {
	case "tcp":
	case "unix":
		if address, err = d.unixPath(address); err != nil {
			return nil, fmt.Errorf("layers: dial unix %s: %w", address, err)
		}
	default:
		return nil, fmt.Errorf("layers: dial %s:%s: can be listened on only", network, address)
	}
	nd := net.Dialer{Resolver: d.Resolver, KeepAliveConfig: d.KeepAlive, ControlContext: d.control}
	c, err := nd.DialContext(ctx, network, address)
	for network == "unix" && errors.Is(err, syscall.EAGAIN) && waited(ctx, fullPause) {
		c, err = nd.DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, fmt.Errorf("layers: %w", err)
	}
	if d.UserTimeout > 0 {
		SetUserTimeout(c, d.UserTimeout)
	}
	return c, nil
}

// unixPath returns the path to dial: the very one that has been allowed.
func (d Dialer) unixPath(p string) (string, error) {
	switch {
	case d.AllowUnix != nil:
		if !strings.HasPrefix(p, "@") {
			p = path.Clean(p)
		}
		return p, d.AllowUnix(p)
	case d.Allow != nil:
		return p, fmt.Errorf("%w: unix sockets are not", ErrNotAllowed)
	}
	return p, nil
}

// control is called with each address before the connection to it is made.
func (d Dialer) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if d.Allow == nil || strings.HasPrefix(network, "unix") {
		return nil
	}
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %q names no host", ErrNotAllowed, address)
	}
	return d.Allow(netip.AddrPortFrom(a.Addr().Unmap(), a.Port()))
}

// fullPause is between tries at a unix socket whose queue is full. Unlike TCP,
// the system does not wait there (connect(2), EAGAIN), and QEMU's queue holds
// but one or two viewers.
const fullPause = 20 * time.Millisecond

// waited is false when ctx has ended before the pause.
func waited(ctx context.Context, pause time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}
