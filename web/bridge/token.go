package bridge

import (
	"net/http"
	"net/url"
	"strings"
)

// tokenOf finds the token: the query's first "token" that is not empty, without
// newlines at its end, which scripts leave there, or the name by which the
// client asked for us.
func tokenOf(r *http.Request, host bool) string {
	if host {
		return hostOf(r.Host)
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if value != "" && unescape(name) == "token" {
			return strings.TrimRight(unescape(value), "\n")
		}
	}
	return ""
}

// unescape decodes a part of a query. What is no escape stays as it is, as in
// Python; url.ParseQuery would drop the whole pair, and pairs with a semicolon.
func unescape(s string) string {
	if decoded, err := url.QueryUnescape(s); err == nil {
		return decoded
	}
	var b strings.Builder
	for len(s) > 0 {
		size := 1
		if s[0] == '%' && len(s) >= 3 {
			size = 3
		}
		if decoded, err := url.QueryUnescape(s[:size]); err == nil {
			b.WriteString(decoded)
		} else {
			size = 1
			b.WriteByte(s[0])
		}
		s = s[size:]
	}
	return b.String()
}

// hostOf cuts the port off a Host header, and the brackets of an IPv6 address.
func hostOf(host string) string {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		address, _, _ := strings.Cut(inner, "]")
		return address
	}
	name, _, _ := strings.Cut(host, ":")
	return name
}
