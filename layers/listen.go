package layers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// ListenConfig refines Listen.
type ListenConfig struct {
	// Mode is the permission of a unix socket's file; 0 leaves what the umask
	// makes of 0777, or is 0660 if there is an Owner or Group. Who may write to
	// it may connect, and on Linux nobody can before Mode, Owner and Group hold.
	Mode fs.FileMode
	// Owner and Group, each a name or a number, are whom the file of a unix
	// socket belongs to; empty leaves them as they are.
	Owner, Group string
	// Network is "tcp4" or "tcp6" for addresses of that family alone; empty is
	// both, and an address without host, or with [::], is then served by one
	// socket for both. 0.0.0.0 is IPv4 alone.
	Network string
	// PreferIPv6 puts IPv6 first among the addresses of a name, which decides
	// which of them Addr is.
	PreferIPv6 bool
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// Report is told of each address of a name that cannot be listened on while
	// another can; nil: nobody is.
	Report func(error)
}

// Listen listens on an address in the form of ParseAddress. A name with several
// addresses is listened on at each of them, by a *Group. A unix socket that an
// earlier process left behind, and that nobody listens on, is replaced; any
// other file in its place is an error. Sockets of "fd:N" and "systemd:NAME" stay
// open when the listener is closed, for they belong to whoever made them.
func Listen(ctx context.Context, address string, config ListenConfig) (net.Listener, error) {
	network, address, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	var ln net.Listener
	switch network {
	case "tcp":
		ln, err = config.tcp(ctx, address)
	case "unix":
		ln, err = config.unix(ctx, address)
	case "fd":
		ln, err = listenFD(address)
	case "systemd":
		ln, err = listenSystemd(address)
	}
	if err != nil {
		return nil, fmt.Errorf("layers: %w%s", err, remedy(err))
	}
	return ln, nil
}

// remedy is what can be done about an address that cannot be had.
func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; another program listens there ('ss -ltnp' shows which): end it, or take another port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; this machine has no such address ('ip address' shows those it has)"
	case errors.Is(err, syscall.EACCES):
		return "; a port below 1024 takes CAP_NET_BIND_SERVICE, or a socket that systemd opens; a unix socket a folder that this user may write to"
	}
	return ""
}

// Check looks up Owner and Group, which Listen would not find either.
func (config ListenConfig) Check() error {
	if _, err := config.access(); err != nil {
		return fmt.Errorf("layers: %w", err)
	}
	return nil
}

// parseFD reads the number of a file descriptor.
func parseFD(s, number string) (network, address string, err error) {
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return "", "", fmt.Errorf("layers: address %q: write fd: and the number of an open file descriptor, as in fd:3", s)
	}
	return "fd", strconv.FormatUint(n, 10), nil
}

// parseSystemd reads the name of a socket unit's FileDescriptorName.
func parseSystemd(s, name string) (network, address string, err error) {
	if name == "" || strings.ContainsAny(name, ":\x00") {
		return "", "", fmt.Errorf("layers: address %q: write systemd: and the FileDescriptorName= of the socket, as in systemd:vnc", s)
	}
	return "systemd", name, nil
}

// tcp listens on host:port. The network is checked here and not by net, whose
// message would not say what to write.
func (config ListenConfig) tcp(ctx context.Context, address string) (net.Listener, error) {
	network := cmp.Or(config.Network, "tcp")
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil, fmt.Errorf("listen %s: network %q is neither tcp4 nor tcp6", address, network)
	}
	host, port, _ := net.SplitHostPort(address) // ParseAddress has looked
	if _, err := netip.ParseAddr(host); err == nil || host == "" {
		return listenTCP(ctx, network, address)
	}
	addresses, err := config.resolve(ctx, network, host)
	if err != nil {
		return nil, fmt.Errorf("listen %s: %w", address, err)
	}
	return config.each(ctx, network, addresses, port)
}

// listenTCP listens on one address. To net, "tcp" at 0.0.0.0 is both families;
// who writes an address of IPv4 means that alone.
func listenTCP(ctx context.Context, network, address string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err == nil && at.Addr().Is4() && network == "tcp" {
		network = "tcp4"
	}
	var lc net.ListenConfig
	return lc.Listen(ctx, network, address)
}

// resolve returns the addresses of a name, each once.
func (config ListenConfig) resolve(ctx context.Context, network, host string) ([]netip.Addr, error) {
	family := map[string]string{"tcp": "ip", "tcp4": "ip4", "tcp6": "ip6"}[network]
	list, err := cmp.Or(config.Resolver, net.DefaultResolver).LookupNetIP(ctx, family, host)
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, a := range list {
		if a = a.Unmap(); !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	slices.SortStableFunc(all, func(a, b netip.Addr) int {
		if a.Is6() == b.Is6() {
			return 0
		}
		if a.Is6() == config.PreferIPv6 {
			return -1
		}
		return 1
	})
	return all, nil
}

// each listens on every address. Port 0 is the same port on all: the one that
// the first of them gets.
func (config ListenConfig) each(ctx context.Context, network string, addresses []netip.Addr, port string) (net.Listener, error) {
	var open []net.Listener
	var failed []error
	for _, a := range addresses {
		ln, err := listenTCP(ctx, network, net.JoinHostPort(a.String(), port))
		if err != nil {
			failed = append(failed, err)
			continue
		}
		if len(open) == 0 {
			_, port, _ = net.SplitHostPort(ln.Addr().String())
		}
		open = append(open, ln)
	}
	if len(open) == 0 {
		return nil, errors.Join(failed...)
	}
	for _, err := range failed {
		if config.Report != nil {
			config.Report(fmt.Errorf("layers: %w", err))
		}
	}
	return NewGroup(open...), nil
}
