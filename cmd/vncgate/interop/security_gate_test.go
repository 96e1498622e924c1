package interop

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"vncgate/auth"
)

// A block is a part of a configuration.
type block = map[string]any

// A setup is a configuration of one test's own. What more does not hold is
// filled in: the user alice, a policy that allows everything, the log.
type setup struct {
	listeners map[string]block // by names of the test, without addresses
	targets   map[string]block
	users     []string // beside alice, with her password
	more      block
}

// A securedGate is the program with such a configuration.
type securedGate struct {
	*gate
	dir     string
	ports   map[string]int
	secrets []string // that no log may show, besides those of the suite
}

// startSecured runs the program. When it stops, with the test, its output has
// to be free of secrets, panics and races.
func startSecured(t *testing.T, set setup, more ...string) *securedGate {
	t.Helper()
	binary, s := program(t), testScope(t)
	g := &securedGate{gate: &gate{certs: thePKI(t)}, ports: map[string]int{}, secrets: more}
	path, err := g.configure(s, binary, set)
	if err != nil {
		t.Fatal(err)
	}
	if g.process, err = start(s, "vncgate", exec.Command(binary, "serve", "--config", path)); err != nil {
		t.Fatal(err)
	}
	g.grace = patience
	t.Cleanup(func() {
		g.stop()
		g.finish(t, g.log.String())
		for _, secret := range g.secrets {
			for _, form := range forms(secret) {
				if strings.Contains(g.log.String(), form) {
					t.Error("the gateway's output shows a secret of this test")
				}
			}
		}
		if g.err != nil {
			t.Errorf("the gateway ended with %v", g.err)
		}
	})
	eventually(t, "the gateway listens", g.listening)
	return g
}

func (g *securedGate) configure(s *scope, binary string, set setup) (path string, err error) {
	if g.dir, err = s.tempDir(); err != nil {
		return "", err
	}
	users := filepath.Join(g.dir, "users")
	if err := addUser(binary, users, "alice", secrets.user); err != nil {
		return "", err
	}
	for _, user := range set.users { // more quickly than by a program each
		if err := (&auth.UsersFile{Path: users}).Add(user, secrets.user); err != nil {
			return "", err
		}
	}
	cfg := block{
		"users": block{"file": users}, "log": block{"level": "debug"}, "targets": set.targets,
		"policy": []block{{"who": "*", "targets": "*", "allow": []string{"all"}}},
		"limits": block{"handshake_timeout": "4m", "dial_timeout": "1m", "greet_timeout": "1m"},
	}
	maps.Copy(cfg, set.more)
	maps.DeleteFunc(cfg, func(_ string, value any) bool { return value == nil })
	var listeners []block
	for _, name := range slices.Sorted(maps.Keys(set.listeners)) {
		port, err := freePort()
		if err != nil {
			return "", err
		}
		g.ports[name] = port
		l := maps.Clone(set.listeners[name])
		l["address"] = fmt.Sprintf("127.0.0.1:%d", port)
		listeners = append(listeners, l)
	}
	cfg["listeners"] = listeners
	text, err := yaml.Marshal(cfg)
	if err != nil {
		return "", err
	}
	path = filepath.Join(g.dir, "vncgate.yaml")
	return path, os.WriteFile(path, text, 0o600)
}

func (g *securedGate) listening() error {
	if err := g.alive(); err != nil {
		return err
	}
	for _, port := range g.ports {
		c, err := endpoint{host: "127.0.0.1", port: port}.dial()
		if err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

// listener offers one security type to native viewers, with all that it may
// need.
func listener(t testing.TB, security, target string) block {
	certs := thePKI(t)
	l := block{"security": []string{security}, "target": target}
	switch {
	case strings.HasPrefix(security, "x509-"):
		l["tls"] = block{"certificate": certs.cert, "key": certs.key}
	case strings.HasPrefix(security, "ra2"):
		l["rsa_key"] = filepath.Join(certs.dir, "gate-rsa.pem")
	}
	if strings.HasSuffix(security, "vnc") {
		l["password"] = secrets.front
	}
	return l
}

// webListener does so for browsers, over TLS.
func webListener(t testing.TB, security, target string) block {
	l := listener(t, security, target)
	certs := thePKI(t)
	l["tls"] = block{"certificate": certs.cert, "key": certs.key}
	l["web"] = block{"origins": []string{foreignPages.get(t, servePages(debianNoVNC)).URL}}
	return l
}

// enter is where viewers come in by a listener of one security type, with what
// they have to prove there.
func (g *securedGate) enter(name, security string) endpoint {
	at := endpoint{host: "localhost", port: g.ports[name], security: security}
	if strings.HasPrefix(security, "x509-") {
		at.ca = g.certs.ca
	}
	switch {
	case strings.HasSuffix(security, "vnc"):
		at.password = secrets.front
	case !strings.HasSuffix(security, "none"):
		at.user, at.password = "alice", secrets.user
	}
	return at
}

// enterWeb is enter for browsers.
func (g *securedGate) enterWeb(name, security string) endpoint {
	at := g.enter(name, security)
	at.host, at.path, at.tls, at.page = "127.0.0.1", "websockify", true, fmt.Sprintf("https://127.0.0.1:%d", at.port)
	return at
}

// session waits for the line of a session that was opened behind offset, at
// the listener on port.
func (g *securedGate) session(t testing.TB, offset, port int) map[string]string {
	t.Helper()
	return g.line(t, offset, port, "session opened", "session refused")
}

// refusal waits for the line of a viewer that was turned away.
func (g *securedGate) refusal(t testing.TB, offset, port int) map[string]string {
	t.Helper()
	return g.line(t, offset, port, "session refused", "session opened")
}

// line waits for a line of the log with message, and takes it apart. One with
// another message in its place ends the test.
func (g *securedGate) line(t testing.TB, offset, port int, message, other string) (values map[string]string) {
	t.Helper()
	listener := fmt.Sprintf("127.0.0.1:%d", port)
	eventually(t, "the log has "+message, func() error {
		for line := range strings.Lines(g.log.String()[offset:]) {
			v := logValues(line)
			switch {
			case v["listener"] != listener || strings.Contains(v["error"], "read version"): // that was us, looking whether it listens
			case v["msg"] == message:
				values = v
				return nil
			case v["msg"] == other:
				return fatal{errors.New(line)}
			}
		}
		return errors.Join(errors.New("it has not yet"), g.alive())
	})
	return values
}

// logValues are the values of a line of log/slog's text, by their keys.
func logValues(line string) map[string]string {
	values := map[string]string{}
	for rest := strings.TrimSpace(line); rest != ""; rest = strings.TrimSpace(rest) {
		key, value, ok := strings.Cut(rest, "=")
		if !ok {
			break
		}
		if quoted, err := strconv.QuotedPrefix(value); err == nil {
			values[key], _ = strconv.Unquote(quoted)
			rest = value[len(quoted):]
			continue
		}
		values[key], rest, _ = strings.Cut(value, " ")
	}
	return values
}

// speaks reports whether the program takes a security type, of a listener or
// of a target, in its configuration.
func speaks(t testing.TB, set setup) bool {
	t.Helper()
	s := new(scope)
	defer s.close()
	g := &securedGate{gate: &gate{certs: thePKI(t)}, ports: map[string]int{}}
	path, err := g.configure(s, program(t), set)
	if err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(program(t), "serve", "--config", path, "--check").CombinedOutput()
	if err != nil && !strings.Contains(string(said), "unknown security type") {
		t.Fatalf("%v: %s", err, said)
	}
	return err == nil
}
