package gateway_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// picture is an update of some pixels, the last of which is n.
func picture(n byte, pixels int) []byte {
	b := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, uint16(pixels), 1, rfb.EncodingRaw)
	return append(append(b, make([]byte, 4*pixels-1)...), n)
}

// What is withheld of a display's messages does not reach the viewer, and the
// rest does as it was, by whatever the viewer comes.
func TestDisplayIsFiltered(t *testing.T) {
	bell, text := rfb.AppendBell(nil), rfb.AppendServerCutText(nil, "secret")
	pictures := [][]byte{picture(1, 7), picture(2, 300), picture(3, 60_000), picture(4, 1)}
	said := slices.Concat(bell, pictures[0], text, pictures[1], text, bell, pictures[2], bell, pictures[3], text)
	for _, test := range []struct {
		rights auth.Rights
		limits auth.Limits
		want   []byte
	}{
		{auth.AllRights, auth.Limits{}, said},
		{auth.View, auth.Limits{}, bytes.Join(pictures, nil)},
		{auth.Viewing, auth.Limits{}, slices.Concat(bell, pictures[0], pictures[1], bell, pictures[2], bell, pictures[3])},
		{auth.AllRights &^ auth.Bell, auth.Limits{}, slices.Concat(pictures[0], text, pictures[1], text, pictures[2], pictures[3], text)},
		{auth.AllRights, auth.Limits{ClipboardOut: 3}, slices.Concat(bell, pictures[0], pictures[1], bell, pictures[2], bell, pictures[3])},
		{auth.View, auth.Limits{DownRate: 10 << 20}, bytes.Join(pictures, nil)},
	} {
		for name, stack := range map[string]struct{ server, client []layers.Layer }{
			"tcp": {nil, nil},
			"ws":  {[]layers.Layer{layers.WebSocketServer(layers.WebSocketConfig{})}, []layers.Layer{layers.WebSocketClient("ws://localhost/", nil)}},
		} {
			for _, piece := range []int{1000, len(said)} {
				t.Run(fmt.Sprintf("%s %s %s/%d", test.rights, test.limits, name, piece), func(t *testing.T) {
					display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) {
						for b := range slices.Chunk(said, piece) {
							_, _ = c.Write(b)
						}
					})
					a := &authority{grant: auth.Grant{Rights: test.rights, Limits: test.limits}}
					g := newGateway(t, display.target(rfb.None{}), gateway.Front{Layers: stack.server}, func(g *gateway.Gateway) { g.Authorize = a.authorize })
					c, err := layers.Stack(t.Context(), g.dial(t), stack.client...)
					if err != nil {
						t.Fatal(err)
					}
					viewer, err := viewOver(c)
					if err != nil {
						t.Fatal(err)
					}
					got := make([]byte, len(test.want))
					if _, err := io.ReadFull(viewer, got); err != nil || !bytes.Equal(got, test.want) {
						t.Fatalf("the viewer got something else: %v", err)
					}
					if n, _ := viewer.Read(make([]byte, 1)); n != 0 {
						t.Error("and more")
					}
				})
			}
		}
	}
}

// A display that cannot be followed ends the session of a viewer from whom
// something is withheld, and of nobody else.
func TestDisplayThatIsNotUnderstood(t *testing.T) {
	nonsense := []byte{77, 1, 2, 3}
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) {
		_, _ = c.Write(nonsense)
		_, _ = io.Copy(io.Discard, c)
	})
	a := &authority{grant: auth.Grant{Rights: auth.AllRights}}
	g := newGateway(t, display.target(rfb.None{}), overWS(gateway.Front{}), func(g *gateway.Gateway) { g.Authorize = a.authorize })
	if _, err := io.ReadFull(g.mustBrowse(t), make([]byte, len(nonsense))); err != nil {
		t.Error(err)
	}
	a.rights(auth.View)
	if end := closing(t, g.mustBrowse(t)); end.Code != layers.CloseServerError || end.Reason != "The display sent something that cannot be checked against your rights." {
		t.Errorf("closed with %v", end)
	}
}
