package layers

import "net/netip"

// special is a range of addresses that a wider range does not mean.
type special struct {
	what   string
	ranges []netip.Prefix
}

// specials are searched in order: metadata services lie within link-local.
var specials = []special{
	{"the address of a cloud's metadata service", prefixes(
		"169.254.169.254/32", "fd00:ec2::254/128", // EC2 and most others
		"169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::23/128", // ECS, EKS
		"fd20:ce::254/128",   // Google
		"100.100.100.200/32", // Alibaba
		"168.63.129.16/32",   // Azure
		"169.254.0.23/32",    // Tencent
		"192.0.0.192/32",     // Oracle
	)},
	{"a loopback address", prefixes("127.0.0.0/8", "::1/128")},
	{"a link-local address", prefixes("169.254.0.0/16", "fe80::/10")},
	{"a multicast or broadcast address", prefixes("224.0.0.0/4", "255.255.255.255/32", "ff00::/8")},
	{"no address of a host", prefixes("0.0.0.0/8", "::/128")},
}

// translated are ranges of IPv6 whose addresses gateways and tunnels turn into
// the IPv4 address that begins at a byte of theirs.
var translated = []struct {
	prefix netip.Prefix
	at     int
	invert bool
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12, false},    // RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2, false},        // 6to4, RFC 3056
	{netip.MustParsePrefix("2001::/32"), 12, true},        // Teredo, RFC 4380
	{netip.MustParsePrefix("::/96"), 12, false},           // "compatible", RFC 4291, 2.5.5.1
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12, false}, // SIIT, RFC 2765
}

// local-use NAT64 (RFC 8215): where in it the IPv4 address stands is the
// network's own choice, so all of it is taken for special.
var localNAT64 = special{"an address that a NAT64 of this network translates", prefixes("64:ff9b:1::/48")}

func prefixes(list ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(list))
	for i, s := range list {
		all[i] = netip.MustParsePrefix(s)
	}
	return all
}

// specialOf returns what is special about a, or nil.
func specialOf(a netip.Addr) *special {
	for _, s := range specials {
		if s.rangeOf(a).IsValid() {
			return &s
		}
	}
	if localNAT64.rangeOf(a).IsValid() {
		return &localNAT64
	}
	if v4, ok := embedded(a); ok {
		if s := specialOf(v4); s != nil {
			return &special{"in effect " + v4.String() + ", " + s.what, []netip.Prefix{netip.PrefixFrom(a, a.BitLen())}}
		}
	}
	return nil
}

// embedded is the IPv4 address that a is translated into.
func embedded(a netip.Addr) (netip.Addr, bool) {
	for _, t := range translated {
		if !t.prefix.Contains(a) {
			continue
		}
		b := a.As16()
		v4 := [4]byte(b[t.at:])
		if t.invert {
			for i := range v4 {
				v4[i] = ^v4[i]
			}
		}
		return netip.AddrFrom4(v4), true
	}
	return netip.Addr{}, false
}

// rangeOf is the range that a lies in.
func (s *special) rangeOf(a netip.Addr) netip.Prefix {
	for _, p := range s.ranges {
		if p.Contains(a) {
			return p
		}
	}
	return netip.Prefix{}
}

// namedBy reports whether hosts lies within the special range that a is in.
func (s *special) namedBy(hosts netip.Prefix, a netip.Addr) bool {
	p := s.rangeOf(a)
	return hosts.IsValid() && hosts.Bits() >= p.Bits() && p.Contains(hosts.Addr())
}
