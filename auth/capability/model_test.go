package capability

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

// TestUsesAgainstAModel does at random what viewers do and compares with the
// rule said in another way: of one token there are never more sessions at once
// than uses, nobody comes back too late, and each use is given once.
func TestUsesAgainstAModel(t *testing.T) {
	const grace = 60 * time.Second
	type stay struct {
		holder  string
		running bool
		ended   time.Time
	}
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 1))
		now := newClock().Now().Truncate(time.Second)
		uses := 1 + random.IntN(4)
		r := &record{Claims: claims{Uses: uses}}
		var stays []*stay
		for step := range 300 {
			holder := fmt.Sprint("viewer", random.IntN(4))
			switch random.IntN(3) {
			case 0:
				now = now.Add(time.Duration(random.IntN(90)) * time.Second)
			case 1:
				i := random.IntN(len(stays) + 1)
				ended := i < len(stays) && stays[i].running
				if ended {
					holder = stays[i].holder
				}
				if had := r.release(holder, "GATE", now); ended && !had {
					t.Fatalf("seed %d, step %d: a session that runs is not known", seed, step)
				}
				for _, s := range stays {
					if s.holder == holder && s.running {
						s.running, s.ended = false, now
						break
					}
				}
			case 2:
				var back *stay
				running := false
				for _, s := range stays {
					running = running || s.holder == holder && s.running
					if s.holder == holder && !s.running && now.Sub(s.ended) <= grace {
						back = s
					}
				}
				want := error(nil)
				if back == nil && len(stays) >= uses {
					want = ErrUsed
					if running {
						want = ErrRunning
					}
				}
				got := r.use(holder, "GATE", now, grace, func(string) bool { return true })
				if !errors.Is(got, want) {
					t.Fatalf("seed %d, step %d: %s gets %v, want %v", seed, step, holder, got, want)
				}
				switch {
				case back != nil:
					back.running = true
				case want == nil:
					stays = append(stays, &stay{holder: holder, running: true})
				}
			}
			if r.Used != len(stays) || len(r.Slots) > uses {
				t.Fatalf("seed %d, step %d: %d used and %d kept, want %d", seed, step, r.Used, len(r.Slots), len(stays))
			}
		}
	}
}

func TestCovers(t *testing.T) {
	for _, test := range []struct {
		patterns string
		target   string
		want     bool
	}{
		{"demo", "demo", true}, {"demo", "demo2", false}, {"demo-*", "demo-1", true}, {"demo-*", "demo-a/b", false},
		{"*", "a/b/c", true}, {"a b", "b", true}, {"[ab]?", "b1", true}, {"[ab]?", "[ab]?", true}, {"demo", "", false},
	} {
		if got := (Token{Targets: strings.Fields(test.patterns)}).Covers(test.target); got != test.want {
			t.Errorf("%q covers %q: %v", test.patterns, test.target, got)
		}
	}
}

func TestTicketTargets(t *testing.T) {
	for targets, one := range map[string]string{"demo": "demo", "a/b": "a/b", "demo-*": "", "a b": "", "*": "", "[a]": "", `a\*`: "", "a?": ""} {
		ticket := Token{Targets: strings.Fields(targets)}.Ticket()
		if ticket.Target != one || (one == "") != (len(ticket.Targets) > 0) {
			t.Errorf("%q: target %q, targets %q", targets, ticket.Target, ticket.Targets)
		}
	}
}

func TestNetworks(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	for text, good := range map[string]bool{"192.0.2.0/24": true, "2001:db8::/32": true, "::/0": true, "192.0.2.1/24": false, "::ffff:192.0.2.0/120": false} {
		tok := token(c.Now())
		tok.From = []netip.Prefix{netip.MustParsePrefix(text)}
		text, _, err := a.Issue(tok)
		if (err == nil) != good {
			t.Errorf("%v: %v", tok.From, err)
		}
		if err != nil {
			continue
		}
		ticket, err := a.Lookup(context.Background(), text)
		must(t, err)
		if inside := tok.From[0].Addr(); ticket.Admits(nil, inside) != nil {
			t.Errorf("%v does not admit %v", tok.From, inside)
		}
		expect(t, "a unix socket", ticket.Admits(nil, netip.Addr{}), tickets.ErrUnknown)
	}
	many := token(c.Now())
	many.From = make([]netip.Prefix, maxFrom+1)
	if _, _, err := a.Issue(many); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("%d networks: %v", len(many.From), err)
	}
}

// listed is a source of revocations.
type listed map[string]bool

func (l listed) Revoked(id, _ string, _ time.Time) bool { return l[id] }

func TestOtherRevocations(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	list := listed{}
	a.Revocations = []Revocations{listed{}, list}
	text, tok := issue(t, a, token(c.Now()))
	_, err := a.Verify(text)
	must(t, err)
	list[tok.ID] = true
	_, err = a.Verify(text)
	expect(t, "verify", err, ErrRevoked)
	_, err = a.Review(tok.Ticket())
	expect(t, "review", err, ErrRevoked)
	_, _, err = a.Renew(text)
	expect(t, "renew", err, ErrRevoked)
	_, err = a.Lookup(context.Background(), text)
	expect(t, "lookup", err, ErrRevoked)
}

// TestEverythingAtOnce issues, verifies, rotates, revokes and sweeps from two
// processes' stores: what is good stays good.
func TestEverythingAtOnce(t *testing.T) {
	dir := t.TempDir()
	cli, server := open(t, dir, time.Now), open(t, dir, time.Now)
	good, _ := issue(t, cli, token(time.Now()))
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			for range 60 {
				if _, err := server.Verify(good); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for range 10 {
			text, tok, err := cli.Issue(token(time.Now()))
			if err == nil {
				_, err = server.Verify(text)
			}
			if err == nil {
				err = cli.Store.Revoke(Revocation{ID: tok.ID})
			}
			if err != nil {
				t.Error(err)
			}
			_, err = server.Verify(text)
			expect(t, "revoked", err, ErrRevoked)
		}
	})
	all.Go(func() {
		for range 5 {
			if err := errors.Join(cli.Ring.Rotate(), server.Store.Sweep()); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	must(t, writeFile(file, []byte("x")))
	if _, err := OpenRing(filepath.Join(file, "keys"), RingConfig{}); err == nil {
		t.Error("keys below a file")
	}
	if _, err := OpenStore(file, StoreConfig{}); err == nil {
		t.Error("a store in a file")
	}
	if err := writeFile(filepath.Join(dir, "none", "x"), nil); err == nil {
		t.Error("a file in no directory")
	}
	if _, err := readFile(file, 0); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a file that is too large: %v", err)
	}
}

// TestGraceIsNone: below 0 nobody comes back.
func TestGraceIsNone(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	s, err := OpenStore(dirOf(a.Store), StoreConfig{Grace: -1, Now: c.Now})
	must(t, err)
	defer s.Close()
	id := counted(t, a, 1).ID
	must(t, s.Use(id, "x", c.Now()))
	must(t, s.Release(id, "x", c.Now()))
	expect(t, "back at once", s.Use(id, "x", c.Now()), ErrUsed)
}

func BenchmarkVerify(b *testing.B) {
	a := open(b, b.TempDir(), time.Now)
	tok := token(time.Now())
	tok.Limits = auth.Limits{Session: time.Hour}
	text, _ := issue(b, a, tok)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Verify(text); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReview is what a look at 200 sessions costs, 1000 revocations being
// there.
func BenchmarkReview(b *testing.B) {
	a := open(b, b.TempDir(), time.Now)
	must(b, folderOf(a.Store).editRevoked(func(all *revocations) error {
		for i := range 1000 {
			all.list = append(all.list, revoked{Revocation{ID: fmt.Sprint("T", i)}, time.Now(), time.Now().Add(time.Hour)})
		}
		return nil
	}))
	var list []tickets.Ticket
	for range 200 {
		_, tok := issue(b, a, token(time.Now()))
		list = append(list, tok.Ticket())
	}
	time.Sleep(200 * time.Millisecond) // the file is no longer new
	b.ReportAllocs()
	for b.Loop() {
		for _, ticket := range list {
			if _, err := a.Review(ticket); err != nil {
				b.Fatal(err)
			}
		}
	}
}
