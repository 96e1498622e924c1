package rfb_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// scripted is a Conn behind its handshake.
func scripted(in []byte) (*rfb.Conn, *rfbtest.Script) {
	s := rfbtest.NewScript(in)
	s.Piece = 1
	return &rfb.Conn{Conn: s}, s
}

func TestClientInit(t *testing.T) {
	for _, b := range []byte{0, 1, 3, 255} { // UltraVNC sets more bits
		c, _ := scripted([]byte{b})
		if shared, err := c.ReadClientInit(context.Background()); err != nil || shared != (b != 0) {
			t.Errorf("%d: %v, %v", b, shared, err)
		}
	}
	c, s := scripted(nil)
	if err := c.WriteClientInit(context.Background(), true); err != nil || !bytes.Equal(s.Out.Bytes(), []byte{1}) {
		t.Errorf("%x, %v", s.Out.Bytes(), err)
	}
	if _, err := c.ReadClientInit(context.Background()); err == nil {
		t.Error("no error for an end")
	}
}

const initOf1x1 = "0001 0001 20 18 00 01 00ff 00ff 00ff 10 08 00 000000 "

func TestServerInit(t *testing.T) {
	for _, tt := range []struct{ name, in, want, err string }{
		{"named", initOf1x1 + `00000004 "name"`, "name", ""},
		{"unnamed", initOf1x1 + `00000000`, "", ""},
		{"NUL", initOf1x1 + `00000002 "n" 00`, "n", ""},
		{"Latin-1", initOf1x1 + `00000002 "n" e4`, "n?", ""},
		{"name too long", initOf1x1 + `00001001`, "", "more than 4096"},
		{"name of 4 GiB", initOf1x1 + `ffffffff`, "", "more than 4096"},
		{"name cut short", initOf1x1 + `00000004 "na"`, "", "unexpected EOF"},
		{"name missing", initOf1x1 + `00000004`, "", "unexpected EOF"},
		{"format", strings.Replace(initOf1x1, "20 18", "07 18", 1), "", "7 bits a pixel"},
		{"cut short", "0001 0001 20", "", "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := scripted(unhex(t, tt.in))
			got, err := c.ReadServerInit(context.Background())
			checkError(t, err, tt.err)
			if err == nil && (got.Name != tt.want || got.Width != 1 || got.Height != 1 || got.Format != rfb.Format32()) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestServerInitRoundTrip(t *testing.T) {
	want := rfb.ServerInit{Width: 1920, Height: 1080, Name: "mary's desk ☃", Format: rfb.PixelFormat{
		BitsPerPixel: 16, Depth: 16, BigEndian: true, TrueColour: true,
		RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5,
	}}
	c, s := scripted(nil)
	if err := c.WriteServerInit(context.Background(), want); err != nil {
		t.Fatal(err)
	}
	c, _ = scripted(s.Out.Bytes())
	if got, err := c.ReadServerInit(context.Background()); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
	want.Name = strings.Repeat("x", 5000)
	if err := c.WriteServerInit(context.Background(), want); err != nil {
		t.Error(err)
	}
	if err := c.WriteServerInit(context.Background(), rfb.ServerInit{}); err == nil {
		t.Error("a ServerInit without a pixel format was sent")
	}
}

func TestPixelFormat(t *testing.T) {
	good := func(change func(*rfb.PixelFormat)) rfb.PixelFormat {
		f := rfb.Format32()
		change(&f)
		return f
	}
	for _, tt := range []struct {
		name string
		f    rfb.PixelFormat
		ok   bool
	}{
		{"usual", rfb.Format32(), true},
		{"10 bits a channel", rfb.PixelFormat{BitsPerPixel: 32, Depth: 30, TrueColour: true,
			RedMax: 1023, GreenMax: 1023, BlueMax: 1023, RedShift: 20, GreenShift: 10}, true},
		{"bgr233", rfb.PixelFormat{BitsPerPixel: 8, Depth: 8, TrueColour: true,
			RedMax: 7, GreenMax: 7, BlueMax: 3, GreenShift: 3, BlueShift: 6}, true},
		{"colour map", rfb.PixelFormat{BitsPerPixel: 8, Depth: 8}, true},
		{"zero", rfb.PixelFormat{}, false},
		{"24 bits", good(func(f *rfb.PixelFormat) { f.BitsPerPixel = 24 }), false},
		{"no depth", good(func(f *rfb.PixelFormat) { f.Depth = 0 }), false},
		{"too deep", good(func(f *rfb.PixelFormat) { f.Depth = 33 }), false},
		{"no red", good(func(f *rfb.PixelFormat) { f.RedMax = 0 }), false},
		{"holes", good(func(f *rfb.PixelFormat) { f.GreenMax = 250 }), false},
		{"outside", good(func(f *rfb.PixelFormat) { f.BlueShift = 25 }), false},
		{"far outside", good(func(f *rfb.PixelFormat) { f.BlueShift = 255 }), false},
		{"full word", good(func(f *rfb.PixelFormat) { f.RedMax = 0xffff }), true},
	} {
		if err := tt.f.Valid(); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		back, err := rfb.ParsePixelFormat(tt.f.Append(nil))
		if back != tt.f || (err == nil) != tt.ok {
			t.Errorf("%s: read back as %+v, %v", tt.name, back, err)
		}
	}
	if _, err := rfb.ParsePixelFormat(make([]byte, 15)); err == nil {
		t.Error("15 bytes are a pixel format")
	}
}
