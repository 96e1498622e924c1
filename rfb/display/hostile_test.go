package display_test

import (
	"bytes"
	"encoding/binary"
	"image"
	"io"
	"runtime"
	"strings"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// TestWorkIsBounded has displays ask for as much work as they can in few bytes.
// Each is refused or cheap: what counts here is memory, since time depends on
// the machine.
func TestWorkIsBounded(t *testing.T) {
	small := screenOf(64, 64, rfb.Format32())
	whole := func(e rfb.Encoding, b ...[]byte) []byte { return body(small, e, join(b...)...) }
	empty := func(e rfb.Encoding, b ...byte) []byte { return append(rfb.AppendRect(nil, 0, 0, 0, 0, e), b...) }
	bomb := zipped(make([]byte, 64<<20))
	every := []byte{0, 0, 0, 0, 0, 64, 0, 64}
	for _, tt := range []struct {
		name string
		said []byte
		want string // of the error
		most uint64 // MiB that may be allocated
	}{
		{"RRE, the screen over and over", update(whole(rfb.EncodingRRE, []byte{0, 0, 16, 0}, red, bytes.Repeat(join(green, every), 4096))), "too many times", 1},
		{"RRE, more subrectangles than pixels", update(whole(rfb.EncodingRRE, []byte{0xff, 0xff, 0xff, 0xff}, red)), "more than pixels", 1},
		{"CoRRE, the screen over and over", update(whole(rfb.EncodingCoRRE, []byte{0, 0, 16, 0}, red, bytes.Repeat(join(green, []byte{0, 0, 64, 64}), 4096))), "too many times", 1},
		{"CopyRect, the screen over and over", update(many(60000, whole(rfb.EncodingCopyRect, every[:4]))...), "too many times", 4},
		{"fill, the screen over and over", update(many(60000, whole(rfb.EncodingTight, []byte{0x80}, tred))...), "too many times", 4},
		{"empty rectangles", update(many(60000, empty(rfb.EncodingRaw))...), "EOF", 4},
		{"zlib, a bomb", update(whole(rfb.EncodingZlib, long(bomb))), "", 2},
		{"ZRLE, a bomb", update(whole(rfb.EncodingZRLE, long(bomb))), "", 2},
		{"Tight, a bomb", update(whole(rfb.EncodingTight, tightCounted([]byte{0}, bomb))), "", 2},
		{"Tight, as long as can be and cut short", update(whole(rfb.EncodingTight, []byte{0x90, 0xff, 0xff, 0xff})), "unexpected EOF", 2},
		{"zlib, as long as can be and cut short", update(whole(rfb.EncodingZlib, []byte{0, 0xff, 0xff, 0xff})), "unexpected EOF", 2},
		{"zlib, longer", update(whole(rfb.EncodingZlib, []byte{0xff, 0xff, 0xff, 0xff})), "more than", 1},
		{"a cursor of maximal size, cut short", update(rfb.AppendRect(nil, 0, 0, 1024, 1024, rfb.EncodingCursor)), "", 8},
		{"a larger cursor", update(append(rfb.AppendRect(nil, 0, 0, 65535, 65535, rfb.EncodingCursorWithAlpha), 0, 0, 0, 0)), "at most 1024", 1},
		{"resizes in an update", update(many(1000, rfb.AppendDesktopSize(nil, 2048, 2048), rfb.AppendDesktopSize(nil, 2047, 2048))...), "more than 4 times", 100},
		{"resizes that are none", update(many(30000, rfb.AppendDesktopSize(nil, 64, 64))...), "EOF", 4},
		{"wavelets of nothing", join(format16(), update(many(30000, empty(rfb.EncodingZYWRLE, 0, 0, 0, 0))...)), "EOF", 4},
		{"JPEG, tables without end", update(whole(rfb.EncodingJPEG, []byte{0xff, 0xd8}, bytes.Repeat(join([]byte{0xff, 0xdb, 0xff, 0xff}, make([]byte, 65533)), 100))), "of tables", 4},
		{"JPEG, scans without end", update(whole(rfb.EncodingJPEG, scans(jpegOf(64, 64), 200))), "200 scans", 4},
		{"JPEG in Tight, scans without end", update(whole(rfb.EncodingTight, tightCounted([]byte{0x90}, scans(jpegOf(64, 64), 200)))), "200 scans", 4},
		{"JPEG, larger than its rectangle", update(whole(rfb.EncodingJPEG, jpegOf(4000, 4000))), "4000×4000", 4},
		{"PNG, larger than its rectangle", update(whole(rfb.EncodingTightPNG, tightCounted([]byte{0xa0}, pngOf(4000, 4000)))), "4000×4000", 4},
		{"a name without end", update(empty(rfb.EncodingDesktopName, 0x7f, 0, 0, 0)), "a name of", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var err error
			spent := allocated(func() {
				d, first := display.NewDecoder(bytes.NewReader(tt.said), small)
				for err = first; err == nil; {
					_, err = d.Next()
				}
			})
			if !strings.Contains(err.Error(), tt.want) || tt.want == "EOF" && err != io.EOF {
				t.Errorf("it ends with %v", err)
			}
			if spent > tt.most<<20 {
				t.Errorf("%d bytes of memory, more than %d MiB", spent, tt.most)
			}
		})
	}
}

// allocated is how much memory f takes, whether it gives it back or not.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// many is n rectangles, those given in turn.
func many(n int, rects ...[]byte) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		out[i] = rects[i%len(rects)]
	}
	return out
}

// long is b behind its length, of any.
func long(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// format16 has the display change to pixels of 16 bits.
func format16() []byte {
	f := rfb.PixelFormat{BitsPerPixel: 16, Depth: 16, TrueColour: true, RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5}
	return update(f.Append(rfb.AppendRect(nil, 0, 0, 64, 64, rfb.EncodingWMVi)))
}

func jpegOf(w, h int) []byte {
	r := image.Rect(0, 0, w, h)
	return encoder{img: image.NewRGBA(r)}.jpeg(r)
}

func pngOf(w, h int) []byte {
	r := image.Rect(0, 0, w, h)
	return encoder{img: image.NewRGBA(r)}.png(r)
}

// scans repeats the scan of a JPEG.
func scans(b []byte, n int) []byte {
	at := bytes.Index(b, []byte{0xff, 0xda})
	return join(b[:at], bytes.Repeat(b[at:len(b)-2], n), []byte{0xff, 0xd9})
}
