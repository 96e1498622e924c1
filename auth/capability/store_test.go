package capability

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/auth/tickets"
)

// counted issues a token of so many uses.
func counted(t testing.TB, a *Authority, uses int) Token {
	t.Helper()
	tok := token(a.Ring.cfg.Now())
	tok.Uses = uses
	_, issued := issue(t, a, tok)
	return issued
}

func expect(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil || got != nil && !errors.Is(got, tickets.ErrUnknown) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// TestUses goes through what viewers do with a token of one use and of two.
func TestUses(t *testing.T) {
	c := newClock()
	testUses(t, open(t, t.TempDir(), c.Now), c)
}

func testUses(t *testing.T, a *Authority, c *clock) {
	s := a.Store
	one, two := counted(t, a, 1).ID, counted(t, a, 2).ID
	use := func(id, holder string) error { return s.Use(id, holder, c.Now()) }
	release := func(id, holder string) { t.Helper(); must(t, s.Release(id, holder, c.Now())) }

	usable := func(id, holder string) error { return s.Usable(id, holder, c.Now()) }
	expect(t, "usable", usable(one, "alice"), nil)
	expect(t, "usable still", usable(one, "bob"), nil)
	expect(t, "first", use(one, "alice"), nil)
	expect(t, "usable by somebody else", usable(one, "bob"), ErrUsed)
	expect(t, "usable beside it", usable(one, "alice"), ErrRunning)
	expect(t, "somebody else", use(one, "bob"), ErrUsed)
	expect(t, "a second session at once", use(one, "alice"), ErrRunning)
	c.pass(10 * time.Minute)
	release(one, "alice")
	c.pass(defaultGrace - time.Second)
	expect(t, "somebody else within the grace period", use(one, "bob"), ErrUsed)
	expect(t, "back within the grace period", use(one, "alice"), nil)
	release(one, "alice")
	c.pass(defaultGrace + time.Second)
	expect(t, "back too late", use(one, "alice"), ErrUsed)

	expect(t, "first of two", use(two, ""), nil)
	release(two, "")
	expect(t, "nobody known comes twice", use(two, ""), nil)
	release(two, "")
	expect(t, "and no third time", use(two, ""), ErrUsed)

	got, err := s.Get(one)
	must(t, err)
	if got.Used != 1 || got.Running != 0 || got.LastUsed.IsZero() {
		t.Errorf("%+v", got)
	}
	expect(t, "unknown", use("UNKNOWN", "x"), tickets.ErrUnknown)
	expect(t, "no ID", use("../../x", "x"), tickets.ErrUnknown)
	must(t, s.Release("UNKNOWN", "x", c.Now()))
	must(t, s.Release(one, "stranger", c.Now()))
	c.pass(time.Hour)
	expect(t, "ended", use(two, "x"), ErrExpired)
}

func TestUnlimitedUses(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	id := counted(t, a, 0).ID
	for i := range defaultHolder + 10 {
		must(t, a.Store.Use(id, fmt.Sprint(i), c.Now()))
	}
	r, err := a.Store.read(id)
	must(t, err)
	if r.Used != defaultHolder+10 || len(r.Slots) != defaultHolder {
		t.Errorf("%d uses, %d remembered", r.Used, len(r.Slots))
	}
}

// TestCrash: a use whose gateway has crashed is its holder's again and nobody
// else's; one whose gateway runs is nobody's.
func TestCrash(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), time.Now)
	id := counted(t, a, 1).ID
	cmd := child(t, dirOf(a.Store), id, "alice")
	in, err := cmd.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	expect(t, "while the other runs", a.Store.Use(id, "alice", time.Now()), ErrRunning)
	if got, err := a.Store.Get(id); err != nil || got.Running != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait()
	expect(t, "somebody else", a.Store.Use(id, "bob", time.Now()), ErrUsed)
	expect(t, "the holder", a.Store.Use(id, "alice", time.Now()), nil)
	must(t, a.Store.Sweep())
	if entries, err := os.ReadDir(folderOf(a.Store).path(runningDir)); err != nil || len(entries) != 1 {
		t.Errorf("the crashed process's lock is left: %v, %v", entries, err)
	}
}

// TestManyRace is TestProcessesRaceForTheLastUse in one process.
func TestManyRace(t *testing.T) {
	dir := t.TempDir()
	testManyRace(t, open(t, dir, time.Now), open(t, dir, time.Now))
}

func testManyRace(t *testing.T, stores ...*Authority) {
	id := counted(t, stores[0], 3).ID
	var in atomic.Int64
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			switch err := stores[i%2].Store.Use(id, fmt.Sprint(i), time.Now()); {
			case err == nil:
				in.Add(1)
			case !errors.Is(err, ErrUsed):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if in.Load() != 3 {
		t.Errorf("%d got in", in.Load())
	}
}

func TestRevoke(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	cli, server := open(t, dir, c.Now), open(t, dir, c.Now)
	of := func(user string) (string, Token) {
		tok := token(c.Now())
		tok.User = user
		return issue(t, cli, tok)
	}
	text, tok := of("")
	aliceText, alice := of("alice")
	bobText, _ := of("bob")
	ticket := alice.Ticket()
	must(t, cli.Store.Revoke(Revocation{ID: tok.ID, Note: "lost"}))
	must(t, cli.Store.Revoke(Revocation{ID: tok.ID}))
	must(t, cli.Store.Revoke(Revocation{User: "alice"}))
	for text, want := range map[string]error{text: ErrRevoked, aliceText: ErrRevoked, bobText: nil} {
		_, err := server.Verify(text)
		expect(t, "revoked", err, want)
	}
	expect(t, "use", server.Store.Use(tok.ID, "x", c.Now()), ErrRevoked)
	_, err := server.Review(ticket)
	expect(t, "review", err, ErrRevoked)
	later, again := of("alice")
	if _, err := server.Verify(later); err != nil || !again.Issued.After(alice.Issued) {
		t.Errorf("a token that was issued afterwards is revoked as well: %v", err)
	}
	must(t, cli.Store.Revoke(Revocation{Before: c.Now().Add(time.Minute)}))
	_, err = server.Verify(bobText)
	expect(t, "all", err, ErrRevoked)
	if _, _, err := cli.Issue(token(c.Now())); err == nil || !strings.Contains(err.Error(), "from the beginning") {
		t.Errorf("a token that is revoked already is issued: %v", err)
	}
	if list := server.Store.Revocations(); len(list) != 2 {
		t.Errorf("what the last revocation includes is kept: %+v", list)
	}
	list, err := server.Store.List()
	must(t, err)
	if len(list) != 4 || !list[0].Revoked || !list[3].Revoked {
		t.Errorf("%+v", list)
	}
	for says, r := range map[string]Revocation{
		"by its ID, or":       {ID: "x", User: "y"},
		"token list shows":    {ID: "../x"},
		"not a name":          {User: "a\nb"},
		"does not say what":   {},
		"a note has at most ": {ID: "x", Note: strings.Repeat("n", maxText+1)},
	} {
		if err := cli.Store.Revoke(r); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestOnChange: every process hears of a revocation.
func TestOnChange(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, dir, time.Now)
	_, tok := issue(t, a, token(time.Now()))
	heard := make(chan time.Time, 10)
	other, err := OpenStore(dirOf(a.Store), StoreConfig{OnChange: func() { heard <- time.Now() }})
	must(t, err)
	defer other.Close()
	must(t, a.Store.Use(tok.ID, "x", time.Now()))
	start := time.Now()
	must(t, a.Store.Revoke(Revocation{ID: tok.ID}))
	select {
	case at := <-heard:
		t.Logf("heard after %v", at.Sub(start))
	case <-time.After(time.Minute):
		t.Fatal("nobody hears of it")
	}
	if !other.Revoked(tok.ID, "", tok.Issued) {
		t.Error("what was heard is not so")
	}
}

func TestRenew(t *testing.T) {
	c := newClock()
	testRenew(t, open(t, t.TempDir(), c.Now), c)
}

func testRenew(t *testing.T, a *Authority, c *clock) {
	tok := token(c.Now())
	plain, _ := issue(t, a, tok)
	if _, _, err := a.Renew(plain); !errors.Is(err, ErrNoRenewal) {
		t.Errorf("without renewals: %v", err)
	}
	tok.Renew, tok.RenewUntil = time.Hour, c.Now().Add(100*time.Minute)
	text, first := issue(t, a, tok)
	ticket := first.Ticket()
	early, same, err := a.Renew(text)
	must(t, err)
	if !same.Expires.Equal(first.Expires) || early == "" {
		t.Errorf("renewed before there was anything to add: %v", same.Expires)
	}
	c.pass(30 * time.Minute)
	second, renewed, err := a.Renew(text)
	must(t, err)
	if renewed.ID != first.ID || renewed.Expires.Sub(first.Expires) != 30*time.Minute {
		t.Errorf("renewed to %v", renewed.Expires)
	}
	if got, err := a.Review(ticket); err != nil || !got.Expires.Equal(renewed.Expires) {
		t.Errorf("the session ends at %v, %v", got.Expires, err)
	}
	c.pass(30 * time.Minute)
	if got, err := a.Verify(text); err != nil || !got.Expires.Equal(renewed.Expires) {
		t.Errorf("the old text: good until %v, %v", got.Expires, err)
	}
	_, last, err := a.Renew(second)
	must(t, err)
	if !last.Expires.Equal(first.RenewUntil) {
		t.Errorf("the last renewal is to %v", last.Expires)
	}
	if _, _, err := a.Renew(second); !errors.Is(err, ErrNoRenewal) {
		t.Errorf("after the last: %v", err)
	}
	c.pass(time.Hour)
	_, err = a.Review(ticket)
	expect(t, "the end", err, ErrExpired)
	for _, text := range []string{text, second} {
		_, err = a.Verify(text)
		expect(t, "after the end", err, ErrExpired)
	}
	c.pass(48 * time.Hour)
	must(t, a.Store.Sweep())
	_, err = a.Verify(text)
	expect(t, "when it is forgotten", err, ErrExpired)
}

func TestSweep(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	old := counted(t, a, 1).ID
	must(t, a.Store.Revoke(Revocation{ID: old}))
	leftover := filepath.Join(dirOf(a.Store), tokensDir, tempPrefix+"x")
	must(t, os.WriteFile(leftover, nil, 0o600))
	must(t, os.Chtimes(leftover, c.Now(), c.Now()))
	c.pass(2 * time.Hour)
	kept := counted(t, a, 1).ID // the hour is over: others are swept
	if list, err := a.Store.List(); err != nil || len(list) != 1 || list[0].ID != kept {
		t.Errorf("%+v, %v", list, err)
	}
	if len(a.Store.Revocations()) != 0 || exists(leftover) {
		t.Errorf("%v is left, leftover %v", a.Store.Revocations(), exists(leftover))
	}
	must(t, a.Store.Revoke(Revocation{Before: c.Now()}))
	c.pass(MaxLife - time.Hour)
	must(t, a.Store.Sweep())
	if len(a.Store.Revocations()) != 1 {
		t.Error("a revocation went before the tokens that it may be about")
	}
}

// TestBrokenFiles: a token whose file is broken is good for nothing, and
// broken revocations leave the old ones.
func TestBrokenFiles(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	text, tok := issue(t, a, token(c.Now()))
	_, other := issue(t, a, token(c.Now()))
	must(t, a.Store.Revoke(Revocation{ID: other.ID}))
	var said atomic.Int64
	s, err := OpenStore(dirOf(a.Store), StoreConfig{Now: c.Now, Report: func(error) { said.Add(1) }})
	must(t, err)
	defer s.Close()
	b := &Authority{Ring: a.Ring, Store: s}
	must(t, os.WriteFile(folderOf(s).path(revokedFile), []byte(`{"revoked":[{}]}`), 0o600))
	for range 2 {
		if !s.Revoked(other.ID, "", other.Issued) || said.Load() != 1 {
			t.Errorf("said %d times", said.Load())
		}
	}
	if err := s.Revoke(Revocation{ID: tok.ID}); err == nil {
		t.Error("a broken file is written over")
	}
	if _, err := OpenStore(dirOf(s), StoreConfig{}); err == nil {
		t.Error("a store with a broken file is opened")
	}
	for _, text := range []string{"", "{", `{"token":{}}`, string((&record{Claims: claimsOf(other)}).format())} {
		must(t, os.WriteFile(folderOf(s).recordPath(tok.ID), []byte(text), 0o600))
		if _, err := s.Get(tok.ID); err == nil || errors.Is(err, tickets.ErrUnknown) {
			t.Errorf("%q: %v", text, err)
		}
		if list, err := s.List(); err == nil || len(list) != 1 {
			t.Errorf("%q: %v, %v", text, list, err)
		}
	}
	if _, err := b.Verify(text); err == nil {
		t.Error("a token with a broken file is good")
	}
}

func TestIssueRefuses(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	for says, change := range map[string]func(*Token){
		"1 to 32 targets":        func(t *Token) { t.Targets = nil },
		"no pattern":             func(t *Token) { t.Targets = []string{"[x"} },
		"rights are none":        func(t *Token) { t.Rights = 1 << 30 },
		"uses are a number":      func(t *Token) { t.Uses = -1 },
		"user is not a name":     func(t *Token) { t.User = " x" },
		"texts of at most":       func(t *Token) { t.Note = strings.Repeat("x", 300) },
		"must end after":         func(t *Token) { t.Expires = time.Time{} },
		"before it begins":       func(t *Token) { t.NotBefore = t.Expires },
		"at most 366 days":       func(t *Token) { t.Expires = t.Expires.Add(MaxLife) },
		"must be later than its": func(t *Token) { t.Renew = time.Hour },
		"not for how long":       func(t *Token) { t.RenewUntil = t.Expires.Add(time.Hour) },
		"a renewal is for":       func(t *Token) { t.Renew = -time.Hour },
		"whole seconds":          func(t *Token) { t.Renew = time.Millisecond },
	} {
		tok := token(c.Now())
		change(&tok)
		if _, _, err := a.Issue(tok); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	if list, err := a.Store.List(); err != nil || len(list) != 0 {
		t.Errorf("what was refused is kept: %v, %v", list, err)
	}
}

// TestNothingSecretIsKept looks for tokens in all files of a store.
func TestNothingSecretIsKept(t *testing.T) {
	a := open(t, t.TempDir(), time.Now)
	text, tok := issue(t, a, token(time.Now()))
	must(t, a.Store.Use(tok.ID, "the-holders-cookie", time.Now()))
	signature := text[strings.LastIndex(text, ".")+1:]
	err := filepath.Walk(dirOf(a.Store), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), signature) || strings.Contains(string(b), "cookie") {
			t.Errorf("%s holds a secret", path)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		return err
	})
	must(t, err)
}

func FuzzParseRecord(f *testing.F) {
	c := newClock()
	now := c.Now().Truncate(time.Second)
	r := &record{Claims: claimsOf(Token{ID: "x", Targets: []string{"*"}, Rights: 1, Issued: now, Expires: now.Add(time.Hour), Uses: 2, Renew: time.Hour, RenewUntil: now.Add(9 * time.Hour)}), Note: "n"}
	f.Add(r.format())
	must(f, r.use("h", "GATE", now, time.Minute, nil))
	f.Add(r.format())
	f.Add([]byte(`{"token":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRecord(text)
		if err != nil {
			return
		}
		again, err := parseRecord(r.format())
		if err != nil || string(again.format()) != string(r.format()) {
			t.Fatalf("%q is read back as %v, %v", text, again, err)
		}
		left := r.Claims.Uses - r.Used
		err = r.use("a new holder", "GATE", now, time.Minute, func(string) bool { return true })
		if r.Claims.Uses > 0 && (err == nil) != (left > 0) {
			t.Errorf("%d uses are left: %v", left, err)
		}
		_ = r.renew(now)
		if _, err := parseRecord(r.format()); err != nil && len(r.Slots) <= MaxUses {
			t.Errorf("%q becomes %q: %v", text, r.format(), err)
		}
	})
}

func FuzzParseRevocations(f *testing.F) {
	f.Add((&revocations{list: []revoked{{Revocation{ID: "x"}, time.Unix(1, 0), time.Unix(2, 0)}, {Revocation{User: "a", Before: time.Unix(5, 0)}, time.Unix(1, 0), time.Unix(2, 0)}}}).format())
	f.Add([]byte(`{"revoked":[]}`))
	f.Add([]byte(`{"revoked":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseRevocations(text)
		if err != nil {
			return
		}
		again, err := parseRevocations(all.format())
		if err != nil || string(again.format()) != string(all.format()) {
			t.Fatalf("%q is read back as %v, %v", text, again, err)
		}
		for _, one := range all.list {
			if !all.covers(one.ID, one.User, one.Before) {
				t.Errorf("%q does not revoke %+v", text, one)
			}
		}
	})
}
