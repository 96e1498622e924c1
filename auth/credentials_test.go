package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
)

func constant(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}

func aliceCredentials() Credentials {
	return Credentials{User: "alice", Password: constant("wonderland"), Encrypted: true}
}

func TestChooseClient(t *testing.T) {
	bind := Binding{Exporter: []byte("x")}
	everything := []string{"PLAIN", "ANONYMOUS", "SCRAM-SHA-256", "SCRAM-SHA-512-PLUS", "EXTERNAL", "SCRAM-SHA-512", "SCRAM-SHA-256-PLUS", "OAUTHBEARER", "GSSAPI", "GS2-KRB5"}
	full := Credentials{User: "alice", Password: constant("x"), Token: constant("t"), External: true, Anonymous: true, Encrypted: true, Binding: bind}
	without := func(change func(*Credentials)) Credentials {
		c := full
		change(&c)
		return c
	}
	for _, c := range []struct {
		what        string
		offered     []string
		credentials Credentials
		want        string // the name, or what the error says
		hello       string // with which the first response begins
	}{
		{"all", everything, full, "SCRAM-SHA-512-PLUS", "p=tls-exporter,"},
		{"the end point only", everything, without(func(c *Credentials) { c.Binding = Binding{EndPoint: []byte("x")} }), "SCRAM-SHA-512-PLUS", "p=tls-server-end-point,"},
		{"bound beats longer", []string{"SCRAM-SHA-512", "SCRAM-SHA-256-PLUS"}, full, "SCRAM-SHA-256-PLUS", "p="},
		{"without binding", everything, without(func(c *Credentials) { c.Binding = Binding{} }), "EXTERNAL", ""},
		{"a password", everything, without(func(c *Credentials) { c.Binding, c.External = Binding{}, false }), "SCRAM-SHA-512", "n,"},
		{"-PLUS is not offered", []string{"PLAIN", "SCRAM-SHA-256"}, without(func(c *Credentials) { c.External = false }), "SCRAM-SHA-256", "y,"},
		{"-PLUS may not be used", everything, without(func(c *Credentials) { c.Only = []string{"SCRAM-SHA-256"} }), "SCRAM-SHA-256", "n,"},
		{"one -PLUS may be used", everything, without(func(c *Credentials) { c.Only = []string{"SCRAM-SHA-512", "SCRAM-SHA-256-PLUS"} }), "SCRAM-SHA-256-PLUS", "p="},
		{"a token", everything, without(func(c *Credentials) { c.User, c.External = "", false }), "OAUTHBEARER", "n,,\x01auth=Bearer t\x01\x01"},
		{"a token beats PLAIN", []string{"PLAIN", "OAUTHBEARER"}, full, "OAUTHBEARER", ""},
		{"PLAIN", []string{"PLAIN", "ANONYMOUS"}, full, "PLAIN", "\x00alice\x00x"},
		{"nobody", everything, Credentials{Anonymous: true}, "ANONYMOUS", "vncgate"},
		{"the order of the list does not matter", slices.Sorted(slices.Values(everything)), full, "SCRAM-SHA-512-PLUS", ""},

		{"PLAIN in the clear", []string{"PLAIN"}, Credentials{User: "alice", Password: constant("x")}, "anybody on the way could read", ""},
		{"a token in the clear", []string{"OAUTHBEARER"}, Credentials{Token: constant("x")}, "anybody on the way could read", ""},
		{"no user", everything, Credentials{Encrypted: true}, "asks for a user", ""},
		{"no token", []string{"OAUTHBEARER"}, Credentials{Encrypted: true}, "asks for a token", ""},
		{"no password", everything, Credentials{User: "alice"}, "asks for the password", ""},
		{"Kerberos without tickets", everything, Credentials{Kerberos: &KerberosCredentials{Config: "/nonexistent"}, Service: "vnc/x"}, "GSSAPI: ticket for", ""},
		{"no Kerberos", []string{"GSSAPI"}, full, "asks for Kerberos", ""},
		{"unknown", []string{"DIGEST-MD5", "NTLM"}, full, "by: DIGEST-MD5, NTLM", ""},
		{"none", nil, full, "none of the mechanisms", ""},
		{"none that may be used", everything, without(func(c *Credentials) { c.Only = []string{"NTLM"} }), "none of the mechanisms that may be used", ""},
	} {
		client, err := ChooseClient(t.Context(), c.offered, c.credentials)
		if err != nil {
			if !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "auth: ") {
				t.Errorf("%s: error %v, want %s", c.what, err, c.want)
			}
			continue
		}
		name, first, err := client.Start()
		if err != nil || name != c.want || first == nil || !strings.HasPrefix(string(first), c.hello) {
			t.Errorf("%s: %s %q, %v; want %s %q", c.what, name, first, err, c.want, c.hello)
		}
	}
}

// A secret that cannot be read is no reason to show a weaker one, and one that
// is not needed is not read.
func TestChooseClientReadsSecrets(t *testing.T) {
	gone := errors.New("gone")
	broken := func(context.Context) (string, error) { return "", gone }
	c := Credentials{User: "alice", Password: broken, Token: broken, External: true, Anonymous: true, Encrypted: true}
	for _, name := range []string{ScramSHA512, ScramSHA256, OAuthBearer, Plain} {
		if client, err := ChooseClient(t.Context(), []string{name, Anonymous}, c); !errors.Is(err, gone) || client != nil {
			t.Errorf("%s: %v, %v", name, client, err)
		}
	}
	for _, name := range []string{External, Anonymous} {
		if _, err := ChooseClient(t.Context(), []string{name}, c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.Password, c.Token = constant(""), constant("a b")
	for _, name := range []string{ScramSHA512Plus, ScramSHA512, OAuthBearer} {
		c.Binding = Binding{Exporter: []byte("x")}
		if client, err := ChooseClient(t.Context(), []string{name}, c); err == nil || client != nil {
			t.Errorf("%s with a bad secret: %v", name, client)
		}
	}
}

// Every mechanism lets in whom the other end says it is, end to end.
func TestMechanismsBothEnds(t *testing.T) {
	u := openUsers(t, newUsersFile(t))
	b := Binding{Exporter: []byte("x")}
	server := Mechanisms{
		Users: u, Encrypted: true, Binding: b, Tokens: secretVerifier(t), Anonymous: true, From: office, Guard: &Guard{},
		External: &Identity{Name: "carol", Method: "tls-certificate", Groups: []string{"night"}},
	}
	client := aliceCredentials()
	client.Token = constant(signHS(t, map[string]any{"sub": "dave", "exp": inAnHour(), "groups": []string{"web"}}))
	client.External, client.Anonymous, client.Binding = true, true, b
	for _, name := range server.Names() {
		m, err := server.New(t.Context(), name)
		must(t, err)
		c, err := ChooseClient(t.Context(), []string{name}, client)
		must(t, err)
		want := Identity{Name: "alice", Method: name, Groups: []string{"ops", "dev"}}
		switch name {
		case External:
			want.Name, want.Groups = "carol", []string{"night"}
		case OAuthBearer:
			want.Name, want.Groups = "dave", []string{"web"}
		case Anonymous:
			want.Name, want.Groups = "", nil
		case ScramSHA256, ScramSHA512: // the client says it saw no -PLUS
			if _, err := exchange(c, m); !errors.Is(err, ErrDenied) {
				t.Errorf("%s: %v, want the downgrade found", name, err)
			}
			continue
		}
		_, err = exchange(c, m)
		if id := m.Identity(); err != nil || id.Name != want.Name || id.Method != want.Method || !slices.Equal(id.Groups, want.Groups) {
			t.Errorf("%s: %+v, %v; want %+v", name, id, err, want)
		}
		if d, ok := c.(interface{ Done() bool }); ok && !d.Done() {
			t.Errorf("%s: the client is not content", name)
		}
	}
}

// Whatever is offered: what is chosen was offered and may be used, secrets stay
// off open channels, and a display's -PLUS is not passed by.
func FuzzChooseClient(f *testing.F) {
	for i := range byte(32) {
		f.Add("PLAIN,SCRAM-SHA-256,SCRAM-SHA-512-PLUS,EXTERNAL,OAUTHBEARER,ANONYMOUS", "SCRAM-SHA-256-PLUS", i)
		f.Add("PLAIN,,plain,SCRAM-SHA-256-PLUS,\xff", "", i)
	}
	f.Fuzz(func(t *testing.T, list, only string, form byte) {
		offered := strings.Split(list, ",")
		c := Credentials{Encrypted: form&1 != 0, External: form&2 != 0, Anonymous: form&4 != 0}
		if form&8 != 0 {
			c.User, c.Password, c.Token = "alice", constant("x"), constant("t")
		}
		if form&16 != 0 {
			c.Binding = Binding{Exporter: []byte("x")}
		}
		if only != "" {
			c.Only = strings.Split(only, ",")
		}
		client, err := ChooseClient(context.Background(), offered, c)
		if err != nil {
			return
		}
		name, first, err := client.Start()
		if err != nil || !slices.Contains(offered, name) || only != "" && !slices.Contains(c.Only, name) {
			t.Fatalf("%s of %q, only %q: %v", name, offered, c.Only, err)
		}
		if (name == Plain || name == OAuthBearer) && !c.Encrypted {
			t.Fatalf("%s in the clear", name)
		}
		kind, plus, isScram := scramNamed(name)
		if isScram && !plus && c.Binding.available() && only == "" && slices.Contains(offered, scramName(kind, true)) {
			t.Fatalf("%s although -PLUS is offered", name)
		}
		if isScram && !plus && only == "" && (first[0] == 'y') != c.Binding.available() {
			t.Fatalf("%s says %q", name, first)
		}
	})
}

var _ = []sasl.Client{(*scramClient)(nil), (*oauthBearerClient)(nil)}
