package main

import (
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
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
	either := listenerConfig{Sources: []string{capabilitySource}, Token: tokenOptional, Security: []string{"plain"}, Web: &webConfig{}}
	if !either.opensLinks() {
		t.Error("a link is not good in the place of a log-in")
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

// Where tokens are optional, staff log in and share by the same page that opens
// their links: a link needs no account, unless it is bound to one, and nobody
// comes in by neither.
func TestLinkOrLogIn(t *testing.T) {
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [sasl], sources: [capabilities], token: optional, target: one}
targets:
  one: {address: %q}
users: {file: %q}
capabilities: {store: %q, share: {rights: [view]}}
`, displayNamed("one").Listen(t), usersFile(t), t.TempDir())
	staff, err := g.pageStay(0, "/?notices", nil, scramAs("alice", "wonderland"))
	must(t, err)
	if n := staff.told("rights", nil); strings.Join(n.Shareable, ",") != "view" {
		t.Errorf("staff may pass on %v", n.Shareable)
	}
	_, text := staff.shares(0, "view")
	guest, err := g.pageStay(0, "/?notices&token="+text, nil)
	if err != nil {
		t.Fatalf("by the link alone: %v", err)
	}
	if n := guest.told("rights", nil); strings.Join(n.Rights, ",") != auth.Viewing.String() || n.Shareable != nil {
		t.Errorf("who came by the link may %v and pass on %v", n.Rights, n.Shareable)
	}
	if _, err := g.webStay(0, "/"); err == nil {
		t.Error("somebody got in by neither")
	}
	bound, _, err := g.capabilities.Issue(capability.Token{Targets: []string{"one"}, User: "alice", Expires: time.Now().Add(time.Hour)})
	must(t, err)
	if _, err := g.webStay(0, "/?token="+bound); err == nil {
		t.Error("a link for alice let in who has not logged in")
	}
	if _, err := g.pageStay(0, "/?token="+bound, nil, scramAs("alice", "wonderland")); err != nil {
		t.Errorf("a link for alice and her log-in: %v", err)
	}
}
