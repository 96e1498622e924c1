package video_test

import (
	"image"
	"image/color"
	"image/gif"
	"os"
	"path/filepath"
	"testing"
	"time"

	"vncgate/rfb/display"
	"vncgate/rfb/display/video"
)

// TestGIF adds its pictures up with image/gif: the delays are right, and what has
// not changed is not there again.
func TestGIF(t *testing.T) {
	f := newFilm(1)
	dot := func(x int) func(*film) { return func(f *film) { f.screen.SetRGBA(x, 5, color.RGBA{1, 2, 3, 255}) } }
	f.changes = []change{{0, fill(colours[0])}, {time.Second, dot(7)}, {1500 * time.Millisecond, dot(9)}, {700 * time.Second, dot(11)}, {701 * time.Second, nil}}
	path := filepath.Join(t.TempDir(), "a.gif")
	if _, err := video.Export(t.Context(), path, f, video.Options{}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	g, err := gif.DecodeAll(file)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, d := range g.Delay {
		total += d
	}
	if total != 70100 || g.Delay[0] != 100 || g.Delay[1] != 50 || g.LoopCount != 0 || g.Config.Width != 320 || g.Config.Height != 200 {
		t.Errorf("%v, %d in all, %d times, %+v", g.Delay, total, g.LoopCount, g.Config)
	}
	if g.Image[0].Rect != image.Rect(0, 0, 320, 200) || g.Image[1].Rect != image.Rect(7, 5, 8, 6) {
		t.Errorf("%v, %v", g.Image[0].Rect, g.Image[1].Rect)
	}
	if got := g.Image[0].At(3, 3); got != color.Color(colours[0]) {
		t.Errorf("%v", got)
	}
}

// TestGIFOfManyColours: a picture of all colours there are is near enough.
func TestGIFOfManyColours(t *testing.T) {
	f := newFilm(1)
	f.changes[0].draw = func(f *film) {
		for y := range 200 {
			for x := range 320 {
				f.screen.SetRGBA(x, y, color.RGBA{uint8(x * 255 / 319), uint8(y * 255 / 199), uint8((x + y) * 255 / 518), 255})
			}
		}
	}
	path := filepath.Join(t.TempDir(), "a.gif")
	if _, err := video.Export(t.Context(), path, f, video.Options{}); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := gif.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	if db := psnr(img, f.screen); db < 27 {
		t.Errorf("%.1f dB", db)
	}
}

// TestPointer is drawn where it is told to be, and left out where it is not wanted.
func TestPointer(t *testing.T) {
	shape := image.NewRGBA(image.Rect(0, 0, 4, 4))
	for i := range shape.Pix {
		shape.Pix[i] = 0xff
	}
	for _, tt := range []struct {
		cursor display.Cursor
		hidden bool
		want   color.Color
	}{
		{display.Cursor{Shape: shape, At: image.Pt(11, 11), Hot: image.Pt(1, 1), Told: true}, false, color.RGBA{255, 255, 255, 255}},
		{display.Cursor{Shape: shape, At: image.Pt(11, 11), Hot: image.Pt(1, 1), Told: true}, true, colours[0]},
		{display.Cursor{Shape: shape, At: image.Pt(11, 11)}, false, colours[0]},
		{display.Cursor{At: image.Pt(11, 11), Told: true}, false, colours[0]},
		{display.Cursor{Shape: shape, At: image.Pt(400, -5), Told: true}, false, colours[0]},
	} {
		f := newFilm(1)
		f.cursor = tt.cursor
		path := filepath.Join(t.TempDir(), "a.gif")
		if _, err := video.Export(t.Context(), path, f, video.Options{NoPointer: tt.hidden}); err != nil {
			t.Fatal(err)
		}
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		img, err := gif.Decode(file)
		_ = file.Close()
		if err != nil || img.At(11, 11) != tt.want {
			t.Errorf("%+v: %v, %v", tt.cursor, img.At(11, 11), err)
		}
	}
}
