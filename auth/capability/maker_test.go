package capability

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"vncgate/auth"
)

// A token that a session made is revoked with its maker, by whichever name the
// maker goes, and its file keeps who that was.
func TestMaker(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	made := func() (string, Token) {
		tok := token(c.Now())
		tok.Maker = &Maker{
			Identities: []auth.Identity{
				{Name: "alice", Method: "plain", Groups: []string{"ops"}},
				{Name: "CN=alice", Method: "tls-certificate", Expires: c.Now().Add(time.Hour).Truncate(time.Second), Claims: map[string]any{"dept": "lab"}},
			},
			From: netip.MustParseAddr("192.0.2.7"),
		}
		return issue(t, a, tok)
	}
	_, kept := made()
	got, err := a.Store.Maker(kept.ID)
	must(t, err)
	if got.From != kept.Maker.From || len(got.Identities) != 2 || !slices.Equal(got.Identities[0].Groups, []string{"ops"}) ||
		!got.Identities[1].Expires.Equal(kept.Maker.Identities[1].Expires) || got.Identities[1].Claims["dept"] != "lab" {
		t.Errorf("kept as %+v", got)
	}
	if _, by := issue(t, a, token(c.Now())); by.Maker != nil {
		t.Error("a token that a person issued has a maker")
	}
	for _, name := range []string{"alice", "CN=alice"} {
		text, tok := made()
		ticket := tok.Ticket()
		other, _ := issue(t, a, token(c.Now()))
		must(t, a.Store.Revoke(Revocation{User: name}))
		_, err := a.Verify(text)
		expect(t, name+": coming in", err, ErrRevoked)
		_, err = a.Review(ticket)
		expect(t, name+": staying", err, ErrRevoked)
		expect(t, name+": using", a.Store.Use(tok.ID, "x", c.Now()), ErrRevoked)
		if one, err := a.Store.Get(tok.ID); err != nil || !one.Revoked {
			t.Errorf("%s: listed as %+v, %v", name, one, err)
		}
		if _, err := a.Verify(other); err != nil {
			t.Errorf("%s: the token of nobody: %v", name, err)
		}
		c.pass(2 * time.Second) // later tokens are good
	}
	if text, _ := made(); func() bool { _, err := a.Verify(text); return err != nil }() {
		t.Error("a later link of theirs is revoked as well")
	}
}

func TestMakerRefused(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	for says, m := range map[string]*Maker{
		"1 to 16 things": {},
		"too long":       {Identities: []auth.Identity{{Method: "x", Claims: map[string]any{"x": strings.Repeat("x", maxMakerBytes)}}}},
	} {
		tok := token(c.Now())
		tok.Maker = m
		if _, _, err := a.Issue(tok); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", says, err)
		}
	}
	if _, err := a.Store.Maker("NOSUCHTOKEN"); err == nil {
		t.Error("a token that there is not has a maker")
	}
	if _, err := (&makerJSON{Proved: []proofJSON{{Expires: -1}}}).maker(); err == nil {
		t.Error("a time before all times is taken")
	}
}
