package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/rfb"
)

// One port is for all comers, each with the security that is meant for it.
func TestAllComers(t *testing.T) {
	at, p := displaysAt(t, "one"), newPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", protocols: [rfb, web], silence: 50ms, tls: {certificate: %[1]q, key: %[2]q}, plain_http: true, security: [x509-none, none], web: {security: [none]}}
  - {address: "127.0.0.1:0", protocols: [rfb, web], silence: 50ms, tls: {certificate: %[1]q, key: %[2]q}, security: [x509-none], web: {security: [none]}}
  - {address: "127.0.0.1:0", protocols: [rfb, web], silence: 50ms, tls: {certificate: %[1]q, key: %[2]q, implicit: true}, security: [none]}
  - {address: "127.0.0.1:0", protocols: [rfb, web], silence: 50ms}
targets:
  one: {address: %[3]q}
`, p.cert, p.key, at[0])
	inTLS := p.over(t, "localhost")
	venCrypt := rfb.ClientVeNCrypt{Subtypes: []rfb.Security{rfb.ClientX509{TLS: rfb.Upgrade(inTLS), Inner: rfb.None{}}}}
	stack := func(ls ...layers.Layer) []layers.Layer { return ls }
	for _, c := range []struct {
		listener int
		what     string
		want     string
		see      func(door int) (string, error)
	}{
		{0, "ws", "one", func(d int) (string, error) { return g.browser(d, "/", nil) }},
		{0, "wss", "one", func(d int) (string, error) { return g.browser(d, "/", nil, inTLS) }},
		{0, "rfb", "one", func(d int) (string, error) { return g.native(d, nil) }},
		{0, "rfb in TLS", "one", func(d int) (string, error) { return g.native(d, stack(inTLS)) }},
		{0, "VeNCrypt", "one", func(d int) (string, error) { return g.native(d, nil, venCrypt) }},
		{1, "ws", "!400", func(d int) (string, error) { return g.browser(d, "/", nil) }},
		{1, "wss", "one", func(d int) (string, error) { return g.browser(d, "/", nil, inTLS) }},
		{1, "rfb", "!", func(d int) (string, error) { return g.native(d, nil) }},
		{1, "VeNCrypt", "one", func(d int) (string, error) { return g.native(d, nil, venCrypt) }},
		{2, "ws", "!400", func(d int) (string, error) { return g.browser(d, "/", nil) }},
		{2, "wss", "one", func(d int) (string, error) { return g.browser(d, "/", nil, inTLS) }},
		{2, "rfb", "!", func(d int) (string, error) { return g.native(d, nil) }},
		{2, "rfb in TLS", "one", func(d int) (string, error) { return g.native(d, stack(inTLS)) }},
		{3, "ws", "one", func(d int) (string, error) { return g.browser(d, "/", nil) }},
		{3, "rfb", "one", func(d int) (string, error) { return g.native(d, nil) }},
	} {
		got, err := c.see(2 * c.listener)
		sees(t, fmt.Sprint(c.listener, " ", c.what), c.want, got, err)
	}
	if status, said := g.get(0, "/", nil); status != http.StatusOK && status != http.StatusNotFound { // without Node there is no page
		t.Errorf("the page in the clear: %d %s", status, said)
	}
	if status, said := g.get(2, "/vnc.html?autoconnect=1", nil); status != http.StatusTemporaryRedirect || !strings.HasPrefix(said, "https://"+g.address(2)+"/vnc.html?autoconnect=1") {
		t.Errorf("where TLS is demanded: %d %s", status, said)
	}
}

// A trusted proxy that ends TLS is not sent back to where the browser is already,
// and one that does not is.
func TestOnlyTLSBehindProxy(t *testing.T) {
	at, p := displaysAt(t, "one"), newPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", protocols: [rfb, web], tls: {certificate: %[1]q, key: %[2]q}, security: [x509-none], web: {security: [none], trusted_proxies: [127.0.0.1]}}
  - {address: "127.0.0.1:0", protocols: [rfb, web], tls: {certificate: %[1]q, key: %[2]q}, security: [x509-none], web: {security: [none], trusted_proxies: [192.0.2.1]}}
targets:
  one: {address: %[3]q}
`, p.cert, p.key, at[0])
	for _, c := range []struct {
		door  int
		proto string
		want  string
	}{{0, "https", "one"}, {0, "http", "!400"}, {0, "", "!400"}, {2, "https", "!400"}} {
		header := http.Header{}
		if c.proto != "" {
			header.Set("X-Forwarded-Proto", c.proto)
		}
		got, err := g.browser(c.door, "/", header)
		sees(t, fmt.Sprint(c.door, c.proto), c.want, got, err)
	}
}

// TLS handshakes have a limit where browsers alone come in: who has most of
// those that go nowhere loses the oldest.
func TestHandshakesAreBounded(t *testing.T) {
	at, p := displaysAt(t, "one"), newPKI(t)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", tls: {certificate: %[1]q, key: %[2]q}, web: {}}
targets:
  one: {address: %[3]q}
`, p.cert, p.key, at[0])
	first := g.dial(0)
	for range 300 {
		c := g.dial(0)
		_, _ = io.WriteString(c, "\x16\x03\x01\x02\x00")
	}
	_ = first.SetReadDeadline(time.Now().Add(time.Minute))
	if n, err := first.Read(make([]byte, 1)); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the first of 301 is still there: %v", err)
	}
	got, err := g.browser(0, "/", nil, p.over(t, "localhost"))
	sees(t, "after the flood", "one", got, err)
}

// A PROXY header stands in front of HTTP as well, from those who are trusted.
func TestProxyHeaders(t *testing.T) {
	at := displaysAt(t, "one")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, proxy: {trusted: [127.0.0.1]}}
  - {address: "127.0.0.1:0", web: {}, proxy: {trusted: [192.0.2.1]}}
  - {address: "127.0.0.1:0", web: {}, proxy: {trusted: [192.0.2.1], others: plain}}
  - {address: "127.0.0.1:0", proxy: {trusted: [127.0.0.1]}, security: [none]}
targets:
  one: {address: %q}
`, at...)
	source := &net.TCPAddr{IP: net.IPv4(203, 0, 113, 7), Port: 4711}
	for door, wants := range map[int][2]string{0: {"one", "!"}, 1: {"!", "!"}, 2: {"!", "one"}} {
		header := layers.ProxyClient(2, source, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80})
		got, err := g.browser(door, "/", nil, header)
		sees(t, fmt.Sprint(door, " with a header"), wants[0], got, err)
		got, err = g.browser(door, "/", nil)
		sees(t, fmt.Sprint(door, " without"), wants[1], got, err)
	}
	got, err := g.native(3, []layers.Layer{layers.ProxyClient(1, source, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80})})
	sees(t, "native", "one", got, err)
	eventually(t, "the log says where the viewers really are", func() bool { return strings.Count(g.log.String(), "viewer=203.0.113.7:4711") >= 2 })
}

// Whose X-Forwarded-For counts is for the configuration to say.
func TestForwardedFor(t *testing.T) {
	at := displaysAt(t, "one")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {trusted_proxies: [127.0.0.0/8], ping: 5s}}
  - {address: "127.0.0.1:0", web: {ping: off}}
targets:
  one: {address: %q}
`, at...)
	for door, forwarded := range []bool{true, false} {
		viewer := fmt.Sprintf("viewer=203.0.113.%d", door)
		got, err := g.browser(door, "/", http.Header{"X-Forwarded-For": {strings.TrimPrefix(viewer, "viewer=")}})
		sees(t, "proxied", "one", got, err)
		eventually(t, "the session is logged", func() bool { return strings.Count(g.log.String(), "session opened") == door+1 })
		if strings.Contains(g.log.String(), viewer) != forwarded {
			t.Errorf("listener %d: believed %v", door, !forwarded)
		}
	}
	for i, want := range []time.Duration{5 * time.Second, -1} {
		if got := g.doors[i].front.Ping; got != want {
			t.Errorf("listener %d pings every %v", i, got)
		}
	}
}

func TestUnixSocketListener(t *testing.T) {
	at := displaysAt(t, "one")
	path := filepath.Join(t.TempDir(), "s")
	g := newGate(t, `
listeners:
  - {address: "unix:%s", mode: 0620, group: %q, security: [none]}
targets:
  one: {address: %q}
`, path, fmt.Sprint(os.Getgid()), at[0])
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != fs.FileMode(0o620) {
		t.Errorf("the socket: %v, %v", info, err)
	}
	c, err := layers.Dial(visit(t), "unix:"+path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := look(visit(t), c)
	sees(t, "unix", "one", got, err)
	_ = g
}

// program is this program as a process of its own.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vncgate")
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(visit(t), path, args...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	return cmd
}

// inetd passes one connection as standard input, output and error.
func TestInetdNowait(t *testing.T) {
	at := displaysAt(t, "one")
	for what, see := range map[string]func(net.Conn) (string, error){
		"rfb": func(c net.Conn) (string, error) { return look(visit(t), c) },
		"ws": func(c net.Conn) (string, error) {
			ws, err := layers.WebSocketClient("ws://gate.example/websockify", nil)(visit(t), c)
			if err != nil {
				return "", err
			}
			return look(visit(t), ws)
		},
	} {
		ours, theirs := socketPair(t)
		cmd := program(t, "serve", "--inetd", "--target", at[0].(string), "--log-level", "debug")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = theirs.Close()
		got, err := see(ours)
		sees(t, what, "one", got, err)
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: it ends with %v", what, err)
		}
	}
}

// socketPair is a connection, of which theirs is for a child process.
func socketPair(t *testing.T) (ours net.Conn, theirs *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[0]), "ours")
	defer f.Close()
	if ours, err = net.FileConn(f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	return ours, os.NewFile(uintptr(fds[1]), "theirs")
}

// inetd with "wait", and systemd, pass the socket that viewers come to.
func TestPassedListeners(t *testing.T) {
	at := displaysAt(t, "one")
	config := fileWith(t, `
listeners:
  - {address: "systemd:browsers", web: {}}
  - {address: "systemd:viewers", security: [none]}
targets:
  one: {address: %q}
`, at[0])
	for what, start := range map[string]func(listeners []*os.File) *exec.Cmd{
		"inetd": func(l []*os.File) *exec.Cmd {
			cmd := program(t, "serve", "--inetd", "--target", at[0].(string))
			cmd.Stdin = l[0]
			return cmd
		},
		"systemd": func(l []*os.File) *exec.Cmd {
			cmd := program(t, "serve", "--config", config)
			cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/sh"
			cmd.Env = append(cmd.Env, "LISTEN_FDS=2", "LISTEN_FDNAMES=browsers:viewers")
			cmd.ExtraFiles = l
			return cmd
		},
	} {
		t.Run(what, func(t *testing.T) {
			addresses, files := passable(t, 2)
			cmd := start(files)
			var output strings.Builder
			cmd.Stderr = &output
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			c, err := net.Dial("tcp", addresses[0])
			if err != nil {
				t.Fatal(err)
			}
			ws, err := layers.WebSocketClient("ws://"+addresses[0]+"/websockify", nil)(visit(t), c)
			if err != nil {
				t.Fatal(err)
			}
			got, err := look(visit(t), ws)
			sees(t, "browser", "one", got, err)
			native := addresses[0]
			if what == "systemd" {
				native = addresses[1]
			}
			if c, err = net.Dial("tcp", native); err != nil {
				t.Fatal(err)
			}
			got, err = look(visit(t), c)
			sees(t, "viewer", "one", got, err)
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, output.String())
			}
		})
	}
}

// passable are listeners for a child process.
func passable(t *testing.T, n int) (addresses []string, files []*os.File) {
	t.Helper()
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		f, err := ln.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		_ = ln.Close()
		t.Cleanup(func() { _ = f.Close() })
		addresses, files = append(addresses, ln.Addr().String()), append(files, f)
	}
	return addresses, files
}

// Where no descriptor was passed, the words say so.
func TestNothingWasPassed(t *testing.T) {
	out, err := program(t, "serve", "--inetd", "--target", "localhost:1").CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(string(out), "fd 0") {
		t.Errorf("%v: %s", err, out)
	}
}
