package display_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"testing/iotest"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// FuzzDecoder has a display say anything: however it comes in pieces, the same
// is drawn and the same is refused, and never more than a screen has room for.
func FuzzDecoder(f *testing.F) {
	init := screenOf(32, 20, rfb.Format32())
	whole := func(e rfb.Encoding, b ...[]byte) []byte { return body(init, e, join(b...)...) }
	pixels := bytes.Repeat([]byte{1, 2, 3, 4, 1, 1, 1, 1}, 32*20/2)
	for _, rect := range [][]byte{
		whole(rfb.EncodingRaw, pixels),
		whole(rfb.EncodingRRE, []byte{0, 0, 0, 1}, red, green, []byte{0, 1, 0, 0, 0, 2, 0, 1}),
		whole(rfb.EncodingCoRRE, []byte{0, 0, 0, 1}, red, green, []byte{1, 0, 2, 1}),
		whole(rfb.EncodingHextile, bytes.Repeat(join([]byte{2 | 4 | 8}, red, green, []byte{1, 0x11, 0x10}), 4)),
		whole(rfb.EncodingZlib, counted(zipped(pixels))),
		whole(rfb.EncodingZRLE, counted(zipped(join([]byte{130}, cred, cgreen, bytes.Repeat([]byte{0x80, 255, 63}, 2))))),
		whole(rfb.EncodingZYWRLE, counted(zipped(append([]byte{0, 0}, pixels[:32*20*3]...)))),
		whole(rfb.EncodingTRLE, bytes.Repeat(join([]byte{1}, cred), 4)),
		whole(rfb.EncodingTight, []byte{0x40, 1, 1}, tred, tgreen, []byte{byte(len(zipped(make([]byte, 80))))}, zipped(make([]byte, 80))),
		whole(rfb.EncodingTight, []byte{0x80}, tred),
		whole(rfb.EncodingTightPNG, []byte{0x80}, tred),
		whole(rfb.EncodingJPEG, []byte{0xff, 0xd8, 0xff, 0xdb, 0, 4, 1, 2, 0xff, 0xda, 0, 2, 9, 0xff, 0xd9}),
		append(rfb.AppendRect(nil, 1, 1, 2, 1, rfb.EncodingCursorWithAlpha), join([]byte{0, 0, 0, 7, 0x80}, red)...),
		append(rfb.AppendRect(nil, 1, 1, 2, 1, rfb.EncodingVMwareCursor), join([]byte{0, 0}, red, red, red, red)...),
		append(rfb.AppendRect(nil, 1, 1, 2, 1, rfb.EncodingXCursor), 1, 2, 3, 4, 5, 6, 1, 1),
		rfb.Format32().Append(rfb.AppendRect(nil, 0, 0, 2, 1, rfb.EncodingWMVi)),
		rfb.AppendDesktopSize(nil, 30, 30), rfb.AppendExtendedDesktopSize(nil, 0, 0, 9, 9, rfb.Screen{W: 9, H: 9}), rfb.AppendDesktopName(nil, "name"),
	} {
		f.Add(update(rect), uint8(5))
	}
	f.Add(join(rfb.AppendBell(nil), rfb.AppendServerCutText(nil, "text"), rfb.AppendFence(nil, 1, nil)), uint8(3))
	f.Fuzz(func(t *testing.T, said []byte, level uint8) { sameInPieces(t, init, said, level) })
}

// FuzzRecorded is FuzzDecoder on what real displays have said, with screens and
// formats of theirs.
func FuzzRecorded(f *testing.F) {
	paths, err := filepath.Glob("../rfbtest/testdata/encodings/*.fbs")
	if err != nil || len(paths) == 0 {
		f.Fatalf("%d recordings, %v", len(paths), err)
	}
	for _, path := range paths {
		file, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(file) < 24<<10 { // longer ones hold the fuzzer up
			f.Add(file, uint8(9))
		}
	}
	f.Fuzz(func(t *testing.T, file []byte, level uint8) {
		in, init, err := display.NewFBSReader(bytes.NewReader(file))
		if err != nil || int(init.Width)*int(init.Height) > 1<<15 || init.Width == 0 || init.Height == 0 {
			return
		}
		said, _ := io.ReadAll(in) // up to where it breaks off
		sameInPieces(t, init, said, level)
	})
}

// sameInPieces decodes what a display says at once and as it comes.
func sameInPieces(t *testing.T, init rfb.ServerInit, said []byte, level uint8) {
	a, wholeErr := all(t, init, bytes.NewReader(said), level)
	b, pieceErr := all(t, init, iotest.HalfReader(iotest.OneByteReader(bytes.NewReader(said))), level)
	if (wholeErr == io.EOF) != (pieceErr == io.EOF) || !bytes.Equal(a.Image().Pix, b.Image().Pix) {
		t.Errorf("at once %v, in pieces %v", wholeErr, pieceErr)
	}
	if size := a.Image().Rect.Size(); size.X*size.Y > display.MaxPixels {
		t.Errorf("a screen of %v", size)
	}
}

func all(t *testing.T, init rfb.ServerInit, in io.Reader, level uint8) (*display.Decoder, error) {
	d, err := display.NewDecoder(in, init)
	if err != nil {
		t.Fatal(err)
	}
	d.SetEncodings([]rfb.Encoding{rfb.EncodingQualityLevel0 + rfb.Encoding(level%10)})
	for {
		if _, err := d.Next(); err != nil {
			if fault := (*display.Fault)(nil); errors.As(err, &fault) {
				t.Fatalf("%v\n%s", fault, fault.Stack)
			}
			return d, err
		}
	}
}

// counted is b behind its length.
func counted(b []byte) []byte {
	return append([]byte{0, 0, byte(len(b) >> 8), byte(len(b))}, b...)
}
