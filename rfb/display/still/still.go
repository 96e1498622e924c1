// Package still turns a picture of a screen into a file: made smaller if it has to
// be, as PNG or as JPEG.
//
//	kind, err := still.KindOf("desk.png")
//	err = still.Encode(w, still.Fit(picture, image.Pt(320, 200)), kind, 0)
//
// WriteFile puts a file in its place when it is whole, and not before.
package still

import (
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/image/draw"
)

// Kind is the format of a picture.
type Kind string

// The kinds that are written.
const (
	PNG  Kind = "png"
	JPEG Kind = "jpeg"
)

const (
	// DefaultQuality is that of JPEG where nothing else is said.
	DefaultQuality = 85
	// MaxSide is the longest side that a picture may be fitted to, in pixels.
	MaxSide = 16384
)

// ErrKind is what ParseKind and KindOf say of a format that is not written.
var ErrKind = errors.New("still: pictures are png or jpeg")

// ParseKind reads png, jpeg or jpg.
func ParseKind(name string) (Kind, error) {
	switch strings.ToLower(name) {
	case "png":
		return PNG, nil
	case "jpeg", "jpg":
		return JPEG, nil
	}
	return "", fmt.Errorf("%w, and not %q", ErrKind, name)
}

// KindOf goes by the end of a file's name.
func KindOf(path string) (Kind, error) {
	return ParseKind(strings.TrimPrefix(filepath.Ext(path), "."))
}

// Type is the media type, for HTTP.
func (k Kind) Type() string { return "image/" + string(k) }

// ParseSize reads a box to fit into, WIDTHxHEIGHT, of which one may be left out:
// 320x200, 320x, x200. The side that is left out is 0, which Fit takes as any.
func ParseSize(text string) (image.Point, error) {
	w, h, ok := strings.Cut(strings.ToLower(text), "x")
	if !ok || w == "" && h == "" {
		return image.Point{}, fmt.Errorf("still: size %q: write WIDTHxHEIGHT, such as 320x200, 320x or x200", text)
	}
	var box image.Point
	for side, digits := range map[*int]string{&box.X: w, &box.Y: h} {
		if digits == "" {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil || n == 0 || n > MaxSide {
			return image.Point{}, fmt.Errorf("still: size %q: a side has from 1 to %d pixels", text, MaxSide)
		}
		*side = int(n)
	}
	return box, nil
}

// Within is the size that a picture of size has once it fits into the box, in
// which 0 is any: in proportion, never larger than it was, never nothing.
func Within(size, box image.Point) image.Point {
	w, h := int64(size.X), int64(size.Y)
	if box.X > 0 && w > int64(box.X) {
		w, h = int64(box.X), max(1, (2*h*int64(box.X)+w)/(2*w))
	}
	if box.Y > 0 && h > int64(box.Y) {
		w, h = max(1, (2*int64(size.X)*int64(box.Y)+int64(size.Y))/(2*int64(size.Y))), int64(box.Y)
	}
	return image.Pt(int(w), int(h))
}

// Fit makes img small enough for the box, in which 0 is any. One that fits is
// returned as it is.
func Fit(img image.Image, box image.Point) image.Image {
	from := img.Bounds()
	size := Within(from.Size(), box)
	if from.Empty() || size == from.Size() {
		return img
	}
	to := image.NewRGBA(image.Rectangle{Max: size})
	Scale(to, img)
	return to
}

// Scale draws all of from over all of to. Text that is made smaller stays as
// legible as it can.
func Scale(to *image.RGBA, from image.Image) {
	scaler := draw.Scaler(draw.CatmullRom)
	if from.Bounds().Dx() > 4*to.Rect.Dx() { // of thumbnails nobody sees the difference but their makers
		scaler = draw.ApproxBiLinear
		from = halved(from, to.Rect.Size())
	}
	scaler.Scale(to, to.Rect, from, from.Bounds(), draw.Src, nil)
}

// halved makes pictures that are much too large smaller by whole numbers, each
// pixel being the mean of those it stands for.
func halved(from image.Image, size image.Point) image.Image {
	src, ok := from.(*image.RGBA)
	n := min(from.Bounds().Dx()/max(size.X, 1), from.Bounds().Dy()/max(size.Y, 1), 64)
	if !ok || n < 2 {
		return from
	}
	out := image.NewRGBA(image.Rect(0, 0, src.Rect.Dx()/n, src.Rect.Dy()/n))
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			mean(out.Pix[y*out.Stride+4*x:][:4], src, src.Rect.Min.Add(image.Pt(x*n, y*n)), n)
		}
	}
	return out
}

// mean is that of n·n pixels.
func mean(to []byte, src *image.RGBA, at image.Point, n int) {
	var sum [4]uint32
	for y := range n {
		line := src.Pix[src.PixOffset(at.X, at.Y+y):][:4*n]
		for i, v := range line {
			sum[i&3] += uint32(v)
		}
	}
	for i := range sum {
		to[i] = byte((sum[i] + uint32(n*n)/2) / uint32(n*n))
	}
}

// Encode writes img. Quality is JPEG's, from 1 to 100; 0 is DefaultQuality.
func Encode(w io.Writer, img image.Image, kind Kind, quality int) error {
	var err error
	switch kind {
	case PNG:
		err = (&png.Encoder{CompressionLevel: png.DefaultCompression}).Encode(w, img)
	case JPEG:
		if quality == 0 {
			quality = DefaultQuality
		}
		err = jpeg.Encode(w, img, &jpeg.Options{Quality: quality})
	default:
		err = ErrKind
	}
	if err != nil {
		return fmt.Errorf("still: write picture: %w", err)
	}
	return nil
}
