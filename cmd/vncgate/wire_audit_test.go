package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vncgate/gateway"
	"vncgate/gateway/audit"
	"vncgate/rfb"
)

// clientPassword is VNC authentication, on the viewer's side.
func clientPassword(text string) []rfb.Security {
	return []rfb.Security{rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return text, nil }}}
}

// auditLog are the records of a log that is whole.
func auditLog(t *testing.T, path string) (records []audit.Record) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var v audit.Verifier
	if err := v.File(path, bytes.NewReader(b), func(r audit.Record) { records = append(records, r) }); err != nil {
		t.Fatal(err)
	}
	return records
}

func auditKinds(records []audit.Record) string {
	var kinds []string
	for _, r := range records {
		kinds = append(kinds, r.Event)
	}
	return strings.Join(kinds, " ")
}

func TestSessionsAreAudited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	g := newGate(t, `
listeners: [{address: 127.0.0.1:0, password: right, security: [vnc]}]
targets: {desk: {address: %s}}
audit: {file: %s}
`, displaysAt(t, "desk")[0], path)
	if _, err := g.native(0, nil, clientPassword("wrong")...); err == nil {
		t.Fatal("a wrong password lets somebody in")
	}
	name, err := g.native(0, nil, clientPassword("right")...)
	sees(t, "with the password", "desk", name, err)
	eventually(t, "all is over", func() bool { return g.gate.Sessions() == 0 })
	g.gate.Emit(gateway.Event{Kind: gateway.Commanded, Actor: "token:ops", Details: map[string]string{"command": "session-kill"}})
	want := "AUDIT_BEGIN AUTH_FAILED SESSION_REFUSED SESSION_AUTHENTICATED SESSION_OPENED SESSION_CLOSED COMMAND"
	eventually(t, "it is written: "+want, func() bool { return auditKinds(auditLog(t, path)) == want })
	text, _ := os.ReadFile(path)
	if strings.Contains(string(text), "wrong\"") || strings.Contains(string(text), "right\"") {
		t.Error("the log holds a password")
	}
	var out bytes.Buffer
	if err := verifyAudit(&out, []string{path}, ""); err != nil || !strings.Contains(out.String(), "in order: 7 records") || !strings.Contains(out.String(), "not finished") {
		t.Errorf("verify: %v\n%s", err, &out)
	}
	out.Reset()
	if err := showAudit(&out, []string{path}, []string{"token:ops"}); err != nil || strings.Count(out.String(), "\n") != 1 || !strings.Contains(out.String(), "command=session-kill") {
		t.Errorf("show: %v\n%s", err, &out)
	}
}

// What is no audit log is not shown as an empty one.
func TestShowOfSomethingElse(t *testing.T) {
	record := `{"v":1,"seq":1,"time":"2026-05-01T10:00:00Z","event":"AUDIT_OPENED","hash":"` + strings.Repeat("0", 64) + `"}` + "\n"
	for content, want := range map[string]string{
		"":                            "",
		record:                        "",
		record + "half a li":          "1 line",
		"# a configuration\nx: 1\n":   "is no audit log",
		"{}\n":                        "is no audit log",
		strings.Repeat("x", 2<<20):    "is no audit log",
		"\x7fELF\x00\x01\n\x00\x00\n": "is no audit log",
	} {
		var out strings.Builder
		err := showAudit(&out, []string{fileWith(t, "%s", content)}, nil)
		switch said := out.String() + fmt.Sprint(err); {
		case want == "" && err != nil, !strings.Contains(said, want), (err != nil) != (want == "is no audit log"):
			t.Errorf("%.40q: %v\n%s", content, err, &out)
		}
	}
}

// brokenAudit is a gateway whose audit log cannot be written to any more.
func brokenAudit(t *testing.T, settings string) (g *gate, mend func()) {
	t.Helper()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	dir := t.TempDir()
	path, file := filepath.Join(dir, "audit.log"), filepath.Join(dir, "real.log")
	must(t, os.WriteFile(file, nil, 0o600))
	link := func(to string) {
		t.Helper()
		must(t, os.Symlink(to, path+".new"))
		must(t, os.Rename(path+".new", path))
	}
	link(file)
	g = newGate(t, `
listeners: [{address: 127.0.0.1:0}]
targets: {desk: {address: %s}}
admin: {address: 127.0.0.1:0, tokens: [{name: eye, role: viewer, token: eye-secret-of-sixteen}]}
audit: {file: %s, %s}
`, displaysAt(t, "desk")[0], path, settings)
	return g, func() { link(file) }
}

func (g *gate) breakAudit() {
	g.t.Helper()
	path := g.cfg.Audit.File
	must(g.t, os.Symlink("/dev/full", path+".new"))
	must(g.t, os.Rename(path+".new", path))
	g.gate.Emit(gateway.Event{Kind: gateway.Commanded})
	g.logs("what happens cannot be written down")
}

func TestNobodyComesInUnwritten(t *testing.T) {
	g, mend := brokenAudit(t, "on_failure: stop")
	stays, err := g.stayed(g.dial(0))
	must(t, err)
	g.breakAudit()
	name, err := g.native(0, nil)
	sees(t, "while the log cannot be written", "!"+wordsAudit, name, err)
	c := g.adminClient(nil)
	if status, body := g.ask(c, "GET", "/readyz"); status != 503 || !strings.Contains(body, wordsAudit) || strings.Contains(body, "no space left") || strings.Contains(body, "audit.log") {
		t.Errorf("/readyz to a stranger: %d %s", status, body)
	}
	if status, body := g.ask(c, "GET", "/readyz", "Authorization", "Bearer eye-secret-of-sixteen"); status != 503 || !strings.Contains(body, "no space left") {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if stays.over() {
		t.Error("a session that was up has ended")
	}
	mend()
	g.logs("written down again")
	name, err = g.native(0, nil)
	sees(t, "when it can be again", "desk", name, err)
}

func TestSessionsEndUnwritten(t *testing.T) {
	g, _ := brokenAudit(t, "on_failure: stop, running: end")
	stays, err := g.stayed(g.dial(0))
	must(t, err)
	g.breakAudit()
	eventually(t, "the session ends", stays.over)
}

func TestAlarmGoesOn(t *testing.T) {
	g, _ := brokenAudit(t, "on_failure: alarm")
	var failing []gateway.Event
	told := make(chan gateway.Event, 1)
	g.events.to(func(e gateway.Event) {
		if e.Kind == gateway.AuditFailing {
			told <- e
		}
	})
	g.breakAudit()
	failing = append(failing, <-told)
	if failing[0].Err == nil || !strings.Contains(failing[0].Err.Error(), "no space left") {
		t.Errorf("told of %+v", failing[0])
	}
	name, err := g.native(0, nil)
	sees(t, "in spite of it", "desk", name, err)
	if status, _ := g.ask(g.adminClient(nil), "GET", "/readyz"); status != 200 {
		t.Errorf("/readyz: %d", status)
	}
}

func TestAuditBySyslog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	socket, err := net.ListenPacket("unixgram", path)
	must(t, err)
	defer socket.Close()
	file := filepath.Join(t.TempDir(), "audit.log")
	g := newGate(t, "listeners: [{address: 127.0.0.1:0}]\ntargets: {desk: {address: %s}}\naudit: {file: %s, syslog: %s}\n", displaysAt(t, "desk")[0], file, path)
	name, err := g.native(0, nil)
	sees(t, "a viewer", "desk", name, err)
	eventually(t, "it is written", func() bool { return strings.Contains(auditKinds(auditLog(t, file)), "SESSION_CLOSED") })
	text, err := os.ReadFile(file)
	must(t, err)
	buf := make([]byte, 64<<10)
	for i, want := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		n, _, err := socket.ReadFrom(buf)
		if err != nil || !bytes.HasPrefix(buf[:n], []byte("<86>1 ")) || !bytes.HasSuffix(buf[:n], want) {
			t.Fatalf("line %d came as %s, %v", i, buf[:n], err)
		}
	}
}

func TestVerifyNamesTheLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	l, err := audit.Open(audit.Config{File: &audit.FileConfig{Path: path}})
	must(t, err)
	for range 3 {
		l.Observe(gateway.Event{Kind: gateway.Commanded, Actor: "uid:0"})
	}
	must(t, l.Close())
	var out bytes.Buffer
	must(t, verifyAudit(&out, []string{path}, ""))
	_, hash, _ := strings.Cut(out.String(), "hash of the last: ")
	hash = strings.TrimSpace(hash)
	must(t, verifyAudit(&out, []string{path}, hash))
	text, err := os.ReadFile(path)
	must(t, err)
	lines := bytes.SplitAfter(text, []byte("\n"))
	must(t, os.WriteFile(path, bytes.Join(append(lines[:2:2], lines[3:]...), nil), 0o600))
	err = verifyAudit(&out, []string{path}, "")
	fault, ok := errors.AsType[*audit.Fault](err)
	if !ok || fault.Line != 3 {
		t.Errorf("the third line is gone: %v", err)
	}
	must(t, os.WriteFile(path, bytes.Join(lines[:3], nil), 0o600))
	if err := verifyAudit(&out, []string{path}, hash); err == nil || !strings.Contains(err.Error(), "--end") {
		t.Errorf("the end was cut off: %v", err)
	}
}

func TestAuditConfigurations(t *testing.T) {
	base := "listeners: [{address: 127.0.0.1:0}]\ntargets: {desk: {address: \"127.0.0.1:1\"}}\naudit: "
	for text, want := range map[string]string{
		`{file: /x, max_size: 1GiB, max_age: 30d, keep: 3, mode: "0640", no_sync: true}`: "",
		`{journal: true, on_failure: alarm}`:                                             "",
		`{on_failure: alarm}`:                                                            "nowhere",
		`{journal: true, keep: 3}`:                                                       "a file",
		`{file: /x, keep: -1}`:                                                           "negative",
		`{file: /x, max_size: big}`:                                                      "big",
		`{file: /x, on_failure: shrug}`:                                                  "on_failure",
		`{file: /x, running: on}`:                                                        "running",
		`{file: /x, on_failure: alarm, running: end}`:                                    "running",
	} {
		_, err := parseConfig([]byte(base + text + "\n"))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v; want %q", text, err, want)
		}
	}
}
