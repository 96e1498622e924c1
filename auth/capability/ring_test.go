package capability

import (
	"crypto/ed25519"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestRingFile(t *testing.T) {
	c := newClock()
	path := filepath.Join(t.TempDir(), "new", "keys.json")
	r, err := OpenRing(path, RingConfig{Now: c.Now})
	must(t, err)
	for name, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	again, err := OpenRing(path, RingConfig{Now: c.Now})
	must(t, err)
	if len(r.Keys()) != 1 || r.Keys()[0] != again.Keys()[0] || !r.Keys()[0].Signs {
		t.Errorf("%+v, then %+v", r.Keys(), again.Keys())
	}
	must(t, os.WriteFile(path, []byte(`{"keys":[]}`), 0o600))
	if err := r.Rotate(); err == nil || !strings.Contains(err.Error(), "restore the file, or remove it") {
		t.Errorf("a broken file: %v", err)
	}
	if _, err := OpenRing(path, RingConfig{}); err == nil {
		t.Error("a broken file is opened")
	}
	if len(r.Keys()) != 1 {
		t.Error("a broken file takes the keys away")
	}
}

// TestRotation: old keys verify until the last of their tokens has ended, in
// every process.
func TestRotation(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	a, server := open(t, dir, c.Now), open(t, dir, c.Now)
	short, _ := issue(t, a, token(c.Now()))
	long := token(c.Now())
	long.Expires = c.Now().Add(72 * time.Hour)
	lasting, _ := issue(t, a, long)
	must(t, a.Ring.Rotate())
	after, _ := issue(t, a, token(c.Now()))
	for _, text := range []string{short, lasting, after} {
		if _, err := server.Verify(text); err != nil {
			t.Error(err)
		}
	}
	if keys := server.Ring.Keys(); len(keys) != 2 || keys[0].Signs || !keys[1].Signs || !keys[0].Until.After(long.Expires.Add(-time.Second)) {
		t.Errorf("%+v", keys)
	}
	c.pass(71 * time.Hour)
	must(t, a.Ring.Rotate())
	if _, err := server.Verify(lasting); err != nil {
		t.Errorf("a key went before its tokens: %v", err)
	}
	c.pass(26 * time.Hour)
	must(t, a.Ring.Rotate())
	if keys := server.Ring.Keys(); len(keys) != 1 {
		t.Errorf("keys without tokens are kept: %+v", keys)
	}
	c.pass(defaultRotation)
	before := server.Ring.Keys()[0].ID
	text, _ := issue(t, a, token(c.Now()))
	if keys := server.Ring.Keys(); keys[len(keys)-1].ID == before {
		t.Error("an old key still signs")
	}
	must(t, a.Ring.Discard())
	_, err := server.Verify(text)
	unknown(t, err, "key is not known", text)
}

func TestRingIsBounded(t *testing.T) {
	c := newClock()
	r, err := OpenRing(filepath.Join(t.TempDir(), "keys"), RingConfig{Now: c.Now, RotateAfter: -1})
	must(t, err)
	must(t, r.edit(func(keys *ringKeys) error {
		for len(keys.list) < maxRing {
			must(t, keys.add(c.Now()))
			keys.list[len(keys.list)-1].until = c.Now().Add(time.Hour)
		}
		return nil
	}))
	if err := r.Rotate(); err == nil || !strings.Contains(err.Error(), "wait until") {
		t.Errorf("key %d: %v", maxRing+1, err)
	}
	if _, err := r.sign([]byte(strings.Repeat("x", maxToken)), c.Now()); err == nil || !strings.Contains(err.Error(), "name fewer targets") {
		t.Errorf("a token that is too long: %v", err)
	}
}

// TestRingsRace: processes that make the first key, or rotate at once, end up
// with the same keys.
func TestRingsRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r, err := OpenRing(path, RingConfig{})
			if err == nil {
				_, err = r.sign([]byte("{}"), time.Now().Add(time.Hour))
			}
			if err == nil {
				err = r.Rotate()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r, err := OpenRing(path, RingConfig{})
	must(t, err)
	if n := len(r.Keys()); n < 2 || n > 9 {
		t.Errorf("%d keys", n)
	}
}

// TestForgeries tries what is not a token of ours.
func TestForgeries(t *testing.T) {
	c := newClock()
	a := open(t, t.TempDir(), c.Now)
	text, tok := issue(t, a, token(c.Now()))
	key := a.Ring.keys()[0]
	_, stranger, err := ed25519.GenerateKey(nil)
	must(t, err)
	payload, err := json.Marshal(claimsOf(tok))
	must(t, err)
	sign := func(alg jose.SignatureAlgorithm, key any, id, typ string, payload []byte, extra map[jose.HeaderKey]any) string {
		options := (&jose.SignerOptions{ExtraHeaders: extra}).WithType(jose.ContentType(typ))
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: id}}, options)
		must(t, err)
		signed, err := s.Sign(payload)
		must(t, err)
		compact, err := signed.CompactSerialize()
		must(t, err)
		return compact
	}
	claim := func(change func(*claims)) []byte {
		c := claimsOf(tok)
		change(&c)
		b, err := json.Marshal(c)
		must(t, err)
		return b
	}
	ours := func(payload []byte) string { return sign(jose.EdDSA, key.key, key.id, headerType, payload, nil) }
	parts := strings.Split(text, ".")
	for what, forged := range map[string]struct{ text, says string }{
		"empty":            {"", "malformed"},
		"long":             {strings.Repeat("x", maxToken+1), "too long"},
		"cut":              {text[:len(text)-10], "signature"},
		"json":             {`{"payload":"e30"}`, "malformed"},
		"no signature":     {"eyJhbGciOiJub25lIn0." + parts[1] + ".", "malformed"},
		"public as secret": {sign(jose.HS256, []byte(key.key.Public().(ed25519.PublicKey)), key.id, headerType, payload, nil), "malformed"},
		"stranger's key":   {sign(jose.EdDSA, stranger, key.id, headerType, payload, nil), "signature is wrong"},
		"another key ID":   {sign(jose.EdDSA, stranger, "other", headerType, payload, nil), "not known"},
		"another type":     {sign(jose.EdDSA, key.key, key.id, "JWT", payload, nil), "another kind"},
		"critical header":  {sign(jose.EdDSA, key.key, key.id, headerType, payload, map[jose.HeaderKey]any{"crit": []string{"x"}, "x": 1}), "another kind"},
		"not JSON":         {ours([]byte("x")), "malformed"},
		"trailing JSON":    {ours(append(payload, '}')), "malformed"},
		"unknown claim":    {ours([]byte(`{"jti":"x","only_on_sundays":true}`)), "malformed"},
		"no rights":        {ours(claim(func(c *claims) { c.Rights = 0 })), "not such"},
		"no target":        {ours(claim(func(c *claims) { c.Targets = nil })), "not such"},
		"path as ID":       {ours(claim(func(c *claims) { c.ID = "../x" })), "not such"},
		"endless":          {ours(claim(func(c *claims) { c.Expires = 0 })), "not such"},
		"far too long":     {ours(claim(func(c *claims) { c.Expires = maxTime + 1 })), "not such"},
		"later":            {ours(claim(func(c *claims) { c.NotBefore = c.Issued + 60 })), "not good yet"},
	} {
		_, err := a.Ring.Verify(forged.text)
		if err == nil || !strings.Contains(err.Error(), forged.says) {
			t.Errorf("%s: got %v, want %q", what, err, forged.says)
		}
		unknown(t, err, "", forged.text)
	}
	// What the key signs and nobody issued is good for nothing either.
	for what, forged := range map[string][]byte{
		"other ID":    claim(func(c *claims) { c.ID = "NEVERISSUED" }),
		"more rights": claim(func(c *claims) { c.Rights |= 0xff }),
		"longer":      claim(func(c *claims) { c.Expires++ }),
	} {
		if _, err := a.Ring.Verify(ours(forged)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		_, err := a.Verify(ours(forged))
		unknown(t, err, "the store", ours(forged))
	}
	// A retired key that was stolen signs nothing that lasts longer than what it
	// signed.
	must(t, a.Ring.Rotate())
	_, err = a.Ring.Verify(ours(claim(func(c *claims) { c.Expires += 48 * 3600 })))
	unknown(t, err, "signs no more", "")
}

func FuzzVerify(f *testing.F) {
	c := newClock()
	a := open(f, f.TempDir(), c.Now)
	tok := token(c.Now())
	tok.User, tok.Uses = "alice", 2
	text, want := issue(f, a, tok)
	f.Add(text)
	f.Add(strings.Replace(text, ".", "..", 1))
	f.Add(text + "A")
	f.Add(`{"protected":"e30"}`)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := a.Verify(s)
		if err != nil {
			unknown(t, err, "", s)
		} else if got.ID != want.ID || !got.Expires.Equal(want.Expires) {
			t.Errorf("%q is good for %+v", s, got)
		}
	})
}

func FuzzParseRing(f *testing.F) {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	f.Add(formatRing([]ringKey{{"a", key, time.Unix(1, 0), time.Time{}}, {"b", key, time.Unix(2, 0), time.Unix(3, 0)}}))
	f.Add([]byte(`{"keys":[{"kid":"a","seed":"AA","made":1}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseRing(text)
		if err != nil {
			return
		}
		again, err := parseRing(formatRing(keys))
		if err != nil || len(again) != len(keys) || again[0].id != keys[0].id || !again[0].key.Equal(keys[0].key) {
			t.Errorf("%q is read back as %v, %v", text, again, err)
		}
	})
}
