package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The test card has few colours, so that no viewer's Tight encoding turns to
// JPEG anywhere, and edges everywhere, so that a shifted byte shows.
const cardWidth, cardHeight = 640, 480

// numberedCard is one of several, which differ in every pixel.
func numberedCard(number int) *image.RGBA {
	colours := []color.RGBA{
		{0, 0, 0, 255}, {255, 255, 255, 255}, {255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255},
		{255, 255, 0, 255}, {0, 255, 255, 255}, {255, 0, 255, 255}, {128, 128, 128, 255}, {255, 128, 0, 255},
		{18, 52, 86, 255}, {171, 205, 239, 255},
	}
	card := image.NewRGBA(image.Rect(0, 0, cardWidth, cardHeight))
	for y := range cardHeight {
		for x := range cardWidth {
			n := x/40 + y/30*5 // chequered
			if (x*x+y*y)%97 < 3 {
				n = x ^ y // with sand on it
			}
			card.SetRGBA(x, y, colours[(n+number)%len(colours)])
		}
	}
	return card
}

// readPicture decodes a PNG, JPEG or binary PPM file.
func readPicture(path string) (image.Image, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(b, []byte("P6")) {
		return decodePPM(b)
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	return img, err
}

func decodePPM(b []byte) (image.Image, error) {
	var w, h, depth int
	if n, err := fmt.Sscanf(string(b[:min(len(b), 32)]), "P6\n%d %d\n%d\n", &w, &h, &depth); n != 3 {
		return nil, err
	}
	at := len(b) - 3*w*h
	if at < 0 || depth != 255 {
		return nil, errors.New("ppm: cut short")
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		copy(img.Pix[4*i:], []byte{b[at+3*i], b[at+3*i+1], b[at+3*i+2], 255})
	}
	return img, nil
}

// xwd takes the picture of a window on an X display, "-root" or "-id N".
func xwd(display string, window ...string) (image.Image, error) {
	args := append([]string{"-silent", "-display", display}, window...)
	b, err := run(exec.Command("xwd", args...))
	if err != nil {
		return nil, err
	}
	return decodeXWD(b)
}

// decodeXWD reads what xwd writes of a 24-bit true-colour screen
// (X11/XWDFile.h).
func decodeXWD(b []byte) (image.Image, error) {
	if len(b) < 100 {
		return nil, errors.New("xwd: cut short")
	}
	field := func(i int) int { return int(binary.BigEndian.Uint32(b[4*i:])) }
	header, w, h, order, bits, stride, colours := field(0), field(4), field(5), field(7), field(11), field(12), field(19)
	at := header + 12*colours
	if bits != 32 || order != 0 || at+stride*h > len(b) {
		return nil, fmt.Errorf("xwd: %d bits a pixel, byte order %d, %d bytes", bits, order, len(b))
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		row := b[at+y*stride:]
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{row[4*x+2], row[4*x+1], row[4*x], 255})
		}
	}
	return img, nil
}

// differ is an error that counts the pixels in which got and want differ.
func differ(got, want image.Image) error {
	if got.Bounds().Size() != want.Bounds().Size() {
		return fmt.Errorf("the picture is %v large, not %v", got.Bounds().Size(), want.Bounds().Size())
	}
	if n := differing(got, want); n > 0 {
		return fmt.Errorf("%d of %d pixels differ", n, want.Bounds().Dx()*want.Bounds().Dy())
	}
	return nil
}

// differing counts the pixels in which two pictures of one size differ.
func differing(got, want image.Image) int {
	a, b := flat(got), flat(want)
	n := 0
	for i := 0; i < len(a.Pix); i += 4 {
		if a.Pix[i] != b.Pix[i] || a.Pix[i+1] != b.Pix[i+1] || a.Pix[i+2] != b.Pix[i+2] {
			n++
		}
	}
	return n
}

// flat is img as RGBA from (0, 0) on.
func flat(img image.Image) *image.RGBA {
	size := img.Bounds().Size()
	if rgba, ok := img.(*image.RGBA); ok && rgba.Rect.Min == (image.Point{}) && rgba.Stride == 4*size.X {
		return rgba
	}
	rgba := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(rgba, rgba.Rect, img, img.Bounds().Min, draw.Src)
	return rgba
}

// telling is an error for a picture that would not show a mistake.
func telling(img image.Image) error {
	seen := map[color.RGBA]bool{}
	rgba := flat(img)
	for i := 0; i < len(rgba.Pix); i += 4 {
		seen[color.RGBA{rgba.Pix[i], rgba.Pix[i+1], rgba.Pix[i+2], 255}] = true
	}
	if len(seen) < 2 || len(seen) > 24 {
		return fmt.Errorf("the picture has %d colours", len(seen))
	}
	return nil
}

func writePNG(path string, img image.Image) error {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o600)
}

// keepPictures leaves both pictures of a failed comparison behind, when the
// tests run with -artifacts.
func keepPictures(t *testing.T, got, want image.Image) {
	name := strings.ReplaceAll(t.Name(), "/", "_")
	for kind, img := range map[string]image.Image{"got": got, "want": want} {
		if img == nil {
			continue
		}
		path := filepath.Join(t.ArtifactDir(), name+"-"+kind+".png")
		if err := writePNG(path, img); err != nil {
			t.Log(err)
		}
	}
}
