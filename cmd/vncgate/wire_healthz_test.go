package main

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/rfb"
)

// countedDisplay counts who comes to it, and how far.
type countedDisplay struct {
	address    string
	came, init atomic.Int32
}

func newCountedDisplay(t *testing.T) *countedDisplay {
	d := &countedDisplay{}
	d.address = listen(t, func(c net.Conn) {
		d.came.Add(1)
		ctx := context.Background()
		viewer, err := rfb.Server(ctx, c, &rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}})
		if err != nil {
			return
		}
		if _, err := viewer.ReadClientInit(ctx); err != nil {
			return
		}
		d.init.Add(1)
		_ = viewer.WriteServerInit(ctx, rfb.ServerInit{Width: 8, Height: 8, Format: rfb.Format32(), Name: "counted"})
		_, _ = c.Read(make([]byte, 1))
	})
	return d
}

const healthYAML = `
listeners:
  - {address: 127.0.0.1:0, web: {}, target: desk}
  - {address: 127.0.0.1:0, target: desk}
  - {address: 127.0.0.1:0, target: desk, protocols: [rfb, web], tls: {certificate: %s, key: %s}, security: [x509-none]}
targets:
  desk: {address: %s}
  dead: {address: %s}
admin: {address: 127.0.0.1:0, tokens: [{name: eye, role: viewer, token: eye-secret-of-sixteen}]}
audit: {file: %s}
`

func TestHealthThroughTheWholeStack(t *testing.T) {
	p := newPKI(t)
	d := newCountedDisplay(t)
	log := filepath.Join(t.TempDir(), "audit.log")
	g := newGate(t, healthYAML, p.cert, p.key, d.address, closedPort(t), log)
	c := g.adminClient(nil)
	token := []string{"Authorization", "Bearer eye-secret-of-sixteen"}
	if status, _ := g.ask(c, "GET", "/healthz?target=desk"); status != 401 {
		t.Errorf("without a token: %d", status)
	}
	var asking sync.WaitGroup
	for range 20 {
		asking.Go(func() {
			if status, body := g.ask(c, "GET", "/healthz?target=desk", token...); status != 200 {
				t.Errorf("a display that is up: %d %s", status, body)
			}
		})
	}
	asking.Wait()
	if came, far := d.came.Load(), d.init.Load(); came != 1 || far != 1 {
		t.Errorf("20 questions came to the display %d times, %d of them as far as ClientInit", came, far)
	}
	if status, body := g.ask(c, "GET", "/healthz?target=dead", token...); status != 503 || !strings.Contains(body, "refused") {
		t.Errorf("a display that is down: %d %s", status, body)
	}
	if status, _ := g.ask(c, "GET", "/healthz?target=nobody", token...); status != 404 {
		t.Errorf("a display that does not exist: %d", status)
	}
	if kinds := auditKinds(auditLog(t, log)); strings.Contains(kinds, "SESSION") {
		t.Errorf("the knocking is in the audit log: %s", kinds)
	}
	for line := range strings.Lines(g.log.String()) {
		if strings.Contains(line, "session refused") && strings.Contains(line, "viewer left") && !strings.Contains(line, "level=DEBUG") {
			t.Errorf("the knocking is in the log: %s", line)
		}
	}
	g.logs(`msg="for administrators" admin=`, "audit="+log)
	g.gate.Drain(time.Time{}, "")
	for _, path := range []string{"/healthz", "/healthz?target=desk"} { // though what was found a moment ago still counts
		if status, body := g.ask(c, "GET", path, token...); status != 503 || !strings.Contains(body, "draining") {
			t.Errorf("%s of a draining gateway: %d %s", path, status, body)
		}
	}
}

// Nobody who sees a display loses it to a question.
func TestHealthDisturbsNobody(t *testing.T) {
	p := newPKI(t)
	d := newCountedDisplay(t)
	g := newGate(t, healthYAML, p.cert, p.key, d.address, closedPort(t), filepath.Join(t.TempDir(), "audit.log"))
	s, err := g.stayed(g.dial(1))
	must(t, err)
	if status, body := g.ask(g.adminClient(nil), "GET", "/healthz?target=desk", "Authorization", "Bearer eye-secret-of-sixteen"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if came, far := d.came.Load(), d.init.Load(); came != 2 || far != 1 {
		t.Errorf("the display saw %d connections, %d of them as far as ClientInit", came, far)
	}
	if s.over() {
		t.Error("the session has ended")
	}
}

// What listens and answers nobody is not in order.
func TestHealthOfADeafListener(t *testing.T) {
	p := newPKI(t)
	g := newGate(t, healthYAML, p.cert, p.key, newCountedDisplay(t).address, closedPort(t), filepath.Join(t.TempDir(), "audit.log"))
	h := &health{w: g.wiring, checks: map[string]*checked{}}
	if err := h.listeners(visit(t)); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.Close() // every connection dies
		}
	}()
	for i := range g.doors {
		deaf := g.doors[i]
		deaf.ln = ln
		if err := h.knock(visit(t), &deaf); err == nil {
			t.Errorf("%s: a listener that hangs up on everybody is in order", deaf.front.Name)
		}
	}
}

func TestHealthAnswersForAWhile(t *testing.T) {
	h := &health{checks: map[string]*checked{}}
	asked := 0
	look := func(context.Context) error { asked++; return nil }
	for range 5 {
		must(t, h.check("desk", look))
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	h.checks["desk"].until = time.Now().Add(-time.Second)
	must(t, h.check("desk", look))
	refused := func(context.Context) error { return &rfb.DisplayError{Stage: rfb.StageAuthentication} }
	if h.check("locked", refused) == nil || time.Until(h.checks["locked"].until) < 2*healthLasts {
		t.Error("a display that refuses us is asked again soon")
	}
	if asked != 2 {
		t.Errorf("asked %d times, want again once the answer is old", asked)
	}
}

func TestHealthCommand(t *testing.T) {
	g := newGate(t, "listeners: [{address: 127.0.0.1:0}]\ntargets: {desk: {address: %s}}\nadmin: {address: 127.0.0.1:0, open: [health]}\n", displaysAt(t, "desk")[0])
	address := g.admin.ln.Addr().String()
	for want, f := range map[string]*healthFlags{
		"ok":              {admin: address},
		"ok ":             {admin: "http://" + address, ready: true},
		"ok  ":            {admin: address, target: "desk"},
		"!404":            {admin: address, target: "nobody"},
		"!no answer from": {admin: closedPort(t)},
	} {
		f.timeout = patience
		var out bytes.Buffer
		err := f.run(visit(t), &out)
		sees(t, strings.TrimSpace(f.admin+f.page()), strings.TrimSpace(want), strings.TrimSpace(out.String()), err)
	}
	g.gate.Drain(time.Time{}, "")
	if err := (&healthFlags{admin: address, ready: true, timeout: patience}).run(visit(t), &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "draining") {
		t.Errorf("a draining gateway: %v", err)
	}
}
