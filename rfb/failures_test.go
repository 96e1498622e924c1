package rfb_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"

	"vncgate/layers/layertest"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

var errLookup = errors.New("cannot look it up")

// TestSecretsThatCannotBeHad: no secret, no session, and the reason is ours to
// know.
func TestSecretsThatCannotBeHad(t *testing.T) {
	noPassword := func(context.Context) (string, error) { return "", errLookup }
	noCredentials := func(context.Context) (string, string, error) { return "", "", errLookup }
	noMechanism := func(context.Context, []string, net.Conn) (rfb.SASLClientMechanism, error) { return nil, errLookup }
	noUpgrade := func(context.Context, net.Conn) (net.Conn, error) { return nil, errLookup }
	long := strings.Repeat("x", 1025)
	ardOf5 := fmt.Sprintf("%x", ardHello(2, 128, hexNumber(t, oakley2), big.NewInt(5)))
	for _, tt := range []struct {
		name string
		s    rfb.Security
		in   string
		want string
	}{
		{"vnc", rfb.ClientVncAuth{Password: noPassword}, challenge, "cannot look it up"},
		{"plain", rfb.ClientPlain{Credentials: noCredentials}, "", "cannot look it up"},
		{"plain, long", rfb.ClientPlain{Credentials: credentials("mary", long)}, "", "more than 1024"},
		{"sasl", rfb.ClientSASL{Choose: noMechanism}, `00000001 "X"`, `display offers ["X"]: cannot look it up`},
		{"sasl, another", rfb.ClientSASL{Choose: func(context.Context, []string, net.Conn) (rfb.SASLClientMechanism, error) {
			return echo{"Y"}, nil
		}}, `00000001 "X"`, `"Y" is not among them`},
		{"x509", rfb.ClientX509{TLS: noUpgrade, Inner: rfb.None{}}, "01", "cannot look it up"},
		{"x509, server", rfb.ServerX509{TLS: noUpgrade, Inner: rfb.None{}}, "", "cannot look it up"},
		{"vnc, no randomness", rfb.ServerVncAuth{Rand: strings.NewReader("short")}, "", "challenge: unexpected EOF"},
		{"ard", rfb.ClientARD{Credentials: noCredentials}, ardOf5, "cannot look it up"},
		{"mslogon2", rfb.ClientMSLogonII{Credentials: noCredentials}, "0000000000000005 000000007fffffff 000000000000004d", "cannot look it up"},
		{"ident", rfb.ClientIdent{User: noPassword}, "", "cannot look it up"},
		{"sasl, nothing to offer", rfb.ServerSASL{}, "", "cannot be offered"},
	} {
		_, err := tt.s.Handshake(context.Background(), rfbtest.NewScript(unhex(t, tt.in)))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), long) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestServerLookupFails: to the viewer it looks like a wrong password.
func TestServerLookupFails(t *testing.T) {
	noPasswords := func(context.Context) ([]string, error) { return nil, errLookup }
	noStart := func(context.Context, string, net.Conn) (rfb.SASLMechanism, error) { return nil, errLookup }
	for _, tt := range []struct {
		server, client rfb.Security
	}{
		{rfb.ServerVncAuth{Passwords: noPasswords}, rfb.ClientVncAuth{Password: password(goodPassword)}},
		{rfb.ServerSASL{Mechanisms: []string{"PLAIN"}, Start: noStart}, rfb.ClientSASL{Choose: chooseMechanism("u", "p", "PLAIN")}},
	} {
		o := handshake(t, rfb.Version38, 0,
			&rfb.ServerConfig{Security: []rfb.Security{tt.server}}, &rfb.ClientConfig{Security: []rfb.Security{tt.client}})
		var said *rfb.DisplayError
		if !errors.Is(o.displayErr, errLookup) || !errors.As(o.viewerErr, &said) || said.Reason != "Authentication failed" {
			t.Errorf("display: %v, viewer: %v", o.displayErr, o.viewerErr)
		}
	}
}

// TestUnproved: a display that declares SCRAM complete without its signature
// is an impostor, even if it then says that all is well.
func TestUnproved(t *testing.T) {
	client := rfb.ClientSASL{Choose: chooseMechanism(goodUser, goodPassword, "SCRAM-SHA-256")}
	for _, tt := range []struct{ name, result, want string }{
		{"lets us in", "00000000", "without the proof that it owes"},
		{"refuses", `00000001 00000002 "no"`, `authentication: "no"`},
		{"hangs up", "", "refused: authentication"},
	} {
		_, err := client.Handshake(context.Background(), rfbtest.NewScript(unhex(t, `0000000d "SCRAM-SHA-256" 00000000 01`+tt.result)))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestPeerStopsReading: a peer that is gone when it is written to is an error
// at each step.
func TestPeerStopsReading(t *testing.T) {
	server := &rfb.ServerConfig{Security: everyServer()}
	client := &rfb.ClientConfig{Security: everyClient()}
	for _, in := range []string{
		line38 + `14 00000005 "PLAIN" 00000002 "x" 00`,
		line38 + `13 0002 00000106 00000004 00000006 "marysesame"`,
		line38 + `10 00000081 00000004 00000006 "marysesame"`,
		line38 + "1e" + strings.Repeat("07", 128+256),
		line38 + "05" + fmt.Sprintf("%x", displayHello(rsaKeys().viewer)) + "0080" + strings.Repeat("00", 128),
	} {
		for n := range 8 {
			c := &brokenAfter{Script: rfbtest.NewScript(unhex(t, in)), writes: n}
			if _, err := rfb.Server(context.Background(), c, server); err == nil && c.broke {
				t.Errorf("%s, %d writes: no error", in, n)
			}
		}
	}
	for _, in := range []string{
		line38 + `01 14 00000005 "PLAIN" 00000002 "x" 00 00 00000001 00 01 00000000`,
		line38 + "01 13 0002 00 01 00000106 01 00000000",
		line33 + "00000002" + challenge + "00000000",
		line38 + `01 10 00000001 00000000 "TGHTNOTUNNEL" 00000001 00000081 "TGHTULGNAUTH" 00000000`,
		line38 + "01 71 0000000000000005 000000007fffffff 000000000000004d 00000000",
		line38 + "01 1e" + fmt.Sprintf("%x", ardHello(2, 128, hexNumber(t, oakley2), big.NewInt(5))) + "00000000",
		line38 + "01 13 0002 00 01 0000010b 01 00000000",
		line38 + "01 05" + fmt.Sprintf("%x", displayHello(rsaKeys().display)) + "0081" + strings.Repeat("00", 129),
	} {
		for n := range 8 {
			c := &brokenAfter{Script: rfbtest.NewScript(unhex(t, in)), writes: n}
			if _, err := rfb.Client(context.Background(), c, client); err == nil && c.broke {
				t.Errorf("%s, %d writes: no error", in, n)
			}
		}
	}
}

// brokenAfter fails all writes but the first few.
type brokenAfter struct {
	*rfbtest.Script
	writes int
	broke  bool
}

func (b *brokenAfter) Write(p []byte) (int, error) {
	if b.writes == 0 {
		b.broke = true
		return 0, io.ErrClosedPipe
	}
	b.writes--
	return b.Script.Write(p)
}

func TestLayerFails(t *testing.T) {
	after := func(context.Context, net.Conn) (net.Conn, error) { return nil, errLookup }
	o := handshake(t, rfb.Version38, 0,
		&rfb.ServerConfig{Security: []rfb.Security{afterwards(after)}}, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if !errors.Is(o.displayErr, errLookup) || !strings.Contains(o.displayErr.Error(), "security layer") {
		t.Error(o.displayErr)
	}
}

// afterwards is None with something behind the SecurityResult.
type afterwards func(context.Context, net.Conn) (net.Conn, error)

func (afterwards) Type() rfb.SecurityType { return rfb.TypeNone }
func (a afterwards) Handshake(_ context.Context, c net.Conn) (rfb.Secured, error) {
	return rfb.Secured{Conn: c, After: a}, nil
}

// TestConnStepsAside: a Conn is no layer of the stack, only the end of its
// handshake.
func TestConnStepsAside(t *testing.T) {
	below, _ := layertest.Pipe()
	c := &rfb.Conn{Conn: below}
	if c.NetConn() != below || c.Bypass() != below || c.LayerName() != "" {
		t.Error("the connection below is hidden")
	}
}
