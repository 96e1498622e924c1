package interop

import (
	"fmt"
	"testing"
)

// TestClipboard carries text both ways between each viewer and the displays
// that have a clipboard.
func TestClipboard(t *testing.T) {
	xvnc, x11vnc := theXvnc(t), theX11vnc(t)
	g := startGate(t, patient, xvnc.back("vnc"), x11vnc.back("vnc"))
	for _, d := range []*display{xvnc, x11vnc} {
		t.Run(d.label, func(t *testing.T) {
			t.Parallel()
			for n, tt := range operated() {
				up, down := fmt.Sprintf("up %d", n), fmt.Sprintf("down %d", n)
				if d == xvnc && (tt.kind.label == noVNC.label || tt.kind.label == ownPage.label) {
					up, down = up+" ✓ žluťoučký", down+" ✓ kůň" // by the extended clipboard
				}
				if d == x11vnc && tt.kind.label == vncViewer.label {
					up = "" // these two do not manage it without the gateway either
				}
				t.Run(tt.kind.label, func(t *testing.T) {
					tt.kind.needs(t)
					v := operate(t, g, tt.kind, tt.front, d)
					carries(t, d, v, up, down)
					if t.Failed() {
						t.Logf("the display said:\n%s", d.log.tail(20))
					}
				})
			}
		})
	}
}

// carries copies up at the viewer and looks at the display, and down the other
// way round. A program copies when somebody uses it, so the viewer is used.
func carries(t *testing.T, d *display, v operator, up, down string) {
	t.Helper()
	s := testScope(t)
	if err := v.click(at.X, at.Y); err != nil {
		t.Fatal(err)
	}
	if err := d.x.copyText(s, down, d.clipboard); err != nil {
		t.Fatal(err)
	}
	eventually(t, "text comes down", func() error { return v.pastes(down) })
	if up == "" {
		return
	}
	if err := v.copyText(s, up); err != nil {
		t.Fatal(err)
	}
	if err := v.click(at.X, at.Y); err != nil {
		t.Fatal(err)
	}
	eventually(t, "text goes up", func() error { return d.x.pastes(up, d.clipboard) })
}
