package interop

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

const waitingConfig = `listeners:
  - address: 127.0.0.1:{{port "web"}}
    web: {}
    security: [none]
    target: north
targets:
  north: {address: "{{.North}}"}
  late: {address: "127.0.0.1:{{port "late"}}", retry: 2m}
  broken: {address: "127.0.0.1:{{port "broken"}}", fallbacks: [gone, north]}
  gone: {address: "unix:{{.Dir}}/gone"}
  xvnc:
    address: 127.0.0.1:{{port "xvnc"}}
    start: {command: [Xtigervnc, -displayfd, "1", -nolisten, tcp, -rfbport, "{{port "xvnc"}}", -localhost {{- range .Xvnc}}, "{{.}}"{{end}}], idle: 1s}
  qemu:
    address: unix:{{.Dir}}/qemu
    start: {command: [qemu-system-x86_64, -nodefaults, -no-user-config, -machine, "pc,accel=tcg", -m, "16", -vga, std, -display, none, -name, machine, -vnc, "unix:{{.Dir}}/qemu"], idle: 1s}
free: {allow: ["127.0.0.1:5900-65535"]}
policy: [{who: "*", targets: "*", allow: [all]}]
`

func serveWaiting(t *testing.T) (*served, desks) {
	t.Helper()
	all := theDesks(t)
	dir, err := testScope(t).tempDir()
	if err != nil {
		t.Fatal(err)
	}
	return serveFile(t, waitingConfig, map[string]any{"North": all[0].at.address(), "Dir": dir, "Xvnc": deskArgs("started")}), all
}

func (g *served) webURL(target string) string {
	return fmt.Sprintf("ws://127.0.0.1:%d/websockify?target=%s", g.ports["web"], target)
}

// TestLateDisplay opens our page before its display is there. It says so, and
// shows the display once that has come up.
func TestLateDisplay(t *testing.T) {
	ownPage.needs(t)
	g, _ := serveWaiting(t)
	s := testScope(t)
	p, err := sharedChromium.value.open(s, fmt.Sprintf("http://127.0.0.1:%d/vnc.html?autoconnect=true&resize=off&target=late", g.ports["web"]), nil)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the page says what it waits for", func() error { return p.says("not up yet") })
	if err := p.do(nil, "screenshot", map[string]any{"path": filepath.Join(t.ArtifactDir(), "waiting.png")}); err != nil {
		t.Error(err)
	}
	d, err := startDesk(s, "late", 6, g.ports["late"])
	if err != nil {
		t.Fatal(err)
	}
	sees(t, p, d.shows())
}

// TestFallback reaches the last display of the list.
func TestFallback(t *testing.T) {
	t.Parallel()
	g, _ := serveWaiting(t)
	if err := reaches(g.webURL("broken"), "north"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the log names it", func() error { return g.log.has(0, "reached=north") })
}

// TestStartOnConnect has the gateway start an X server and a machine for their
// first viewer, and stop them after their last.
func TestStartOnConnect(t *testing.T) {
	t.Parallel()
	needX(t)
	need(t, "Xtigervnc", "tigervnc-standalone-server")
	needQEMU(t)
	g, _ := serveWaiting(t)
	for target, name := range map[string]string{"xvnc": "started", "qemu": "QEMU (machine)"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				said := g.log.len()
				if err := reaches(g.webURL(target), name); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the display is stopped", func() error { return g.stoppedSince(said, target) })
			}
		})
	}
}

func (g *served) stoppedSince(offset int, target string) error {
	for line := range strings.Lines(g.log.String()[offset:]) {
		if strings.Contains(line, "display stopped") && strings.Contains(line, "target="+target) {
			return nil
		}
	}
	return errors.New("the log does not say so")
}

// TestFreeForm reaches a display by its address, and nothing that is not
// allowed, however it is written.
func TestFreeForm(t *testing.T) {
	t.Parallel()
	g, all := serveWaiting(t)
	port := all[1].at.port
	for _, address := range []string{"127.0.0.1:%d", "[::ffff:127.0.0.1]:%d"} {
		if err := reaches(g.webURL(fmt.Sprintf(address, port)), "south"); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
	for _, address := range []string{
		fmt.Sprintf("127.0.0.2:%d", port), fmt.Sprintf("0.0.0.0:%d", port), fmt.Sprintf("[::1]:%d", port), fmt.Sprintf("[::]:%d", port),
		"169.254.169.254:80", "169.254.169.254:5900", "[fd00:ec2::254]:5900", "[fe80::1]:5900", "metadata.google.internal:80",
		"127.0.0.1:22", "unix:" + all[1].socket, "224.0.0.1:5900", "[::ffff:169.254.169.254]:5900",
	} {
		r, err := openRawWeb(g.webURL(address), nil)
		if err != nil {
			continue // refused before
		}
		if reason, name, err := r.enterNone(); err != nil || reason == "" {
			t.Errorf("%s is reached: %q, %v", address, name, err)
		}
		r.Close()
	}
}
