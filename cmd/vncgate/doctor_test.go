package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image/png"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// diagnose runs the command and returns what it found. The exit code has to go
// with it.
func diagnose(t *testing.T, args ...string) *report {
	t.Helper()
	root := newRootCommand()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(append([]string{"doctor", "--json"}, args...))
	err := root.ExecuteContext(t.Context())
	r := &report{}
	if e := json.Unmarshal(out.Bytes(), r); e != nil {
		t.Fatalf("%v, %v: %s", err, e, out.String())
	}
	if (err == nil) != r.OK || errors.As(err, new(*usageError)) {
		t.Errorf("ok is %v, the error %v", r.OK, err)
	}
	for _, s := range r.Steps {
		if s.Summary == "" || s.MS < 0 || s.MS > r.MS {
			t.Errorf("step %+v of %v ms", s, r.MS)
		}
	}
	return r
}

func (r *report) step(t *testing.T, name string) *step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no step %s: %s", name, r.text())
	return nil
}

// text is the report as people see it.
func (r *report) text() string {
	var b strings.Builder
	p := &printer{out: &b}
	for _, s := range r.Steps {
		p.step(s)
	}
	return b.String()
}

func (r *report) names() string {
	var names []string
	for _, s := range r.Steps {
		names = append(names, s.Name)
	}
	return strings.Join(names, " ")
}

// failsAt expects the last step to be name, failed, with words in its summary
// and in its advice.
func (r *report) failsAt(t *testing.T, name, summary, advice string) {
	t.Helper()
	s := r.Steps[len(r.Steps)-1]
	if s.Name != name || s.OK || !strings.Contains(s.Summary, summary) || !strings.Contains(strings.Join(s.Advice, "\n"), advice) {
		t.Errorf("want %s to fail with %q and advice %q:\n%s", name, summary, advice, r.text())
	}
}

// passwordText writes a file with a password.
func passwordText(t *testing.T, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// listen serves every connection by f until the test ends.
func listen(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, ln, f)
	return ln.Addr().String()
}

func serveOn(t *testing.T, ln net.Listener, f func(net.Conn)) {
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer context.AfterFunc(ctx, func() { c.Close() })()
				f(c)
				c.Close()
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		ln.Close()
		running.Wait()
	})
}

// says is a server that says one thing and then listens for ever.
func says(text string) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = c.Write([]byte(text))
		_, _ = io.Copy(io.Discard, c)
	}
}

// talks is a server that says something, reads as many bytes, and so on, and
// leaves.
func talks(c net.Conn, turns ...any) {
	for _, turn := range turns {
		switch turn := turn.(type) {
		case string:
			_, _ = c.Write([]byte(turn))
		case int:
			_, _ = io.ReadFull(c, make([]byte, turn))
		}
	}
}

// onlyOffered is a security type that can only be offered.
type onlyOffered rfb.SecurityType

func (b onlyOffered) Type() rfb.SecurityType { return rfb.SecurityType(b) }

func (onlyOffered) Handshake(context.Context, net.Conn) (rfb.Secured, error) {
	return rfb.Secured{}, errors.New("it was only offered")
}

// offering is a display that offers types which nobody runs.
func offering(t *testing.T, types ...rfb.SecurityType) string {
	d := &rfbtest.Display{}
	var nested []rfb.Security
	for _, typ := range types {
		if typ >= 256 {
			nested = append(nested, onlyOffered(typ))
		} else {
			d.Config.Security = append(d.Config.Security, onlyOffered(typ))
		}
	}
	if nested != nil {
		d.Config.Security = append(d.Config.Security, rfb.ServerVeNCrypt{Subtypes: nested})
	}
	return d.Listen(t)
}

func vncDisplay(password string) *rfbtest.Display {
	return &rfbtest.Display{Config: rfb.ServerConfig{Security: []rfb.Security{
		rfb.ServerVncAuth{Passwords: func(context.Context) ([]string, error) { return []string{password}, nil }},
	}}}
}

func TestDoctorOfHealthyDisplay(t *testing.T) {
	picture := filepath.Join(t.TempDir(), "screen.png")
	r := diagnose(t, vncDisplay("sesame").Listen(t), "--password-file", passwordText(t, "sesame"), "--screenshot", picture)
	if want := "settings connect greeting security authentication screen screenshot"; !r.OK || r.names() != want {
		t.Fatalf("%s:\n%s", r.names(), r.text())
	}
	if s := r.step(t, "screen"); !strings.Contains(s.Summary, `64×48 pixels, "rfbtest"`) || s.Details["width"] != 64.0 {
		t.Errorf("%+v", s)
	}
	if s := r.step(t, "security"); s.Details["chosen"] != "vnc" || !strings.Contains(s.Summary, "vncgate takes vnc") {
		t.Errorf("%+v", s)
	}
	f, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if img, err := png.Decode(f); err != nil || img.Bounds().Dx() != 64 || img.Bounds().Dy() != 48 {
		t.Errorf("%v", err)
	}
}

func TestDoctorOfTarget(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "vncgate.yaml")
	text := "listeners: [{address: ':1', web: {}, target: desk}]\ntargets:\n  desk: {address: '" + vncDisplay("sesame").Listen(t) + "', password: sesame}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := diagnose(t, "desk", "--config", file)
	if !r.OK || r.Target != "desk" || r.Kind != "display" {
		t.Errorf("%+v:\n%s", r, r.text())
	}
	if out, _ := json.Marshal(r); bytes.Contains(out, []byte("sesame")) {
		t.Error("the password is in the report")
	}
}

// TestDoctorFindsOtherProtocols has it meet what is no display.
func TestDoctorFindsOtherProtocols(t *testing.T) {
	t.Parallel()
	pair := certificatesFor(t)
	for _, tt := range []struct {
		name            string
		serve           func(net.Conn)
		summary, advice string
	}{
		{"ssh", says("SSH-2.0-OpenSSH_9.2\r\n"), "an SSH server", "command: [ssh"},
		{"qmp", says(`{"QMP": {"version": {}}}`), "QEMU's control socket", "-vnc, not of its -qmp"},
		{"http unasked", says("HTTP/1.1 400 Bad Request\r\n"), "a web server", "ws://"},
		{"mail", says("220 mx.example ESMTP\r\n"), "a mail or FTP server", "the port is wrong"},
		{"a TLS alert", says("\x15\x03\x01\x00\x02\x02\x46rest."), "a TLS server", "--target-tls"},
		{"something", says("hello world, it is me"), `"hello world,": not RFB`, "5900"},
		{"short", says("hello"), "not RFB", "5900"},
		{"a broken version", says("RFB 003.0x8\n"), "no version that can be read", "broken"},
		{"a repeater", says("RFB 000.000\n"), "an UltraVNC repeater", "the display itself"},
		{"silence", says(""), "it says nothing for 400ms", "SPICE"},
		{"closing", func(net.Conn) {}, "closes the connection without a word", "x11vnc -allow"},
		{"http", answersHTTP, "a web server", "/websockify"},
		{"tls", func(c net.Conn) { _ = pair.server(c, nil) }, "speaks TLS from the first byte", "tls: {implicit: true}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // some wait out their time
			timeout := "4s"
			if tt.name == "silence" || tt.name == "short" {
				timeout = "400ms"
			}
			diagnose(t, listen(t, tt.serve), "--timeout", timeout).failsAt(t, "greeting", tt.summary, tt.advice)
		})
	}
}

// answersHTTP says something once it has been asked for a page.
func answersHTTP(c net.Conn) {
	b := make([]byte, 1<<10)
	if n, err := c.Read(b); err == nil && bytes.HasPrefix(b[:n], []byte("GET ")) {
		_, _ = c.Write([]byte("HTTP/1.0 200 OK\r\n\r\n"))
	}
}

func TestDoctorFindsRefusals(t *testing.T) {
	t.Parallel()
	locked := &rfbtest.Display{Config: rfb.ServerConfig{Security: []rfb.Security{}, NoSecurity: "Too many security failures"}}
	unset := &rfbtest.Display{Config: rfb.ServerConfig{Security: []rfb.Security{}, NoSecurity: "No password configured for VNC Auth"}}
	denied := &rfbtest.Display{Config: rfb.ServerConfig{Approve: func(context.Context, rfb.Secured) error {
		return &rfb.Refusal{Reason: "Not\x1b[2Jyou"}
	}}}
	wrong := passwordText(t, "wrong")
	for _, tt := range []struct {
		name                  string
		address               string
		args                  []string
		step, summary, advice string
	}{
		{"wrong password", vncDisplay("sesame").Listen(t), []string{"--password-file", wrong}, "authentication", `by vnc: "Authentication failed"`, "the password is wrong"},
		{"no password", vncDisplay("sesame").Listen(t), nil, "authentication", "it asks for a password, which is not configured", "--target-password-file"},
		{"locked out", locked.Listen(t), nil, "security", "turns us away", "locked out for a while"},
		{"no password there", unset.Listen(t), nil, "security", "No password configured", "set one"},
		{"denied", denied.Listen(t), nil, "authentication", "refused the log-in with no authentication (none)", "its log says why"},
		{"anonymous TLS", offering(t, rfb.TypeTLSNone, rfb.TypeTLSVnc), nil, "security", "nothing that can be spoken here: tls-none, tls-vnc", "-X509Cert"},
		{"RealVNC", offering(t, 13), nil, "security", "type-13", "PreferOff"},
		{"Apple", offering(t, 33, 36), nil, "security", "type-33, type-36", "Screen Sharing"},
		{"unknown", offering(t, 99), nil, "security", "type-99", "allow one of x509-sasl"},
		{"not wanted", offering(t, rfb.TypeVncAuth), []string{"--security", "x509-vnc"}, "security", "the target's settings allow: vnc", "leaves vnc out"},
		{"gone in the middle", listen(t, func(c net.Conn) { talks(c, "RFB 003.008\n", 12) }), nil, "security", "closed the connection", "log"},
		{"hanging", listen(t, says("RFB 003.008\n\x01\x02")), []string{"--password-file", wrong, "--timeout", "2s"}, "authentication", "no answer in time", "at the screen"},
		{"gone after the log-in", listen(t, func(c net.Conn) { talks(c, "RFB 003.003\n\x00\x00\x00\x01", 13) }), nil, "screen", "right after the log-in", "-shared"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := diagnose(t, append(tt.args, tt.address)...)
			r.failsAt(t, tt.step, tt.summary, tt.advice)
			if strings.Contains(r.text(), "\x1b") {
				t.Error("it lets a display move the cursor")
			}
		})
	}
}

// TestDoctorComesAgain has it do without VeNCrypt as the gateway does.
func TestDoctorComesAgain(t *testing.T) {
	d := vncDisplay("sesame")
	d.Config.Security = append([]rfb.Security{rfb.ServerVeNCrypt{Subtypes: []rfb.Security{onlyOffered(rfb.TypeTLSVnc)}}}, d.Config.Security...)
	r := diagnose(t, d.Listen(t), "--password-file", passwordText(t, "sesame"))
	s := r.step(t, "security")
	if !r.OK || s.Details["chosen"] != "vnc" || !slices.Contains(s.Notes, "looks like TigerVNC") || !strings.Contains(r.text(), "comes again without VeNCrypt") {
		t.Errorf("%s", r.text())
	}
}

// TestDoctorLooksIntoTight has it open the envelope.
func TestDoctorLooksIntoTight(t *testing.T) {
	d := vncDisplay("sesame")
	d.Config.Security = []rfb.Security{rfb.ServerTight{Auths: d.Config.Security}}
	address := d.Listen(t)
	r := diagnose(t, address, "--password-file", passwordText(t, "sesame"))
	if s := r.step(t, "security"); !r.OK || s.Details["chosen"] != "tight-vnc" || !strings.Contains(s.Summary, "inside tight vnc") {
		t.Errorf("%s", r.text())
	}
	diagnose(t, address).failsAt(t, "authentication", "it asks for a password", "--target-password-file")
}

// TestDoctorHearsCommands shows what a command says when it fails.
func TestDoctorHearsCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "vncgate.yaml")
	text := "listeners: [{address: ':1', web: {}, target: desk}]\ntargets:\n  desk: {command: [sh, -c, 'echo no way to the host >&2']}\n" +
		"  none: {command: [/nonexistent/program]}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r := diagnose(t, "desk", "--config", file)
	r.failsAt(t, "greeting", "closes the connection without a word", "log")
	if !strings.Contains(r.text(), "the command says: no way to the host") {
		t.Errorf("%s", r.text())
	}
	diagnose(t, "none", "--config", file).failsAt(t, "connect", "no such file", "executable")
}

func TestDoctorFindsNoAddress(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp.Close()
	diagnose(t, "unix:"+stale).failsAt(t, "connect", "left over from a server that has ended", "start")
	diagnose(t, "unix:"+filepath.Join(dir, "none")).failsAt(t, "connect", "there is no socket", "-vnc unix:")
	diagnose(t, tcp.Addr().String()).failsAt(t, "connect", "connection refused", "ss -ltn")
	diagnose(t, tcp.Addr().String(), "--password-file", filepath.Join(dir, "none")).failsAt(t, "settings", "no such file", "readable")
}

func TestDoctorUsage(t *testing.T) {
	config := filepath.Join(t.TempDir(), "vncgate.yaml")
	text := "listeners: [{address: ':1', web: {}, target: desk}]\ntargets:\n  desk: {address: 'localhost:1'}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "needs a target"},
		{[]string{"a:1", "b:1"}, "needs a target"},
		{[]string{"desk"}, "needs --config"},
		{[]string{"http://desk"}, "--front looks at pages"},
		{[]string{"ftp://desk"}, "HOST:PORT"},
		{[]string{"desc", "--config", config}, `did you mean "desk"`},
		{[]string{"desk", "--config", config, "--user", "alice"}, "stands in the configuration"},
		{[]string{"a:1", "--config", config + ".none"}, "no such file"},
		{[]string{"a:1", "--cert", "x"}, "belong together"},
		{[]string{"a:1", "--security", "x509-vnk"}, `did you mean "x509-vnc"`},
		{[]string{"a:1", "--timeout", "0s"}, "no time at all"},
		{[]string{"--front", "gate:1", "--config", config}, "the address that viewers come to"},
		{[]string{"--front", "ssh://gate"}, "http, https, ws or wss"},
		{[]string{"--front", "http://"}, "no URL with a host"},
		{[]string{"--front", "gate"}, "port is missing"},
	} {
		root := newRootCommand()
		root.SetOut(&bytes.Buffer{})
		root.SetArgs(append([]string{"doctor"}, tt.args...))
		err := root.ExecuteContext(t.Context())
		if !errors.As(err, new(*usageError)) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: %v, want %q", tt.args, err, tt.want)
		}
	}
}
