package rfb_test

import (
	"context"
	"encoding/hex"
	"errors"
	"net"
	"strings"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// unhex reads hex with spaces, and text between quotes: `00000003 "abc"`.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var out []byte
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.Join(strings.Fields(part), ""))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

// counting is a source of randomness that gives 0, 1, 2, ….
type counting struct{ next byte }

func (c *counting) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = c.next
		c.next++
	}
	return len(b), nil
}

const (
	line33 = `"RFB 003.003" 0a `
	line37 = `"RFB 003.007" 0a `
	line38 = `"RFB 003.008" 0a `
	// The challenge that counting makes, and the answer of "password".
	challenge = "000102030405060708090a0b0c0d0e0f "
	response  = "b866924125c8eebb9debc1db61c538e2 "
	failed    = `00000001 00000015 "Authentication failed"`
)

// TestServerBytes pins what a viewer sees, byte for byte.
func TestServerBytes(t *testing.T) {
	none := []rfb.Security{rfb.None{}}
	vnc := []rfb.Security{rfb.ServerVncAuth{Passwords: passwords("password12"), Rand: &counting{}}}
	plain := []rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{rfb.ServerPlain{Verify: verify}}}}
	mechs := []rfb.Security{rfb.ServerSASL{Mechanisms: []string{"PLAIN", "SCRAM-SHA-256"}, Start: startMechanism}}
	x509 := []rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{rfb.ServerX509{
		TLS: func(_ context.Context, c net.Conn) (net.Conn, error) { return c, nil }, Inner: rfb.None{},
	}}}}
	for _, tt := range []struct {
		name     string
		security []rfb.Security
		in, out  string
		err      string
	}{
		{"3.8 none", none, line38 + "01", line38 + "01 01 00000000", ""},
		{"3.7 none", none, line37 + "01", line38 + "01 01", ""},
		{"3.3 none", none, line33, line38 + "00000001", ""},
		{"Apple", none, `"RFB 003.889" 0a 01`, line38 + "01 01 00000000", ""},
		{"RealVNC 5", none, `"RFB 005.000" 0a 01`, line38 + "01 01 00000000", ""},
		{"3.5", none, `"RFB 003.005" 0a`, line38 + "00000001", ""},
		{"3.8 vnc", vnc, line38 + "02" + response, line38 + "01 02" + challenge + "00000000", ""},
		{"3.7 vnc", vnc, line37 + "02" + response, line38 + "01 02" + challenge + "00000000", ""},
		{"3.3 vnc", vnc, line33 + response, line38 + "00000002" + challenge + "00000000", ""},
		{"3.8 vnc wrong", vnc, line38 + "02" + challenge, line38 + "01 02" + challenge + failed, "wrong password"},
		{"3.7 vnc wrong", vnc, line37 + "02" + challenge, line38 + "01 02" + challenge + "00000001", "wrong password"},
		{"3.3 vnc wrong", vnc, line33 + challenge, line38 + "00000002" + challenge + "00000001", "wrong password"},
		{"plain", plain, line38 + `13 0002 00000100 00000004 00000006 "marysesame"`,
			line38 + "01 13 0002 00 01 00000100 00000000", ""},
		{"plain wrong", plain, line38 + `13 0002 00000100 00000004 00000003 "marybad"`,
			line38 + "01 13 0002 00 01 00000100" + failed, "wrong user or password"},
		{"plain too long", plain, line38 + "13 0002 00000100 00000401 00000000",
			line38 + "01 13 0002 00 01 00000100", "more than 1024"},
		{"vencrypt 0.1", plain, line38 + "13 0001", line38 + "01 13 0002 01", "version 0.1"},
		{"vencrypt subtype not offered", plain, line38 + "13 0002 00000101",
			line38 + "01 13 0002 00 01 00000100", "tls-none, which was not offered"},
		{"vencrypt none in 3.7 has a result", x509, line37 + "13 0002 00000104",
			line38 + "01 13 0002 00 01 00000104 01 00000000", ""},
		{"sasl", mechs, line38 + `14 00000005 "PLAIN" 0000000d 00 "mary" 00 "sesame" 00`,
			line38 + `01 14 00000013 "PLAIN,SCRAM-SHA-256" 00000000 01 00000000`, ""},
		{"sasl wrong", mechs, line38 + `14 00000005 "PLAIN" 0000000a 00 "mary" 00 "bad" 00`,
			line38 + `01 14 00000013 "PLAIN,SCRAM-SHA-256" 00000000 01` + failed, "wrong user or password"},
		{"sasl without initial response", mechs, line38 + `14 00000005 "PLAIN" 00000000`,
			line38 + `01 14 00000013 "PLAIN,SCRAM-SHA-256" 00000001 00 00`, "EOF"},
		{"sasl data without NUL", mechs, line38 + `14 00000005 "PLAIN" 0000000d 00 "mary" 00 "sesame" 5a`,
			line38 + `01 14 00000013 "PLAIN,SCRAM-SHA-256" 00000000 01 00000000`, ""},
		{"sasl part of a name", mechs, line38 + `14 00000005 "SCRAM"`,
			line38 + `01 14 00000013 "PLAIN,SCRAM-SHA-256"`, "not offered"},
		{"sasl long name", mechs, line38 + `14 00000065`,
			line38 + `01 14 00000013 "PLAIN,SCRAM-SHA-256"`, "more than 100"},
		{"sasl long data", mechs, line38 + `14 00000005 "PLAIN" 00010002`,
			line38 + `01 14 00000013 "PLAIN,SCRAM-SHA-256"`, "more than 65537"},
		{"nothing for 3.3", plain, line33, line38 + `00000000 0000001d "No security type is available"`, "refused"},
		{"nothing for 3.8", nil, line38, line38 + `00 0000001d "No security type is available"`, "refused"},
		{"not offered", none, line38 + "02", line38 + "01 01", "vnc, which was not offered"},
		{"HTTP", none, `"GET / HTTP/1"`, line38, "not a protocol version"},
		{"TLS", none, "160301020001000001fc0303", line38, "not a protocol version"},
		{"2.9", none, `"RFB 002.009" 0a`, line38, "version 2.9"},
		{"signs", none, `"RFB +03.-08" 0a`, line38, "not a protocol version"},
		{"silence", none, "", line38, "EOF"},
		{"cut short", none, `"RFB 003"`, line38, "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{0, 1} {
				for _, s := range tt.security {
					if v, ok := s.(rfb.ServerVncAuth); ok {
						v.Rand.(*counting).next = 0
					}
				}
				c := rfbtest.NewScript(unhex(t, tt.in))
				c.Piece = piece
				_, err := rfb.Server(context.Background(), c, &rfb.ServerConfig{Security: tt.security})
				if got, want := c.Out.Bytes(), unhex(t, tt.out); string(got) != string(want) {
					t.Errorf("sent\n%q, want\n%q", got, want)
				}
				checkError(t, err, tt.err)
				if c.Left() != 0 {
					t.Errorf("%d bytes left unread", c.Left())
				}
			}
		})
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %q", err, want)
	}
}

// TestClientBytes pins what a display sees, byte for byte.
func TestClientBytes(t *testing.T) {
	none := []rfb.Security{rfb.None{}}
	vnc := []rfb.Security{rfb.ClientVncAuth{Password: password("password")}}
	plain := []rfb.Security{rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.ClientPlain{Credentials: credentials("mary", "sesame")}}}}
	mech := []rfb.Security{rfb.ClientSASL{Choose: chooseMechanism("mary", "sesame", "PLAIN")}}
	x509 := []rfb.Security{rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.ClientX509{
		TLS: func(_ context.Context, c net.Conn) (net.Conn, error) { return c, nil }, Inner: rfb.None{},
	}}}}
	const saslStart = `14 00000005 "PLAIN" 0000000d 00 "mary" 00 "sesame" 00`
	for _, tt := range []struct {
		name     string
		security []rfb.Security
		in, out  string
		err      string
	}{
		{"3.8 none", none, line38 + "01 01 00000000", line38 + "01", ""},
		{"3.7 none", none, line37 + "01 01", line37 + "01", ""},
		{"3.3 none", none, line33 + "00000001", line33, ""},
		{"Apple", none, `"RFB 003.889" 0a 01 01 00000000`, line38 + "01", ""},
		{"RealVNC 4", none, `"RFB 004.001" 0a 01 01 00000000`, line38 + "01", ""},
		{"UltraVNC single click", none, `"RFB 003.016" 0a 00000001`, line33, ""},
		{"repeater", none, `"RFB 000.000" 0a`, "", "repeater"},
		{"2.0", none, `"RFB 002.000" 0a`, "", "version 2.0"},
		{"SSH", none, `"SSH-2.0-Open"`, "", "not a protocol version"},
		{"3.8 vnc", vnc, line38 + "02 0102" + challenge + "00000000", line38 + "02" + response, ""},
		{"3.3 vnc", vnc, line33 + "00000002" + challenge + "00000000", line33 + response, ""},
		{"vnc refused", vnc, line38 + "01 02" + challenge + `00000001 00000004 "no!" 00`, line38 + "02" + response, `authentication: "no!"`},
		{"too many", vnc, line38 + "01 02" + challenge + `00000002 00000004 "no!" 00`, line38 + "02" + response, `authentication: "no!"`},
		{"refused without a word", vnc, line38 + "01 02" + challenge + `00000001`, line38 + "02" + response, "refused: authentication"},
		{"3.3 refused with words", vnc, line33 + "00000002" + challenge + `00000001 00000003 "no!"`, line33 + response, `authentication: "no!"`},
		{"endless reason", vnc, line38 + "01 02" + challenge + "00000001 00001001", line38 + "02" + response, "refused: authentication"},
		{"hangs up", vnc, line38 + "01 02" + challenge, line38 + "02" + response, "refused: authentication"},
		{"no types", none, line38 + `00 00000004 "busy"`, line38, `security types: "busy"`},
		{"3.3 no type", none, line33 + `00000000 00000004 "busy"`, line33, `security types: "busy"`},
		{"3.3 no type, QEMU", none, line33 + `00000000`, line33, "refused: security types"},
		{"plain", plain, line38 + "01 13 0002 00 01 00000100 00000000",
			line38 + `13 0002 00000100 00000004 00000006 "marysesame"`, ""},
		{"vencrypt 0.1", plain, line38 + "01 13 0001", line38 + "13 0000", "version 0.1"},
		{"vencrypt 0.2 refused", plain, line38 + "01 13 0002 01", line38 + "13 0002", "VeNCrypt version refused"},
		{"no subtypes", plain, line38 + "01 13 0002 00 00", line38 + "13 0002", "no VeNCrypt subtypes"},
		{"subtype refused", x509, line38 + "01 13 0002 00 01 00000104 00", line38 + "13 0002 00000104", "subtype refused"},
		{"x509-none in 3.7 has a result", x509, line37 + "01 13 0002 00 02 00000101 00000104 01 00000000", line37 + "13 0002 00000104", ""},
		{"sasl", mech, line38 + `01 14 0000000b "PLAIN,GSSAP" 00000000 01 00000000`, line38 + saslStart, ""},
		{"sasl of later QEMU", mech, line38 + `01 14 00000005 "PLAIN" 00000001 00 01 00000000`, line38 + saslStart, ""},
		{"sasl fails in QEMU", mech, line38 + `01 14 00000005 "PLAIN"`, line38 + saslStart, "refused: authentication"},
		{"sasl not permitted", mech, line38 + `01 14 00000005 "PLAIN" 00000000 01 00000001 00000002 "no"`, line38 + saslStart, `authentication: "no"`},
		{"sasl odd names", mech, line38 + `01 14 00000007 ",,plain"`, line38 + "14", "display offers []"},
		{"sasl long list", mech, line38 + `01 14 0000012d`, line38 + "14", "more than 300"},
		{"sasl challenge too long", mech, line38 + `01 14 00000005 "PLAIN" 00010002`, line38 + saslStart, "more than 65537"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{0, 1} {
				c := rfbtest.NewScript(unhex(t, tt.in))
				c.Piece = piece
				_, err := rfb.Client(context.Background(), c, &rfb.ClientConfig{Security: tt.security})
				if got, want := c.Out.Bytes(), unhex(t, tt.out); string(got) != string(want) {
					t.Errorf("sent\n%q, want\n%q", got, want)
				}
				checkError(t, err, tt.err)
				if c.Left() != 0 {
					t.Errorf("%d bytes left unread", c.Left())
				}
			}
		})
	}
}

// mute is a mechanism that never has enough.
type mute struct{ steps *int }

func (m mute) Next([]byte) ([]byte, bool, error) { *m.steps++; return nil, false, nil }

func TestSASLSteps(t *testing.T) {
	steps := 0
	s := rfb.ServerSASL{Mechanisms: []string{"X"}, Start: func(context.Context, string, net.Conn) (rfb.SASLMechanism, error) {
		return mute{&steps}, nil
	}}
	c := rfbtest.NewScript(unhex(t, `00000001 "X"`+strings.Repeat("00000000", 100)))
	if _, err := s.Handshake(context.Background(), c); err == nil || !strings.Contains(err.Error(), "more than 10 steps") {
		t.Error(err)
	}
	if steps != 10 {
		t.Errorf("%d steps", steps)
	}
}

// fragile is a mechanism that what a peer sends can break.
type fragile struct{}

func (fragile) Next(response []byte) ([]byte, bool, error) { return response[:1], true, nil }

func TestMechanismPanics(t *testing.T) {
	s := rfb.ServerSASL{Mechanisms: []string{"X"}, Start: func(context.Context, string, net.Conn) (rfb.SASLMechanism, error) {
		return fragile{}, nil
	}}
	c := rfbtest.NewScript(unhex(t, `00000001 "X" 00000000`))
	_, err := s.Handshake(context.Background(), c)
	var refusal *rfb.Refusal
	if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "panicked") {
		t.Error(err)
	}
}

// responses notes what a mechanism is given: nil and empty are different.
type responses struct{ got *[]string }

func (r responses) Next(b []byte) ([]byte, bool, error) {
	switch {
	case b == nil:
		*r.got = append(*r.got, "none")
	case len(b) == 0:
		*r.got = append(*r.got, "empty")
	default:
		*r.got = append(*r.got, string(b))
	}
	return []byte{}, len(*r.got) == 3, nil
}

func TestSASLNoneIsNotEmpty(t *testing.T) {
	var got []string
	s := rfb.ServerSASL{Mechanisms: []string{"X"}, Start: func(context.Context, string, net.Conn) (rfb.SASLMechanism, error) {
		return responses{&got}, nil
	}}
	c := rfbtest.NewScript(unhex(t, `00000001 "X" 00000000 00000001 00 00000002 "x" 00`))
	if _, err := s.Handshake(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if want := "none empty x"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if want := unhex(t, `00000001 "X" 00000001 00 00 00000001 00 00 00000001 00 01`); c.Out.String() != string(want) {
		t.Errorf("sent %x, want %x", c.Out.Bytes(), want)
	}
}
