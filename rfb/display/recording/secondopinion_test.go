package recording_test

import (
	"bytes"
	"image"
	"testing"

	vnc "github.com/amitbet/vnc2video"

	"vncgate/rfb"
	"vncgate/rfb/display/recording"
)

// TestSecondOpinion has vnc2video play a recording, and one of which a part is
// black: it sees what we see.
func TestSecondOpinion(t *testing.T) {
	steps := []step{{true, rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 320, 200)}}
	for i := range 8 {
		w, h := 320-20*i, 200-10*i
		u := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), uint16(10*i), uint16(5*i), uint16(w), uint16(h), rfb.EncodingRaw)
		pixels := make([]byte, 4*w*h)
		for j := range pixels {
			pixels[j] = byte(j*i/7 + j/w)
		}
		steps = append(steps, step{false, append(u, pixels...)})
	}
	for name, redact := range map[string]recording.Redact{
		"as it was": {}, "with a region": {Regions: []image.Rectangle{image.Rect(30, 40, 150, 110)}},
	} {
		t.Run(name, func(t *testing.T) {
			path := record(t, recording.Options{Redact: redact}, steps)
			want := last(t, path).Image()
			got := played(t, path)
			for i := range 320 * 200 {
				if !bytes.Equal(got.Pix[3*i:3*i+3], want.Pix[4*i:4*i+3]) {
					t.Fatalf("pixel %d is %v, want %v", i, got.Pix[3*i:3*i+3], want.Pix[4*i:4*i+3])
				}
			}
		})
	}
}

// played is what vnc2video draws of a recording.
func played(t *testing.T, path string) *vnc.RGBImage {
	t.Helper()
	encodings := []vnc.Encoding{&vnc.RawEncoding{}, &vnc.ZRLEEncoding{}}
	c, err := vnc.NewFbsConn(path, encodings)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	canvas := vnc.NewVncCanvas(int(c.Width()), int(c.Height()))
	for _, e := range encodings {
		e.(vnc.Renderer).SetTargetImage(canvas)
	}
	helper := vnc.NewFBSPlayHelper(c)
	for {
		if _, err := helper.ReadFbsMessage(false, 1); err != nil {
			return canvas.Image.(*vnc.RGBImage)
		}
	}
}
