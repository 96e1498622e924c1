package rfb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/layers/layertest"
	"vncgate/rfb"
)

// way is a security type that both sides can do.
type way struct {
	method string
	user   string // what the display learns
	server rfb.Security
	// client is the viewer's side, with this user and password.
	client func(user, password string) rfb.Security
}

// ancient reports whether RFB 3.3 has the type.
func (w way) ancient() bool {
	return w.server.Type() == rfb.TypeNone || w.server.Type() == rfb.TypeVncAuth
}

// ways lists every security type, nested ones in VeNCrypt.
func ways(pair *layertest.TLSPair) []way {
	type client = func(user, password string) rfb.Security
	none := func(_, _ string) rfb.Security { return rfb.None{} }
	vnc := func(_, p string) rfb.Security { return rfb.ClientVncAuth{Password: password(p)} }
	plain := func(u, p string) rfb.Security { return rfb.ClientPlain{Credentials: credentials(u, p)} }
	mech := func(name string) client {
		return func(u, p string) rfb.Security { return rfb.ClientSASL{Choose: chooseMechanism(u, p, name)} }
	}
	nest := func(s rfb.Security) rfb.Security { return rfb.ServerVeNCrypt{Subtypes: []rfb.Security{s}} }
	nestClient := func(c client) client {
		return func(u, p string) rfb.Security {
			return rfb.ClientVeNCrypt{Subtypes: []rfb.Security{c(u, p)}}
		}
	}
	x509 := func(s rfb.Security) rfb.Security { return nest(rfb.ServerX509{TLS: tlsServer(pair), Inner: s}) }
	x509Client := func(c client) client {
		return nestClient(func(u, p string) rfb.Security {
			return rfb.ClientX509{TLS: tlsClient(pair), Inner: c(u, p)}
		})
	}
	serverVnc := rfb.ServerVncAuth{Passwords: passwords("other", goodPassword)}
	serverPlain := rfb.ServerPlain{Verify: verify}
	serverSASL := rfb.ServerSASL{Mechanisms: []string{"SCRAM-SHA-256", "PLAIN"}, Start: startMechanism}
	ra2 := func(t rfb.SecurityType) way {
		return way{t.String(), goodUser, serverRSA(t), func(u, p string) rfb.Security { return clientRSA(t, u, p) }}
	}
	ard := func(u, p string) rfb.Security { return rfb.ClientARD{Credentials: credentials(u, p)} }
	tight := func(s ...rfb.Security) rfb.Security { return rfb.ServerTight{Auths: s} }
	tightClient := func(c client) client {
		return func(u, p string) rfb.Security { return rfb.ClientTight{Auths: []rfb.Security{c(u, p)}} }
	}
	return []way{
		{"ard", goodUser, rfb.ServerARD{Verify: verify}, ard},
		{"none", "", tight(serverVnc, rfb.None{}), tightClient(none)},
		{"vnc", "", tight(rfb.None{}, serverVnc), tightClient(vnc)},
		{"plain", goodUser, tight(serverPlain), tightClient(plain)},
		{"x509-plain", goodUser, tight(x509(serverPlain)), tightClient(x509Client(plain))},
		{"sasl/SCRAM-SHA-256", goodUser, tight(serverSASL), tightClient(mech("SCRAM-SHA-256"))},
		ra2(rfb.TypeRA2), ra2(rfb.TypeRA2ne), ra2(rfb.TypeRA256), ra2(rfb.TypeRAne256),
		{"none", "", rfb.None{}, none},
		{"vnc", "", serverVnc, vnc},
		{"plain", goodUser, nest(serverPlain), nestClient(plain)},
		{"none", "", nest(rfb.None{}), nestClient(none)},
		{"x509-none", "", x509(rfb.None{}), x509Client(none)},
		{"x509-vnc", "", x509(serverVnc), x509Client(vnc)},
		{"x509-plain", goodUser, x509(serverPlain), x509Client(plain)},
		{"x509-sasl/PLAIN", goodUser, x509(serverSASL), x509Client(mech("PLAIN"))},
		{"x509-sasl/SCRAM-SHA-256", goodUser, x509(serverSASL), x509Client(mech("SCRAM-SHA-256"))},
		{"sasl/PLAIN", goodUser, serverSASL, mech("PLAIN")},
		{"sasl/SCRAM-SHA-256", goodUser, serverSASL, mech("SCRAM-SHA-256")},
	}
}

func TestHandshake(t *testing.T) {
	pair := layertest.Certificates(t)
	for _, v := range []rfb.Version{rfb.Version33, rfb.Version37, rfb.Version38} {
		for _, w := range ways(pair) {
			if v == rfb.Version33 && !w.ancient() {
				continue
			}
			for _, chunk := range []int{0, 1} {
				t.Run(fmt.Sprintf("%s/%s-%s/%d", v, w.server.Type(), w.method, chunk), func(t *testing.T) {
					testHandshake(t, v, w, chunk)
				})
			}
		}
	}
}

func testHandshake(t *testing.T, v rfb.Version, w way, chunk int) {
	var approved rfb.Secured
	approve := func(_ context.Context, s rfb.Secured) error {
		approved = s
		return nil
	}
	o := handshake(t, v, chunk,
		&rfb.ServerConfig{Security: []rfb.Security{w.server}, Approve: approve},
		&rfb.ClientConfig{Security: []rfb.Security{w.client(goodUser, goodPassword)}})
	if o.viewerErr != nil || o.displayErr != nil {
		t.Fatalf("viewer: %v, display: %v", o.viewerErr, o.displayErr)
	}
	for _, c := range []*rfb.Conn{o.viewer, o.display} {
		if c.Version != v || c.Secured.Method != w.method {
			t.Errorf("version %s, method %q, want %s, %q", c.Version, c.Secured.Method, v, w.method)
		}
	}
	if approved.Method != w.method || approved.User != w.user || approved.Conn == nil {
		t.Errorf("approved %q of %q, want %q of %q", approved.Method, approved.User, w.method, w.user)
	}
	exchange(t, o)
}

func TestWrongProof(t *testing.T) {
	pair := layertest.Certificates(t)
	for _, v := range []rfb.Version{rfb.Version33, rfb.Version37, rfb.Version38} {
		for _, w := range ways(pair) {
			if v == rfb.Version33 && !w.ancient() || strings.HasSuffix(w.method, "none") {
				continue
			}
			for _, user := range []string{goodUser, "nobody"} {
				if w.user == "" && user != goodUser {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%s", v, w.method, user), func(t *testing.T) {
					t.Parallel()
					testWrongProof(t, v, w, user)
				})
			}
		}
	}
}

func testWrongProof(t *testing.T, v rfb.Version, w way, user string) {
	approve := func(context.Context, rfb.Secured) error {
		t.Error("approval was asked without a proof")
		return nil
	}
	begun := time.Now()
	o := handshake(t, v, 0,
		&rfb.ServerConfig{Security: []rfb.Security{w.server}, Approve: approve},
		&rfb.ClientConfig{Security: []rfb.Security{w.client(user, "wrong")}})
	var refusal *rfb.Refusal
	if !errors.As(o.displayErr, &refusal) || refusal.Reason != "Authentication failed" {
		t.Errorf("display: %v", o.displayErr)
	}
	want := ""
	if v == rfb.Version38 {
		want = "Authentication failed"
	}
	var said *rfb.DisplayError
	if !errors.As(o.viewerErr, &said) || said.Stage != rfb.StageAuthentication || said.Reason != want {
		t.Errorf("viewer: %v", o.viewerErr)
	}
	if took := time.Since(begun); took < 100*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
	for _, err := range []error{o.viewerErr, o.displayErr} {
		if err != nil && (strings.Contains(err.Error(), goodPassword) || strings.Contains(err.Error(), "wrong\"")) {
			t.Errorf("a secret is in %q", err)
		}
	}
}

func TestSecurityLayer(t *testing.T) {
	start := func(ctx context.Context, name string, c net.Conn) (rfb.SASLMechanism, error) {
		m, err := startMechanism(ctx, name, c)
		return layered{m}, err
	}
	choose := func(ctx context.Context, offered []string, c net.Conn) (rfb.SASLClientMechanism, error) {
		m, err := chooseMechanism(goodUser, goodPassword, "PLAIN")(ctx, offered, c)
		return layeredClient{m}, err
	}
	o := handshake(t, rfb.Version38, 1,
		&rfb.ServerConfig{Security: []rfb.Security{rfb.ServerSASL{Mechanisms: []string{"PLAIN"}, Start: start}}},
		&rfb.ClientConfig{Security: []rfb.Security{rfb.ClientSASL{Choose: choose}}})
	if o.viewerErr != nil || o.displayErr != nil {
		t.Fatalf("viewer: %v, display: %v", o.viewerErr, o.displayErr)
	}
	if _, wrapped := o.display.Conn.(rotConn); !wrapped {
		t.Error("no security layer above the connection")
	}
	exchange(t, o)
}

func TestApproveRefuses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		v      rfb.Version
		err    error
		reason string
	}{
		{"with words", rfb.Version38, &rfb.Refusal{Reason: "There is no such display."}, "There is no such display."},
		{"without words", rfb.Version38, errors.New("secret detail"), "refused"},
		{"wrapped", rfb.Version38, fmt.Errorf("x: %w", &rfb.Refusal{Reason: "full"}), "full"},
		{"not ASCII", rfb.Version38, &rfb.Refusal{Reason: "spä\u0165\n\x00"}, "sp????"},
		{"long", rfb.Version38, &rfb.Refusal{Reason: strings.Repeat("x", 1000)}, strings.Repeat("x", 256)},
		{"3.7 has no words", rfb.Version37, &rfb.Refusal{Reason: "full"}, ""},
		{"3.3 has no words", rfb.Version33, &rfb.Refusal{Reason: "full"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := handshake(t, tt.v, 0,
				&rfb.ServerConfig{
					Security: []rfb.Security{rfb.ServerVncAuth{Passwords: passwords(goodPassword)}},
					Approve:  func(context.Context, rfb.Secured) error { return tt.err },
				},
				&rfb.ClientConfig{Security: []rfb.Security{rfb.ClientVncAuth{Password: password(goodPassword)}}})
			if !errors.Is(o.displayErr, tt.err) {
				t.Errorf("display: %v", o.displayErr)
			}
			var said *rfb.DisplayError
			if !errors.As(o.viewerErr, &said) || said.Reason != tt.reason {
				t.Errorf("viewer: %v, want %q", o.viewerErr, tt.reason)
			}
		})
	}
}

func TestNothingToOffer(t *testing.T) {
	for _, v := range []rfb.Version{rfb.Version33, rfb.Version37, rfb.Version38} {
		for _, reason := range []string{"", "Use a browser."} {
			o := handshake(t, v, 1, &rfb.ServerConfig{NoSecurity: reason}, &rfb.ClientConfig{})
			want := reason
			if want == "" {
				want = "No security type is available"
			}
			var said *rfb.DisplayError
			if !errors.As(o.viewerErr, &said) || said.Stage != rfb.StageSecurity || said.Reason != want {
				t.Errorf("%s: viewer: %v", v, o.viewerErr)
			}
			var refusal *rfb.Refusal
			if !errors.As(o.displayErr, &refusal) {
				t.Errorf("%s: display: %v", v, o.displayErr)
			}
		}
	}
}

func TestNoCommonSecurity(t *testing.T) {
	nobody := rfb.ServerVncAuth{Passwords: passwords()}
	for _, tt := range []struct {
		name   string
		server rfb.Security
		client rfb.Security
		text   string
	}{
		{"top level", nobody, rfb.None{}, "display offers vnc, we can do none"},
		{"subtypes", rfb.ServerVeNCrypt{Subtypes: []rfb.Security{rfb.ServerPlain{}, nobody}},
			rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.None{}}}, "display offers plain, vnc, we can do none"},
		{"anonymous TLS", rfb.ServerVeNCrypt{Subtypes: []rfb.Security{typed(rfb.TypeTLSVnc)}},
			rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.None{}}}, "enable an X509 type on the display"},
		{"type 18", typed(rfb.TypeTLS), rfb.None{}, "enable an X509 type on the display"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := handshake(t, rfb.Version38, 0,
				&rfb.ServerConfig{Security: []rfb.Security{tt.server}},
				&rfb.ClientConfig{Security: []rfb.Security{tt.client}})
			var none *rfb.NoCommonSecurityError
			if !errors.As(o.viewerErr, &none) || !strings.Contains(none.Error(), tt.text) {
				t.Errorf("viewer: %v", o.viewerErr)
			}
		})
	}
}

// typed is a security type that exists in name only.
type typed rfb.SecurityType

func (s typed) Type() rfb.SecurityType { return rfb.SecurityType(s) }
func (s typed) Handshake(_ context.Context, c net.Conn) (rfb.Secured, error) {
	return rfb.Secured{Conn: c}, nil
}

// TestClientPrefersItsOwnOrder: the first of ours, not of the display's.
func TestClientPrefersItsOwnOrder(t *testing.T) {
	o := handshake(t, rfb.Version38, 0,
		&rfb.ServerConfig{Security: []rfb.Security{rfb.None{}, rfb.ServerVncAuth{Passwords: passwords(goodPassword)}}},
		&rfb.ClientConfig{Security: []rfb.Security{typed(rfb.TypeSASL), rfb.ClientVncAuth{Password: password(goodPassword)}, rfb.None{}}})
	if o.viewerErr != nil || o.viewer.Secured.Method != "vnc" {
		t.Errorf("%v, %v", o.viewer, o.viewerErr)
	}
}

func TestImpossibleOffers(t *testing.T) {
	many := make([]rfb.Security, 21)
	for i := range many {
		many[i] = rfb.None{}
	}
	for _, s := range []rfb.Security{
		rfb.ServerPlain{}, typed(0), rfb.ServerX509{Inner: rfb.None{}},
	} {
		front, _ := layertest.Pipe()
		if _, err := rfb.Server(context.Background(), front, &rfb.ServerConfig{Security: []rfb.Security{s}}); err == nil {
			t.Errorf("%s was offered", s.Type())
		}
	}
	for _, subs := range [][]rfb.Security{{rfb.ServerVeNCrypt{}}, many, {rfb.ServerX509{Inner: typed(30)}}} {
		front, _ := layertest.Pipe()
		if _, err := (rfb.ServerVeNCrypt{Subtypes: subs}).Handshake(context.Background(), front); err == nil {
			t.Errorf("%d subtypes were offered, the first %s", len(subs), subs[0].Type())
		}
	}
}
