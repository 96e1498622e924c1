package web

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// near are the proxies that the tests trust.
func near(a netip.Addr) bool {
	return netip.MustParsePrefix("10.0.0.0/8").Contains(a) || netip.MustParsePrefix("fd00::/8").Contains(a)
}

func TestForwardedHeaders(t *testing.T) {
	for _, test := range []struct {
		name   string
		header []string // name, value, ...
		want   hop
		ok     bool // else, with a header, it is refused
	}{
		{"nothing", nil, hop{}, false},
		{"the example of the standard", []string{"Forwarded", `for=192.0.2.60;proto=http;by=203.0.113.43`}, said("192.0.2.60:0", "", "http"), true},
		{"any case", []string{"Forwarded", `For="[2001:db8:cafe::17]:4711";PROTO=HTTPS;Host=gate.example`}, said("[2001:db8:cafe::17]:4711", "gate.example", "https"), true},
		{"no quotes where they belong", []string{"Forwarded", `for=[2001:db8::1];host=gate.example:8443`}, said("[2001:db8::1]:0", "gate.example:8443", ""), true},
		{"escapes", []string{"Forwarded", `host="gate\.example";for="192.0.2.1"`}, said("192.0.2.1:0", "gate.example", ""), true},
		{"several hops", []string{"Forwarded", `for=192.0.2.9, for=192.0.2.1;host=public, for=10.0.0.2;host=inner`}, said("192.0.2.1:0", "public", ""), true},
		{"several headers", []string{"Forwarded", "for=192.0.2.1", "Forwarded", "for=10.0.0.2"}, said("192.0.2.1:0", "", ""), true},
		{"nobody but proxies", []string{"Forwarded", "for=10.0.0.1, for=10.0.0.2"}, said("10.0.0.1:0", "", ""), true},
		{"obfuscated", []string{"Forwarded", `for=192.0.2.1, for=_hidden;proto=https`}, hop{proto: "https"}, true},
		{"unknown", []string{"Forwarded", `for=unknown`}, hop{}, true},
		{"obfuscated port", []string{"Forwarded", `for="192.0.2.1:_a";by="_b"`}, said("192.0.2.1:0", "", ""), true},
		{"mapped", []string{"Forwarded", `for="[::ffff:10.0.0.3]"`}, said("10.0.0.3:0", "", ""), true},
		{"spaces and an empty element", []string{"Forwarded", ` for=192.0.2.1 ; proto=https ,, for=10.0.0.1`}, hop{}, true},
		{"an extension", []string{"Forwarded", `secret=_x;for=192.0.2.1`}, said("192.0.2.1:0", "", ""), true},
		{"a quote that never ends", []string{"Forwarded", `for="192.0.2.1`}, hop{}, false},
		{"an escape that never ends", []string{"Forwarded", `for="192.0.2.1\`}, hop{}, false},
		{"no value", []string{"Forwarded", `for=`}, hop{}, false},
		{"no name", []string{"Forwarded", `=192.0.2.1`}, hop{}, false},
		{"twice", []string{"Forwarded", `for=192.0.2.1;for=192.0.2.2`}, hop{}, false},
		{"no separator", []string{"Forwarded", `for=192.0.2.1 proto=https`}, hop{}, false},
		{"too many hops", []string{"Forwarded", strings.Repeat("for=10.0.0.1,", maxHops) + "for=10.0.0.1"}, hop{}, false},
		{"a host that is none", []string{"Forwarded", `for=192.0.2.1;host="a b/c"`}, said("192.0.2.1:0", "", ""), true},
		{"another scheme", []string{"Forwarded", `proto=gopher`}, hop{}, true},

		{"the usual", []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "gate.example"}, said("192.0.2.1:0", "gate.example", "https"), true},
		{"usual: a stranger's own", []string{"X-Forwarded-For", "198.51.100.1, 192.0.2.1, 10.0.0.7"}, said("192.0.2.1:0", "", ""), true},
		{"usual: lists alike", []string{"X-Forwarded-For", "192.0.2.1, 10.0.0.7", "X-Forwarded-Proto", "https, http"}, said("192.0.2.1:0", "", "https"), true},
		{"usual: lists of other lengths", []string{"X-Forwarded-For", "192.0.2.1, 10.0.0.7", "X-Forwarded-Proto", "https"}, said("192.0.2.1:0", "", "https"), true},
		{"usual: two headers", []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-For", "10.0.0.7"}, said("192.0.2.1:0", "", ""), true},
		{"usual: ports", []string{"X-Forwarded-For", "192.0.2.1:5555"}, said("192.0.2.1:5555", "", ""), true},
		{"usual: IPv6", []string{"X-Forwarded-For", "2001:db8::1, fd00::1"}, said("[2001:db8::1]:0", "", ""), true},
		{"usual: nonsense", []string{"X-Forwarded-For", "localhost"}, hop{}, true},
		{"usual: proto alone", []string{"X-Forwarded-Proto", "wss"}, hop{proto: "https"}, true},
		{"usual: plain WebSocket", []string{"X-Forwarded-Proto", "WS"}, hop{proto: "http"}, true},
		{"usual: too many", []string{"X-Forwarded-For", strings.Repeat("10.0.0.1,", maxHops) + "10.0.0.1"}, hop{}, false},

		{"both, and they agree", []string{"X-Forwarded-For", "192.0.2.1", "Forwarded", "for=192.0.2.1"}, said("192.0.2.1:0", "", ""), true},
		{"both, one with more", []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-Host", "gate.example", "Forwarded", "for=\"192.0.2.1:99\";proto=https"}, said("192.0.2.1:99", "gate.example", "https"), true},
		{"both, and one names nobody", []string{"X-Forwarded-Proto", "https", "Forwarded", "for=192.0.2.1"}, said("192.0.2.1:0", "", "https"), true},
		{"both, and one hides", []string{"X-Forwarded-For", "192.0.2.1", "Forwarded", "for=unknown"}, hop{}, false},
		{"both, of two hosts", []string{"X-Forwarded-For", "192.0.2.1", "X-Forwarded-Host", "a", "Forwarded", "for=192.0.2.1;host=b"}, hop{}, false},
		{"both, of two schemes", []string{"X-Forwarded-Proto", "http", "Forwarded", "proto=https"}, hop{}, false},
		{"both, and one cannot be read", []string{"X-Forwarded-For", "192.0.2.1", "Forwarded", "nonsense"}, hop{}, false},
		{"both, and one is the stranger's", []string{"X-Forwarded-For", "192.0.2.1", "Forwarded", "for=198.51.100.1"}, said("198.51.100.1:0", "", ""), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{}
			for i := 0; i < len(test.header); i += 2 {
				h.Add(test.header[i], test.header[i+1])
			}
			got, ok, no := forwarded(h, near)
			if ok != test.ok || ok && got != test.want || (no != nil) != (!ok && len(h) > 0) {
				t.Errorf("got %v %v %v, want %v %v", got, ok, no, test.want, test.ok)
			}
		})
	}
}

func said(addr, host, proto string) hop { return hop{netip.MustParseAddrPort(addr), host, proto} }

// What is read is plain, and written anew it is read as the same.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{
		"", `for=192.0.2.60;proto=http;by=203.0.113.43`, `For="[2001:db8:cafe::17]:4711"`, `for=_gazonk, for="_x:_y"`,
		`for=unknown;host="a\"b",,`, `;;for=1.2.3.4`, `for="[fe80::1%eth0]:80"`, `for=[::ffff:1.2.3.4]:1;host=h:80`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		hops, ok := parseForwarded(text)
		if !ok {
			return
		}
		if len(hops) == 0 || len(hops) > maxHops {
			t.Fatalf("%d hops", len(hops))
		}
		var again []string
		for _, h := range hops {
			if h.addr.Addr().Zone() != "" || h.addr.Addr().Is4In6() || cleanHost(h.host) != h.host || cleanProto(h.proto) != h.proto {
				t.Fatalf("not plain: %+v", h)
			}
			again = append(again, write(h))
		}
		back, ok := parseForwarded(strings.Join(again, ","))
		if !ok || fmt.Sprint(back) != fmt.Sprint(hops) {
			t.Fatalf("%q read as %v, written as %q, read as %v", text, hops, again, back)
		}
	})
}

func write(h hop) string {
	var parts []string
	if h.addr.IsValid() {
		parts = append(parts, `for="`+h.addr.String()+`"`)
	}
	if h.host != "" {
		parts = append(parts, `host="`+strings.ReplaceAll(h.host, `\`, `\\`)+`"`)
	}
	if h.proto != "" {
		parts = append(parts, "proto="+h.proto)
	}
	return strings.Join(parts, ";")
}

// Whatever the lists hold, the address is never one of a trusted proxy while
// there is a stranger to its left.
func FuzzForwardedFor(f *testing.F) {
	f.Add("192.0.2.1, 10.0.0.1", "https", "gate.example")
	f.Add("", "wss,ws", "a,b,c")
	f.Add("[::1]:80,unknown,10.0.0.1", "", "x y")
	f.Fuzz(func(t *testing.T, senders, protos, hosts string) {
		h := http.Header{"X-Forwarded-For": {senders}, "X-Forwarded-Proto": {protos}, "X-Forwarded-Host": {hosts}}
		got, ok, _ := forwarded(h, near)
		if !ok || !got.addr.IsValid() || !near(got.addr.Addr()) {
			return
		}
		first, valid := parseNode(list(h, "X-Forwarded-For")[0])
		if !valid || first != got.addr {
			t.Fatalf("%q: the viewer is the proxy %v", senders, got.addr)
		}
	})
}
