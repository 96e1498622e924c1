package bridge

import (
	"net/url"
	"strings"
	"testing"
)

func TestUnescape(t *testing.T) {
	for s, want := range map[string]string{
		"": "", "a": "a", "a+b": "a b", "%41": "A", "%4": "%4", "%": "%", "100%": "100%", "%zz+%41": "%zz A", "%%41": "%A", "a;b": "a;b", "%c3%bc%": "ü%",
	} {
		if got := unescape(s); got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
	}
}

// FuzzUnescape: what is right is decoded as everywhere, what is not loses
// nothing, and whatever was escaped comes back.
func FuzzUnescape(f *testing.F) {
	f.Add("a%20b+c")
	f.Add("100%")
	f.Add("%%%41%zz")
	f.Fuzz(func(t *testing.T, s string) {
		got := unescape(s)
		if want, err := url.QueryUnescape(s); err == nil && got != want {
			t.Errorf("%q became %q, want %q", s, got, want)
		}
		if again := unescape(url.QueryEscape(s)); again != s {
			t.Errorf("%q came back as %q", s, again)
		}
		if !strings.ContainsAny(s, "%+") && got != s {
			t.Errorf("%q became %q", s, got)
		}
	})
}

func TestHostOf(t *testing.T) {
	for host, want := range map[string]string{
		"": "", "vm1": "vm1", "vm1:80": "vm1", "[::1]:80": "::1", "[::1]": "::1", "[::1": "::1", ":80": "", "a:b:c": "a", "VM1": "VM1",
	} {
		if got := hostOf(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}
