package interop

import (
	"errors"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

const nativeRoutesConfig = `listeners:
  - address: 127.0.0.1:{{port "plain"}}
    tls: {{tls}}
    security: [x509-plain]
    route: {user: true, sni: ["{target}.vnc.example"]}
    target: west
  - address: 127.0.0.1:{{port "sasl"}}
    tls: {{tls}}
    security: [x509-sasl]
    route: {user: true, sni: ["{target}.vnc.example"]}
    target: west
  - address: 127.0.0.1:{{port "repeater"}}
    security: [vnc]
    password: {file: {{.Password}}}
    route: {repeater: true}
targets:
  north: {address: "{{.North}}"}
  south: {address: "unix:{{.South}}"}
  west: {address: "{{.West}}"}
free: {allow: ["127.0.0.0/8:5900-65535"]}
users: {file: {{.Users}}}
policy: [{who: "*", targets: "*", allow: [all]}]
`

// serveNatives runs a gateway that native viewers tell their display.
func serveNatives(t *testing.T) (*served, desks) {
	t.Helper()
	all, s := theDesks(t), testScope(t)
	password, err := plainFile(s, "password", secrets.front)
	if err != nil {
		t.Fatal(err)
	}
	users := filepath.Join(filepath.Dir(password), "users")
	if err := addUser(program(t), users, "alice", secrets.user); err != nil {
		t.Fatal(err)
	}
	return serveFile(t, nativeRoutesConfig, map[string]any{
		"Password": password, "Users": users,
		"North": all[0].at.address(), "South": all[1].socket, "West": all[2].at.address(),
	}), all
}

var compiledHosts shared[string]

// resolving makes viewers find the hosts of vnc.example.
func resolving(t *testing.T) {
	t.Helper()
	path := compileC(t, &compiledHosts, "hosts.c", "hosts.so", "-shared", "-fPIC", "-ldl")
	if home := os.Getenv("LD_PRELOAD"); home != "" {
		path += ":" + home
	}
	t.Setenv("LD_PRELOAD", path)
}

// TestNativeRoutes has viewers without a URL say what they want to see: by the
// host name that they connect to, and beside the name of the user. Of those
// here TigerVNC's alone states the host name in TLS.
func TestNativeRoutes(t *testing.T) {
	vncViewer.needs(t)
	gtkVNC.needs(t)
	libVNCClient.needs(t)
	g, all := serveNatives(t)
	resolving(t)
	for _, tt := range []struct {
		name       string
		kind       viewerKind
		port, host string
		user       string
		desk       int
	}{
		{"vncviewer, no route", vncViewer, "plain", "localhost", "alice", 2},
		{"vncviewer, server name", vncViewer, "plain", "south.vnc.example", "alice", 1},
		{"vncviewer, user", vncViewer, "plain", "localhost", "alice%north", 0},
		{"vncviewer, user at another server name", vncViewer, "plain", "south.vnc.example", "alice%north", 0},
		{"gtk-vnc, user", gtkVNC, "sasl", "localhost", "alice%north", 0},
		{"libvncclient, user", libVNCClient, "plain", "localhost", "alice%south", 1},
		{"libvncclient, user over SASL", libVNCClient, "sasl", "localhost", "alice%north", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := g.at(tt.port)
			at.host, at.user, at.password, at.security = tt.host, tt.user, secrets.user, "x509-"+tt.port
			s := testScope(t)
			defer s.close()
			v, err := tt.kind.open(s, at)
			if err != nil {
				t.Fatal(err)
			}
			sees(t, v, all[tt.desk].shows())
			results.add(row{tt.kind.label, tt.kind.version(), tt.name, all[tt.desk].label, all[tt.desk].version, "same picture"})
		})
	}
}

// TestRepeaterRoute has ssvncviewer ask for its display as it asks UltraVNC's
// repeater.
func TestRepeaterRoute(t *testing.T) {
	needVNCViewer(t)
	need(t, "ssvncviewer", "ssvnc")
	g, all := serveNatives(t)
	for wanted, desk := range map[string]int{"ID:south": 1, all[0].at.address(): 0} {
		t.Run(wanted, func(t *testing.T) {
			s := testScope(t)
			v, err := openSSVNC(s, g.at("repeater"), "-repeater", wanted)
			if err != nil {
				t.Fatal(err)
			}
			sees(t, v, all[desk].shows())
			results.add(row{"ssvncviewer", debianVersion("ssvnc"), "repeater's prologue", all[desk].label, all[desk].version, "same picture"})
		})
	}
}

// An ssvncViewer is a running ssvncviewer.
type ssvncViewer struct {
	*process
	x *xserver
}

// openSSVNC connects with VNC authentication.
func openSSVNC(s *scope, at endpoint, more ...string) (*ssvncViewer, error) {
	x, err := startXvfb(s, 1280, 960)
	if err != nil {
		return nil, err
	}
	passwd, err := passwordFile(s, secrets.front)
	if err != nil {
		return nil, err
	}
	args := append(more, "-passwd", passwd, "-encodings", "zrle hextile raw", "-nojpeg", fmt.Sprintf("%s:%d", at.host, at.port))
	cmd := exec.Command("ssvncviewer", args...)
	cmd.Env = append(x.env(), "HOME="+filepath.Dir(passwd))
	p, err := start(s, "ssvncviewer", cmd)
	return &ssvncViewer{p, x}, err
}

// canvasLine matches what xwininfo says about a window as large as the display.
var canvasLine = regexp.MustCompile(fmt.Sprintf(`(0x[0-9a-f]+) .* %dx%d\+`, cardWidth, cardHeight))

func (v *ssvncViewer) picture() (image.Image, error) {
	if err := v.alive(); err != nil {
		return nil, err
	}
	out, err := run(v.x.command("xwininfo", "-root", "-tree"))
	if err != nil {
		return nil, err
	}
	all := canvasLine.FindAllStringSubmatch(string(out), -1)
	if len(all) == 0 {
		return nil, errors.New("ssvncviewer has no window: " + string(out))
	}
	return xwd(v.x.name, "-id", all[len(all)-1][1])
}
