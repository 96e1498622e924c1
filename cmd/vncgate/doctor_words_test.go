package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"vncgate/certs"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// everything of a trouble, to look for words in.
func everything(t *testing.T, err error) string {
	t.Helper()
	var trouble *trouble
	if !errors.As(err, &trouble) {
		t.Fatalf("%v is no trouble", err)
	}
	return trouble.Error() + " " + strings.Join(trouble.advice, " ")
}

func TestVersionWords(t *testing.T) {
	for version, want := range map[string]string{
		"RFB 003.008": "as most servers", "RFB 003.889": "Apple Screen Sharing", "RFB 003.003": "a very old server",
		"RFB 003.007": "older", "RFB 003.014": "UltraVNC", "RFB 004.001": "RealVNC", "RFB 005.000": "RealVNC",
		"RFB 000.000": "repeater", "RFB 003.012": "an unusual version",
	} {
		if got := versionWords(version); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
}

func TestTypeText(t *testing.T) {
	for typ, want := range map[rfb.SecurityType]string{
		1: "no authentication (none)", 260: "x509-none (260): TLS", 2: "vnc (2): a VNC password", 19: "vencrypt (19): VeNCrypt", 258: "tls-vnc (258): TLS without certificates",
		13: "type-13: RealVNC's own", 200: "type-200: RealVNC's own", 99: "type-99", 1000: "type-1000",
	} {
		if got := typeText(typ); !strings.HasPrefix(got, want) {
			t.Errorf("%d: %q, want %q", typ, got, want)
		}
	}
}

func TestWrongSecret(t *testing.T) {
	for _, tt := range []struct{ name, reason, want string }{
		{"vnc", "Authentication failure", `by vnc: "Authentication failure" On this side: the password is wrong`},
		{"x509-vnc", "", "refused the log-in by x509-vnc On this side"},
		{"x509-plain", "no", "-PlainUsers"},
		{"sasl", "", "sasldblistusers2"},
		{"x509-sasl", "", "'vncgate user list'"},
		{"plain", "There is no such display.", "no target of this name"},
		{"sasl", "The gateway is full. Try again later.", "the log-in was right, but the gateway is full"},
		{"sasl", "The gateway cannot tell at the moment how many sessions there are. Try again in a few seconds.", "does not reach the Redis"},
		{"none", "The gateway cannot serve this now.", "a fault of its own"},
		{"none", "full", `with no authentication (none): "full" On the other side: its log`},
		{"vnc", "Too many security failures", "locked out"},
	} {
		d := &doctor{current: &step{Details: map[string]any{"type": tt.name}}}
		if got := everything(t, d.wrongSecret(tt.reason)); !strings.Contains(got, tt.want) {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

func TestTurnedAway(t *testing.T) {
	for reason, want := range map[string]string{
		"":                           "turns us away before any log-in On the other side: its log",
		"too many connections":       "locked out",
		"Password is not configured": "it has no password to compare with",
		"Go home":                    `"Go home"`,
	} {
		if got := everything(t, turnedAway(reason)); !strings.Contains(got, want) {
			t.Errorf("%q: %q", reason, got)
		}
	}
}

func TestNoPage(t *testing.T) {
	d := &doctor{report: &report{Address: "https://gate"}}
	for err, want := range map[error]string{
		errors.New(`malformed HTTP response "RFB 003.008"`):              "speaks RFB, not HTTP",
		errors.New(`malformed HTTP status code "003.008"`):               "speaks RFB, not HTTP",
		errors.New("http: server gave HTTP response to HTTPS client"):    "write http:// for https://",
		errors.New(`malformed HTTP response "\x15\x03\x01\x00\x02\x02"`): "does not speak HTTP",
		errSilent:          "no answer to an HTTP request",
		io.EOF:             "closed the connection instead",
		errors.New("else"): "else",
	} {
		if got := everything(t, d.noPage(err)); !strings.Contains(got, want) {
			t.Errorf("%v: %q", err, got)
		}
	}
}

func TestNoScreen(t *testing.T) {
	for err, want := range map[error]string{io.EOF: "-NeverShared", errSilent: "no answer in time"} {
		if got := everything(t, noScreen(err)); !strings.Contains(got, want) {
			t.Errorf("%v: %q", err, got)
		}
	}
}

func TestFormatText(t *testing.T) {
	for _, tt := range []struct {
		format rfb.PixelFormat
		want   string
	}{
		{rfb.Format32(), "32 bits a pixel, depth 24, little-endian, red 255<<16, green 255<<8, blue 255<<0"},
		{rfb.PixelFormat{BitsPerPixel: 8, Depth: 8, BigEndian: true}, "8 bits a pixel, depth 8, big-endian, colour map"},
	} {
		if got := formatText(tt.format); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestReportTitle(t *testing.T) {
	for _, tt := range []struct {
		r    report
		want string
	}{
		{report{Kind: "display", Address: "a:1"}, "display a:1"},
		{report{Kind: "display", Address: "a:1", Target: "desk"}, "display desk (a:1)"},
		{report{Kind: "front", Address: "ws://a"}, "front ws://a"},
	} {
		if got := tt.r.title(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestMissing asks for no more than a type takes.
func TestMissing(t *testing.T) {
	for _, tt := range []struct {
		t     targetConfig
		front bool
		name  string
		want  string
	}{
		{targetConfig{}, false, "vnc", "a password: --target-password-file (in the configuration: password: {file: …})"},
		{targetConfig{}, true, "x509-vnc", "a password: --target-password-file"},
		{targetConfig{}, true, "x509-plain", "a user: --target-user, and a password: --target-password-file"},
		{targetConfig{User: "a"}, true, "sasl", "a password: --target-password-file"},
		{targetConfig{}, true, "ident", "a user: --target-user"},
		{targetConfig{Password: &secret{text: "x"}}, true, "ra2", "the fingerprint of its key: --target-rsa-key"},
		{targetConfig{Password: &secret{text: "x"}}, true, "vnc", ""},
	} {
		d := &doctor{t: tt.t, front: tt.front}
		if got := d.missing(tt.name); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestDoctorTakesNoPicture of displays that send none, and into no file.
func TestDoctorTakesNoPicture(t *testing.T) {
	t.Parallel()
	address := (&rfbtest.Display{}).Listen(t)
	diagnose(t, address, "--screenshot", filepath.Join(t.TempDir(), "none", "x.png")).failsAt(t, "screenshot", "no such file", "")
	silent := &rfbtest.Display{Answer: func([]byte) []byte { return nil }}
	diagnose(t, silent.Listen(t), "--screenshot", filepath.Join(t.TempDir(), "x.png"), "--timeout", "2s").
		failsAt(t, "screenshot", "no answer in time", "--timeout 1m")
}

// TestDoctorOfRSAAES shows the key that the display has, and compares it.
func TestDoctorOfRSAAES(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	d := &rfbtest.Display{Config: rfb.ServerConfig{Security: []rfb.Security{rfb.ServerRSAAES{
		As: rfb.TypeRA2, Key: func() (*rsa.PrivateKey, error) { return key, nil },
		Verify: func(_ context.Context, user, password string) error {
			if user+password != "alicesesame" {
				return errors.New("no")
			}
			return nil
		},
	}}}}
	sum := rfb.RSAFingerprint(&key.PublicKey)
	args := []string{d.Listen(t), "--password-file", passwordText(t, "sesame"), "--user", "alice"}
	diagnose(t, args...).failsAt(t, "authentication", certs.Hex(sum[:]), "--target-rsa-key")
	diagnose(t, append(args, "--rsa-key", strings.Repeat("ab", 32))...).failsAt(t, "authentication", "should be", "")
	if r := diagnose(t, append(args, "--rsa-key", certs.Hex(sum[:]))...); !r.OK {
		t.Errorf("%s", r.text())
	}
}

func TestHeardConnection(t *testing.T) {
	here, there := net.Pipe()
	go func() {
		_, _ = there.Write([]byte("rest"))
		there.Close()
	}()
	c := &heard{Conn: here, head: []byte("head ")}
	if b, err := io.ReadAll(c); err != nil || string(b) != "head rest" || c.NetConn() != here {
		t.Errorf("%q, %v", b, err)
	}
}
