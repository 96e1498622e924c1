package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

func TestPrinter(t *testing.T) {
	steps := []*step{
		{Name: "connect", OK: true, MS: 0.2, Summary: "connected"},
		{Name: "tls", OK: true, MS: 12.4, Summary: "TLS", Notes: []string{"a note"}, Advice: []string{"soon"}},
		{Name: "security", MS: 1234, Summary: "says \x1b[2J\u009b", Advice: []string{"do this"}},
		{Name: "authentication", OK: true, Skipped: true, Summary: "not tried"},
	}
	var out bytes.Buffer
	p := newPrinter(&out)
	for _, s := range steps {
		p.step(s)
	}
	const want = `ok   connect            <1 ms  connected
note tls                12 ms  TLS
       a note
    -> soon
FAIL security           1.2 s  says ?[2J?
    -> do this
-    authentication     <1 ms  not tried
`
	if out.String() != want {
		t.Errorf("\n%s", out.String())
	}
	out.Reset()
	p.pretty = true
	for _, s := range steps {
		p.step(s)
	}
	for _, part := range []string{green + "✓", yellow + "!", red + "✗", "–"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in\n%s", part, out.String())
		}
	}
}

func TestPrinterWraps(t *testing.T) {
	p := &printer{width: 20}
	if got := p.wrapped("one two three four five", 7); got != "one two \n       three four \n       five" {
		t.Errorf("%q", got)
	}
	if got := p.wrapped("short", 7); got != "short" {
		t.Errorf("%q", got)
	}
}

func TestPrinterReportsErrors(t *testing.T) {
	p := &printer{out: brokenPipe{}}
	p.title("x")
	if err := p.end(&report{OK: true}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("%v", err)
	}
}

// TestConclusion vouches for no more than was looked at.
func TestConclusion(t *testing.T) {
	fine := &step{Name: "connect", OK: true}
	note := &step{Name: "viewers", OK: true, Advice: []string{"do"}}
	skipped := &step{Name: "authentication", OK: true, Skipped: true}
	for _, tt := range []struct {
		steps []*step
		want  string
	}{
		{[]*step{fine}, "All is well, after 12 ms."},
		{[]*step{fine, skipped}, "Nothing is wrong in what was looked at, after 12 ms; not tried: authentication."},
		{[]*step{note, fine}, "Nothing is wrong in what was looked at, after 12 ms; to be considered: viewers."},
		{[]*step{note, skipped}, "Nothing is wrong in what was looked at, after 12 ms; not tried: authentication; to be considered: viewers."},
	} {
		if got := (&report{OK: true, MS: 12, Steps: tt.steps}).conclusion(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestNoConnection(t *testing.T) {
	unix := targetConfig{Address: "unix:/run/vm.vnc"}
	tcp := targetConfig{Address: "vm:1"}
	for _, tt := range []struct {
		t     targetConfig
		err   error
		words string
	}{
		{tcp, &net.OpError{Err: syscall.ECONNREFUSED}, "display :1 is port 5901"},
		{tcp, errSilent, "a firewall that drops packets"},
		{tcp, syscall.EHOSTUNREACH, "the route"},
		{tcp, &net.OpError{Op: "dial", Err: errors.New("odd")}, "odd"},
		{unix, syscall.EACCES, "namei -l /run/vm.vnc"},
		{unix, syscall.ENOENT, "no socket"},
		{unix, errors.New("odd"), "odd"},
		{targetConfig{Command: []string{"ssh"}}, errors.New("no such program"), "executable"},
	} {
		d := &doctor{t: tt.t, timeout: time.Second}
		err := d.noConnection(tt.err).(*trouble)
		if all := err.words + strings.Join(err.advice, " "); !strings.Contains(all, tt.words) {
			t.Errorf("%v: %q", tt.err, all)
		}
	}
	for err, words := range map[error]string{
		&net.DNSError{IsNotFound: true}: "no host named vm",
		&net.DNSError{IsTimeout: true}:  "DNS",
	} {
		got := noName("vm", err).(*trouble)
		if all := got.words + strings.Join(got.advice, " "); !strings.Contains(all, words) {
			t.Errorf("%v: %q", err, all)
		}
	}
}

func TestServerOf(t *testing.T) {
	for _, tt := range []struct {
		version         string
		offered, nested []rfb.SecurityType
		desktop, want   string
	}{
		{"RFB 003.008", types(2), nil, "QEMU (vm)", "QEMU"},
		{"RFB 003.889", types(30), nil, "", "Apple Screen Sharing"},
		{"RFB 003.008", types(19, 2), types(258), "", "TigerVNC"},
		{"RFB 003.008", types(19), types(261), "", "QEMU, or TigerVNC or vncgate with one type alone"},
		{"RFB 003.008", types(19), types(261), "desk", "TigerVNC or vncgate, with one type alone"},
		{"RFB 003.008", types(19), types(260, 261), "", "TigerVNC, or vncgate"},
		{"RFB 003.008", types(19), types(263), "", "QEMU, or vncgate"},
		{"RFB 003.008", types(19), types(262, 263), "", "vncgate"},
		{"RFB 003.008", types(20), nil, "", "QEMU, or vncgate"},
		{"RFB 003.008", types(2, 16), nil, "", "TightVNC, or libvncserver (x11vnc)"},
		{"RFB 003.008", types(17, 2), nil, "", "UltraVNC"},
		{"RFB 005.000", types(13), nil, "", "RealVNC"},
		{"RFB 003.008", types(19), types(262), "WayVNC", "wayvnc"},
		{"RFB 003.008", types(2), nil, "Intel(r) AMT KVM", "Intel AMT"},
		{"RFB 003.008", types(2), nil, "desk", ""},
	} {
		if got := serverOf(tt.version, tt.offered, tt.nested, tt.desktop); got != tt.want {
			t.Errorf("%+v: %q", tt, got)
		}
	}
}

// FuzzDoctor: whatever a peer says, the doctor comes to an end, each step has
// words, and nothing it prints moves the cursor.
func FuzzDoctor(f *testing.F) {
	f.Add("RFB 003.008\n\x01\x01\x00\x00\x00\x00\x00\x04\x00\x03 \x18\x00\x01\x00\xff\x00\xff\x00\xff\x10\x08\x00\x00\x00\x00\x00\x00\x00\x01x", false)
	f.Add("RFB 003.008\n\x01\x13\x00\x02\x00\x02\x00\x00\x01\x05\x00\x00\x01\x02", true)
	f.Add("RFB 003.008\n\x00\x00\x00\x00\x05\x1b[2J!", false)
	f.Add("RFB 003.003\n\x00\x00\x00\x02aaaaaaaaaaaaaaaa\x00\x00\x00\x01\x00\x00\x00\x02no", true)
	f.Add("SSH-2.0-\x1b]0;x\x07\r\n", true)
	f.Add("\x15\x03\x01\x00\x02\x02\x46", false)
	f.Fuzz(func(t *testing.T, said string, front bool) {
		var out strings.Builder
		p := &printer{out: &out}
		d := &doctor{
			front: front, timeout: time.Minute, patience: time.Minute,
			report: &report{OK: true}, finished: p.step, trust: trust{checked: true}, target: &gateway.Target{},
			t: targetConfig{Address: "localhost:1", User: "alice", Password: &secret{text: "sesame"}},
		}
		d.target.Security = func() []rfb.Security { return d.t.prove(nil) }
		if conn, err := d.handshake(context.Background(), rfbtest.NewScript([]byte(said))); err == nil {
			d.look(context.Background(), conn)
		}
		d.done()
		if strings.ContainsAny(strings.ReplaceAll(out.String(), "\n", ""), "\x1b\x07\r\u009b") || strings.Contains(out.String(), "sesame") {
			t.Errorf("%q", out.String())
		}
		for _, s := range d.report.Steps {
			if s.Summary == "" {
				t.Errorf("step %s has no words: %q", s.Name, out.String())
			}
		}
	})
}

// FuzzAsViewer: whatever is given as a front's address, it is refused, or
// reaches a place by a way that exists.
func FuzzAsViewer(f *testing.F) {
	for _, s := range []string{"gate:5900", "unix:/run/x", "http://gate/?path=a%3Fb", "wss://[::1]:1/x?y#z", "https://u:p@gate", "rfb://gate:1", "http://", "::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, subject string) {
		page, target, err := (&doctorFlags{}).asViewer(subject)
		if err != nil || target.validate() != nil {
			return
		}
		if (page != nil) != (target.URL != "") || target.Address == "" && target.URL == "" {
			t.Errorf("%q: %+v, %+v", subject, page, target)
		}
		if strings.Contains(target.URL, "@") && !strings.Contains(subject, "%40") && strings.Contains(strings.SplitN(target.URL, "/", 4)[2], "@") {
			t.Errorf("%q: %s shows who logs in", subject, target.URL)
		}
	})
}
