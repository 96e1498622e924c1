package display_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/layers/layertest"
	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/rfbtest"
)

func TestMain(m *testing.M) { layertest.Main(m) }

// small is the screen of most of these tests.
var small = rfb.ServerInit{Width: 4, Height: 3, Format: rfb.Format32()}

// fill is a rectangle in raw of one colour, given as red<<16 | green<<8 | blue.
func fill(b []byte, x, y, w, h uint16, rgb uint32) []byte {
	b = rfb.AppendRect(b, x, y, w, h, rfb.EncodingRaw)
	return append(b, bytes.Repeat([]byte{byte(rgb), byte(rgb >> 8), byte(rgb >> 16), 0}, int(w)*int(h))...)
}

// update is a FramebufferUpdate of rectangles.
func update(rects ...[]byte) []byte {
	return append(rfb.AppendFramebufferUpdate(nil, uint16(len(rects))), bytes.Join(rects, nil)...)
}

// snapshot lets Snapshot read what a display says, piece bytes at a time.
func snapshot(said []byte, init rfb.ServerInit, piece int) (image.Image, *rfbtest.Script, error) {
	script := rfbtest.NewScript(said)
	script.Piece = piece
	img, err := display.Snapshot(context.Background(), &rfb.Conn{Conn: script}, init)
	return img, script, err
}

func at(img image.Image, x, y int) uint32 {
	c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
	return uint32(c.R)<<16 | uint32(c.G)<<8 | uint32(c.B)
}

func TestSnapshot(t *testing.T) {
	whole := fill(nil, 0, 0, 4, 3, 0x102030)
	for _, tt := range []struct {
		name string
		said []byte
		want map[image.Point]uint32
		size image.Point
	}{
		{"one rectangle", update(whole), map[image.Point]uint32{{0, 0}: 0x102030, {3, 2}: 0x102030}, image.Pt(4, 3)},
		{
			"two rectangles", update(fill(nil, 0, 0, 4, 1, 0xff0000), fill(nil, 0, 1, 4, 2, 0x0000ff)),
			map[image.Point]uint32{{3, 0}: 0xff0000, {0, 1}: 0x0000ff}, image.Pt(4, 3),
		},
		{
			"two updates", append(update(fill(nil, 0, 0, 4, 2, 0x00ff00)), update(fill(nil, 0, 2, 4, 1, 1))...),
			map[image.Point]uint32{{3, 1}: 0x00ff00, {3, 2}: 1}, image.Pt(4, 3),
		},
		{
			"copied", update(fill(nil, 0, 0, 1, 3, 7), fill(nil, 1, 0, 3, 3, 9), append(rfb.AppendRect(nil, 3, 0, 1, 3, rfb.EncodingCopyRect), 0, 0, 0, 0)),
			map[image.Point]uint32{{0, 0}: 7, {2, 2}: 9, {3, 2}: 7}, image.Pt(4, 3),
		},
		{
			"copied over itself", update(fill(nil, 0, 0, 1, 3, 7), fill(nil, 1, 0, 3, 3, 9), append(rfb.AppendRect(nil, 1, 0, 3, 3, rfb.EncodingCopyRect), 0, 0, 0, 0)),
			map[image.Point]uint32{{0, 0}: 7, {1, 1}: 7, {2, 0}: 9, {3, 2}: 9}, image.Pt(4, 3),
		},
		{
			"resized", append(update(whole, rfb.AppendDesktopSize(nil, 2, 1)), update(fill(nil, 0, 0, 2, 1, 5))...),
			map[image.Point]uint32{{1, 0}: 5}, image.Pt(2, 1),
		},
		{
			"resized with screens", append(update(rfb.AppendExtendedDesktopSize(nil, 0, 0, 2, 1, rfb.Screen{W: 2, H: 1})), update(fill(nil, 0, 0, 2, 1, 5))...),
			map[image.Point]uint32{{1, 0}: 5}, image.Pt(2, 1),
		},
		{
			"the size said again", update(whole, rfb.AppendExtendedDesktopSize(nil, 0, 0, 4, 3), rfb.AppendDesktopSize(nil, 4, 3)),
			map[image.Point]uint32{{1, 0}: 0x102030}, image.Pt(4, 3),
		},
		{
			"a resize refused", update(whole, rfb.AppendExtendedDesktopSize(nil, 1, 1, 90, 90)),
			map[image.Point]uint32{{1, 0}: 0x102030}, image.Pt(4, 3),
		},
		{
			"a cursor", update(rfb.AppendCursor(nil, 1, 1, 9, 2, make([]byte, 9*2*4), make([]byte, 2*2)), whole),
			map[image.Point]uint32{{1, 1}: 0x102030}, image.Pt(4, 3),
		},
		{"nothing at first", append(update(), update(whole)...), nil, image.Pt(4, 3)},
		{"an empty rectangle", update(fill(nil, 4, 3, 0, 0, 0), whole), nil, image.Pt(4, 3)},
		{
			"other messages", bytes.Join([][]byte{
				rfb.AppendBell(nil), rfb.AppendServerCutText(nil, "text"),
				rfb.AppendServerClipboard(nil, rfb.ClipboardCapabilities(9)),
				{rfb.MsgSetColourMapEntries, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6}, update(whole),
			}, nil), nil, image.Pt(4, 3),
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, piece := range []int{0, 1} {
				img, script, err := snapshot(tt.said, small, piece)
				if err != nil {
					t.Fatal(err)
				}
				if img.Bounds() != (image.Rectangle{Max: tt.size}) || script.Left() > 0 {
					t.Errorf("%v, %d bytes unread", img.Bounds(), script.Left())
				}
				for p, want := range tt.want {
					if got := at(img, p.X, p.Y); got != want {
						t.Errorf("at %v: %06x, want %06x", p, got, want)
					}
				}
			}
		})
	}
}

func TestSnapshotRefuses(t *testing.T) {
	rect := func(x, y, w, h uint16, e rfb.Encoding, body ...byte) []byte {
		return update(append(rfb.AppendRect(nil, x, y, w, h, e), body...))
	}
	for _, tt := range []struct {
		name string
		said []byte
		want string
	}{
		{"silence", nil, "read message: EOF"},
		{"raw outside", rect(1, 0, 4, 1, rfb.EncodingRaw), "outside"},
		{"raw below", rect(0, 3, 1, 1, rfb.EncodingRaw), "outside"},
		{"raw cut short", rect(0, 0, 4, 3, rfb.EncodingRaw, 1, 2, 3), "unexpected EOF"},
		{"copy from outside", rect(0, 0, 2, 2, rfb.EncodingCopyRect, 0, 3, 0, 0), "outside"},
		{"copy to outside", rect(3, 0, 2, 2, rfb.EncodingCopyRect, 0, 0, 0, 0), "outside"},
		{"copy cut short", rect(0, 0, 2, 2, rfb.EncodingCopyRect, 0, 0), "source: unexpected EOF"},
		{"unknown encoding", rect(0, 0, 4, 3, rfb.EncodingH264), "H264, which is not understood"},
		{"too large", rect(0, 0, 65535, 65535, rfb.EncodingDesktopSize), "65535×65535 pixels is more than"},
		{"no screen left", rect(0, 0, 0, 7, rfb.EncodingExtendedDesktopSize, 0, 0, 0, 0), "no picture"},
		{"screens cut short", rect(0, 0, 4, 3, rfb.EncodingExtendedDesktopSize, 9, 0, 0, 0), "screens: unexpected EOF"},
		{"large cursor", rect(0, 0, 1025, 1, rfb.EncodingCursor), "at most 1024"},
		{"cursor cut short", rect(0, 0, 2, 2, rfb.EncodingCursor, 1), "Cursor (0,0)-(2,2): unexpected EOF"},
		{"long clipboard", []byte{rfb.MsgServerCutText, 0, 0, 0, 0x7f, 0, 0, 0}, "more than"},
		{"long extended clipboard", []byte{rfb.MsgServerCutText, 0, 0, 0, 0x80, 0, 0, 0}, "more than"},
		{"unknown message", []byte{99}, "type 99: unknown"},
		{"never whole", bytes.Repeat(update(), 100), "not whole after 64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := snapshot(tt.said, small, 0)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestSnapshotOfNoScreen(t *testing.T) {
	for _, init := range []rfb.ServerInit{{}, {Width: 65535, Height: 65535}} {
		if _, script, err := snapshot(nil, init, 0); err == nil || script.Out.Len() > 0 {
			t.Errorf("%d×%d: %v, %d bytes sent", init.Width, init.Height, err, script.Out.Len())
		}
	}
}

// TestSnapshotAsks sees what is asked: everything, then the rest of it, and
// everything again after a change of size.
func TestSnapshotAsks(t *testing.T) {
	said := bytes.Join([][]byte{
		update(fill(nil, 0, 0, 4, 1, 1)),
		update(rfb.AppendDesktopSize(nil, 2, 2)),
		update(fill(nil, 0, 0, 2, 2, 1)),
	}, nil)
	_, script, err := snapshot(said, small, 0)
	if err != nil {
		t.Fatal(err)
	}
	var asked [][]byte
	for r := rfb.NewClientReader(&script.Out); ; {
		msg, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		asked = append(asked, bytes.Clone(msg))
	}
	want := [][]byte{
		rfb.AppendSetPixelFormat(nil, rfb.Format32()),
		rfb.AppendSetEncodings(nil, rfb.EncodingCopyRect, rfb.EncodingZRLE, rfb.EncodingHextile, rfb.EncodingRaw,
			rfb.EncodingExtendedDesktopSize, rfb.EncodingDesktopSize, rfb.EncodingCursor),
		rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 4, 3),
		rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, 4, 3),
		rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 2, 2),
	}
	if len(asked) != len(want) {
		t.Fatalf("%d messages, want %d: %v", len(asked), len(want), asked)
	}
	for i := range want {
		if !bytes.Equal(asked[i], want[i]) {
			t.Errorf("message %d is %v, want %v", i, asked[i], want[i])
		}
	}
}

// connect opens a session with a display of rfbtest.
func connect(t *testing.T, d *rfbtest.Display) (*rfb.Conn, rfb.ServerInit) {
	t.Helper()
	c, err := net.Dial("tcp", d.Listen(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx := t.Context()
	conn, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteClientInit(ctx, true); err != nil {
		t.Fatal(err)
	}
	init, err := conn.ReadServerInit(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return conn, init
}

func TestSnapshotOfDisplay(t *testing.T) {
	conn, init := connect(t, &rfbtest.Display{})
	img, err := display.Snapshot(t.Context(), conn, init)
	if err != nil {
		t.Fatal(err)
	}
	if img.Bounds() != image.Rect(0, 0, 64, 48) || at(img, 63, 47) != 0 {
		t.Errorf("%v, %06x", img.Bounds(), at(img, 63, 47))
	}
}

func TestSnapshotEndsWithContext(t *testing.T) {
	conn, init := connect(t, &rfbtest.Display{Answer: func([]byte) []byte { return nil }})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Millisecond, errPatience)
	defer cancel()
	if _, err := display.Snapshot(ctx, conn, init); !errors.Is(err, errPatience) {
		t.Errorf("%v", err)
	}
}

var errPatience = errors.New("out of patience")

// FuzzSnapshot: whatever a display says, there is an error or a whole picture
// within the limits.
func FuzzSnapshot(f *testing.F) {
	f.Add(update(fill(nil, 0, 0, 4, 3, 0xabcdef)), uint16(4), uint16(3), uint8(0))
	f.Add(update(rfb.AppendDesktopSize(nil, 2, 1), fill(nil, 0, 0, 2, 1, 5)), uint16(4), uint16(3), uint8(1))
	f.Add(update(fill(nil, 0, 0, 4, 3, 1), append(rfb.AppendRect(nil, 1, 0, 3, 3, rfb.EncodingCopyRect), 0, 0, 0, 0)), uint16(4), uint16(3), uint8(7))
	f.Add(update(rfb.AppendExtendedDesktopSize(nil, 0, 0, 4, 3, rfb.Screen{W: 4, H: 3})), uint16(4), uint16(3), uint8(0))
	f.Add(append(rfb.AppendServerCutText(nil, "x"), update(rfb.AppendCursor(nil, 0, 0, 1, 1, make([]byte, 4), []byte{0}))...), uint16(1), uint16(1), uint8(3))
	f.Fuzz(func(t *testing.T, said []byte, w, h uint16, piece uint8) {
		if int(w)*int(h) > 1<<16 {
			w, h = w%256, h%256 // large ones cost memory, not thought
		}
		img, _, err := snapshot(said, rfb.ServerInit{Width: w, Height: h}, int(piece))
		if err != nil {
			return
		}
		size := img.Bounds().Size()
		if !img.(*image.RGBA).Opaque() || size.X*size.Y == 0 || size.X*size.Y > display.MaxPixels {
			t.Errorf("a picture of %v", size)
		}
	})
}

// TestSnapshotWhen waits for the second screen, and takes the last there was when
// there is no other.
func TestSnapshotWhen(t *testing.T) {
	screens := append(update(fill(nil, 0, 0, 4, 3, 1)), update(fill(nil, 0, 0, 4, 3, 2))...)
	init := rfb.ServerInit{Width: 4, Height: 3}
	second := func(img *image.RGBA) bool { return at(img, 0, 0) == 2 }
	img, err := display.SnapshotWhen(t.Context(), &rfb.Conn{Conn: rfbtest.NewScript(screens)}, init, second)
	if err != nil || at(img, 3, 2) != 2 {
		t.Errorf("%v", err)
	}
	conn, init := connect(t, &rfbtest.Display{})
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errPatience)
	defer cancel()
	img, err = display.SnapshotWhen(ctx, conn, init, func(*image.RGBA) bool { return false })
	if !errors.Is(err, errPatience) || img != nil && img.Rect.Dx() != 64 {
		t.Errorf("%v, %v", img, err)
	}
}
