package auth

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// cheap is a cost for tests; the defaults are used once, in the example.
var cheap = cost{memory: 8, passes: 1, lanes: 1, scramIterations: minIterations}

func TestHashRoundTrip(t *testing.T) {
	h := newHash(cheap, "open sesame")
	back, err := parseHash(h.String())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h.String(), back.String()); diff != "" {
		t.Error(diff)
	}
	if !back.matches("open sesame") || back.matches("open sesame ") || back.matches("") {
		t.Error("the hash does not tell passwords apart")
	}
	if newHash(cheap, "open sesame").String() == h.String() {
		t.Error("two hashes of one password are equal: no salt")
	}
}

// A vector of the reference implementation (phc-winner-argon2, src/test.c).
const referenceHash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

func TestHashReference(t *testing.T) {
	h, err := parseHash(referenceHash)
	if err != nil {
		t.Fatal(err)
	}
	if !h.matches("password") {
		t.Error("the reference program's hash of \"password\" does not match")
	}
}

func TestParseHashErrors(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(referenceHash, old, new, 1) }
	for name, s := range map[string]string{
		"empty":         "",
		"bcrypt":        "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
		"argon2i":       change("argon2id", "argon2i"),
		"old version":   change("v=19", "v=16"),
		"no parameters": change("m=65536,t=2,p=1", ""),
		"spelling":      change("m=65536", "m=+65536"),
		"blank":         change("t=2", "t= 2"),
		"tail":          change("p=1", "p=1,x=2"),
		"memory":        change("m=65536", "m=4294967295"),
		"memory wraps":  change("m=65536", "m=4294967304"),
		"passes":        change("t=2", "t=0"),
		"lanes":         change("p=1", "p=17"),
		"lanes wrap":    change("p=1", "p=257"),
		"short salt":    change("c29tZXNhbHQ", "c29t"),
		"salt":          change("c29tZXNhbHQ", "!!!!"),
		"padding":       change("c29tZXNhbHQ", "c29tZXNhbHQ="),
		"short key":     change("CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", "CTFh"),
		"long key":      change("CTFh", strings.Repeat("A", 200)),
		"one more":      referenceHash + "$x",
	} {
		_, err := parseHash(s)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "CTFh") {
			t.Errorf("%s: the error quotes the secret: %v", name, err)
		}
	}
}

// The example user of RFC 7677, 3 (password "pencil") in PostgreSQL's form.
// That the keys are right, TestScramReference shows.
const pencilKeys = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

func TestScramKeysReference(t *testing.T) {
	k, err := parseScramKeys(scram256, pencilKeys)
	if err != nil {
		t.Fatal(err)
	}
	salt, _ := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if k.Iters != 4096 || k.Salt != string(salt) {
		t.Errorf("factors %d, %x", k.Iters, k.Salt)
	}
	if got := formatScramKeys(scram256, k); got != pencilKeys {
		t.Errorf("written back as %s", got)
	}
}

func TestParseScramKeysErrors(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(pencilKeys, old, new, 1) }
	for name, s := range map[string]string{
		"empty":        "",
		"other hash":   change("SHA-256", "SHA-1"),
		"few":          change("4096", "4095"),
		"many":         change("4096", "1048577"),
		"sign":         change("4096", "+4096"),
		"zero first":   change("4096", "04096"),
		"no number":    change("4096", "x"),
		"no salt":      change("W22ZaJ0SNY7soEsUEjb6gQ==", ""),
		"no stored":    change("WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=", ""),
		"short server": change("wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=", "wfPL"),
		"one part":     change(":wfPL", "wfPL"),
		"more":         pencilKeys + ":AAAA",
	} {
		_, err := parseScramKeys(scram256, s)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "wfPL") || strings.Contains(err.Error(), "WG5d") {
			t.Errorf("%s: the error quotes the secret: %v", name, err)
		}
	}
}
