package main

import (
	"testing"

	"vncgate/web"
)

// Links are offered where they open something without more.
func TestOpensLinks(t *testing.T) {
	for _, c := range []struct {
		sources, security []string
		want              bool
	}{
		{[]string{capabilitySource}, []string{"none"}, true},
		{[]string{"other", capabilitySource}, []string{"plain", "none"}, true},
		{[]string{capabilitySource}, []string{"plain"}, false},
		{[]string{"other"}, []string{"none"}, false},
		{nil, []string{"none"}, false},
	} {
		l := listenerConfig{Sources: c.sources, Web: &webConfig{}}
		*l.types(browsers) = c.security
		if got := l.opensLinks(); got != c.want {
			t.Errorf("%v with %v: %t", c.sources, c.security, got)
		}
	}
	guarded := listenerConfig{Sources: []string{capabilitySource}, Security: []string{"none"}, Web: &webConfig{}, TLS: &serverTLSConfig{ClientCA: "ca"}}
	if guarded.opensLinks() {
		t.Error("where a certificate is demanded")
	}
	for link, want := range map[string]bool{"": false, "https://guests.example/": true} {
		w := wiring{capabilities: &capabilities{share: &shareConfig{Link: link}}}
		var cfg web.Config
		w.pages(&cfg, &listenerConfig{Web: &webConfig{}})
		if got := cfg.Sharing != nil; got != want {
			t.Errorf("link %q: sharing is offered: %t", link, got)
		}
	}
}
