package rfb_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// The properties of the fuzz tests here: a peer that says anything at all gets
// an end without a panic, the pieces its bytes come in make no difference, and
// a side that reports success has not read a byte too many.

// passThrough stands for TLS.
func passThrough(_ context.Context, c net.Conn) (net.Conn, error) { return c, nil }

// quick makes wrong proofs right, so that fuzzing does not wait for their
// answers.
type quick struct{}

func (quick) Next(response []byte) ([]byte, bool, error) { return response, len(response) != 1, nil }

// everyServer offers all there is; challenges are 0, 1, 2, ….
func everyServer() []rfb.Security {
	accept := func(context.Context, string, string) error { return nil }
	start := func(context.Context, string, net.Conn) (rfb.SASLMechanism, error) { return quick{}, nil }
	inner := []rfb.Security{
		rfb.ServerPlain{Verify: accept},
		rfb.ServerSASL{Mechanisms: []string{"PLAIN", "SCRAM-SHA-256"}, Start: start},
	}
	subtypes := []rfb.Security{inner[0], rfb.ServerX509{TLS: passThrough, Inner: rfb.None{}}}
	for _, s := range inner {
		subtypes = append(subtypes, rfb.ServerX509{TLS: passThrough, Inner: s})
	}
	list := []rfb.Security{
		rfb.None{}, inner[1], rfb.ServerVeNCrypt{Subtypes: subtypes},
		rfb.ServerARD{Verify: accept}, rfb.ServerTight{Auths: append(inner, rfb.None{})},
	}
	rsaKeys() // now, and not out of randomness that is to be the same each time
	for _, as := range rsaTypes {
		list = append(list, rfb.ServerRSAAES{As: as, Key: displayKey, Verify: accept})
	}
	return list
}

// echo is the client side of a mechanism that repeats what it is told.
type echo struct{ name string }

func (e echo) Start() (string, []byte, error)        { return e.name, nil, nil }
func (e echo) Next(challenge []byte) ([]byte, error) { return challenge, nil }

func everyClient() []rfb.Security {
	choose := func(_ context.Context, offered []string, _ net.Conn) (rfb.SASLClientMechanism, error) {
		if len(offered) == 0 {
			return nil, errWrong
		}
		return echo{offered[0]}, nil
	}
	inner := []rfb.Security{
		rfb.None{},
		rfb.ClientVncAuth{Password: password(goodPassword)},
		rfb.ClientPlain{Credentials: credentials(goodUser, goodPassword)},
		rfb.ClientSASL{Choose: choose},
	}
	subtypes := []rfb.Security{inner[2]}
	for _, s := range append(inner, rfb.ClientIdent{User: password(goodUser)}) {
		subtypes = append(subtypes, rfb.ClientX509{TLS: passThrough, Inner: s})
	}
	list := []rfb.Security{
		inner[3], rfb.ClientVeNCrypt{Subtypes: subtypes}, inner[1], inner[0],
		rfb.ClientARD{Credentials: credentials(goodUser, goodPassword)},
		rfb.ClientMSLogonII{Credentials: credentials(goodUser, goodPassword)},
		rfb.ClientTight{Auths: inner},
	}
	rsaKeys()
	for _, as := range rsaTypes {
		list = append(list, rfb.ClientRSAAES{
			As: as, Key: viewerKey, VerifyKey: func(*rsa.PublicKey) error { return nil },
			Credentials: credentials(goodUser, goodPassword),
		})
	}
	return list
}

// samePieces runs f on in whole and byte by byte and demands the same of both.
func samePieces(t *testing.T, in []byte, f func(*rfbtest.Script) error) {
	t.Helper()
	whole, pieces := rfbtest.NewScript(in), rfbtest.NewScript(in)
	pieces.Piece = 1
	cryptotest.SetGlobalRandom(t, 1) // secrets and paddings come out the same
	err1 := f(whole)
	cryptotest.SetGlobalRandom(t, 1)
	err2 := f(pieces)
	if (err1 == nil) != (err2 == nil) || err1 != nil && err1.Error() != err2.Error() {
		t.Fatalf("whole: %v, in pieces: %v", err1, err2)
	}
	if !bytes.Equal(whole.Out.Bytes(), pieces.Out.Bytes()) || whole.Left() != pieces.Left() {
		t.Fatalf("whole: %x with %d left, in pieces: %x with %d left",
			whole.Out.Bytes(), whole.Left(), pieces.Out.Bytes(), pieces.Left())
	}
}

// addTranscripts adds what real peers of ours said.
func addTranscripts(f *testing.F, kind string, by rfbtest.By) {
	paths, err := filepath.Glob(filepath.Join("rfbtest", "testdata", kind, "*.txtar"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no transcripts of %s: %v", kind, err)
	}
	for _, path := range paths {
		tr, err := rfbtest.LoadTranscript(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(tr.Said(by))
	}
}

func FuzzServer(f *testing.F) {
	for _, in := range []string{
		line38 + "01", line37 + "01", line33, `"RFB 003.889" 0a 01`,
		line38 + `13 0002 00000100 00000004 00000006 "marysesame"`,
		line38 + `13 0002 00000106 00000004 00000006 "marysesame"`,
		line38 + `13 0002 00000104`,
		line38 + `13 0002 00000107 00000005 "PLAIN" 00000002 "x" 00`,
		line38 + `14 0000000d "SCRAM-SHA-256" 00000002 "x" 00 00000001 00`,
		line38 + `10 00000081 00000004 00000006 "marysesame"`, line37 + `10 00000001 01`,
		line38 + "1e" + strings.Repeat("07", 128+256), line38 + "05 00000400",
	} {
		f.Add(unhex(f, in))
	}
	addTranscripts(f, "viewers", rfbtest.ByViewer)
	f.Fuzz(func(t *testing.T, in []byte) {
		samePieces(t, in, func(c *rfbtest.Script) error {
			_, err := rfb.Server(context.Background(), c, &rfb.ServerConfig{Security: everyServer()})
			return err
		})
	})
}

func FuzzClient(f *testing.F) {
	for _, in := range []string{
		line38 + "02 0110 00000000", line37 + "01 01", line33 + "00000001", line33 + "00000000",
		line38 + "01 02" + challenge + "00000001 00000003 \"no!\"",
		line38 + "01 13 0002 00 02 00000101 00000104 01 00000000",
		line38 + "01 13 0002 00 01 00000107 01 00000005 \"PLAIN\" 00000000 01 00000000",
		line38 + `01 14 0000000b "PLAIN,GSSAP" 00000001 00 00 00000002 "x" 00 01 00000000`,
		line38 + `01 10 00000001 00000000 "TGHTNOTUNNEL" 00000001 00000081 "TGHTULGNAUTH" 00000000`,
		line38 + `01 10 00000000 00000000 00000000`,
		line38 + "01 71" + strings.Repeat("00000000 00000005", 3) + "00000000",
		line38 + "01 1e 0002 0080" + strings.Repeat("7f", 256) + "00000000", line38 + "01 81 00000400",
	} {
		f.Add(unhex(f, in))
	}
	addTranscripts(f, "displays", rfbtest.ByDisplay)
	f.Fuzz(func(t *testing.T, in []byte) {
		samePieces(t, in, func(c *rfbtest.Script) error {
			_, err := rfb.Client(context.Background(), c, &rfb.ClientConfig{Security: everyClient()})
			return err
		})
	})
}

func FuzzParseVersion(f *testing.F) {
	f.Add([]byte("RFB 003.008\n"))
	f.Add([]byte("RFB 003.889\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		major, minor, err := rfb.ParseVersion(line)
		if err == nil && string(line) != fmtVersion(major, minor) {
			t.Fatalf("%q read as %d.%d", line, major, minor)
		}
	})
}

func fmtVersion(major, minor int) string {
	b := []byte("RFB 000.000\n")
	for i := range 3 {
		b[6-i] += byte(major % 10)
		b[10-i] += byte(minor % 10)
		major, minor = major/10, minor/10
	}
	return string(b)
}

// FuzzSASL fuzzes both sides' exchange apart from what leads to it.
func FuzzSASL(f *testing.F) {
	f.Add(unhex(f, `00000005 "PLAIN" 00000000 00000002 "x" 00`))
	f.Add(unhex(f, `00000005 "PLAIN" 00000001 00 00 00000002 "x" 00 01`))
	f.Add(unhex(f, `0000000d "SCRAM-SHA-256" 00000002 "x" 00 00000003 "xy" 00`))
	servers, clients := everyServer(), everyClient()
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, s := range []rfb.Security{servers[1], clients[0]} {
			samePieces(t, in, func(c *rfbtest.Script) error {
				_, err := s.Handshake(context.Background(), c)
				return err
			})
		}
	})
}

// FuzzVeNCrypt fuzzes both sides' choice of a subtype and what is inside.
func FuzzVeNCrypt(f *testing.F) {
	f.Add(unhex(f, `0002 00000100 00000001 00000001 "xy"`))
	f.Add(unhex(f, `0002 00 02 00000101 00000106 01`))
	f.Add(unhex(f, `0001`))
	servers, clients := everyServer(), everyClient()
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, s := range []rfb.Security{servers[2], clients[1]} {
			samePieces(t, in, func(c *rfbtest.Script) error {
				_, err := s.Handshake(context.Background(), c)
				return err
			})
		}
	})
}

// FuzzPlain: the credentials are cut where the lengths say.
func FuzzPlain(f *testing.F) {
	f.Add(unhex(f, `00000004 00000006 "marysesame"`))
	f.Add(unhex(f, `ffffffff 00000001 "x"`))
	f.Fuzz(func(t *testing.T, in []byte) {
		samePieces(t, in, func(c *rfbtest.Script) error {
			verify := func(_ context.Context, user, password string) error {
				if !bytes.HasPrefix(in[8:], []byte(user+password)) || len(user) != int(in[3])+int(in[2])<<8 {
					t.Errorf("%x: %q and %q", in, user, password)
				}
				return nil
			}
			_, err := (rfb.ServerPlain{Verify: verify}).Handshake(context.Background(), c)
			return err
		})
	})
}

// FuzzReason: what a display says is bounded and printable UTF-8.
func FuzzReason(f *testing.F) {
	f.Add(unhex(f, `00000004 "busy"`))
	f.Add(unhex(f, `00000005 "busy" 00`))
	f.Add(unhex(f, `00001001`))
	f.Fuzz(func(t *testing.T, in []byte) {
		in = append(unhex(t, line38+"00"), in...)
		samePieces(t, in, func(c *rfbtest.Script) error {
			_, err := rfb.Client(context.Background(), c, &rfb.ClientConfig{})
			said, ok := err.(*rfb.DisplayError)
			if !ok || len(said.Reason) > 3*rfb.MaxReasonLen {
				t.Errorf("%v", err)
			}
			return err
		})
	})
}

// FuzzInit: an accepted ServerInit is sent as it came, but for padding, flags
// and names that are not UTF-8.
func FuzzInit(f *testing.F) {
	f.Add(unhex(f, initOf1x1+`00000004 "name"`))
	f.Add(unhex(f, initOf1x1+`ffffffff`))
	f.Fuzz(func(t *testing.T, in []byte) {
		ctx := context.Background()
		c, _ := scripted(in)
		init, err := c.ReadServerInit(ctx)
		if err != nil {
			return
		}
		if init.Format.Valid() != nil || len(init.Name) > rfb.MaxNameLen {
			t.Fatalf("accepted %+v", init)
		}
		c, s := scripted(nil)
		if err := c.WriteServerInit(ctx, init); err != nil {
			t.Fatal(err)
		}
		c, _ = scripted(s.Out.Bytes())
		if again, err := c.ReadServerInit(ctx); err != nil || again != init {
			t.Fatalf("%+v came back as %+v, %v", init, again, err)
		}
		c, _ = scripted(in)
		if shared, err := c.ReadClientInit(ctx); err != nil || shared != (in[0] != 0) {
			t.Fatalf("shared %v, %v", shared, err)
		}
	})
}

// FuzzClipboard: inflating is bounded and never panics; what we provide comes
// back.
func FuzzClipboard(f *testing.F) {
	f.Add(rfb.AppendClientClipboard(nil, rfb.ProvideText("hello\n")), "hello")
	f.Fuzz(func(t *testing.T, msg []byte, text string) {
		if c, ok := rfb.ParseClipboard(msg); ok {
			if got, err := c.Text(1000); err == nil && len(got) > 1000 {
				t.Fatalf("%d bytes of text", len(got))
			}
		}
		_, _ = rfb.CutText(msg)
		got, err := rfb.ProvideText(text).Text(4*len(text) + 16)
		if want := normalLines(text); err != nil || got != want {
			t.Fatalf("%q came back as %q, %v", want, got, err)
		}
	})
}

func normalLines(s string) string {
	return string(bytes.ReplaceAll([]byte(s), []byte("\r\n"), []byte("\n")))
}
