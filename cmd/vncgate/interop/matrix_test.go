package interop

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestMatrix takes every viewer through every front it knows to every display,
// and compares what it sees with what it sees without the gateway.
func TestMatrix(t *testing.T) {
	native := []string{"none", "vnc", "x509-none", "x509-vnc", "x509-plain"}
	three := []func(testing.TB) *display{theXvnc, theQEMU, theX11vnc}
	tls := []func(testing.TB) *display{theQEMUX509Vnc, theQEMUSASL}
	for _, tt := range []struct {
		kind     viewerKind
		fronts   []string
		displays []func(testing.TB) *display
	}{
		{noVNC, []string{"ws", "wss", "wss-plain"}, three},
		{ownPage, []string{"ws", "wss", "wss-plain"}, three},
		{vncViewer, native, append(three, tls...)},
		{gtkVNC, []string{"x509-sasl", "x509-plain"}, tls},
		{gvncCapture, []string{"x509-sasl", "x509-vnc"}, tls},
		{libVNCClient, []string{"none", "vnc", "x509-plain", "x509-sasl"}, three[:1]},
		{vncSnapshot, []string{"vnc"}, three[:1]},
	} {
		t.Run(tt.kind.label, func(t *testing.T) {
			t.Parallel() // nothing moves on these displays
			tt.kind.needs(t)
			testRows(t, tt.kind, tt.fronts, tt.displays)
		})
	}
}

// testRows runs one viewer before one gateway for all of displays.
func testRows(t *testing.T, kind viewerKind, fronts []string, the []func(testing.TB) *display) {
	var displays []*display
	var backs []back
	for _, the := range the {
		d := the(t)
		displays = append(displays, d)
		for _, security := range d.offers {
			backs = append(backs, d.back(security))
		}
	}
	g := startGate(t, patient, backs...)
	for _, d := range displays {
		for i, security := range d.offers {
			if i > 0 && kind.label != libVNCClient.label {
				break // one viewer is enough to see the gateway speak all of them
			}
			for _, front := range fronts {
				b := d.back(security)
				t.Run(front+" to "+b.name, func(t *testing.T) { testCell(t, kind, g, front, d, security) })
			}
		}
	}
}

// testCell is one viewer at one front of the gateway before one display.
func testCell(t *testing.T, kind viewerKind, g *gate, front string, d *display, security string) {
	r := row{
		viewer: kind.label, viewerVersion: kind.version(), front: front,
		display: d.label, displayVersion: d.version, result: "same picture",
	}
	if d.at.security != security {
		r.display += " " + security
	}
	defer func() {
		if t.Failed() {
			r.result = "FAILED"
			t.Logf("the display said:\n%s", d.log.tail(15))
		}
		results.add(r)
	}()
	if d.x == nil {
		d.turn.Lock()
		defer d.turn.Unlock()
	}
	want := directPicture(t, kind, d)
	said := g.log.len()
	at := g.front(front, d.back(security).name)
	if kind.choosesItself {
		at = g.only(front, d.back(security).name)
	}
	v, err := kind.open(testScope(t), at)
	if err != nil {
		t.Fatal(err)
	}
	sees(t, v, want)
	var method string
	eventually(t, "the log says how", func() (err error) {
		method, err = g.opened(said, front, security)
		return err
	})
	if _, mechanism, ok := strings.Cut(method, "/"); ok {
		r.front += ", " + mechanism
	}
}

// opened says how a viewer proved itself that the gateway has logged behind
// offset: one that came in by front and reached a display by security.
func (g *gate) opened(offset int, front, security string) (method string, err error) {
	wanted := map[string]string{"ws": "none", "wss": "none", "wss-plain": "plain", "x509-sasl": "x509-sasl/SCRAM-SHA-"}[front]
	if wanted == "" {
		wanted = front
	}
	if security == "x509-sasl" {
		security += "/SCRAM-SHA-256" // all that QEMU is told to offer
	}
	log := g.log.String()[offset:]
	for line := range strings.Lines(log) {
		words := strings.Fields(line)
		at := slices.IndexFunc(words, func(word string) bool { return strings.HasPrefix(word, "security="+wanted) })
		if at >= 0 && slices.Contains(words, "display_security="+security) {
			return strings.TrimPrefix(words[at], "security="), nil
		}
	}
	return "", fmt.Errorf("the log has no session from %s to %s: %s", wanted, security, log)
}
