package interop

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/template"
)

// A back is a target of the gateway: a display and the one security type that
// is used towards it.
type back struct {
	name string
	at   endpoint // with the security and the secret to use
}

// back makes a target of d, named after its label and the security type.
func (d *display) back(security string) back {
	at := d.at
	at.security = security
	name, _, _ := strings.Cut(strings.ToLower(d.label), " ")
	return back{name: name + "-" + security, at: at}
}

// A gate is the real program, running between viewers and targets.
type gate struct {
	*process
	native map[[2]string]int // native viewers, by target and what is offered
	ws     int               // browsers, by port: plain,
	wss    int               // over TLS,
	users  int               // over TLS with users, who log in by VeNCrypt Plain
	certs  pki
	origin string // foreign pages that may connect

	checked bool // its output has been looked at
}

var builtBinary shared[string]

// program is the binary that VNCGATE_BINARY names or, without that, one built
// with the race detector where that is possible.
func program(t testing.TB) string {
	t.Helper()
	leaveShort(t)
	if path := os.Getenv("VNCGATE_BINARY"); path != "" {
		return path
	}
	return builtBinary.get(t, func(s *scope) (string, error) {
		dir, err := s.tempDir()
		if err != nil {
			return "", err
		}
		path := filepath.Join(dir, "vncgate")
		args := []string{"build", "-o", path}
		if _, err := exec.LookPath("gcc"); err == nil {
			args = append(args, "-race")
		}
		cmd := exec.Command("go", append(args, "./cmd/vncgate")...)
		cmd.Dir = moduleRoot()
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		return path, err
	})
}

// gateConfig is the configuration of every gateway in these tests.
var gateConfig = template.Must(template.New("config").Parse(`listeners:
  - address: 127.0.0.1:{{.Gate.WS}}
    web: {path: /websockify, origins: ["{{.Gate.Origin}}"]}
    security: [none]
    target: {{(index .Backs 0).Name}}
  - address: 127.0.0.1:{{.Gate.WSS}}
    tls: {certificate: {{.Certs.Cert}}, key: {{.Certs.Key}}}
    web: {path: /websockify, origins: ["{{.Gate.Origin}}"]}
    security: [none]
    target: {{(index .Backs 0).Name}}
  - address: 127.0.0.1:{{.Gate.Users}}
    tls: {certificate: {{.Certs.Cert}}, key: {{.Certs.Key}}}
    web: {path: /websockify, origins: ["{{.Gate.Origin}}"]}
    target: {{(index .Backs 0).Name}}
{{- range .Backs}}
{{- $name := .Name}}
{{- range .Fronts}}
  - address: 127.0.0.1:{{.Port}}
    tls: {certificate: {{$.Certs.Cert}}, key: {{$.Certs.Key}}}
    security: [{{.Security}}]
    {{- if .AsksPassword}}
    password: {file: {{$.FrontPassword}}}
    {{- end}}
    target: {{$name}}
{{- end}}
{{- end}}
targets:
{{- range .Backs}}
  {{.Name}}:
    address: "{{.Address}}"
    security: [{{.Security}}]
    {{- if .Password}}
    password: {file: {{.Password}}}
    {{- end}}
    {{- if .User}}
    user: {{.User}}
    {{- end}}
    {{- if .CA}}
    tls: {ca: {{.CA}}, name: localhost}
    {{- end}}
{{- end}}
users: {file: {{.Users}}}
policy: [{who: "*", targets: "*", allow: [all]}]
limits: {{.Limits}}
log: {level: debug, format: text}
`))

// A configBack is a target with the listeners for native viewers before it.
type configBack struct {
	Name, Address, Security, Password, User, CA string
	Fronts                                      []configFront
}

type configFront struct {
	Port     int
	Security string
}

// AsksPassword says whether VNC authentication is among what is offered.
func (f configFront) AsksPassword() bool { return strings.Contains(f.Security, "vnc") }

// everything is what one listener of each target offers. The others offer a
// single type each: gtk-vnc and libvncclient cannot be told which to take.
const everything = "x509-plain, x509-vnc, x509-none, x509-sasl, vnc, none"

// patient are limits for a machine on which a display or a viewer may be slow
// for no reason of its own.
const patient = "{handshake_timeout: 4m, dial_timeout: 1m, greet_timeout: 1m}"

// startGate runs the program before the backs. When it stops, at the latest
// with the test, its output has to be free of secrets, panics and races.
func startGate(t *testing.T, limits string, backs ...back) *gate {
	t.Helper()
	s := testScope(t)
	g := &gate{native: map[[2]string]int{}, certs: thePKI(t)}
	g.origin = foreignPages.get(t, servePages(debianNoVNC)).URL
	config, err := g.configure(s, program(t), limits, backs)
	if err != nil {
		t.Fatal(err)
	}
	g.begin(t, s, exec.Command(program(t), "serve", "--config", config))
	eventually(t, "the gateway listens", g.listening)
	return g
}

// begin starts the program. When it stops, what it has said is looked at.
func (g *gate) begin(t *testing.T, s *scope, cmd *exec.Cmd) {
	t.Helper()
	var err error
	if g.process, err = start(s, "vncgate", cmd); err != nil {
		t.Fatal(err)
	}
	g.grace = patience // it lets sessions go on for five seconds, and has to end by itself
	t.Cleanup(func() {
		if g.stop(); !g.checked {
			g.finish(t, g.log.String())
			if g.err != nil {
				t.Errorf("the gateway ended with %v", g.err)
			}
		}
	})
}

// configure writes the configuration and all that it names.
func (g *gate) configure(s *scope, binary, limits string, backs []back) (string, error) {
	front, err := plainFile(s, "front", secrets.front+"\n")
	if err != nil {
		return "", err
	}
	users := filepath.Join(filepath.Dir(front), "users")
	if err := addUser(binary, users, "alice", secrets.user); err != nil {
		return "", err
	}
	for _, port := range []*int{&g.ws, &g.wss, &g.users} {
		if *port, err = freePort(); err != nil {
			return "", err
		}
	}
	list, err := g.targets(s, backs)
	if err != nil {
		return "", err
	}
	var text bytes.Buffer
	err = gateConfig.Execute(&text, map[string]any{
		"Gate":  map[string]any{"WS": g.ws, "WSS": g.wss, "Users": g.users, "Origin": g.origin},
		"Certs": map[string]string{"Cert": g.certs.cert, "Key": g.certs.key},
		"Backs": list, "FrontPassword": front, "Users": users, "Limits": limits,
	})
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(front), "vncgate.yaml")
	return path, os.WriteFile(path, text.Bytes(), 0o600)
}

// targets finds ports for the native viewers of each back.
func (g *gate) targets(s *scope, backs []back) ([]configBack, error) {
	var list []configBack
	for _, b := range backs {
		c := configBack{Name: b.name, Address: b.at.address(), Security: b.at.security, User: b.at.user}
		for _, offer := range []string{everything, "x509-plain", "x509-sasl", "x509-vnc"} {
			port, err := freePort()
			if err != nil {
				return nil, err
			}
			g.native[[2]string{b.name, offer}] = port
			c.Fronts = append(c.Fronts, configFront{port, offer})
		}
		var err error
		if b.at.password != "" && b.at.security != "none" && b.at.security != "x509-none" {
			if c.Password, err = plainFile(s, "password", b.at.password); err != nil {
				return nil, err
			}
		}
		if strings.HasPrefix(b.at.security, "x509-") {
			c.CA = b.at.ca
		}
		list = append(list, c)
	}
	return list, nil
}

func addUser(binary, file, name, password string) error {
	cmd := exec.Command(binary, "user", "add", name, "--users-file", file, "--password-stdin")
	cmd.Stdin = strings.NewReader(password + "\n")
	_, err := run(cmd)
	return err
}

func (g *gate) listening() error {
	if err := g.alive(); err != nil {
		return err
	}
	ports := []int{g.ws, g.wss, g.users}
	for _, port := range g.native {
		ports = append(ports, port)
	}
	for _, port := range ports {
		c, err := endpoint{host: "127.0.0.1", port: port}.dial()
		if err != nil {
			return err
		}
		c.Close()
	}
	return nil
}

// finish looks at what the gateway has said, once it has ended.
func (g *gate) finish(t *testing.T, out string) {
	g.checked = true
	noSecrets(t, "the gateway's output", out)
	for _, bad := range []string{"DATA RACE", "panic", "goroutine "} {
		if at := strings.Index(out, bad); at >= 0 {
			t.Errorf("the gateway's output has %q:\n%s", bad, out[at:min(at+6000, len(out))])
			break
		}
	}
	if t.Failed() {
		t.Logf("the gateway said:\n%s", g.log.tail(60))
	}
}

// front is where viewers of a kind come in for a target, with what they have
// to prove there. The kinds are the security types of native viewers, and ws,
// wss and wss-plain.
func (g *gate) front(kind, target string) endpoint {
	web := endpoint{host: "127.0.0.1", path: "websockify?target=" + target}
	switch kind {
	case "ws":
		web.port, web.page = g.ws, fmt.Sprintf("http://127.0.0.1:%d", g.ws)
		return web
	case "wss":
		web.port, web.page, web.tls = g.wss, fmt.Sprintf("https://127.0.0.1:%d", g.wss), true
		return web
	case "wss-plain":
		web.port, web.page, web.tls = g.users, fmt.Sprintf("https://127.0.0.1:%d", g.users), true
		web.user, web.password = "alice", secrets.user
		return web
	}
	at := endpoint{host: "localhost", port: g.native[[2]string{target, everything}], security: kind}
	if strings.HasPrefix(kind, "x509-") {
		at.ca = g.certs.ca
	}
	switch kind {
	case "vnc", "x509-vnc":
		at.password = secrets.front
	case "x509-plain", "x509-sasl":
		at.user, at.password = "alice", secrets.user
	}
	return at
}

// only is front at a listener that offers nothing else.
func (g *gate) only(kind, target string) endpoint {
	at := g.front(kind, target)
	if port, ok := g.native[[2]string{target, kind}]; ok {
		at.port = port
	}
	return at
}

// descriptors counts the open files of the gateway.
func (g *gate) descriptors() (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", g.cmd.Process.Pid))
	return len(entries), err
}

// dumpGoroutines ends the gateway with a list of its goroutines, and returns
// that.
func (g *gate) dumpGoroutines(t *testing.T) string {
	t.Helper()
	said := g.log.len()
	_ = g.cmd.Process.Signal(syscall.SIGQUIT)
	<-g.done
	out := g.log.String()
	g.finish(t, out[:said])
	return out[said:]
}
