package main

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vncgate/auth"
	"vncgate/rfb"
)

func TestTrustedAddresses(t *testing.T) {
	trusted, err := parsePrefixes([]string{"127.0.0.1", "10.1.2.3/8", "fd00::/8", "unix"})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.2": false, "10.200.0.1": true, "::ffff:10.0.0.1": true, "11.0.0.1": false, "fd12::1": true, "::1": false,
	} {
		if got := trusted(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	if !trusted(netip.Addr{}) {
		t.Error("a unix socket's peer is not trusted although it was named")
	}
	for _, wrong := range []string{"", "localhost", "10.0.0.0/33", "1.2.3"} {
		if _, err := parsePrefixes([]string{wrong}); err == nil {
			t.Errorf("%q was taken", wrong)
		}
	}
}

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "vnc")
	if err := os.WriteFile(file, []byte("from file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("A_SECRET", "from environment")
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	for name, test := range map[string]struct {
		secret secret
		want   string
	}{
		"text":       {secret{text: "as it is"}, "as it is"},
		"file":       {secret{File: file}, "from file"},
		"env":        {secret{Env: "A_SECRET"}, "from environment"},
		"credential": {secret{Credential: "vnc"}, "from file"},
		"no escape":  {secret{Credential: "../" + filepath.Base(dir) + "/vnc"}, "from file"},
		"command":    {secret{Command: []string{"printf", "from command\n"}}, "from command"},
	} {
		if got, err := test.secret.read(context.Background()); err != nil || got != test.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, s := range map[string]secret{
		"no file": {File: file + "x"}, "no variable": {Env: "NO_SECRET"}, "failing command": {Command: []string{"false"}}, "no command": {Command: []string{"/no/such"}},
	} {
		if err := s.readable(context.Background()); err == nil {
			t.Errorf("%s: can be read", name)
		}
	}
}

// Without a secret for them, types that need one are tried last, so that a
// display that asks for one makes an error that says what is missing.
func TestOrderTowardsDisplays(t *testing.T) {
	names := func(target targetConfig) string {
		var list []string
		for _, s := range target.prove(nil) {
			switch v := s.(type) {
			case rfb.ClientVeNCrypt:
				for _, sub := range v.Subtypes {
					list = append(list, sub.Type().String())
				}
				continue
			case rfb.ClientTight:
				for _, sub := range v.Auths {
					list = append(list, "tight-"+sub.Type().String())
				}
				continue
			}
			list = append(list, s.Type().String())
		}
		return strings.Join(list, " ")
	}
	for want, target := range map[string]targetConfig{
		"x509-none x509-sasl x509-plain x509-vnc none tight-none tight-vnc ra2-256 ra2 ra2ne-256 ra2ne sasl ard vnc": {},
		"x509-vnc x509-none x509-sasl x509-plain vnc tight-vnc tight-none none ra2-256 ra2 ra2ne-256 ra2ne sasl ard": {Password: &secret{text: "x"}},
		"x509-sasl x509-plain x509-vnc x509-none sasl ard vnc tight-vnc tight-none none ra2-256 ra2 ra2ne-256 ra2ne": {User: "u", Password: &secret{text: "x"}},
		"x509-sasl x509-plain x509-vnc ra2-256 ra2": {User: "u", Password: &secret{text: "x"}, RSAKey: "ab", Minimum: "x509-vnc"},
		"vnc": {Security: []string{"vnc"}},
	} {
		if got := names(target); got != want {
			t.Errorf("%+v:\ngot  %s\nwant %s", target, got, want)
		}
	}
}

// Another spelling of a name must not lead past the rules that are written for
// the user.
func TestNameInAnotherSpelling(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	file := &auth.UsersFile{Path: path}
	if err := file.Add("alice", "correct horse"); err != nil {
		t.Fatal(err)
	}
	users, err := auth.OpenUsers(path)
	if err != nil {
		t.Fatal(err)
	}
	w := &wiring{users: users}
	if err := w.verify(context.Background(), netip.Addr{}, "alice", "correct horse"); err != nil {
		t.Error(err)
	}
	if err := w.verify(context.Background(), netip.Addr{}, "al\u00adice", "correct horse"); err == nil {
		t.Error("a soft hyphen in the name was let in")
	}
}

// The order in which types are tried is the one that package rfb ranks them by.
func TestAutomaticOrderIsByStrength(t *testing.T) {
	types := map[string]rfb.SecurityType{}
	for n := range rfb.SecurityType(300) {
		types[n.String()] = n
	}
	strength := func(name string) int {
		return rfb.Strength(types[strings.TrimPrefix(name, "tight-")])
	}
	for i, name := range automaticSecurity {
		if strength(name) == 0 && !strings.HasSuffix(name, "none") {
			t.Errorf("%s has no rank", name)
		}
		if i > 0 && strength(name) > strength(automaticSecurity[i-1]) {
			t.Errorf("%s is stronger than %s and stands behind it", name, automaticSecurity[i-1])
		}
	}
}

func TestNearest(t *testing.T) {
	known := configKeys()
	for slip, want := range map[string]string{"adress": "address", "tagets": "targets", "securty": "security", "polcy": "policy", "zzz": "", "pasword": "password"} {
		if got := nearest(slip, known); got != want {
			t.Errorf("nearest(%q) = %q, want %q", slip, got, want)
		}
	}
	if slices.Contains(known, "") {
		t.Error("a key has no name")
	}
}

func FuzzParseConfig(f *testing.F) {
	example, err := os.ReadFile("../../deploy/vncgate.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add([]byte("listeners:\n  - {address: \":1\"}\ntargets:\n  a: {address: \"b:1\"}\n"))
	f.Add([]byte("policy: []"))
	for _, more := range []string{"route: {user: true}", "protocols: [rfb, web]", "web: {}, sources: [s]", "arrivals: {}"} {
		f.Add([]byte(settings(more, "arrives: {id: '1'}", "sources: [{name: s, file: x}]\nfree: {allow: [':1']}\n")))
	}
	f.Add([]byte("&a [*a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cfg, err := parseConfig(b)
		if err != nil {
			return
		}
		// What was taken can be served: everybody comes in somewhere, to a
		// display that can exist, by security that is known.
		found := len(cfg.Sources) > 0 || cfg.Free != nil
		for i := range cfg.Listeners {
			l := &cfg.Listeners[i]
			if _, ok := cfg.Targets[l.Target]; !ok && l.takes(natives) && l.Route == nil && !found {
				t.Errorf("listener %q leads to no target", l.Address)
			}
			for _, k := range l.kinds() {
				if len(*l.types(k)) == 0 {
					t.Errorf("listener %q offers %s nothing", l.Address, k)
				}
			}
			if l.tokenRequired() && l.Target != "" && !l.takes(natives) {
				t.Errorf("listener %q demands a token and has a target without", l.Address)
			}
		}
		for i := range cfg.Sources {
			if len(cfg.Sources[i].kinds()) != 1 {
				t.Errorf("source %q is of %d kinds", cfg.Sources[i].Name, len(cfg.Sources[i].kinds()))
			}
		}
	})
}
