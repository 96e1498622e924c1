package capability

import (
	"context"
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2030, 1, 2, 3, 4, 5, 600e6, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// open opens an authority in dir as one process does.
func open(t testing.TB, dir string, now func() time.Time) *Authority {
	t.Helper()
	ring, err := OpenRing(filepath.Join(dir, "keys.json"), RingConfig{Now: now, Report: reporter(t)})
	must(t, err)
	store, err := OpenStore(filepath.Join(dir, "store"), StoreConfig{Now: now, Report: reporter(t)})
	must(t, err)
	t.Cleanup(func() { store.Close() })
	return &Authority{Ring: ring, Store: store}
}

func reporter(t testing.TB) func(error) { return func(err error) { t.Error(err) } }

// token is one that can be issued, for an hour.
func token(now time.Time) Token {
	return Token{Targets: []string{"demo"}, Expires: now.Add(time.Hour)}
}

func issue(t testing.TB, a *Authority, tok Token) (string, Token) {
	t.Helper()
	text, issued, err := a.Issue(tok)
	must(t, err)
	return text, issued
}

// unknown expects an error of a token that is good for nothing, with words of
// the reason, that does not hold the token.
func unknown(t testing.TB, err error, says, secret string) {
	t.Helper()
	if !errors.Is(err, tickets.ErrUnknown) || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want one of a token and %q", err, says)
	}
	if err != nil && len(secret) > 8 && strings.Contains(err.Error(), secret) {
		t.Errorf("the error holds the token: %v", err)
	}
}

func TestIssueAndVerify(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	cli, server := open(t, dir, c.Now), open(t, dir, c.Now)
	want := Token{
		Targets: []string{"demo-*", "build/vm"}, Rights: auth.Control | auth.ClipboardIn, Limits: auth.Limits{Session: 8 * time.Hour, Idle: time.Minute},
		NotBefore: c.Now().Add(-time.Minute), Expires: c.Now().Add(time.Hour), Uses: 3, User: "alice",
		From:  []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Renew: time.Hour, RenewUntil: c.Now().Add(24 * time.Hour), Issuer: "root", Note: "for the course",
	}
	text, issued := issue(t, cli, want)
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "" {
		t.Errorf("%q cannot stand in a URL", text)
	}
	got, err := server.Verify(text)
	must(t, err)
	if diff := cmp.Diff(issued, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if got.Rights != want.Rights || !got.Limits.Equal(want.Limits) || got.Note != want.Note || got.Uses != 3 || got.Issued.IsZero() {
		t.Errorf("got %+v", got)
	}
	ticket, err := server.Lookup(context.Background(), text)
	must(t, err)
	if ticket.ID != got.ID || ticket.MustBe != "alice" || ticket.Identity.Method != "token" || len(ticket.Targets) != 2 || ticket.Target != "" || !ticket.Expires.Equal(got.Expires) {
		t.Errorf("the ticket is %+v", ticket)
	}
	c.pass(time.Hour)
	_, err = server.Verify(text)
	if !errors.Is(err, ErrExpired) {
		t.Errorf("after its end: %v", err)
	}
	unknown(t, err, "expired", text)
}

func TestIssueDefaults(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	text, issued := issue(t, a, token(c.Now()))
	ticket, err := a.Lookup(context.Background(), text)
	must(t, err)
	if issued.Rights != auth.Viewing || ticket.Rights != auth.Viewing || ticket.Target != "demo" || ticket.Targets != nil {
		t.Errorf("without rights it is %+v", ticket)
	}
	if len(text) > 320 {
		t.Errorf("%d bytes for a plain token", len(text))
	}
}

// folderOf is where a store keeps what it has.
func folderOf(s *Store) *directory { return s.keeper.(*directory) }

func dirOf(s *Store) string { return folderOf(s).dir }
