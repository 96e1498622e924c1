package rfb_test

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// everyTight does all that Tight can.
func everyTight() []rfb.Security {
	return []rfb.Security{rfb.ClientPlain{Credentials: credentials(goodUser, goodPassword)}, rfb.None{}}
}

func TestTightClient(t *testing.T) {
	const plain = `00000004 00000006 "marysesame"`
	for _, tt := range []struct {
		name, in, out, err string
	}{
		{"empty lists", "00000000 00000000", "", ""},
		{"no tunnel wanted", `00000001 00000000 "TGHTNOTUNNEL" 00000000`, "00000000", ""},
		{"one of two tunnels", `00000002 00000001 "XXXXYYYYYYYY" 00000000 "TGHTNOTUNNEL" 00000000`, "00000000", ""},
		{"Siemens", `00000001 00000001 "SICRSCHANNEL" 00000001 00000001 "STDVNOAUTH__"`, "00000000 00000001", ""},
		{"a tunnel wanted", `00000001 00000001 "TGHTSTUNNEL_"`, "", "Tight without a tunnel refused"},
		{"no tunnel of somebody else's", `00000001 00000000 "XXXXNOTUNNEL"`, "", "Tight without a tunnel refused"},
		{"ours first", `00000000 00000002 00000001 "STDVNOAUTH__" 00000081 "TGHTULGNAUTH"`, "00000081" + plain, ""},
		{"what there is", `00000000 00000002 00000002 "STDVVNCAUTH_" 00000001 "STDVNOAUTH__"`, "00000001", ""},
		{"nothing of ours", `00000000 00000002 00000002 "STDVVNCAUTH_" 00000082 "TGHTXTRNAUTH"`, "",
			"display offers vnc, we can do plain, none"},
		{"a number of somebody else's", `00000000 00000001 00000001 "XXXXNOAUTH__"`, "", "display offers nothing"},
		{"many tunnels", "00000401", "", "1025 Tight tunnels, more than 1024"},
		{"vast tunnels", "ffffffff", "", "4294967295 Tight tunnels"},
		{"many authentications", "00000000 10000001", "", "268435457 Tight authentications"},
		{"cut", `00000000 00000001 00000001 "STDVNOAUTH_"`, "", "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := rfbtest.NewScript(unhex(t, tt.in))
			s, err := (rfb.ClientTight{Auths: everyTight()}).Handshake(context.Background(), c)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
			if got, want := hex.EncodeToString(c.Out.Bytes()), hex.EncodeToString(unhex(t, tt.out)); err == nil && (got != want || !s.Tight) {
				t.Errorf("sent %s, want %s", got, want)
			}
		})
	}
}

// TestTightOffered: the list that a display gives is told, as far as it is
// known.
func TestTightOffered(t *testing.T) {
	for in, want := range map[string][]rfb.SecurityType{
		"00000000 00000000": {rfb.TypeNone},
		`00000000 00000005 00000013 "VENCVENCRYPT" 00000014 "GTKVSASL____" 00000082 "TGHTXTRNAUTH" 00000081 "TGHTULGNAUTH" 00000001 "STDVNOAUTH__"`: {
			rfb.TypeVeNCrypt, rfb.TypeSASL, rfb.TypePlain, rfb.TypeNone},
	} {
		var got []rfb.SecurityType
		s := rfb.ClientTight{Auths: everyTight(), Offered: func(o []rfb.SecurityType) { got = o }}
		if _, err := s.Handshake(context.Background(), rfbtest.NewScript(unhex(t, in))); err != nil || !slices.Equal(got, want) {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func TestTightEmptyListWantsNone(t *testing.T) {
	_, err := (rfb.ClientTight{Auths: everyTight()[:1]}).Handshake(context.Background(), rfbtest.NewScript(make([]byte, 8)))
	var none *rfb.NoCommonSecurityError
	if !errors.As(err, &none) || !slices.Equal(none.Offered, []rfb.SecurityType{rfb.TypeNone}) {
		t.Error(err)
	}
}

func TestTightServer(t *testing.T) {
	auths := []rfb.Security{rfb.None{}, rfb.ServerVncAuth{Passwords: passwords()}, rfb.ServerPlain{Verify: verify}}
	for _, tt := range []struct {
		name  string
		auths []rfb.Security
		in    string
		out   string
		err   string
	}{
		{"all", auths, `00000081 00000004 00000006 "marysesame"`,
			`00000000 00000003 00000001 "STDVNOAUTH__" 00000002 "STDVVNCAUTH_" 00000081 "TGHTULGNAUTH"`, ""},
		{"one", auths[:1], "00000001", `00000000 00000001 00000001 "STDVNOAUTH__"`, ""},
		{"not offered", auths[:1], "00000002", "", "authentication 2, which was not offered"},
		{"nothing to choose", auths[:1], "00000000", "", "authentication 0, which was not offered"},
		{"nothing to offer", nil, "", "", "nothing to offer"},
		{"none of Tight's", []rfb.Security{rfb.ServerARD{}}, "", "", "ard cannot be offered here"},
		{"cut", auths, "000000", "", "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := rfbtest.NewScript(unhex(t, tt.in))
			s, err := (rfb.ServerTight{Auths: tt.auths}).Handshake(context.Background(), c)
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
			if got, want := hex.EncodeToString(c.Out.Bytes()), hex.EncodeToString(unhex(t, tt.out)); err == nil && (got != want || !s.Tight) {
				t.Errorf("sent %s, want %s", got, want)
			}
		})
	}
}

// TestTightNone: no SecurityResult stands behind None before 3.8.
func TestTightNone(t *testing.T) {
	const lists = `00000000 00000001 00000001 "STDVNOAUTH__"`
	for line, result := range map[string]string{line37: "", line38: "00000000"} {
		c := rfbtest.NewScript(unhex(t, line+"10 00000001"))
		_, err := rfb.Server(context.Background(), c, &rfb.ServerConfig{
			Security: []rfb.Security{rfb.ServerTight{Auths: []rfb.Security{rfb.None{}}}},
		})
		if want := unhex(t, line38+"01 10"+lists+result); err != nil || c.Out.String() != string(want) {
			t.Errorf("%s: sent %x, want %x, %v", line, c.Out.Bytes(), want, err)
		}
		c = rfbtest.NewScript(unhex(t, line+"01 10"+lists+result))
		_, err = rfb.Client(context.Background(), c, &rfb.ClientConfig{
			Security: []rfb.Security{rfb.ClientTight{Auths: []rfb.Security{rfb.None{}}}},
		})
		if err != nil || c.Left() != 0 {
			t.Errorf("%s: %d bytes left, %v", line, c.Left(), err)
		}
	}
}

// TestTightInit: ServerInit has more behind it under Tight, and both sides know.
func TestTightInit(t *testing.T) {
	ctx := context.Background()
	o := handshake(t, rfb.Version38, 1,
		&rfb.ServerConfig{Security: []rfb.Security{rfb.ServerTight{Auths: []rfb.Security{rfb.None{}}}}},
		&rfb.ClientConfig{Security: []rfb.Security{rfb.ClientTight{Auths: []rfb.Security{rfb.None{}}}}})
	if o.viewerErr != nil || o.displayErr != nil {
		t.Fatal(o.viewerErr, o.displayErr)
	}
	want := rfb.ServerInit{Width: 3, Height: 2, Format: rfb.Format32(), Name: "tight"}
	if err := o.display.WriteServerInit(ctx, want); err != nil {
		t.Fatal(err)
	}
	if got, err := o.viewer.ReadServerInit(ctx); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	exchange(t, o) // neither more nor less was read

	c, s := scripted(nil)
	c.Secured.Tight = true
	if err := c.WriteServerInit(ctx, want); err != nil || !strings.HasSuffix(s.Out.String(), "tight"+strings.Repeat("\x00", 8)) {
		t.Errorf("%q, %v", s.Out.String(), err)
	}
}

func TestTightInitOfADisplay(t *testing.T) {
	list := strings.Repeat(`00000082 "TGHTFTS_LSDT"`, 3)
	for _, tt := range []struct{ counts, behind, err string }{
		{"0001 0001 0001 0000", list, ""},
		{"0003 0000 0000 ffff", list, ""},
		{"0000 0000 0000 0000", "", ""},
		{"0401 0000 0000 0000", list, "1025 Tight interaction capabilities"},
		{"0000 0000 ffff 0000", list, "65535 Tight interaction capabilities"},
		{"0001 0001 0002 0000", list, "EOF"},
		{"0001 0001 0002", "", "unexpected EOF"},
	} {
		c, s := scripted(unhex(t, initOf1x1+`00000001 "x"`+tt.counts+tt.behind))
		c.Secured.Tight = true
		_, err := c.ReadServerInit(context.Background())
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) || err == nil && s.Left() != 0 {
			t.Errorf("%s: %v with %d bytes left", tt.counts, err, s.Left())
		}
	}
}

// FuzzTight fuzzes both sides' choice and what comes behind ServerInit.
func FuzzTight(f *testing.F) {
	f.Add(unhex(f, `00000001 00000000 "TGHTNOTUNNEL" 00000001 00000081 "TGHTULGNAUTH"`))
	f.Add(unhex(f, `00000000 00000001 00000001 "STDVNOAUTH__"`))
	f.Add(unhex(f, `00000081 00000004 00000006 "marysesame"`))
	f.Add(unhex(f, initOf1x1+`00000001 "x" 0001 0000 0000 0000 00000082 "TGHTFTS_LSDT"`))
	accept := func(context.Context, string, string) error { return nil }
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, s := range []rfb.Security{
			rfb.ServerTight{Auths: []rfb.Security{rfb.None{}, rfb.ServerPlain{Verify: accept}}},
			rfb.ClientTight{Auths: everyTight()},
		} {
			samePieces(t, in, func(c *rfbtest.Script) error {
				_, err := s.Handshake(context.Background(), c)
				return err
			})
		}
		samePieces(t, in, func(s *rfbtest.Script) error {
			c := &rfb.Conn{Conn: s, Secured: rfb.Secured{Tight: true}}
			_, err := c.ReadServerInit(context.Background())
			return err
		})
	})
}
