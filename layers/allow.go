package layers

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// An AllowList says which addresses may be dialled: Check is for Dialer.Allow,
// CheckUnix for Dialer.AllowUnix. The zero value allows none.
//
// Some addresses are never meant by a wide range: the machine itself, link-local
// ones and those at which clouds hand out their secrets, multicast, and none at
// all. They are allowed only by an entry that lies within their own range, as
// 127.0.0.0/8, ::1 or 169.254.169.254 do and 0.0.0.0/0 does not. The same holds
// for IPv6 addresses that gateways translate into such an IPv4 address.
type AllowList struct {
	rules []allowRule
	paths []string
}

// allowRule allows a range of ports at a range of addresses.
type allowRule struct {
	hosts       netip.Prefix // not valid: every address
	first, last uint16
}

// ParseAllowList reads entries of the forms
//
//	10.0.0.0/8:5900-5999   addresses and ports, "*" for every port
//	10.0.0.7:5900          one of each
//	[fd00::/8]:5900        IPv6 in brackets; [fd00::]/8:5900 is the same
//	:5900-5999             every address that is not special
//	unix:/run/vms/*        paths of unix sockets, as path.Match has them
//
// The star of a path stands for one name, not for directories. Paths are
// compared as text when they have been cleaned: who may put symbolic links into
// an allowed directory can point them anywhere.
func ParseAllowList(entries []string) (*AllowList, error) {
	list := &AllowList{}
	for _, entry := range entries {
		if err := list.add(entry); err != nil {
			return nil, fmt.Errorf("layers: allow %q: %w", entry, err)
		}
	}
	return list, nil
}

func (l *AllowList) add(entry string) error {
	if pattern, ok := strings.CutPrefix(entry, "unix:"); ok {
		return l.addPath(pattern)
	}
	host, ports, err := cutPorts(entry)
	if err != nil {
		return err
	}
	var rule allowRule
	if host != "" {
		if rule.hosts, err = parseHosts(host); err != nil {
			return err
		}
	}
	if rule.first, rule.last, err = parsePorts(ports); err != nil {
		return err
	}
	l.rules = append(l.rules, rule)
	return nil
}

func (l *AllowList) addPath(pattern string) error {
	if _, err := path.Match(pattern, ""); err != nil {
		return fmt.Errorf("the path is not a pattern: %w", err)
	}
	abstract := strings.HasPrefix(pattern, "@") && len(pattern) > 1
	if !abstract && (!path.IsAbs(pattern) || pattern != path.Clean(pattern)) {
		return errors.New("write a whole path without . and .., as in unix:/run/vms/*")
	}
	l.paths = append(l.paths, pattern)
	return nil
}

// cutPorts cuts the ports off, and the brackets away.
func cutPorts(entry string) (host, ports string, err error) {
	i := strings.LastIndexByte(entry, ':')
	if i < 0 || strings.HasSuffix(entry, "]") {
		return "", "", fmt.Errorf("the ports are missing, as in %s:5900-5999", entry)
	}
	host, ports = entry[:i], entry[i+1:]
	inner, bracketed := strings.CutPrefix(host, "[")
	if !bracketed && strings.Contains(host, ":") || strings.ContainsAny(ports, "]/") {
		return "", "", errors.New("an IPv6 address needs brackets, as in [fd00::/8]:5900")
	}
	if bracketed {
		address, bits, closed := strings.Cut(inner, "]")
		if !closed {
			return "", "", errors.New("a bracket is not closed")
		}
		host = address + bits
	}
	return host, ports, nil
}

// parseHosts reads one address or a range in the notation of CIDR.
func parseHosts(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, addrErr := netip.ParseAddr(s)
		if addrErr != nil || a.Zone() != "" {
			return p, fmt.Errorf("%q is neither an IP address nor a range such as 10.0.0.0/8; names are not, for they can change", s)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() {
		return p, errors.New("write an IPv4 address as such")
	}
	if p != p.Masked() {
		return p, fmt.Errorf("the range begins at %v: write that, or the address alone", p.Masked())
	}
	return p, nil
}

func parsePorts(s string) (first, last uint16, err error) {
	if s == "*" {
		return 1, 65535, nil
	}
	low, high, ranged := strings.Cut(s, "-")
	if !ranged {
		high = low
	}
	a, errA := strconv.ParseUint(low, 10, 16)
	b, errB := strconv.ParseUint(high, 10, 16)
	if errA != nil || errB != nil || a == 0 || b < a {
		return 0, 0, fmt.Errorf("%q is not a port, nor a range such as 5900-5999, nor *", s)
	}
	return uint16(a), uint16(b), nil
}

// Check returns nil if a may be dialled, else an error that matches
// ErrNotAllowed and says what entry would allow it.
func (l *AllowList) Check(a netip.AddrPort) error {
	addr := a.Addr().Unmap().WithZone("")
	if !addr.IsValid() {
		return fmt.Errorf("%w: there is no address", ErrNotAllowed)
	}
	special := specialOf(addr)
	for _, r := range l.rules {
		if r.covers(addr, a.Port()) && (special == nil || special.namedBy(r.hosts, addr)) {
			return nil
		}
	}
	a = netip.AddrPortFrom(addr, a.Port())
	if special != nil {
		return fmt.Errorf("%w: %v is %s, which only an entry of its own allows, such as %q", ErrNotAllowed, a, special.what, a)
	}
	return fmt.Errorf("%w: no entry allows %v; such an entry would be %q", ErrNotAllowed, a, a)
}

// CheckUnix returns nil if the unix socket may be dialled, else an error as
// Check does. A path is taken as it is when it has been cleaned.
func (l *AllowList) CheckUnix(p string) error {
	abstract := strings.HasPrefix(p, "@")
	if !abstract {
		p = path.Clean(p)
	}
	matches := func(pattern string) bool {
		ok, err := path.Match(pattern, p)
		return ok && err == nil && abstract == strings.HasPrefix(pattern, "@")
	}
	if (abstract || path.IsAbs(p)) && slices.ContainsFunc(l.paths, matches) {
		return nil
	}
	return fmt.Errorf("%w: no entry allows the unix socket %s; such an entry would be %q", ErrNotAllowed, p, "unix:"+p)
}

func (r allowRule) covers(a netip.Addr, port uint16) bool {
	return port >= r.first && port <= r.last && (!r.hosts.IsValid() || r.hosts.Contains(a))
}
