package interop

import (
	"fmt"
	"testing"
)

const arrivalsConfig = `listeners:
  - address: 127.0.0.1:{{port "displays"}}
    arrivals: {waiting: 8}
  {{- range .Targets}}
  - address: 127.0.0.1:{{port .}}
    security: [none]
    target: {{.}}
  {{- end}}
targets:
  first: {arrives: {id: "1234", from: ["127.0.0.0/8"]}, retry: 2m}
  second: {arrives: {id: "77"}, retry: 2m}
  helpdesk: {arrives: {from: [127.0.0.1]}, retry: 2m}
policy: [{who: "*", targets: "*", allow: [all]}]
`

// serveArrivals runs a gateway that three displays may dial.
func serveArrivals(t *testing.T) *served {
	t.Helper()
	return serveFile(t, arrivalsConfig, map[string]any{"Targets": []string{"first", "second", "helpdesk"}})
}

// startDialler runs x11vnc so that it dials the gateway instead of listening.
func startDialler(s *scope, card int, connect string) (*display, error) {
	x, err := startXvfb(s, cardWidth, cardHeight)
	if err != nil {
		return nil, err
	}
	d := &display{label: "x11vnc", version: debianVersion("x11vnc"), x: x, card: card, picture: x.picture}
	if err := x.paint(s, d.shows()); err != nil {
		return nil, err
	}
	d.process, err = start(s, "x11vnc", x.command("x11vnc", "-display", x.name, "-rfbport", "0", "-nopw", "-forever", "-shared",
		"-nocmds", "-desktop", fmt.Sprintf("card %d", card), "-connect", connect))
	return d, err
}

// seesTarget opens TigerVNC's viewer at a target's port.
func (g *served) seesTarget(port string, d *display, how string) {
	g.t.Helper()
	s := testScope(g.t)
	defer s.close()
	v, err := openVNCViewer(s, g.at(port))
	if err != nil {
		g.t.Fatal(err)
	}
	sees(g.t, v, d.shows())
	results.add(row{vncViewer.label, vncViewer.version(), "none, display by " + how, d.label, d.version, "same picture"})
}

func needDiallers(t *testing.T) {
	t.Helper()
	needVNCViewer(t)
	need(t, "x11vnc", "x11vnc")
}

// TestArrivalsByID has two x11vncs dial in as to UltraVNC's repeater. Each shows
// up under its own name, and one that nobody has bound is sent away.
func TestArrivalsByID(t *testing.T) {
	t.Parallel()
	needDiallers(t)
	g, s := serveArrivals(t), testScope(t)
	dial := func(card, id int) *display {
		d, err := startDialler(s, card, fmt.Sprintf("repeater=ID:%d+127.0.0.1:%d", id, g.ports["displays"]))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first, second := dial(4, 1234), dial(5, 77)
	g.seesTarget("second", second, "repeater's ID")
	g.seesTarget("first", first, "repeater's ID")
	dial(6, 4321)
	eventually(t, "the stranger is sent away", func() error { return g.log.has(0, `no target is bound to ID \"4321\"`) })
}

// TestArrivalsListening has x11vnc and Xvnc dial in as to a listening viewer.
func TestArrivalsListening(t *testing.T) {
	t.Parallel()
	needDiallers(t)
	need(t, "vncconfig", "tigervnc-common")
	g, s := serveArrivals(t), testScope(t)
	at := fmt.Sprintf("127.0.0.1:%d", g.ports["displays"])
	x11vnc, err := startDialler(s, 4, at)
	if err != nil {
		t.Fatal(err)
	}
	g.seesTarget("helpdesk", x11vnc, "listening mode")
	x11vnc.stop()
	west := theDesks(t)[2]
	if _, err := run(west.x.command("vncconfig", "-connect", fmt.Sprintf("127.0.0.1::%d", g.ports["displays"]))); err != nil {
		t.Fatal(err)
	}
	g.seesTarget("helpdesk", west, "vncconfig -connect")
}
