package auth

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestExternal(t *testing.T) {
	for _, c := range []struct {
		name, authzid string
		denied, ok    bool
	}{
		{"alice", "", false, true},
		{"alice", "alice", false, true},
		{"CN=Alice of Ops", "CN=Alice of Ops", false, true},
		{"jörg", "jo\u0308rg", false, true},
		{"alice", "bob", true, false},
		{"alice", "Alice", true, false},
		{"alice", "\u0000", false, false},
		{"alice", "\xff", false, false},
		{"alice", strings.Repeat("a", 1000), true, false},
		{"\u0007", "\u0008", true, false}, // neither can be prepared
		{"", "", true, false},
		{"", "alice", true, false},
	} {
		m, err := Mechanisms{External: &Identity{Name: c.name, Method: "tls-certificate", Groups: []string{"ops"}}}.New(t.Context(), External)
		must(t, err)
		challenge, done, err := m.Next([]byte(c.authzid))
		if (err == nil) != c.ok || errors.Is(err, ErrDenied) != c.denied || done != c.ok || len(challenge) != 0 {
			t.Errorf("%q acts for %.10q: done %v, %v", c.name, c.authzid, done, err)
		}
		if id := m.Identity(); c.ok && (id.Name != c.name || id.Method != "EXTERNAL" || !id.In("ops")) || !c.ok && id.Name+id.Method != "" {
			t.Errorf("%q: identity %+v", c.name, id)
		}
	}
}

// The trace information is a claim: it becomes nobody's name.
func TestAnonymous(t *testing.T) {
	for trace, ok := range map[string]bool{"": true, "admin": true, "sirhc@example.org": true, "\xff\x00": true, strings.Repeat("x", maxTrace+1): false} {
		m, err := Mechanisms{Anonymous: true}.New(t.Context(), Anonymous)
		must(t, err)
		_, done, err := m.Next([]byte(trace))
		id := m.Identity()
		if (err == nil) != ok || done != ok || id.Name != "" || len(id.Groups) != 0 || ok != (id.Method == "ANONYMOUS") {
			t.Errorf("%.20q: done %v, %v, identity %+v", trace, done, err, id)
		}
	}
}

// A caller cannot change what the mechanism knows.
func TestIdentityIsACopy(t *testing.T) {
	m := newExternal(Identity{Name: "alice", Groups: []string{"ops"}})
	if _, _, err := m.Next([]byte{}); err != nil {
		t.Fatal(err)
	}
	m.Identity().Groups[0] = "root"
	if !m.Identity().In("ops") {
		t.Error("the groups changed")
	}
}

func FuzzExternalServer(f *testing.F) {
	for _, s := range []string{"", "alice", "a\u00adlice", "bob", "\x00", "\xff", "\uff41lice"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, response []byte) {
		for _, m := range []*Mechanism{newExternal(Identity{Name: "alice"}), newAnonymous()} {
			challenge, done, err := m.Next(response)
			if len(challenge) != 0 || done != (err == nil) {
				t.Fatalf("%s: %q, done %v, %v", m.Name(), challenge, done, err)
			}
			if m.Name() == External && done && len(response) > 0 && prepareName(string(response)) != "alice" {
				t.Fatalf("alice acts for %q", response)
			}
			if m.Name() == Anonymous && m.Username() != "" {
				t.Fatalf("a trace became %q", m.Username())
			}
			if err != nil && len(response) > 8 && bytes.Contains([]byte(err.Error()), response) {
				t.Fatalf("the error quotes the peer: %v", err)
			}
		}
	})
}
