package web

import (
	"cmp"
	"net/http"
	"net/netip"
	"strings"
)

// maxHops bounds how many proxies a header may name; one that names more is
// not believed.
const maxHops = 32

// hop is what one proxy said of the request that it passed on. Parts that it
// did not say, or that could not be understood, are empty.
type hop struct {
	addr  netip.AddrPort // who sent it the request; port 0 where it was not said
	host  string         // the Host header that it got
	proto string         // http or https
}

// errForwarded answers what a trusted proxy passes on that cannot all be its
// own. To pass over it would take the viewer for the proxy, whom nothing that
// counts by address can stop.
var errForwarded = &Refusal{http.StatusBadRequest, "The proxy in front of this gateway passes on Forwarded or X-Forwarded headers that are not its own. Its administrator can have it replace them."}

// forwarded finds what the trusted proxies of a request say of its first
// sender that is not one of them: Forwarded (RFC 7239) or X-Forwarded-For,
// -Host and -Proto. A proxy sets one of these, and what it does not set is the
// sender's own; so where both are there, they must agree. found is false where
// no proxy said anything.
func forwarded(h http.Header, trusted func(netip.Addr) bool) (said hop, found bool, no *Refusal) {
	standard, hasStandard, no := forwardedStandard(h, trusted)
	if no != nil {
		return hop{}, false, no
	}
	usual, hasUsual, no := forwardedUsual(h, trusted)
	switch {
	case no != nil:
		return hop{}, false, no
	case !hasStandard:
		return usual, hasUsual, nil
	case !hasUsual:
		return standard, true, nil
	}
	if len(h.Values("X-Forwarded-For")) == 0 {
		usual.addr = standard.addr
	}
	if said, found = agreed(standard, usual); !found {
		return hop{}, false, errForwarded
	}
	return said, true, nil
}

// agreed is what two ways of saying it have in common with what only one says,
// ok unless they contradict each other.
func agreed(a, b hop) (said hop, ok bool) {
	said = hop{a.addr, cmp.Or(a.host, b.host), cmp.Or(a.proto, b.proto)}
	if a.addr.Port() == 0 {
		said.addr = b.addr
	}
	return said, a.addr.Addr() == b.addr.Addr() &&
		(b.host == "" || said.host == b.host) && (b.proto == "" || said.proto == b.proto)
}

// forwardedStandard reads the Forwarded header, whose last element is the
// nearest proxy's.
func forwardedStandard(h http.Header, trusted func(netip.Addr) bool) (said hop, found bool, no *Refusal) {
	lines := h.Values("Forwarded")
	if len(lines) == 0 {
		return hop{}, false, nil
	}
	hops, ok := parseForwarded(strings.Join(lines, ","))
	if !ok {
		return hop{}, false, errForwarded
	}
	return hops[outermost(hops, trusted)], true, nil
}

// outermost is the index of what the farthest trusted proxy said: hops are
// walked from the right for as long as the sender is trusted itself.
func outermost(hops []hop, trusted func(netip.Addr) bool) int {
	i := len(hops) - 1
	for i > 0 && hops[i].addr.IsValid() && trusted(hops[i].addr.Addr()) {
		i--
	}
	return i
}

// forwardedUsual reads the headers that were there before the standard.
func forwardedUsual(h http.Header, trusted func(netip.Addr) bool) (said hop, found bool, no *Refusal) {
	senders := list(h, "X-Forwarded-For")
	hosts, protos := list(h, "X-Forwarded-Host"), list(h, "X-Forwarded-Proto")
	switch {
	case len(senders) > maxHops:
		return hop{}, false, errForwarded
	case len(senders)+len(hosts)+len(protos) == 0:
		return hop{}, false, nil
	}
	hops := make([]hop, max(len(senders), 1))
	for i, text := range senders {
		hops[i].addr, _ = parseNode(text)
	}
	i := outermost(hops, trusted)
	said = hops[i]
	said.host = cleanHost(sameHop(hosts, i, len(hops)))
	said.proto = cleanProto(sameHop(protos, i, len(hops)))
	return said, true, nil
}

// sameHop is what was said in values by the proxy that is i of n in
// X-Forwarded-For. Where the lists differ in length, some proxy overwrote what
// another had said, and the last value is the nearest one's.
func sameHop(values []string, i, n int) string {
	switch {
	case len(values) == 0:
		return ""
	case len(values) == n:
		return values[i]
	}
	return values[len(values)-1]
}

// list splits all headers of a name at their commas.
func list(h http.Header, name string) []string {
	var values []string
	for _, line := range h.Values(name) {
		for part := range strings.SplitSeq(line, ",") {
			values = append(values, strings.TrimSpace(part))
		}
	}
	return values
}

// parseForwarded reads the elements of a Forwarded header (RFC 7239, 4), ok
// only if the whole of it is well formed. Parameters that it does not know are
// passed over.
func parseForwarded(text string) (hops []hop, ok bool) {
	rest := text
	for {
		var one hop
		if one, rest, ok = parseElement(rest); !ok || len(hops) == maxHops {
			return nil, false
		}
		hops = append(hops, one)
		if rest == "" {
			return hops, true
		}
		rest = rest[1:] // the comma
	}
}

// parseElement reads pairs up to a comma or the end. An element may be empty.
func parseElement(text string) (one hop, rest string, ok bool) {
	rest = trimSpace(text)
	seen := map[string]bool{}
	for rest != "" && rest[0] != ',' {
		if rest[0] == ';' {
			rest = trimSpace(rest[1:])
			continue
		}
		var name, value string
		if name, value, rest, ok = parsePair(rest); !ok || seen[name] {
			return hop{}, "", false
		}
		seen[name] = true
		switch name {
		case "for":
			one.addr, _ = parseNode(value)
		case "host":
			one.host = cleanHost(value)
		case "proto":
			one.proto = cleanProto(value)
		}
		rest = trimSpace(rest)
		if rest != "" && rest[0] != ';' && rest[0] != ',' {
			return hop{}, "", false
		}
	}
	return one, rest, true
}

// parsePair reads token "=" (token / quoted-string). A value without quotes may
// also hold a colon or brackets, which the standard wants quoted and many
// proxies do not quote.
func parsePair(text string) (name, value, rest string, ok bool) {
	end := 0
	for end < len(text) && isToken(text[end]) {
		end++
	}
	if end == 0 || end == len(text) || text[end] != '=' {
		return "", "", "", false
	}
	name, rest = strings.ToLower(text[:end]), text[end+1:]
	if strings.HasPrefix(rest, `"`) {
		value, rest, ok = parseQuoted(rest)
		return name, value, rest, ok
	}
	end = 0
	for end < len(rest) && (isToken(rest[end]) || strings.IndexByte(":[]", rest[end]) >= 0) {
		end++
	}
	return name, rest[:end], rest[end:], end > 0
}

// parseQuoted reads a quoted-string (RFC 9110, 5.6.4).
func parseQuoted(text string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], true
		case c == '\\':
			if i++; i == len(text) {
				return "", "", false
			}
			b.WriteByte(text[i])
		case c < ' ' && c != '\t' || c == 0x7f:
			return "", "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// isToken reports whether c may stand in a token (RFC 9110, 5.6.2).
func isToken(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

func trimSpace(s string) string { return strings.TrimLeft(s, " \t") }

// parseNode reads who sent a request (RFC 7239, 6): an address with or without
// a port. "unknown" and obfuscated identifiers are nobody.
func parseNode(text string) (netip.AddrPort, bool) {
	bare := text
	if strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]") {
		bare = text[1 : len(text)-1]
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		return netip.AddrPortFrom(a.Unmap().WithZone(""), 0), true
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		// An address with an obfuscated port ("_hidden") is still an address.
		host, _, found := strings.Cut(text, ":_")
		if !found || strings.Contains(host, ":_") {
			return netip.AddrPort{}, false
		}
		return parseNode(host)
	}
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), true
}

// cleanProto is "" for anything but the two that there are.
func cleanProto(text string) string {
	switch text = strings.ToLower(text); text {
	case "http", "https":
		return text
	case "ws":
		return "http"
	case "wss":
		return "https"
	}
	return ""
}

// cleanHost is "" for what cannot be a Host header.
func cleanHost(text string) string {
	if len(text) > 255 || strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`/\@?#"`, r)
	}) {
		return ""
	}
	return text
}
