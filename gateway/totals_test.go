package gateway_test

import (
	"io"
	"net"
	"slices"
	"testing"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/rfb"
)

// What a display sends is counted by kind where it is filtered, and stays counted
// when the session is over; fences that pass say how far away both ends are.
func TestDisplaysAreCountedAndTimed(t *testing.T) {
	asks := rfb.AppendFence(nil, rfb.FenceRequest, []byte("display"))
	said := slices.Concat(picture(1, 7), rfb.AppendBell(nil), rfb.AppendServerCutText(nil, "secret"), asks)
	answer := rfb.AppendFence(nil, 0, []byte("viewer."))
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) {
		_, _ = c.Write(said)
		_, _ = io.ReadFull(c, make([]byte, 2*len(asks))) // an answer, and the viewer's own
		_, _ = c.Write(answer)
		_, _ = io.Copy(io.Discard, c)
	})
	a := &authority{grant: auth.Grant{Rights: auth.View}}
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, func(g *gateway.Gateway) { g.Authorize = a.authorize })
	viewer := g.view(t)
	if _, err := io.ReadFull(viewer, make([]byte, len(picture(1, 7))+len(asks))); err != nil {
		t.Fatal(err)
	}
	if _, err := viewer.Write(rfb.AppendFence(rfb.AppendFence(nil, 0, []byte("display")), rfb.FenceRequest, []byte("viewer."))); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(viewer, make([]byte, len(answer))); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both are timed", func() bool {
		list := g.List()
		return len(list) == 1 && list[0].RTT > 0 && list[0].DisplayRTT > 0
	})
	for range 2 {
		tally := g.Totals().Display
		for kind, want := range map[rfb.DisplayKind][2]uint64{
			rfb.DisplayFramebufferUpdate: {1, 0}, rfb.DisplayFence: {2, 0}, rfb.DisplayBell: {0, 1}, rfb.DisplayCutText: {0, 1},
		} {
			if got := [2]uint64{tally.Passed[kind], tally.Dropped[kind]}; got != want {
				t.Errorf("%s: passed and dropped %v, want %v", kind, got, want)
			}
		}
		_ = viewer.Close()
		eventually(t, "the session is over", func() bool { return len(g.List()) == 0 })
	}
}
