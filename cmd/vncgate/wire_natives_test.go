package main

import (
	"context"
	"crypto/rsa"
	"net"
	"path/filepath"
	"testing"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/web"
)

func asUser(user, password string) func(context.Context) (string, string, error) {
	return func(context.Context) (string, string, error) { return user, password, nil }
}

// viewers of all types that tell a user's name, inside TLS to host or without.
func viewersNamed(t *testing.T, p pki, host, user, password string) map[string]rfb.Security {
	t.Helper()
	inTLS := func(inner rfb.Security) rfb.Security {
		return rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.ClientX509{TLS: rfb.Upgrade(p.over(t, host)), Inner: inner}}}
	}
	key, err := (&targetConfig{}).viewerKey()
	if err != nil {
		t.Fatal(err)
	}
	sasl := func(mechanisms ...string) rfb.Security {
		return rfb.ClientSASL{Choose: func(ctx context.Context, _ []string, _ net.Conn) (rfb.SASLClientMechanism, error) {
			return auth.ChooseClient(ctx, mechanisms, auth.Credentials{
				User: user, Password: func(context.Context) (string, error) { return password, nil }, Encrypted: true,
			})
		}}
	}
	return map[string]rfb.Security{
		"x509-plain":    inTLS(rfb.ClientPlain{Credentials: asUser(user, password)}),
		"scram-sha-256": sasl("SCRAM-SHA-256"),
		"scram-sha-512": inTLS(sasl("SCRAM-SHA-512")),
		"plain in sasl": inTLS(sasl("PLAIN")),
		"ra2-256": rfb.ClientRSAAES{
			As: rfb.TypeRA256, Credentials: asUser(user, password), VerifyKey: func(*rsa.PublicKey) error { return nil },
			Key: func() (*rsa.PrivateKey, error) { return key, nil },
		},
		"ard": rfb.ClientARD{Credentials: asUser(user, password)},
	}
}

// viewerKey is a key for viewers of RSA-AES.
func (t *targetConfig) viewerKey() (*rsa.PrivateKey, error) {
	p, err := (&wiring{}).template(*t)
	if err != nil {
		return nil, err
	}
	return p.t.ourKey()
}

// A native viewer names its display beside its user, whatever type proves that.
func TestUserNamesTarget(t *testing.T) {
	at, p := displaysAt(t, "one", "two"), newPKI(t)
	g := newGate(t, `
listeners:
  - address: "127.0.0.1:0"
    tls: {certificate: %q, key: %q}
    security: [x509-plain, x509-sasl, sasl, ra2-256, ard]
    rsa_key: %q
    route: {user: true}
    target: one
targets:
  one: {address: %q}
  two: {address: %q}
users: {file: %q}
policy:
  - {who: "user:alice", targets: "*", allow: [all]}
`, p.cert, p.key, filepath.Join(t.TempDir(), "rsa.pem"), at[0], at[1], usersFile(t))
	for given, want := range map[string]string{
		"alice": "one", "alice%two": "two", "alice%one": "one", "alice%": "one", "alice%three": "!There is no such display",
		"bob%two": "!", "%two": "!", "two": "!", "alice%two%one": "!",
	} {
		for name, security := range viewersNamed(t, p, "localhost", given, "wonderland") {
			g.guard = auth.Guard{} // else the failures make all that follow wait
			got, err := g.native(0, nil, security)
			sees(t, name+" "+given, want, got, err)
		}
	}
	g.logs("target=two user=alice")
}

// The server name of TLS names the display, below RFB and inside VeNCrypt.
func TestServerNameNamesTarget(t *testing.T) {
	at, p := displaysAt(t, "one", "two"), newPKI(t, "*.vnc.example", "other.example")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", tls: {certificate: %[1]q, key: %[2]q, implicit: true}, security: [none], route: {sni: ["{target}.vnc.example"]}}
  - {address: "127.0.0.1:0", tls: {certificate: %[1]q, key: %[2]q}, route: {sni: ["{target}.vnc.example"]}, target: one}
  - {address: "127.0.0.1:0", tls: {certificate: %[1]q, key: %[2]q}, security: [x509-vnc], password: shared, route: {sni: ["{target}.vnc.example"]}, target: one}
targets:
  one: {address: %[3]q}
  two: {address: %[4]q, viewer_password: second}
`, p.cert, p.key, at[0], at[1])
	venCrypt := func(host string, inner rfb.Security) rfb.Security {
		return rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.ClientX509{TLS: rfb.Upgrade(p.over(t, host)), Inner: inner}}}
	}
	password := func(text string) rfb.Security {
		return rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return text, nil }}
	}
	for _, c := range []struct {
		door       int
		host, want string
		password   string
	}{
		{0, "one.vnc.example", "one", ""},
		{0, "TWO.vnc.example", "two", ""},
		{0, "other.example", "!There is no such display", ""},
		{0, "three.vnc.example", "!There is no such display", ""},
		{1, "two.vnc.example", "two", ""},
		{1, "other.example", "one", ""},
		{2, "two.vnc.example", "two", "second"},
		{2, "two.vnc.example", "two", "shared"},
		{2, "one.vnc.example", "one", "shared"},
		{2, "one.vnc.example", "!", "second"},
	} {
		var stack []layers.Layer
		var security []rfb.Security
		switch {
		case c.door == 0:
			stack = []layers.Layer{p.over(t, c.host)}
		case c.password == "":
			security = []rfb.Security{venCrypt(c.host, rfb.None{})}
		default:
			security = []rfb.Security{venCrypt(c.host, password(c.password))}
		}
		got, err := g.native(c.door, stack, security...)
		sees(t, c.host+" "+c.password, c.want, got, err)
	}
}

func TestTargetOfHost(t *testing.T) {
	patterns := []string{"vm-{target}.lab.example", "{target}.VNC.example"}
	for host, want := range map[string]string{
		"vm-7.lab.example": "7", "desk.vnc.example.": "desk", "DESK.vnc.example": "desk", "a.b.vnc.example": "", ".vnc.example": "",
		"vm-.lab.example": "", "lab.example": "", "": "", "vnc.example": "",
	} {
		if got := web.TargetOfHost(patterns, host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

// UltraVNC's viewers ask a repeater for an ID or an address.
func TestRepeaterNamesTarget(t *testing.T) {
	at := displaysAt(t, "one", "two")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", security: [none], route: {repeater: true}}
  - {address: "127.0.0.1:0", arrivals: {}}
targets:
  one: {address: %q}
  roaming: {arrives: {id: "4711"}}
free: {allow: [%[2]q]}
`, at...)
	roaming := displayNamed("roaming")
	c := g.dial(1)
	hello, err := rfb.RepeaterRequest{ID: "4711"}.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(hello); err != nil {
		t.Fatal(err)
	}
	go func() { _ = roaming.Serve(context.Background(), c) }()
	for wanted, want := range map[string]string{
		"ID:one": "one", "ID:4711": "roaming", "ID:nobody": "!There is no such display",
		at[1].(string): "two", at[0].(string): "!cannot be reached",
	} {
		got, err := g.native(0, []layers.Layer{askRepeater(wanted)})
		sees(t, wanted, want, got, err)
	}
}

// askRepeater is what an UltraVNC viewer does before RFB.
func askRepeater(wanted string) layers.Layer {
	return func(_ context.Context, c net.Conn) (net.Conn, error) {
		greeting := make([]byte, 12)
		if _, err := c.Read(greeting); err != nil {
			return nil, err
		}
		message := append([]byte(wanted), make([]byte, 250-len(wanted))...)
		_, err := c.Write(message)
		return c, err
	}
}
