package auth

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
)

func newMechanism(t testing.TB, u *Users, name string) *Mechanism {
	t.Helper()
	m, err := Mechanisms{Users: u, Encrypted: true}.New(context.Background(), name)
	must(t, err)
	return m
}

// exchange runs client against server as RFB does: the last challenge comes
// with done and is still given to the client.
func exchange(client sasl.Client, server *Mechanism) (steps int, err error) {
	_, response, err := client.Start()
	for err == nil {
		steps++
		challenge, done, serr := server.Next(response)
		if serr != nil {
			return steps, serr
		}
		if done && challenge == nil {
			return steps, nil
		}
		if response, err = client.Next(challenge); done {
			return steps, err
		}
	}
	return steps, err
}

func mustScram(t testing.TB, name, password string) sasl.Client {
	t.Helper()
	c, err := ScramClient(name, password)
	must(t, err)
	return c
}

func TestMechanismNames(t *testing.T) {
	u, v := openUsers(t, newUsersFile(t)), secretVerifier(t)
	old := openUsers(t, &UsersFile{Path: writeFile(t, "user - - "+pencilKeys)})
	exporter := Binding{Exporter: []byte("x")}
	for _, c := range []struct {
		m    Mechanisms
		want string
	}{
		{Mechanisms{}, ""},
		{Mechanisms{Encrypted: true, Binding: exporter}, ""},
		{Mechanisms{Users: u}, "SCRAM-SHA-512 SCRAM-SHA-256"},
		{Mechanisms{Users: old}, "SCRAM-SHA-256"},
		{Mechanisms{Users: old, Binding: exporter}, "SCRAM-SHA-256-PLUS SCRAM-SHA-256"},
		{Mechanisms{Users: u, Tokens: v}, "SCRAM-SHA-512 SCRAM-SHA-256"},
		{Mechanisms{Tokens: v, Encrypted: true}, "OAUTHBEARER"},
		{Mechanisms{External: &Identity{Name: "alice"}}, "EXTERNAL"},
		{Mechanisms{Kerberos: &KerberosService{}}, "GSSAPI"},
		{Mechanisms{Anonymous: true}, "ANONYMOUS"},
		{
			Mechanisms{Users: u, Encrypted: true, Binding: Binding{EndPoint: []byte("x")}, External: &Identity{}, Kerberos: &KerberosService{}, Tokens: v, Anonymous: true},
			"EXTERNAL GSSAPI SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-512 SCRAM-SHA-256 OAUTHBEARER PLAIN ANONYMOUS",
		},
	} {
		if got := strings.Join(c.m.Names(), " "); got != c.want {
			t.Errorf("%+v: %s, want %s", c.m, got, c.want)
		}
	}
	for _, name := range []string{"PLAIN", "plain", "", "SCRAM-SHA-1", "SCRAM-SHA-256-PLUS", strings.Repeat("X", 1000)} {
		if _, err := (Mechanisms{Users: u}).New(t.Context(), name); err == nil || len(err.Error()) > 100 {
			t.Errorf("%.20q without encryption: %v", name, err)
		}
	}
}

// A mechanism without a security layer says so, and GSSAPI does until its end.
func TestMechanismLayer(t *testing.T) {
	m := Mechanisms{Kerberos: &KerberosService{Keytab: t.TempDir() + "/absent"}, Anonymous: true}
	for _, name := range m.Names() {
		server, err := m.New(t.Context(), name)
		must(t, err)
		if _, ok := server.Layer(); ok {
			t.Errorf("%s: a layer before the end", name)
		}
		if _, done, err := server.Next([]byte("x")); done != (name == Anonymous) || done != (err == nil) {
			t.Errorf("%s: done %v, %v", name, done, err)
		}
		if _, ok := server.Layer(); ok {
			t.Errorf("%s: a layer", name)
		}
	}
}

func TestExchanges(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	f := &UsersFile{Path: u.file.path, cost: cheap}
	must(t, f.Add("jörg", "I\u00adX,=x"))
	for _, c := range []struct {
		name, password string
		user           string // "" for denied
	}{
		{"alice", "wonderland", "alice"},
		{"bob", "builder", "bob"},
		{"jo\u0308rg", "\u2168,=x", "jörg"}, // another spelling of the same (SASLprep)
		{"alice", "builder", ""},
		{"carol", "x", ""},
		{"mallory", "wonderland", ""},
		{"a,b=c", "wonderland", ""},
	} {
		clients := map[string]sasl.Client{ScramSHA256: mustScram(t, c.name, c.password), Plain: PlainClient(c.name, c.password)}
		for mechanism, client := range clients {
			server := newMechanism(t, u, mechanism)
			_, err := exchange(client, server)
			if c.user != "" && err != nil || c.user == "" && !errors.Is(err, ErrDenied) || server.Username() != c.user {
				t.Errorf("%s %q: user %q, error %v; want user %q", mechanism, c.name, server.Username(), err, c.user)
			}
			if err != nil && (strings.Contains(err.Error(), c.password) || strings.Contains(err.Error(), c.name)) {
				t.Errorf("the error quotes the peer: %v", err)
			}
			if _, _, err := server.Next([]byte("x")); err == nil {
				t.Errorf("%s: went on after its end", mechanism)
			}
		}
	}
}

// The final message has to come with done: a peer waits for nothing after it.
func TestScramDeliversSignatureWithDone(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	client, server := mustScram(t, "alice", "wonderland"), newMechanism(t, u, ScramSHA256)
	_, first, _ := client.Start()
	challenge, done, err := server.Next(first)
	if err != nil || done || server.Username() != "" {
		t.Fatalf("first: done %v, user %q, %v", done, server.Username(), err)
	}
	final, err := client.Next(challenge)
	must(t, err)
	challenge, done, err = server.Next(final)
	if err != nil || !done || !bytes.HasPrefix(challenge, []byte("v=")) || server.Username() != "alice" {
		t.Fatalf("final: %q, done %v, user %q, %v", challenge, done, server.Username(), err)
	}
	last, err := client.Next(challenge)
	if err != nil || len(last) != 0 {
		t.Fatalf("the client answered %q, %v", last, err)
	}
	if _, err := client.Next(nil); err == nil {
		t.Error("the client went on after its end")
	}
}

func TestInitialResponse(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	_, scramFirst, _ := mustScram(t, "alice", "wonderland").Start()
	for name, response := range map[string][]byte{ScramSHA256: scramFirst, Plain: []byte("\x00alice\x00wonderland")} {
		m := newMechanism(t, u, name)
		challenge, done, err := m.Next(nil)
		if err != nil || done || challenge == nil || len(challenge) != 0 {
			t.Errorf("%s: nil gave %q, %v, %v; want an empty challenge", name, challenge, done, err)
		}
		if _, _, err = m.Next(response); err != nil {
			t.Errorf("%s: the response after it: %v", name, err)
		}
		if _, _, err := newMechanism(t, u, name).Next([]byte{}); err == nil {
			t.Errorf("%s: an empty initial response was taken for none", name)
		}
	}
}

func TestBadResponses(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	for mechanism, responses := range map[string][]string{
		Plain: {
			"", "alice", "\x00alice", "\x00alice\x00wonderland\x00", "bob\x00alice\x00wonderland", "\x00\x00", "\x00\x00wonderland",
			"\x00alice\x00" + strings.Repeat("x", MaxResponse), strings.Repeat("\x00", MaxResponse),
		},
		ScramSHA256: {
			"", "n", "n,,", ",,,", "n,,n=alice", "n,,n=al=ice,r=x", "n,,m=ext,n=alice,r=x", "x,,n=alice,r=x", "n,bob,n=alice,r=x",
			"y,,n=alice", "p=tls-exporter,,n=alice,r=x", "p=tls-nothing,,n=alice,r=x", "n,,n=alice,r=" + strings.Repeat("x", MaxResponse), "\x00\xff",
		},
	} {
		for _, r := range responses {
			m := newMechanism(t, u, mechanism)
			challenge, done, err := m.Next([]byte(r))
			if err == nil || done || challenge != nil || m.Username() != "" {
				t.Errorf("%s %.30q: %q, done %v, user %q, error %v", mechanism, r, challenge, done, m.Username(), err)
			} else if strings.Contains(err.Error(), "alice") || strings.Contains(err.Error(), "wonderland") || len(err.Error()) > 120 {
				t.Errorf("the error quotes the peer: %v", err)
			}
		}
	}
}

func TestScramAuthzid(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	for authzid, allowed := range map[string]bool{"alice": true, "bob": false} {
		server := newMechanism(t, u, ScramSHA256)
		client := &authzidClient{mustScram(t, "alice", "wonderland").(*scramClient), authzid}
		_, err := exchange(client, server)
		if allowed != (err == nil) || allowed != (server.Username() == "alice") || !allowed && !errors.Is(err, ErrDenied) {
			t.Errorf("authzid %s: user %q, %v", authzid, server.Username(), err)
		}
	}
	if _, _, err := newMechanism(t, u, Plain).Next([]byte("alice\x00alice\x00wonderland")); err != nil {
		t.Errorf("PLAIN with one's own authzid: %v", err)
	}
}

// What a peer says beside its name is not part of the name that is proved.
func TestClaimed(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	for _, name := range []string{ScramSHA256, ScramSHA512, Plain} {
		for given, good := range map[string]bool{"alice%desk": true, "alice": true, "bob%desk": false, "%desk": false} {
			var beside string
			server, err := Mechanisms{Users: u, Encrypted: true, Claimed: func(given string) string {
				name, more, _ := strings.Cut(given, "%")
				beside = more
				return name
			}}.New(context.Background(), name)
			must(t, err)
			var client sasl.Client = PlainClient(given, "wonderland")
			if name != Plain {
				kind, _, _ := scramNamed(name)
				client, err = newScramClient(kind, given, "wonderland", unbound)
				must(t, err)
			}
			_, err = exchange(client, server)
			if good != (err == nil) || good != (server.Username() == "alice") {
				t.Errorf("%s, %s: user %q, %v", name, given, server.Username(), err)
			}
			if _, want, _ := strings.Cut(given, "%"); good && beside != want {
				t.Errorf("%s, %s: beside the name stood %q", name, given, beside)
			}
		}
	}
}

func TestUserRemovedDuringExchange(t *testing.T) {
	f := newUsersFile(t)
	u := openUsers(t, f)
	client, server := mustScram(t, "alice", "wonderland"), newMechanism(t, u, ScramSHA256)
	_, first, _ := client.Start()
	challenge, _, err := server.Next(first)
	must(t, err)
	final, err := client.Next(challenge)
	must(t, err)
	must(t, f.Remove("alice"))
	if _, _, err := server.Next(final); !errors.Is(err, ErrDenied) || server.Username() != "" {
		t.Errorf("user %q, error %v", server.Username(), err)
	}
}

func TestMechanismBounds(t *testing.T) {
	endless := &Mechanism{name: "X", step: func([]byte) ([]byte, bool, error) { return nil, false, nil }, id: Identity{Name: "x"}}
	steps := 0
	for steps < 100 {
		if _, _, err := endless.Next(nil); err != nil {
			break
		}
		steps++
	}
	if steps != maxSteps {
		t.Errorf("%d steps were allowed, want %d", steps, maxSteps)
	}
	panics := &Mechanism{name: "X", step: func(b []byte) ([]byte, bool, error) { return b[:1], true, nil }, id: Identity{Name: "x"}}
	if c, done, err := panics.Next(nil); err == nil || done || c != nil || panics.Username() != "" {
		t.Errorf("a panic gave %q, %v, %v", c, done, err)
	}
}

func TestVerifyErrorIsNotDenied(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m, err := Mechanisms{Users: u, Encrypted: true}.New(ctx, Plain)
	must(t, err)
	if _, _, err := m.Next([]byte("\x00alice\x00wonderland")); !errors.Is(err, context.Canceled) || errors.Is(err, ErrDenied) {
		t.Errorf("error %v, want ctx's", err)
	}
}

func FuzzPlainServer(f *testing.F) {
	for _, s := range []string{"\x00alice\x00wonderland", "alice\x00alice\x00wonderland", "\x00\x00", "a\x00b\x00c\x00", "", "\xff\x00\xff\x00\xff"} {
		f.Add([]byte(s))
	}
	u := openUsers(f, newUsersFile(f))
	f.Fuzz(func(t *testing.T, response []byte) {
		m := newMechanism(t, u, Plain)
		challenge, done, err := m.Next(response)
		if len(challenge) > 0 || done != (err == nil) {
			t.Fatalf("%q, done %v, %v", challenge, done, err)
		}
		if done && !bytes.HasSuffix(response, []byte("\x00wonderland")) && !bytes.HasSuffix(response, []byte("\x00builder")) {
			// SASLprep has other spellings of a password: they all prepare to it.
			password, _ := preparePassword(string(response[bytes.LastIndexByte(response, 0)+1:]))
			if password != "wonderland" && password != "builder" {
				t.Fatalf("let %q in", m.Username())
			}
		}
	})
}
