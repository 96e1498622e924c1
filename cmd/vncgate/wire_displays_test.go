package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/rfb"
)

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	return ln.Addr().String()
}

func TestFallbacks(t *testing.T) {
	at := displaysAt(t, "spare")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", security: [none], target: main}
targets:
  main: {address: %q, fallbacks: [second, spare]}
  second: {address: %[1]q}
  spare: {address: %q}
`, closedPort(t), at[0])
	got, err := g.native(0, nil)
	sees(t, "fall-back", "spare", got, err)
}

// A display that comes up later is waited for.
func TestRetry(t *testing.T) {
	at := closedPort(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", security: [none], target: late}
targets:
  late: {address: %q, retry: 20s}
`, at)
	type view struct {
		name string
		err  error
	}
	seen := make(chan view)
	go func() {
		name, err := g.native(0, nil)
		seen <- view{name, err}
	}()
	eventually(t, "it waits", func() bool { return waits(g, "late") })
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Skip("another program took the port: ", err)
	}
	displayNamed("late").Attach(t, ln)
	v := <-seen
	sees(t, "late", "late", v.name, v.err)
}

func waits(g *gate, target string) bool {
	_, _, ok := g.gate.Waiting(target)
	return ok
}

// eventually polls for what happens on its own time.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// A display is started for its first viewer and stopped after its last. The
// display proper stands elsewhere; what the commands do is to show the way.
func TestStartAndStop(t *testing.T) {
	dir := t.TempDir()
	hidden, way := filepath.Join(dir, "hidden"), filepath.Join(dir, "way")
	ln, err := net.Listen("unix", hidden)
	if err != nil {
		t.Fatal(err)
	}
	displayNamed("started").Attach(t, ln)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", security: [none], target: vm}
  - {address: "127.0.0.1:0", security: [none], target: broken}
  - {address: "127.0.0.1:0", security: [none], target: foreground}
targets:
  vm:
    address: unix:%[2]s
    start: {command: [ln, -s, %[1]q, %[2]q], stop_command: [rm, %[2]q], idle: 50ms}
  broken:
    address: unix:%[3]s/nowhere
    retry: 100ms
    start: {command: [sh, -c, "echo no disk >&2; exit 3"]}
  foreground:
    address: unix:%[3]s/foreground
    start: {command: [sh, -c, "ln -s %[1]s %[3]s/foreground; trap 'rm %[3]s/foreground; exit' TERM; while :; do sleep 0.02; done"], idle: 50ms}
`, hidden, way, dir)
	for door, path := range map[int]string{0: way, 2: filepath.Join(dir, "foreground")} {
		for range 2 {
			got, err := g.native(door, nil)
			sees(t, path, "started", got, err)
			eventually(t, "the display is stopped", func() bool {
				_, err := os.Lstat(path)
				return os.IsNotExist(err)
			})
		}
	}
	got, err := g.native(1, nil)
	sees(t, "broken", "!could not be started", got, err)
	g.logs("no disk")
}

// A unit is started and stopped by systemctl.
func TestUnits(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"$@\" >> " + dir + "/calls\n"
	if err := os.WriteFile(filepath.Join(dir, "systemctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	at := displaysAt(t, "unit")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", security: [none]}
targets:
  vm: {address: %q, start: {unit: vm@7.service, idle: 20ms}}
`, at...)
	got, err := g.native(0, nil)
	sees(t, "unit", "unit", got, err)
	eventually(t, "the unit is started and stopped", func() bool {
		calls, _ := os.ReadFile(filepath.Join(dir, "calls"))
		return string(calls) == "start vm@7.service\nstop vm@7.service\n"
	})
}

// Displays dial in: by ID, and by their address.
func TestArrivals(t *testing.T) {
	p := newPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", arrivals: {waiting: 8}}
  - {address: "127.0.0.1:0", arrivals: {}, tls: {certificate: %q, key: %q, implicit: true}}
  - {address: "127.0.0.1:0", web: {}, security: [none]}
targets:
  listening: {arrives: {from: [127.0.0.0/8]}}
  known: {arrives: {id: "7", from: [127.0.0.1]}, retry: 20s}
  elsewhere: {arrives: {id: "8", from: [192.0.2.0/24]}}
`, p.cert, p.key)
	dialIn(t, g.dial(0), "", "x11vnc")
	eventually(t, "it waits", func() bool { return g.arrivals.Waiting() == 1 })
	got, err := g.browser(2, "/?target=listening", nil)
	sees(t, "listening mode", "x11vnc", got, err)

	c, err := p.over(t, "localhost")(visit(t), g.dial(1))
	if err != nil {
		t.Fatal(err)
	}
	dialIn(t, c, "ID:7", "inside TLS")
	got, err = g.browser(2, "/?target=known", nil)
	sees(t, "repeater mode", "inside TLS", got, err)

	for _, id := range []string{"ID:8", "ID:9", "nonsense"} {
		refused := g.dial(0)
		dialIn(t, refused, id, "nobody")
		eventually(t, id+" is refused", func() bool {
			_ = refused.SetReadDeadline(time.Now().Add(time.Millisecond))
			_, err := refused.Read(make([]byte, 1))
			return err != nil && !os.IsTimeout(err)
		})
	}
}

// Each listener for displays has its own rules for PROXY headers, which come
// before TLS.
func TestArrivalsThroughProxies(t *testing.T) {
	p := newPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", arrivals: {}}
  - {address: "127.0.0.1:0", arrivals: {}, proxy: {trusted: [127.0.0.1]}, tls: {certificate: %q, key: %q, implicit: true}}
  - {address: "127.0.0.1:0", web: {}, security: [none]}
targets:
  near: {arrives: {from: [127.0.0.1]}}
  far: {arrives: {id: "7", from: [203.0.113.7]}}
`, p.cert, p.key)
	dialIn(t, g.dial(0), "", "without a proxy")
	got, err := g.browser(2, "/?target=near", nil)
	sees(t, "no proxy", "without a proxy", got, err)

	source := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 4711}
	header := layers.ProxyClient(2, source, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5500})
	c, err := layers.Stack(visit(t), g.dial(1), header, p.over(t, "localhost"))
	if err != nil {
		t.Fatal(err)
	}
	dialIn(t, c, "ID:7", "behind a proxy")
	got, err = g.browser(2, "/?target=far", nil)
	sees(t, "proxy", "behind a proxy", got, err)
}

// dialIn plays a display that has dialled c.
func dialIn(t *testing.T, c net.Conn, hello, name string) {
	t.Helper()
	if hello != "" {
		if _, err := c.Write(append([]byte(hello), make([]byte, rfb.RepeaterLen-len(hello))...)); err != nil {
			t.Fatal(err)
		}
		if hello == "nonsense" || strings.HasSuffix(hello, "8") || strings.HasSuffix(hello, "9") {
			return
		}
	}
	go func() { _ = displayNamed(name).Serve(context.Background(), c) }()
}

// The display learns the viewer's address by a PROXY header if it wants to.
func TestProxyHeaderToDisplay(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	heads := make(chan string, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		b := make([]byte, 128)
		n, _ := c.Read(b)
		heads <- string(b[:n])
	}()
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", security: [none]}
targets:
  one: {address: %q, proxy_header: v1}
`, ln.Addr())
	viewer := g.dial(0)
	_, _ = look(visit(t), viewer)
	want := fmt.Sprintf("PROXY TCP4 127.0.0.1 127.0.0.1 %d ", viewer.LocalAddr().(*net.TCPAddr).Port)
	if head := <-heads; !strings.HasPrefix(head, want) {
		t.Errorf("the display gets %q, want %q", head, want)
	}
}
