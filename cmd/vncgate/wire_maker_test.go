package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/gateway"
)

// makerGate is where users log in and make links, by which others look.
type makerGate struct {
	*gate
	users, policy string
}

const makerPolicy = "who=method:ticket/capabilities target=* allow=all\nwho=group:ops target=* allow=all\n"

func newMakerGate(t *testing.T) *makerGate {
	t.Helper()
	m := &makerGate{users: filepath.Join(t.TempDir(), "users"), policy: fileWith(t, makerPolicy)}
	for _, name := range []string{"alice", "bob"} {
		must(t, (&auth.UsersFile{Path: m.users}).Add(name, "wonderland", "ops"))
	}
	m.gate = newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, security: [sasl], target: one}
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
targets:
  one: {address: %q}
users: {file: %q}
policy_file: %q
capabilities: {store: %q, share: {rights: [view, keyboard], time: 30m, link: "http://127.0.0.1/"}}
`, displayNamed("one").Listen(t), m.users, m.policy, t.TempDir())
	return m
}

// guest is somebody who has come by a link.
type guest struct {
	*stay
	id    string // of the link
	again func() (*stay, error)
}

// guestOf has a user log in and make a link, and somebody come by it.
func (m *makerGate) guestOf(user string, rights ...string) (*page, guest) {
	m.t.Helper()
	p, err := m.pageStay(0, "/?notices", nil, scramAs(user, "wonderland"))
	must(m.t, err)
	id, token := p.shares(0, rights...)
	g := guest{id: id, again: func() (*stay, error) { return m.webStay(1, "/?token="+token) }}
	g.stay, err = g.again()
	must(m.t, err)
	return p, g
}

func TestLinksEndWithTheirMaker(t *testing.T) {
	for name, pull := range map[string]func(*makerGate) error{
		"user revoked": func(m *makerGate) error { return m.capabilities.Store.Revoke(capability.Revocation{User: "alice"}) },
		"user removed": func(m *makerGate) error { return (&auth.UsersFile{Path: m.users}).Remove("alice") },
		"group lost":   func(m *makerGate) error { return (&auth.UsersFile{Path: m.users}).SetGroups("alice") },
		"rules changed": func(m *makerGate) error {
			rewrite(m.t, m.policy, []byte("who=method:ticket/capabilities target=* allow=all\nwho=bob target=* allow=all\n"))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMakerGate(t)
			_, byAlice := m.guestOf("alice", "view")
			_, byBob := m.guestOf("bob", "view")
			must(t, pull(m))
			byAlice.ends(t, "who came by the link")
			if _, err := byAlice.again(); err == nil {
				t.Error("the link opens the display once more")
			}
			if byBob.over() {
				t.Errorf("who came by the link of somebody else is out: %v", byBob.err)
			}
		})
	}
}

// Less for the maker is less for who came by the link, and the hours of the maker
// are those of the link.
func TestLinksHaveTheirMakersRights(t *testing.T) {
	m := newMakerGate(t)
	_, viewer := m.guestOf("alice", "view", "keyboard")
	info := func() gateway.SessionInfo {
		t.Helper()
		for _, s := range m.gate.gate.List() {
			if s.Ticket == viewer.id {
				return s
			}
		}
		t.Fatal("the session has ended")
		return gateway.SessionInfo{}
	}
	if got := info(); !got.Rights.Has(auth.Keyboard) || time.Until(got.Expires) > 31*time.Minute {
		t.Errorf("begins with %s until %s", got.Rights, got.Expires)
	}
	rewrite(t, m.policy, []byte(strings.Replace(makerPolicy, "group:ops target=* allow=all", "group:ops target=* allow=view", 1)))
	eventually(t, "who came by the link may look alone", func() bool { return !info().Rights.Has(auth.Keyboard) })
	end := time.Now().Add(2 * time.Second).Truncate(time.Second)
	rewrite(t, m.policy, []byte("who=method:ticket/capabilities target=* allow=all\nwho=group:ops if=\"now < timestamp('"+end.UTC().Format(time.RFC3339)+"')\" target=* allow=all\n"))
	viewer.ends(t, "the hours of the maker are over")
	if viewer.at.Before(end) {
		t.Error("the session ended before the hours of the maker did")
	}
	m.logs("the maker of token " + viewer.id)
}

// A page makes links, gives away no more than it may, and takes links back.
func TestPageShares(t *testing.T) {
	m := newMakerGate(t)
	links := make(chan gateway.Event, 2)
	m.events.to(func(e gateway.Event) {
		if e.Kind == gateway.Shared || e.Kind == gateway.Unshared {
			links <- e
		}
	})
	p, viewer := m.guestOf("alice", "view")
	if e := <-links; e.Actor != "alice" || e.Session == nil || e.Target != "one" || e.Details["token_id"] != viewer.id || e.Details["rights"] != "view" || e.Details["expires"] == "" {
		t.Errorf("the link is told of as %+v", e)
	}
	all, err := m.capabilities.Store.List()
	must(t, err)
	if len(all) != 1 || listed(all[0]).Maker != "alice" {
		t.Errorf("listed as %+v", all)
	}
	if n := p.told("rights", nil); strings.Join(n.Shareable, ",") != "view,keyboard" {
		t.Errorf("the page may pass on %v", n.Shareable)
	}
	for _, c := range []struct {
		ask    map[string]any
		status int
	}{
		{map[string]any{"share": map[string]any{"rights": []string{"power"}, "seconds": 60}}, http.StatusForbidden},
		{map[string]any{"share": map[string]any{"rights": []string{"view"}, "seconds": 0}}, http.StatusBadRequest},
		{map[string]any{"unshare": "NOLINKOFOURS"}, http.StatusNotFound},
		{map[string]any{"renew": true}, http.StatusConflict},
	} {
		if status, answer := p.ask(c.ask); status != c.status || answer["error"] == "" {
			t.Errorf("%v: %d %v", c.ask, status, answer)
		}
	}
	other, err := m.pageStay(0, "/?notices", nil, scramAs("bob", "wonderland"))
	must(t, err)
	if status, _ := other.ask(map[string]any{"unshare": viewer.id}); status != http.StatusNotFound {
		t.Errorf("another session takes the link back: %d", status)
	}
	if viewer.over() {
		t.Fatalf("the session has ended: %v", viewer.err)
	}
	if status, answer := p.ask(map[string]any{"unshare": viewer.id}); status != http.StatusOK {
		t.Errorf("taking it back: %d %v", status, answer)
	}
	viewer.ends(t, "the link was taken back")
	if e := <-links; e.Kind != gateway.Unshared || e.Actor != "alice" || e.Session == nil || e.Target != "one" || e.Details["token_id"] != viewer.id {
		t.Errorf("its end is told of as %+v", e)
	}
	m.logs("display shared", "token_id="+viewer.id+" user=alice session=", "target=one rights=")
}
