package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/gateway"
)

// What listener, policy and token allow is what all three allow.
func TestListenerPolicyAndToken(t *testing.T) {
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities], rights: [control, power], limits: {idle: 10m, down: 1MB/s}}
targets:
  one: {address: %q}
policy:
  - {name: links, who: "method:ticket/capabilities", targets: one, allow: [all], deny: [pointer], limits: {idle: 20m, session: 8h}}
capabilities: {store: %q}
`, displayNamed("one").Listen(t), t.TempDir())
	text, _, err := g.capabilities.Issue(capability.Token{
		Targets: []string{"one"}, Rights: auth.Viewing | auth.Keyboard | auth.Pointer | auth.Clipboard,
		Limits: auth.Limits{Session: time.Hour}, Expires: time.Now().Add(time.Hour),
	})
	must(t, err)
	s, err := g.webStay(0, "/?token="+text)
	must(t, err)
	list := g.gate.List()
	if len(list) != 1 {
		t.Fatalf("%d sessions", len(list))
	}
	want := auth.Limits{Idle: 10 * time.Minute, Session: time.Hour, DownRate: 1_000_000}
	if got := list[0]; got.Rights != auth.Viewing|auth.Keyboard || !got.Limits.Equal(want) || got.Rule != "rule 1 (links)" {
		t.Errorf("rights %s, limits %s by %s", got.Rights, got.Limits, got.Rule)
	}
	if s.over() {
		t.Error(s.err)
	}
	g.logs("rights=view,keyboard")
	if strings.Contains(g.log.String(), text) {
		t.Error("the token is in the log")
	}
}

// A token for one session lets its viewer come back, and nobody from elsewhere in.
func TestUsesAndGrace(t *testing.T) {
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
targets:
  one: {address: %q}
capabilities: {store: %q, grace: 1h}
`, displayNamed("one").Listen(t), t.TempDir())
	text, issued, err := g.capabilities.Issue(capability.Token{Targets: []string{"one"}, Uses: 1, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	used := func() int {
		one, err := g.capabilities.Store.Get(issued.ID)
		must(t, err)
		return one.Used*10 + one.Running
	}
	s, err := g.webStay(0, "/?token="+text)
	must(t, err)
	if _, err := g.webStay(0, "/?token="+text); err == nil || !strings.Contains(err.Error(), "in use already") {
		t.Errorf("a second session beside the first: %v", err)
	}
	must(t, s.c.Close())
	eventually(t, "the use is given back", func() bool { return used() == 10 })
	back, err := g.webStay(0, "/?token="+text)
	if err != nil || used() != 11 {
		t.Fatalf("coming back: %v, used %d", err, used())
	}
	must(t, back.c.Close())
	eventually(t, "the use is given back again", func() bool { return used() == 10 })
	// A stranger, from elsewhere, finds it used up.
	must(t, g.capabilities.Store.Release(issued.ID, "127.0.0.1 ", time.Now().Add(-2*time.Hour)))
	if err := g.capabilities.Store.Use(issued.ID, "192.0.2.1 ", time.Now()); err == nil {
		t.Error("a stranger got a use that was burnt")
	}
}

// A token that is bound to a user, a network or to patterns is good for those
// alone.
func TestBoundTokens(t *testing.T) {
	at := displaysAt(t, "one", "two", "other")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
targets:
  lab-1: {address: %q}
  lab-2: {address: %q}
  desk: {address: %q}
capabilities: {store: %q}
`, append(at, t.TempDir())...)
	token := func(c capability.Token) string {
		c.Expires = time.Now().Add(time.Hour)
		text, _, err := g.capabilities.Issue(c)
		must(t, err)
		return text
	}
	lab := token(capability.Token{Targets: []string{"lab-*"}})
	from, err := network("192.0.2.0/24")
	must(t, err)
	far := capability.Token{Targets: []string{"desk"}}
	far.From = append(far.From, from)
	for _, c := range []struct{ path, want string }{
		{"/?token=" + lab + "&target=lab-2", "two"},
		{"/?token=" + lab + "&target=desk", "!There is no such display"},
		{"/?token=" + lab, "!404"},
		{"/?token=" + lab + "x", "!403"},
		{"/?token=" + token(far), "!not from where you are"},
		{"/?token=" + token(capability.Token{Targets: []string{"desk"}, User: "alice"}), "!Authentication failed"},
		{"/?token=" + token(capability.Token{Targets: []string{"gone"}}), "!There is no such display"},
	} {
		got, err := g.browser(0, c.path, nil)
		sees(t, c.path[:12], c.want, got, err)
	}
	g.logs("has not proved to be")
	g.logs("its signature is wrong")
}

// A share link is exchanged for a cookie, and lets its bearer look alone.
func TestShareLinkThroughExchange(t *testing.T) {
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
targets:
  one: {address: %q}
capabilities: {store: %q}
`, displayNamed("one").Listen(t), t.TempDir())
	text, token, err := g.capabilities.Issue(capability.Token{Targets: []string{"one"}, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	path, cookie := g.exchange(0, text)
	got, err := g.browser(0, path, cookie)
	sees(t, "by pass", "one", got, err)
	g.logs("rights=view ")
	g.logs("ticket=" + token.ID)
}

// The call that revokes is for those who have its token, and says what it wants.
func TestRevokeCall(t *testing.T) {
	r := newRevocationGate(t, "")
	text, id := r.token(capability.Token{})
	mine, err := r.webStay(0, "/?token="+text)
	must(t, err)
	session := r.gate.gate.List()[0].ID
	carol, err := r.certStay(2, r.pki, r.pki.client(t, "carol"))()
	must(t, err)
	for _, c := range []struct {
		token, body string
		want        int
	}{
		{"wrong", `{"token_id": "` + id + `"}`, 401},
		{"", `{}`, 401},
		{"sesame", `{}`, 400},
		{"sesame", `{"token_id": "a", "user": "b"}`, 400},
		{"sesame", `{"tokenid": "a"}`, 400},
		{"sesame", `not json`, 400},
		{"sesame", `{"session": "nobody"}`, 200},
	} {
		if status := r.call(c.token, c.body); status != c.want {
			t.Errorf("%q with %s: %d, want %d", c.token, c.body, status, c.want)
		}
	}
	if mine.over() || carol.over() {
		t.Fatal("a call that was refused ended a session")
	}
	if status := r.call("sesame", `{"session": "`+session+`"}`); status != 200 {
		t.Errorf("a session: %d", status)
	}
	<-mine.ended
	if status := r.call("sesame", `{"user": "carol", "note": "left"}`); status != 200 {
		t.Errorf("a user: %d", status)
	}
	<-carol.ended
	if _, err := r.webStay(0, "/?token="+text); err == nil || !strings.Contains(err.Error(), "sent away") {
		t.Errorf("who was sent away comes back: %v", err)
	}
	if status, body := r.get(0, revokePath, nil); status != 405 || !strings.Contains(body, "POST") {
		t.Errorf("a GET: %d %s", status, body)
	}
}

// Whoever guesses at the token of the API has to wait, and others need not.
func TestGuessingTheAPIToken(t *testing.T) {
	w := &wiring{log: slog.New(slog.DiscardHandler), gate: &gateway.Gateway{}}
	calls := 0
	h := w.withToken(&listenerConfig{API: &apiConfig{Token: &secret{text: "sesame"}}}, func(http.ResponseWriter, *http.Request) { calls++ })
	call := func(from, token string) int {
		r := httptest.NewRequest(http.MethodPost, revokePath, nil)
		r.RemoteAddr = from + ":4711"
		r.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec.Code
	}
	for range 30 {
		call("192.0.2.1", "guess")
		call("127.0.0.1", "guess")
	}
	for from, want := range map[string]int{"192.0.2.1": 401, "192.0.2.2": 200, "127.0.0.1": 200} {
		if got := call(from, "sesame"); got != want {
			t.Errorf("the right token from %s: %d, want %d", from, got, want)
		}
	}
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

// A session that was renewed can be renewed again when the text that it came by
// has ended; one whose token has no renewals is offered none.
func TestRenewAgain(t *testing.T) {
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities]}
targets:
  one: {address: %q}
capabilities: {store: %q}
`, displayNamed("one").Listen(t), t.TempDir())
	now := time.Now()
	text, issued, err := g.capabilities.Issue(capability.Token{
		Targets: []string{"one"}, Expires: now.Add(2 * time.Second), Renew: time.Hour, RenewUntil: now.Add(3 * time.Hour),
	})
	must(t, err)
	session := gateway.SessionInfo{Ticket: issued.ID}
	g.capabilities.add(&lease{c: g.capabilities, text: text, ticket: issued.Ticket()})
	first, err := g.extend(t.Context(), session)
	must(t, err)
	time.Sleep(time.Until(issued.Expires.Add(time.Second))) // renewals move ends by whole seconds
	second, err := g.extend(t.Context(), session)
	if err != nil || !second.After(first) {
		t.Errorf("renewed to %v, then to %v: %v", first, second, err)
	}
	for _, c := range []capability.Token{
		{Targets: []string{"one"}, Expires: now.Add(time.Hour)},
		{Targets: []string{"one"}, Expires: now.Add(time.Hour), Renew: time.Hour, RenewUntil: now.Add(3 * time.Hour)},
	} {
		text, _, err := g.capabilities.Issue(c)
		must(t, err)
		ticket, err := g.capabilities.Lookup(t.Context(), text)
		must(t, err)
		front, err := g.capabilities.bearer(g.wiring, gateway.Front{}, &lease{c: g.capabilities, text: text, ticket: ticket}, g.now().sources[capabilitySource])
		if err != nil || front.Renewable != (c.Renew > 0) {
			t.Errorf("a token with renewals for %s: renewable %v, %v", c.Renew, front.Renewable, err)
		}
	}
}

// A link lasts no longer than the session that makes it.
func TestShareEnd(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ expires, most, ttl, want time.Duration }{
		{0, 0, time.Hour, time.Hour},
		{time.Minute, 0, time.Hour, time.Minute},
		{0, time.Minute, time.Hour, time.Minute},
		{2 * time.Minute, time.Minute, time.Hour, time.Minute},
		{2 * time.Minute, 3 * time.Minute, time.Hour, 2 * time.Minute},
		{2 * time.Hour, 3 * time.Hour, time.Hour, time.Hour},
	} {
		session := gateway.SessionInfo{Since: now, Limits: auth.Limits{Session: c.most}}
		if c.expires > 0 {
			session.Expires = now.Add(c.expires)
		}
		if got := shareEnd(session, now.Add(c.ttl)).Sub(now); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

// A policy that changes narrows sessions that are up; one that cannot be read
// changes nothing and is reported.
func TestPolicyFileIsHot(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "policy.yaml")
	rewrite(t, rules, []byte("- {who: '*', targets: '*', allow: [all]}\n"))
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", security: [none], target: one}
targets:
  one: {address: %q}
policy_file: %q
`, displayNamed("one").Listen(t), rules)
	s, err := g.stayed(g.dial(0))
	must(t, err)
	rewrite(t, rules, []byte("- {who: '*', targets: '*', allow: [all], deny: [fly]}\n"))
	g.logs("policy not reloaded", "unknown right")
	if s.over() {
		t.Fatalf("a mistake in the file ended a session: %v", s.err)
	}
	rewrite(t, rules, []byte("- {name: less, who: '*', targets: '*', allow: [all], deny: [keyboard, power]}\n"))
	g.logs("grant changed", `rule="rule 1 (less)"`)
	if s.over() {
		t.Fatalf("a session that has lost a right has ended: %v", s.err)
	}
	rewrite(t, rules, fmt.Appendf(nil, "- {who: alice, targets: '*', allow: [all]}\n"))
	<-s.ended
	g.logs("access withdrawn")
}
