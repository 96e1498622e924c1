package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"text/template"
)

// serveFile runs the program with a configuration of the test's own. text is a
// template; port in it is a new free port for each name, and values holds the rest.
func serveFile(t *testing.T, text string, values map[string]any) *served {
	t.Helper()
	s := testScope(t)
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	g := &served{gate: &gate{certs: thePKI(t)}, ports: map[string]int{}, dir: dir, t: t}
	config := filepath.Join(dir, "vncgate.yaml")
	if err := os.WriteFile(config, g.fill(text, values), 0o600); err != nil {
		t.Fatal(err)
	}
	g.begin(t, s, exec.Command(program(t), "serve", "--config", config))
	g.listens()
	return g
}

// A served gateway has what its test has configured.
type served struct {
	*gate
	t     *testing.T
	dir   string // of its configuration, for files that this names
	ports map[string]int
}

// fill makes a configuration out of a template.
func (g *served) fill(text string, values map[string]any) []byte {
	g.t.Helper()
	tmpl, err := template.New("config").Funcs(template.FuncMap{
		"port": g.port,
		"tls":  func() string { return fmt.Sprintf("{certificate: %s, key: %s}", g.certs.cert, g.certs.key) },
	}).Parse(text + "\nlog: {level: debug, format: text}\nlimits: " + patient + "\n")
	if err != nil {
		g.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tmpl.Execute(&b, values); err != nil {
		g.t.Fatal(err)
	}
	return b.Bytes()
}

func (g *served) port(name string) (int, error) {
	if port, ok := g.ports[name]; ok {
		return port, nil
	}
	port, err := freePort()
	g.ports[name] = port
	return port, err
}

// listens waits until the program has said so, which is when all is bound.
func (g *served) listens() {
	g.t.Helper()
	eventually(g.t, "the gateway listens", func() error {
		if err := g.alive(); err != nil {
			return err
		}
		return g.log.has(0, "msg=listening")
	})
}

// at is where viewers of no particular security come in by a named port.
func (g *served) at(port string) endpoint {
	return endpoint{host: "127.0.0.1", port: g.ports[port], security: "none", ca: g.certs.ca}
}

// A desks is a set of X servers that show different things.
type desks [3]*display

var sharedDesks shared[desks]

// deskNames are the names of the desks, which they tell viewers.
var deskNames = [3]string{"north", "south", "west"}

// theDesks are displays without a password, on TCP and on unix sockets.
func theDesks(t testing.TB) desks {
	t.Helper()
	needX(t)
	need(t, "Xtigervnc", "tigervnc-standalone-server")
	return sharedDesks.get(t, func(s *scope) (all desks, err error) {
		var wg sync.WaitGroup
		var errs [3]error
		for i, name := range deskNames {
			wg.Go(func() { all[i], errs[i] = startDesk(s, name, i+1, 0) })
		}
		wg.Wait()
		for _, err := range errs {
			if err != nil {
				return all, err
			}
		}
		return all, nil
	})
}

// startDesk runs an X server with a numbered card and a name, on port unless
// that is 0.
func startDesk(s *scope, name string, card, port int) (*display, error) {
	dir, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	if port == 0 {
		if port, err = freePort(); err != nil {
			return nil, err
		}
	}
	unix := filepath.Join(dir, name)
	// It listens on TCP and on the socket when both are given.
	x, err := startX(s, "Xtigervnc", append(deskArgs(name), "-rfbport", strconv.Itoa(port), "-rfbunixpath", unix, "-localhost")...)
	if err != nil {
		return nil, err
	}
	d := &display{
		process: x.process, label: "Xvnc " + name, version: debianVersion("tigervnc-standalone-server"), x: x, picture: x.picture,
		at: endpoint{host: "127.0.0.1", port: port, security: "none"}, offers: []string{"none"}, card: card, socket: unix,
	}
	return d, d.ready(s)
}

// deskArgs are what Xvnc is told of a display that is called name.
func deskArgs(name string) []string {
	return []string{
		"-SecurityTypes", "None", "-AlwaysShared", "-UseBlacklist=0",
		"-geometry", fmt.Sprintf("%dx%d", cardWidth, cardHeight), "-depth", "24", "-desktop", name, "-Log", "*:stderr:30",
	}
}
