package interop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const comersConfig = `listeners:
  - address: ":{{port "all"}}"
    protocols: [rfb, web]
    silence: 200ms
    plain_http: true
    tls: {{tls}}
    web: {security: [none]}
    security: [x509-plain, none]
    target: north
  - address: 127.0.0.1:{{port "proxied"}}
    protocols: [rfb, web]
    silence: 200ms
    plain_http: true
    tls: {{tls}}
    proxy: {trusted: [127.0.0.8], others: refuse}
    web: {security: [none]}
    security: [none]
    target: south
targets:
  north: {address: "{{.North}}"}
  south: {address: "unix:{{.South}}"}
users: {file: {{.Users}}}
policy: [{who: "*", targets: "*", allow: [all]}]
`

// serveComers runs a gateway with one port for all, and another that is behind
// haproxy.
func serveComers(t *testing.T) (*served, desks) {
	t.Helper()
	all := theDesks(t)
	dir, err := testScope(t).tempDir()
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(dir, "users")
	if err := addUser(program(t), users, "alice", secrets.user); err != nil {
		t.Fatal(err)
	}
	return serveFile(t, comersConfig, map[string]any{"Users": users, "North": all[0].at.address(), "South": all[1].socket}), all
}

// TestOnePortForAll has every kind of viewer come in by one port.
func TestOnePortForAll(t *testing.T) {
	ownPage.needs(t)
	needVNCViewer(t)
	g, all := serveComers(t)
	at := g.at("all")
	at.path = "websockify"
	secure := at
	secure.tls, secure.page = true, fmt.Sprintf("https://127.0.0.1:%d", at.port)
	plain := at
	plain.page = fmt.Sprintf("http://127.0.0.1:%d", at.port)
	inside := at
	inside.host, inside.security, inside.user, inside.password = "localhost", "x509-plain", "alice", secrets.user
	for _, tt := range []struct {
		name string
		kind viewerKind
		at   endpoint
	}{
		{"our page by https", ownPage, secure},
		{"our page by http", ownPage, plain},
		{"vncviewer without TLS", vncViewer, at},
		{"vncviewer with VeNCrypt", vncViewer, inside},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := testScope(t)
			defer s.close()
			v, err := tt.kind.open(s, tt.at)
			if err != nil {
				t.Fatal(err)
			}
			sees(t, v, all[0].shows())
			results.add(row{tt.kind.label, tt.kind.version(), "one port, " + tt.name, all[0].label, all[0].version, "same picture"})
		})
	}
	t.Run("IPv6", func(t *testing.T) {
		for _, scheme := range []string{"ws", "wss"} {
			if err := reaches(fmt.Sprintf("%s://[::1]:%d/websockify", scheme, at.port), "north"); err != nil {
				t.Errorf("%s: %v", scheme, err)
			}
		}
		if err := entersAt(endpoint{host: "::1", port: at.port}, "north"); err != nil {
			t.Error(err)
		}
	})
}

// entersAt comes in over TCP by security type None.
func entersAt(at endpoint, display string) error {
	c, err := at.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	r := &rawViewer{Conn: c}
	if err := r.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return r.isAt(display)
}

const haproxyConfig = `global
  maxconn 64
defaults
  mode tcp
  timeout connect 60s
  timeout client 120s
  timeout server 120s
listen vnc
  bind 127.0.0.1:%d
  server gateway 127.0.0.1:%d %s source 127.0.0.8
`

// haproxy is where Debian has it, which is not in everybody's PATH.
const haproxy = "/usr/sbin/haproxy"

// TestBehindHAProxy has haproxy state the viewer's address, in both versions of
// its header, to the port for all.
func TestBehindHAProxy(t *testing.T) {
	t.Parallel()
	needFile(t, haproxy, "haproxy")
	g, _ := serveComers(t)
	for _, option := range []string{"send-proxy-v2", "send-proxy"} {
		t.Run(option, func(t *testing.T) {
			s := testScope(t)
			port, err := freePort()
			if err != nil {
				t.Fatal(err)
			}
			path, err := plainFile(s, "haproxy.cfg", fmt.Sprintf(haproxyConfig, port, g.ports["proxied"], option))
			if err != nil {
				t.Fatal(err)
			}
			p, err := start(s, "haproxy", exec.Command(haproxy, "-db", "-f", path))
			if err != nil {
				t.Fatal(err)
			}
			at := endpoint{host: "127.0.0.1", port: port}
			said := g.log.len()
			eventually(t, "the display behind haproxy", func() error { return errors.Join(p.alive(), entersAt(at, "south")) })
			for _, scheme := range []string{"ws", "wss"} {
				if err := reaches(fmt.Sprintf("%s://%s/websockify", scheme, at.address()), "south"); err != nil {
					t.Errorf("%s: %v", scheme, err)
				}
			}
			eventually(t, "three sessions in the log", func() error {
				if log := g.log.String()[said:]; strings.Count(log, "session opened") != 3 || strings.Contains(log, "viewer=127.0.0.8") {
					return fmt.Errorf("not from 127.0.0.1:\n%s", log)
				}
				return nil
			})
		})
	}
	if err := entersAt(g.at("proxied"), "south"); err == nil {
		t.Error("one who is not haproxy got in")
	}
}

// TestSocketActivation has systemd's tool open two named sockets, and start the
// gateway for the first who comes.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	need(t, "systemd-socket-activate", "systemd")
	all := theDesks(t)
	s := testScope(t)
	config, err := plainFile(s, "vncgate.yaml", fmt.Sprintf(`listeners:
  - {address: "systemd:web", web: {}, security: [none], target: north}
  - {address: "systemd:viewers", security: [none], target: north}
targets: {north: {address: "%s"}}
policy: [{who: "*", targets: "*", allow: [all]}]
`, all[0].at.address()))
	if err != nil {
		t.Fatal(err)
	}
	var ports [2]int
	for i := range ports {
		if ports[i], err = freePort(); err != nil {
			t.Fatal(err)
		}
	}
	g := &gate{certs: thePKI(t)}
	g.begin(t, s, exec.Command("systemd-socket-activate", "--fdname=web:viewers",
		"-l", fmt.Sprintf("127.0.0.1:%d", ports[0]), "-l", fmt.Sprintf("127.0.0.1:%d", ports[1]),
		program(t), "serve", "--config", config))
	eventually(t, "the sockets are open", func() error { return g.log.has(0, "Listening on 127.0.0.1:"+strconv.Itoa(ports[1])) })
	if err := reaches(fmt.Sprintf("ws://127.0.0.1:%d/websockify", ports[0]), "north"); err != nil {
		t.Error(err)
	}
	if err := entersAt(endpoint{host: "127.0.0.1", port: ports[1]}, "north"); err != nil {
		t.Error(err)
	}
}

// TestInetd starts the gateway for each connection, as inetd does with nowait.
func TestInetd(t *testing.T) {
	t.Parallel()
	all := theDesks(t)
	s := testScope(t)
	var running atomic.Int32
	at := serve(t, func(c net.Conn) {
		running.Add(1)
		defer running.Add(-1)
		f, err := c.(*net.TCPConn).File()
		if err != nil {
			t.Error(err)
			return
		}
		defer f.Close()
		cmd := exec.Command(program(t), "serve", "--inetd", "--target", all[0].at.address())
		cmd.Stdin, cmd.Stdout, cmd.Stderr = f, f, f
		p, err := start(s, "vncgate", cmd)
		if err != nil {
			t.Error(err)
			return
		}
		c.Close() // the gateway has it
		if err := p.finish(); err != nil {
			t.Error(err)
		}
	})
	program(t)
	if err := entersAt(at, "north"); err != nil {
		t.Error(err)
	}
	if err := reaches(fmt.Sprintf("ws://%s/websockify", at.address()), "north"); err != nil {
		t.Error(err)
	}
	answer, err := http.Get("http://" + at.address() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if body, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK || len(body) == 0 {
		t.Errorf("the page: %s, %v", answer.Status, err)
	}
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "each gateway ends with its viewer", func() error {
		if n := running.Load(); n > 0 {
			return fmt.Errorf("%d are running", n)
		}
		return nil
	})
}
