package still_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"vncgate/rfb/display/still"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]image.Point{
		"320x200": {X: 320, Y: 200}, "320X200": {X: 320, Y: 200}, "320x": {X: 320}, "x200": {Y: 200}, "16384x1": {X: 16384, Y: 1},
	} {
		if got, err := still.ParseSize(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "x", "320", "0x10", "10x0", "-1x5", "+1x5", "16385x1", "99999999999x", "1x2x3", "ax", "1 x2"} {
		if got, err := still.ParseSize(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, tt := range []struct{ size, box, want image.Point }{
		{image.Pt(1920, 1080), image.Pt(320, 200), image.Pt(320, 180)},
		{image.Pt(1024, 768), image.Pt(320, 200), image.Pt(267, 200)},
		{image.Pt(1024, 768), image.Pt(512, 0), image.Pt(512, 384)},
		{image.Pt(1024, 768), image.Pt(0, 384), image.Pt(512, 384)},
		{image.Pt(64, 48), image.Pt(320, 200), image.Pt(64, 48)},
		{image.Pt(64, 48), image.Point{}, image.Pt(64, 48)},
		{image.Pt(10000, 1), image.Pt(10, 10), image.Pt(10, 1)},
		{image.Pt(1, 10000), image.Pt(10, 10), image.Pt(1, 10)},
	} {
		if got := still.Within(tt.size, tt.box); got != tt.want {
			t.Errorf("%v within %v is %v, not %v", tt.size, tt.box, got, tt.want)
		}
	}
}

// halves is red on the left and blue on the right.
func halves(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.RGBA{R: 255, A: 255}
			if x >= w/2 {
				c = color.RGBA{B: 255, A: 255}
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

// TestFitKeepsWhatIsWhere looks at pictures that are made a little smaller and much.
func TestFitKeepsWhatIsWhere(t *testing.T) {
	for _, box := range []image.Point{{X: 400, Y: 300}, {X: 100, Y: 100}, {X: 30}, {Y: 7}, {X: 2, Y: 2}} {
		img := still.Fit(halves(801, 603), box)
		size := img.Bounds().Size()
		if size.X > max(box.X, 801) || box.Y > 0 && size.Y > box.Y || size.X == 0 || size.Y == 0 {
			t.Errorf("%v: %v", box, size)
		}
		left, right := img.At(size.X/6, size.Y/2), img.At(size.X-1-size.X/6, size.Y/2)
		if r, _, b, a := left.RGBA(); r < 0xe000 || b > 0x2000 || a != 0xffff {
			t.Errorf("%v: on the left is %v", box, left)
		}
		if r, _, b, a := right.RGBA(); b < 0xe000 || r > 0x2000 || a != 0xffff {
			t.Errorf("%v: on the right is %v", box, right)
		}
	}
	small := halves(8, 8)
	if still.Fit(small, image.Pt(100, 100)) != image.Image(small) {
		t.Error("one that fits was changed")
	}
}

func TestEncode(t *testing.T) {
	for name, format := range map[string]string{"a.png": "png", "b.JPG": "jpeg", "c.jpeg": "jpeg"} {
		kind, err := still.KindOf(name)
		if err != nil || !strings.HasSuffix(kind.Type(), format) {
			t.Fatalf("%s: %v, %v", name, kind, err)
		}
		var b bytes.Buffer
		if err := still.Encode(&b, halves(20, 10), kind, 0); err != nil {
			t.Fatal(err)
		}
		img, got, err := image.Decode(&b)
		if err != nil || got != format || img.Bounds() != image.Rect(0, 0, 20, 10) {
			t.Errorf("%s: %s, %v", name, got, err)
		}
	}
	for _, name := range []string{"a.gif", "a", ".png.", "png"} {
		if _, err := still.KindOf(name); !errors.Is(err, still.ErrKind) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := still.Encode(io.Discard, halves(1, 1), "bmp", 0); !errors.Is(err, still.ErrKind) {
		t.Errorf("%v", err)
	}
	var good, poor bytes.Buffer
	_ = still.Encode(&good, halves(200, 200), still.JPEG, 95)
	_ = still.Encode(&poor, halves(200, 200), still.JPEG, 5)
	if poor.Len() >= good.Len() {
		t.Errorf("quality 5 takes %d bytes, 95 %d", poor.Len(), good.Len())
	}
}

func words(text string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := still.WriteFile(path, words("one")); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no ink")
	err := still.WriteFile(path, func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return broken })
	if text, _ := os.ReadFile(path); !errors.Is(err, broken) || string(text) != "one" {
		t.Errorf("after an error: %q, %v", text, err)
	}
	if err := still.WriteFile(path, words("two")); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "two" {
		t.Errorf("%q", text)
	}
	if err := still.WriteFile(filepath.Join(dir, "none", "file"), words("")); err == nil || !strings.Contains(err.Error(), filepath.Join("none", "file")) {
		t.Error("a folder that is not there was written to")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestWriteFileKeepsWhatIsThere(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are neither modes nor links without rights")
	}
	dir := t.TempDir()
	path, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(path, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := still.WriteFile(link, words("through")); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	there, err := os.Lstat(link)
	if err != nil || string(text) != "through" || there.Mode()&os.ModeSymlink == 0 {
		t.Errorf("%q, %v, %v", text, there.Mode(), err)
	}
	if there, _ := os.Stat(path); there.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v", there.Mode())
	}
	if err := still.WriteFile("/dev/null", words("gone")); err != nil {
		t.Error(err)
	}
	fresh := filepath.Join(dir, "fresh")
	_ = still.WriteFile(fresh, words(""))
	if there, err := os.Stat(fresh); err != nil || there.Mode().Perm() != 0o600 {
		t.Errorf("a new one: %v, %v", there.Mode(), err)
	}
}

func ExampleWithin() {
	fmt.Println(still.Within(image.Pt(1920, 1080), image.Pt(320, 200)))
	// Output: (320,180)
}

// FuzzParseSize: what is taken is within the bounds, and fits.
func FuzzParseSize(f *testing.F) {
	for _, text := range []string{"320x200", "x1", "1x", "x", "0x0", "16385x16385"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		box, err := still.ParseSize(text)
		if err != nil {
			return
		}
		if box == (image.Point{}) || box.X < 0 || box.Y < 0 || box.X > still.MaxSide || box.Y > still.MaxSide {
			t.Errorf("%q is %v", text, box)
		}
		size := still.Within(image.Pt(1920, 1080), box)
		if size.X < 1 || size.Y < 1 || box.X > 0 && size.X > box.X || box.Y > 0 && size.Y > box.Y {
			t.Errorf("%q: %v in %v", text, size, box)
		}
	})
}
