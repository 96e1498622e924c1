package display_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// These are the encodings and the corners of them that no display at hand sends;
// TestDecoderOnDisplays of package rfbtest looks at what they do send.

// decode follows what a display says to its end, and again a byte at a time.
func decode(t *testing.T, init rfb.ServerInit, said []byte) (*display.Decoder, []display.Message) {
	t.Helper()
	var messages [2][]display.Message
	var pictures [2]*display.Decoder
	for i, in := range []io.Reader{bytes.NewReader(said), iotest.OneByteReader(bytes.NewReader(said))} {
		d, err := display.NewDecoder(in, init)
		if err != nil {
			t.Fatal(err)
		}
		for {
			m, err := d.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			messages[i] = append(messages[i], m)
		}
		pictures[i] = d
	}
	if !bytes.Equal(pictures[0].Image().Pix, pictures[1].Image().Pix) {
		t.Error("byte by byte it is another picture")
	}
	return pictures[0], messages[0]
}

// screenOf is a display of w by h pixels in a format.
func screenOf(w, h uint16, f rfb.PixelFormat) rfb.ServerInit {
	return rfb.ServerInit{Width: w, Height: h, Format: f}
}

// body is a rectangle of the whole screen.
func body(init rfb.ServerInit, e rfb.Encoding, b ...byte) []byte {
	return append(rfb.AppendRect(nil, 0, 0, init.Width, init.Height, e), b...)
}

// rows compares a picture with one letter a pixel.
func rows(t *testing.T, d *display.Decoder, want string) {
	t.Helper()
	names := map[uint32]byte{0: '.', 0xff0000: 'r', 0x00ff00: 'g', 0x0000ff: 'b', 0xffffff: 'w'}
	var got []string
	for y := range d.Image().Rect.Dy() {
		var line []byte
		for x := range d.Image().Rect.Dx() {
			name, ok := names[at(d.Image(), x, y)]
			if !ok {
				name = '?'
			}
			line = append(line, name)
		}
		got = append(got, string(line))
	}
	if strings.Join(got, " ") != want {
		t.Errorf("got  %s\nwant %s", strings.Join(got, " "), want)
	}
}

var (
	// Pixels in Format32 and its CPIXELs and TPIXELs.
	red, green, blue    = []byte{0, 0, 255, 0}, []byte{0, 255, 0, 0}, []byte{255, 0, 0, 0}
	cred, cgreen, cblue = red[:3], green[:3], blue[:3]
	tred, tgreen        = []byte{255, 0, 0}, []byte{0, 255, 0}
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestEncodings(t *testing.T) {
	four := screenOf(4, 2, rfb.Format32())
	for _, tt := range []struct {
		name string
		rect []byte
		want string
	}{
		{"RRE", body(four, rfb.EncodingRRE, join([]byte{0, 0, 0, 1}, red, green, []byte{0, 1, 0, 0, 0, 2, 0, 1})...), "rggr rrrr"},
		{"CoRRE", body(four, rfb.EncodingCoRRE, join([]byte{0, 0, 0, 2}, red, green, []byte{1, 0, 2, 1}, blue, []byte{0, 1, 4, 1})...), "rggr bbbb"},
		{"Hextile", body(four, rfb.EncodingHextile, join([]byte{2 | 4 | 8}, red, green, []byte{1, 0x11, 0x10})...), "rrrr rggr"},
		{"TRLE, raw", body(four, rfb.EncodingTRLE, join([]byte{0}, cred, cred, cgreen, cgreen, cblue, cblue, cblue, cred)...), "rrgg bbbr"},
		{"TRLE, solid", body(four, rfb.EncodingTRLE, join([]byte{1}, cblue)...), "bbbb bbbb"},
		{"TRLE, two colours", body(four, rfb.EncodingTRLE, join([]byte{2}, cred, cblue, []byte{0x50, 0xa0})...), "rbrb brbr"},
		{"TRLE, three colours", body(four, rfb.EncodingTRLE, join([]byte{3}, cred, cblue, cgreen, []byte{0x1a, 0x80})...), "rbgg grrr"},
		{"TRLE, five colours", body(four, rfb.EncodingTRLE, join([]byte{5}, cred, cblue, cgreen, cred, cblue, []byte{0x01, 0x24, 0x00, 0x12})...), "rbgb rrbg"},
		{"TRLE, runs", body(four, rfb.EncodingTRLE, join([]byte{128}, cred, []byte{4}, cgreen, []byte{2})...), "rrrr rggg"},
		{"TRLE, runs of a palette", body(four, rfb.EncodingTRLE, join([]byte{130}, cred, cgreen, []byte{0x80, 3, 1, 0, 0x81, 1})...), "rrrr grgg"},
		{"Tight, fill", body(four, rfb.EncodingTight, join([]byte{0x80}, tred)...), "rrrr rrrr"},
		{"Tight, short palette", body(four, rfb.EncodingTight, join([]byte{0x40, 1, 1}, tred, tgreen, []byte{0x60, 0x90})...), "rggr grrg"},
		{"Tight, stored", body(four, rfb.EncodingTight, join([]byte{0xa0}, bytes.Repeat(tgreen, 8))...), "gggg gggg"},
		{"Tight, stored palette", body(four, rfb.EncodingTight, join([]byte{0xe0, 1, 2}, tred, tgreen, []byte{0, 0, 255}, []byte{0, 1, 2, 0, 1, 2, 0, 1})...), "rgbr gbrg"},
		{
			"Tight, gradient", body(four, rfb.EncodingTight, append([]byte{0x50, 2, 0x80 | zipLen(gradientRows), zipLen(gradientRows) >> 7}, zipped(gradientRows)...)...),
			"rrrr rggg",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, messages := decode(t, four, update(tt.rect))
			rows(t, d, tt.want)
			if messages[0].Drawn != image.Rect(0, 0, 4, 2) {
				t.Errorf("drawn is %v", messages[0].Drawn)
			}
		})
	}
}

// gradientRows is "rrrr rggg" as differences from the plane.
var gradientRows = join(
	tred, []byte{0, 0, 0}, []byte{0, 0, 0}, []byte{0, 0, 0},
	[]byte{0, 0, 0}, []byte{1, 255, 0}, []byte{0, 0, 0}, []byte{0, 0, 0},
)

// zipped is a whole stream of zlib, as far as a flush.
func zipped(b []byte) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Flush()
	return out.Bytes()
}

func zipLen(b []byte) byte { return byte(len(zipped(b))) }

// TestTRLEAgain uses a palette in the next tiles.
func TestTRLEAgain(t *testing.T) {
	init := screenOf(17, 1, rfb.Format32())
	row := make([]byte, 2)
	row[0], row[1] = 0xaa, 0xaa
	d, _ := decode(t, init, update(body(init, rfb.EncodingTRLE, join([]byte{2}, cred, cblue, row, []byte{127, 0x80})...)))
	rows(t, d, strings.Repeat("br", 8)+"b")
	d, _ = decode(t, init, update(body(init, rfb.EncodingTRLE, join([]byte{130}, cred, cblue, []byte{0x81, 15, 129, 0})...)))
	rows(t, d, strings.Repeat("b", 16)+"r")
}

// TestFormats has one picture in formats of other sizes, orders and places.
func TestFormats(t *testing.T) {
	swapped := rfb.Format32()
	swapped.BigEndian = true
	high := rfb.Format32()
	high.RedShift, high.GreenShift, high.BlueShift = 24, 16, 8
	short := rfb.PixelFormat{BitsPerPixel: 16, Depth: 15, TrueColour: true, RedMax: 31, GreenMax: 31, BlueMax: 31, RedShift: 10, GreenShift: 5}
	bigShort := short
	bigShort.BigEndian = true
	deep := rfb.PixelFormat{BitsPerPixel: 32, Depth: 30, TrueColour: true, RedMax: 1023, GreenMax: 1023, BlueMax: 1023, RedShift: 20, GreenShift: 10}
	for _, tt := range []struct {
		name         string
		format       rfb.PixelFormat
		raw, compact []byte // red, blue
	}{
		{"big-endian", swapped, []byte{0, 255, 0, 0, 0, 0, 0, 255}, []byte{255, 0, 0, 0, 0, 255}},
		{"in the high bytes", high, []byte{0, 0, 0, 255, 0, 255, 0, 0}, []byte{0, 0, 255, 255, 0, 0}},
		{"15 bits", short, []byte{0, 0x7c, 0x1f, 0}, nil},
		{"15 bits, big-endian", bigShort, []byte{0x7c, 0, 0, 0x1f}, nil},
		{"30 bits", deep, []byte{0, 0, 0xf0, 0x3f, 0xff, 3, 0, 0}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			init := screenOf(2, 1, tt.format)
			d, _ := decode(t, init, update(body(init, rfb.EncodingRaw, tt.raw...)))
			rows(t, d, "rb")
			if tt.compact == nil {
				tt.compact = tt.raw
			}
			d, _ = decode(t, init, update(body(init, rfb.EncodingTRLE, append([]byte{0}, tt.compact...)...)))
			rows(t, d, "rb")
		})
	}
}

// TestFormatChanges has the display change the format in an update, and the
// viewer between two.
func TestFormatChanges(t *testing.T) {
	init := screenOf(2, 1, rfb.Format32())
	short := rfb.PixelFormat{BitsPerPixel: 16, Depth: 16, TrueColour: true, RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5}
	mode := short.Append(rfb.AppendRect(nil, 0, 0, 2, 1, rfb.EncodingWMVi))
	said := update(body(init, rfb.EncodingRaw, join(red, red)...), mode, append(rfb.AppendRect(nil, 1, 0, 1, 1, rfb.EncodingRaw), 0xe0, 0x07))
	d, _ := decode(t, init, said)
	rows(t, d, "rg")
	if d.Format() != short {
		t.Errorf("the format is %v", d.Format())
	}

	d, err := display.NewDecoder(bytes.NewReader(join(
		update(body(init, rfb.EncodingRaw, join(red, red)...)), update(body(init, rfb.EncodingRaw, 0xe0, 0x07, 0x1f, 0)))), init)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	if err := d.SetFormat(short); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Next(); err != nil {
		t.Fatal(err)
	}
	rows(t, d, "gb")
}

// TestColourMap has colours change between pixels.
func TestColourMap(t *testing.T) {
	init := screenOf(2, 1, rfb.PixelFormat{BitsPerPixel: 8, Depth: 8})
	d, _ := decode(t, init, join(
		[]byte{rfb.MsgSetColourMapEntries, 0, 0, 1, 0, 2, 255, 255, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0},
		update(body(init, rfb.EncodingRaw, 1, 2)),
	))
	rows(t, d, "rg")
}

func TestJPEGTables(t *testing.T) {
	init := screenOf(16, 16, rfb.Format32())
	img := image.NewRGBA(image.Rect(0, 0, 16, 16))
	for i := range img.Pix {
		img.Pix[i] = 255
	}
	var whole bytes.Buffer
	if err := jpeg.Encode(&whole, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	said := update(body(init, rfb.EncodingRaw, make([]byte, 16*16*4)...), body(init, rfb.EncodingJPEG, whole.Bytes()...), body(init, rfb.EncodingRaw, make([]byte, 16*16*4)...), body(init, rfb.EncodingJPEG, tableless(t, whole.Bytes())...))
	d, _ := decode(t, init, said)
	if got := at(d.Image(), 8, 8); got != 0xffffff {
		t.Errorf("the picture is %06x", got)
	}
}

// tableless is a JPEG without its tables.
func tableless(t *testing.T, b []byte) []byte {
	out := bytes.Clone(b[:2])
	for b = b[2:]; len(b) > 4; {
		n := 2 + int(binary.BigEndian.Uint16(b[2:]))
		if b[1] == 0xda {
			return append(out, b...)
		}
		if b[1] != 0xdb && b[1] != 0xc4 {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	t.Fatal("no scan")
	return nil
}

func TestCursors(t *testing.T) {
	init := screenOf(4, 4, rfb.Format32())
	rect := func(e rfb.Encoding, b ...[]byte) []byte {
		return append(rfb.AppendRect(nil, 1, 0, 2, 1, e), join(b...)...)
	}
	half := []byte{0x80, 0, 0, 0x80}
	for _, tt := range []struct {
		name string
		rect []byte
		want [2]color.RGBA
	}{
		{"Cursor", rect(rfb.EncodingCursor, red, green, []byte{0x80}), [2]color.RGBA{{255, 0, 0, 255}, {}}},
		{"XCursor", rect(rfb.EncodingXCursor, tred, tgreen, []byte{0x80}, []byte{0xc0}), [2]color.RGBA{{255, 0, 0, 255}, {0, 255, 0, 255}}},
		{"CursorWithAlpha", rect(rfb.EncodingCursorWithAlpha, []byte{0, 0, 0, 0}, half, make([]byte, 4)), [2]color.RGBA{{0x80, 0, 0, 0x80}, {}}},
		{"VMware's, alpha", rect(rfb.EncodingVMwareCursor, []byte{1, 0}, half, make([]byte, 4)), [2]color.RGBA{{0x40, 0, 0, 0x80}, {}}},
		{"VMware's, masks", rect(rfb.EncodingVMwareCursor, []byte{0, 0}, make([]byte, 4), []byte{255, 255, 255, 0}, red, red), [2]color.RGBA{{255, 0, 0, 255}, {0, 0, 0, 0x80}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			place := rfb.AppendRect(nil, 3, 2, 0, 0, rfb.EncodingPointerPos)
			d, messages := decode(t, init, update(tt.rect, place))
			c := d.Cursor()
			if c.Shape == nil || c.Shape.Bounds() != image.Rect(0, 0, 2, 1) || c.Hot != image.Pt(1, 0) || c.At != image.Pt(3, 2) || !c.Told {
				t.Fatalf("%+v", c)
			}
			if got := [2]color.RGBA{c.Shape.RGBAAt(0, 0), c.Shape.RGBAAt(1, 0)}; got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
			if !messages[0].Pointer || !messages[0].Drawn.Empty() {
				t.Errorf("%+v", messages[0])
			}
		})
	}
	d, _ := decode(t, init, update(rfb.AppendRect(nil, 0, 0, 0, 0, rfb.EncodingCursor)))
	if d.Cursor().Shape != nil {
		t.Error("a cursor without pixels has a shape")
	}
}

func TestMessages(t *testing.T) {
	init := screenOf(2, 1, rfb.Format32())
	d, messages := decode(t, init, join(
		rfb.AppendFence(nil, 1<<31, []byte("abc")), []byte{rfb.MsgEndOfContinuousUpdates}, []byte{rfb.MsgXvp, 0, 1, 1},
		[]byte{rfb.MsgQEMU, 1, 0, 2, 0, 0, 0, 2, 9, 9},
		update(rfb.AppendDesktopName(nil, "a desk"), append(rfb.AppendRect(nil, 0, 0, 0, 0, rfb.EncodingLEDState), 3)),
		append(rfb.AppendFramebufferUpdate(nil, rfb.UnknownRectCount), rfb.AppendLastRect(body(init, rfb.EncodingRaw, join(red, blue)...))...),
		update(rfb.AppendDesktopSize(nil, 1, 1)),
	))
	if d.Name() != "a desk" || len(messages) != 7 || !messages[4].Named || !messages[6].Resized {
		t.Errorf("%q, %+v", d.Name(), messages)
	}
}

func TestDecoderRefuses(t *testing.T) {
	init := screenOf(4, 2, rfb.Format32())
	fills := bytes.Repeat(body(init, rfb.EncodingTight, join([]byte{0x80}, tred)...), 100)
	for _, tt := range []struct {
		name string
		said []byte
		want string
	}{
		{"drawn over and over", append(rfb.AppendFramebufferUpdate(nil, 100), fills...), "too many times"},
		{"RRE of too many", update(body(init, rfb.EncodingRRE, 0, 0, 0, 9, 1, 2, 3, 4)), "more than pixels"},
		{"RRE outside", update(body(init, rfb.EncodingRRE, join([]byte{0, 0, 0, 1}, red, green, []byte{0, 4, 0, 0, 0, 1, 0, 1})...)), "subrectangle"},
		{"Hextile outside", update(body(init, rfb.EncodingHextile, join([]byte{2 | 4 | 8}, red, green, []byte{1, 0x11, 0x33})...)), "subrectangle"},
		{"long run", update(body(init, rfb.EncodingTRLE, join([]byte{128}, cred, []byte{8})...)), "beyond its tile"},
		{"no palette yet", update(body(init, rfb.EncodingTRLE, 127, 0, 0)), "palette of another"},
		{"index", update(body(init, rfb.EncodingTRLE, join([]byte{3}, cred, cred, cred, []byte{0xff, 0xff})...)), "beyond the palette"},
		{"sub-encoding", update(body(init, rfb.EncodingTRLE, 17)), "sub-encoding 17"},
		{"Tight's control", update(body(init, rfb.EncodingTight, 0xb0)), "control byte 0xb0"},
		{"Tight's filter", update(body(init, rfb.EncodingTight, 0x40, 9)), "filter 9"},
		{"PNG in Tight", update(body(init, rfb.EncodingTight, 0x90, 2, 1, 2)), "JPEG"},
		{"long zlib", update(body(init, rfb.EncodingZlib, 0x7f, 0, 0, 0)), "more than"},
		{"zlib cut short", update(body(init, rfb.EncodingZlib, append([]byte{0, 0, 0, 9}, zipped([]byte{1})...)...)), "unexpected EOF"},
		{"no zlib", update(body(init, rfb.EncodingZRLE, 0, 0, 0, 2, 1, 2)), "invalid header"},
		{"copied into a cursor", update(append(rfb.AppendRect(nil, 0, 0, 1, 1, rfb.EncodingCursorWithAlpha), 0, 0, 0, 1)), "CopyRect in a cursor"},
		{"long name", update(append(rfb.AppendRect(nil, 0, 0, 0, 0, rfb.EncodingDesktopName), 1, 0, 0, 0)), "more than"},
		{"colours", []byte{rfb.MsgSetColourMapEntries, 0, 255, 255, 0, 2}, "colour map"},
		{"long fence", []byte{rfb.MsgFence, 0, 0, 0, 0, 0, 0, 0, 65}, "more than 64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, err := display.NewDecoder(bytes.NewReader(tt.said), init)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = d.Next(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}
