package rfbtest_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// A shown is what a display has shown once, in encodings that it was asked for:
// a recording testdata/encodings/NAME.fbs. It ends with the picture
// DISPLAY.png, DISPLAY being the first word of its name, or with that of
// DISPLAY-raw-BITS.fbs where the pixels have fewer bits; what loses some of it
// comes near.
type shown struct {
	name      string
	encodings []rfb.Encoding
	loss      bool
	used      []rfb.Encoding // what the display has made of it
}

// encodings are what real displays send. TRLE, JPEG (21), and Tight's gradient
// are sent by none that Debian has: rfb/display has encoders of them in its
// tests. TightPNG is QEMU's alone, since Debian's libvncserver is built without.
var encodings = []shown{
	{"xvnc raw 32", []rfb.Encoding{rfb.EncodingRaw}, false, []rfb.Encoding{rfb.EncodingRaw}},
	{"xvnc raw 16", []rfb.Encoding{rfb.EncodingRaw}, false, []rfb.Encoding{rfb.EncodingRaw}},
	{"xvnc raw 8", []rfb.Encoding{rfb.EncodingRaw}, false, []rfb.Encoding{rfb.EncodingRaw}},
	{"xvnc copyrect 32", []rfb.Encoding{rfb.EncodingCopyRect, rfb.EncodingHextile}, false, []rfb.Encoding{rfb.EncodingCopyRect, rfb.EncodingHextile}},
	{"xvnc rre 32", []rfb.Encoding{rfb.EncodingRRE}, false, []rfb.Encoding{rfb.EncodingRRE}},
	{"xvnc rre 16", []rfb.Encoding{rfb.EncodingRRE}, false, []rfb.Encoding{rfb.EncodingRRE}},
	{"xvnc hextile 32", []rfb.Encoding{rfb.EncodingHextile}, false, []rfb.Encoding{rfb.EncodingHextile}},
	{"xvnc hextile 8", []rfb.Encoding{rfb.EncodingHextile}, false, []rfb.Encoding{rfb.EncodingHextile}},
	{"xvnc zrle 32", []rfb.Encoding{rfb.EncodingZRLE}, false, []rfb.Encoding{rfb.EncodingZRLE}},
	{"xvnc zrle 16", []rfb.Encoding{rfb.EncodingZRLE}, false, []rfb.Encoding{rfb.EncodingZRLE}},
	{"xvnc tight 32", []rfb.Encoding{rfb.EncodingTight}, false, []rfb.Encoding{rfb.EncodingTight}},
	{"xvnc tight 16", []rfb.Encoding{rfb.EncodingTight}, false, []rfb.Encoding{rfb.EncodingTight}},
	{"xvnc jpeg 32", []rfb.Encoding{rfb.EncodingTight, rfb.EncodingQualityLevel0 + 8}, true, []rfb.Encoding{rfb.EncodingTight}},
	{"x11vnc raw 16", []rfb.Encoding{rfb.EncodingRaw}, false, []rfb.Encoding{rfb.EncodingRaw}},
	{"x11vnc corre 32", []rfb.Encoding{rfb.EncodingCoRRE}, false, []rfb.Encoding{rfb.EncodingCoRRE}},
	{"x11vnc corre 16", []rfb.Encoding{rfb.EncodingCoRRE}, false, []rfb.Encoding{rfb.EncodingCoRRE}},
	{"x11vnc hextile 32", []rfb.Encoding{rfb.EncodingHextile}, false, []rfb.Encoding{rfb.EncodingHextile}},
	{"x11vnc zlib 32", []rfb.Encoding{rfb.EncodingZlib}, false, []rfb.Encoding{rfb.EncodingZlib}},
	{"x11vnc zlib 16", []rfb.Encoding{rfb.EncodingZlib}, false, []rfb.Encoding{rfb.EncodingZlib}},
	{"x11vnc zrle 32", []rfb.Encoding{rfb.EncodingZRLE}, false, []rfb.Encoding{rfb.EncodingZRLE}},
	{"x11vnc zywrle 32", []rfb.Encoding{rfb.EncodingZYWRLE, rfb.EncodingQualityLevel0 + 9}, true, []rfb.Encoding{rfb.EncodingZYWRLE}},
	{"x11vnc zywrle 16", []rfb.Encoding{rfb.EncodingZYWRLE, rfb.EncodingQualityLevel0 + 9}, true, []rfb.Encoding{rfb.EncodingZYWRLE}},
	{"x11vnc tight 32", []rfb.Encoding{rfb.EncodingTight}, false, []rfb.Encoding{rfb.EncodingTight}},
	{"x11vnc jpeg 32", []rfb.Encoding{rfb.EncodingTight, rfb.EncodingQualityLevel0 + 8}, true, []rfb.Encoding{rfb.EncodingTight}},
	{"qemu hextile 32", []rfb.Encoding{rfb.EncodingHextile}, false, []rfb.Encoding{rfb.EncodingHextile}},
	{"qemu zlib 32", []rfb.Encoding{rfb.EncodingZlib}, false, []rfb.Encoding{rfb.EncodingZlib}},
	{"qemu zrle 32", []rfb.Encoding{rfb.EncodingZRLE}, false, []rfb.Encoding{rfb.EncodingZRLE}},
	{"qemu tight 32", []rfb.Encoding{rfb.EncodingTight}, false, []rfb.Encoding{rfb.EncodingTight}},
	{"qemu png 32", []rfb.Encoding{rfb.EncodingTightPNG}, false, []rfb.Encoding{rfb.EncodingTightPNG}},
}

func (s shown) display() string { d, _, _ := strings.Cut(s.name, " "); return d }

func (s shown) format() rfb.PixelFormat {
	var bits uint8
	_, _ = fmt.Sscan(s.name[strings.LastIndexByte(s.name, ' '):], &bits)
	return formatOf(bits)
}

func (s shown) path() string { return shownPath(s.name) + ".fbs" }

func shownPath(name string) string {
	return filepath.Join("testdata", "encodings", strings.ReplaceAll(name, " ", "-"))
}

// TestEncodingTranscripts draws what real displays have sent, in every encoding
// that one of them has. With -update it has them send it anew.
func TestEncodingTranscripts(t *testing.T) {
	if *update {
		recordEncodings(t)
	}
	for _, s := range encodings {
		t.Run(s.name, func(t *testing.T) {
			d := watch(t, s.path(), s.encodings, justWatch)
			for _, e := range s.used {
				if !d.Used()[e] {
					t.Errorf("%s is not in it, but %v", e, d.Used())
				}
			}
			want, least := lastPicture(t, s), math.Inf(1)
			if s.loss {
				least = 22
			} else if slices.Contains(s.encodings, rfb.EncodingRaw) && s.format() != rfb.Format32() {
				least = 15 // fewer colours
			}
			if by := psnr(d.Image(), want); by < least {
				t.Errorf("the picture is %.1f dB away%s", by, keepPictures(t, s.name, d.Image(), want))
			}
		})
	}
}

// lastPicture is what a recording ends with.
func lastPicture(t *testing.T, s shown) image.Image {
	t.Helper()
	raw := strings.Join([]string{s.display(), "raw", fmt.Sprint(s.format().BitsPerPixel)}, " ")
	if s.format() == rfb.Format32() || raw == s.name {
		b, err := os.ReadFile(shownPath(s.display()) + ".png")
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	return watch(t, shownPath(raw)+".fbs", nil, justWatch).Image()
}

// watch draws a recording to its end, and calls each for its messages.
func watch(t *testing.T, path string, asked []rfb.Encoding, each func(*display.Decoder, display.Message)) *display.Decoder {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	in, init, err := display.NewFBSReader(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := display.NewDecoder(in, init)
	if err != nil {
		t.Fatal(err)
	}
	d.SetEncodings(asked)
	for {
		m, err := d.Next()
		if err == io.EOF {
			return d
		}
		if err != nil {
			t.Fatal(err)
		}
		each(d, m)
	}
}

func justWatch(*display.Decoder, display.Message) {}

// psnr is the peak signal-to-noise ratio of two pictures, in decibels.
func psnr(a, b image.Image) float64 {
	if a.Bounds().Size() != b.Bounds().Size() {
		return 0
	}
	x, y := rgba(a, a.Bounds()), rgba(b, a.Bounds())
	sum := 0.0
	for i := range x.Pix {
		by := float64(x.Pix[i]) - float64(y.Pix[i])
		sum += by * by
	}
	return 10 * math.Log10(255*255*float64(len(x.Pix)*3/4)/sum)
}

// told are what displays say beside pixels.
var told = []shown{
	{"xvnc cursor", []rfb.Encoding{rfb.EncodingCursor}, false, nil},
	{"xvnc x-cursor", []rfb.Encoding{rfb.EncodingXCursor}, false, nil},
	{"xvnc alpha-cursor", []rfb.Encoding{rfb.EncodingCursorWithAlpha}, false, nil},
	{"xvnc vmware-cursor", []rfb.Encoding{rfb.EncodingVMwareCursor}, false, nil},
	{"xvnc size", []rfb.Encoding{rfb.EncodingCursor, rfb.EncodingDesktopSize}, false, nil},
	{"xvnc extended-size", []rfb.Encoding{rfb.EncodingCursor, rfb.EncodingExtendedDesktopSize}, false, nil},
	{"xvnc name", []rfb.Encoding{rfb.EncodingCursor, rfb.EncodingDesktopName, rfb.EncodingLastRect, rfb.EncodingTight}, false, nil},
}

// TestToldTranscripts has the same cursors come in four ways, and other sizes
// and names.
func TestToldTranscripts(t *testing.T) {
	var first []display.Cursor
	for _, s := range told {
		t.Run(s.name, func(t *testing.T) {
			var cursors []display.Cursor
			changes := ""
			watch(t, s.path(), s.encodings, func(d *display.Decoder, m display.Message) {
				if c := d.Cursor(); m.Pointer && c.Shape != nil {
					cursors = append(cursors, c)
				}
				if m.Resized {
					changes += fmt.Sprintf("%v ", d.Image().Rect.Size())
				}
				if m.Named {
					changes += d.Name() + " "
				}
			})
			switch what := strings.Fields(s.name)[1]; {
			case strings.HasSuffix(what, "size"):
				if changes != "(80,60) (96,64) " {
					t.Errorf("the sizes were %s", changes)
				}
			case what == "name":
				if !strings.HasSuffix(changes, "another name transcript ") {
					t.Errorf("the names were %s", changes)
				}
			case first == nil:
				if first = cursors; len(first) == 0 {
					t.Errorf("%d cursors", len(first))
				}
			default:
				sameCursors(t, cursors, first)
			}
		})
	}
}

// sameCursors compares shapes, which two colours and a mask can say.
func sameCursors(t *testing.T, got, want []display.Cursor) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d cursors, want %d", len(got), len(want))
		return
	}
	for i := range got {
		if got[i].Hot != want[i].Hot || got[i].Shape.Rect != want[i].Shape.Rect || !bytes.Equal(got[i].Shape.Pix, want[i].Shape.Pix) {
			t.Errorf("cursor %d is %v at %v, want %v at %v", i, got[i].Shape.Rect, got[i].Hot, want[i].Shape.Rect, want[i].Hot)
		}
	}
}
