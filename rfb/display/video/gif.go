package video

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"os"
)

// gifWriter writes an animation a picture at a time, which image/gif alone does
// not: each is what has changed since the one before, as image/gif encodes it by
// itself, taken out of its file and put into ours (GIF89a, 20 to 27).
type gifWriter struct {
	f     *os.File
	w     *bufio.Writer
	bytes int64
	fps   int

	shown   *image.RGBA     // what the pictures so far add up to
	next    *image.Paletted // the picture that is held until its time is known; nil: none
	since   int             // the frame that it came with
	frames  int
	hundred int // hundredths of a second that were written
	palette quantizer
}

const (
	gifHeader  = 6 + 7 // signature, and the screen without colours of its own
	gifTrailer = 0x3b
	// gifDelay is the longest time that a picture may have, and gifShortest the
	// least that browsers keep to, in hundredths of a second.
	gifDelay, gifShortest = 0xffff, 2
)

func newGIF(path string, size image.Point, fps int) (*gifWriter, error) {
	if size.X > 0xffff || size.Y > 0xffff {
		return nil, errors.New("a GIF has at most 65535 pixels a side")
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	g := &gifWriter{f: f, w: bufio.NewWriterSize(f, 256<<10), fps: fps, shown: image.NewRGBA(image.Rectangle{Max: size})}
	head := append([]byte("GIF89a"), byte(size.X), byte(size.X>>8), byte(size.Y), byte(size.Y>>8), 0, 0, 0)
	head = append(head, "\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"...) // again and again
	return g, g.write(head)
}

func (g *gifWriter) write(b []byte) error {
	n, err := g.w.Write(b)
	g.bytes += int64(n)
	return err
}

func (g *gifWriter) frame(img *image.RGBA, same bool) error {
	defer func() { g.frames++ }()
	if same {
		return nil
	}
	r := img.Rect
	if g.frames > 0 {
		if r = difference(g.shown, img); r.Empty() {
			return nil
		}
	}
	if err := g.flush(); err != nil {
		return err
	}
	for y := r.Min.Y; y < r.Max.Y; y++ {
		copy(g.shown.Pix[g.shown.PixOffset(r.Min.X, y):][:4*r.Dx()], img.Pix[img.PixOffset(r.Min.X, y):])
	}
	part, _ := img.SubImage(r).(*image.RGBA)
	g.next, g.since = g.palette.paletted(part), g.frames
	return nil
}

// flush writes the picture that is held, now that it is known how long it was
// shown.
func (g *gifWriter) flush() error {
	if g.next == nil {
		return nil
	}
	end := g.frames * 100 / g.fps
	for first := true; first || end-g.hundred >= gifShortest; first = false {
		delay := min(max(end-g.hundred, gifShortest), gifDelay)
		g.hundred += delay
		if err := g.picture(delay); err != nil {
			return err
		}
		g.next = &image.Paletted{Pix: []byte{0}, Stride: 1, Rect: image.Rect(0, 0, 1, 1), Palette: g.palette.corner(g.shown)} // for what is left of the time
	}
	g.next = nil
	return nil
}

// picture writes the one that is held, without the head and the end of its file.
func (g *gifWriter) picture(delay int) error {
	var b bytes.Buffer
	alone := &gif.GIF{
		Image: []*image.Paletted{g.next}, Delay: []int{delay}, Disposal: []byte{gif.DisposalNone},
		Config: image.Config{Width: g.shown.Rect.Dx(), Height: g.shown.Rect.Dy()},
	}
	if err := gif.EncodeAll(&b, alone); err != nil {
		return err
	}
	file := b.Bytes()
	if len(file) < gifHeader+2 || file[10]&0x80 != 0 || file[len(file)-1] != gifTrailer {
		return fmt.Errorf("gif: a file of another form")
	}
	return g.write(file[gifHeader : len(file)-1])
}

func (g *gifWriter) written() int64 { return g.bytes }

func (g *gifWriter) close() error {
	err := g.flush()
	if err == nil {
		err = g.write([]byte{gifTrailer})
	}
	if err == nil {
		err = g.w.Flush()
	}
	return errors.Join(err, g.f.Close())
}

func (g *gifWriter) abort() { _ = g.f.Close() }

// difference is the smallest rectangle outside of which two pictures of one size
// are the same.
func difference(a, b *image.RGBA) image.Rectangle {
	var r image.Rectangle
	w := a.Rect.Dx()
	for y := range a.Rect.Dy() {
		la, lb := a.Pix[y*a.Stride:][:4*w], b.Pix[y*b.Stride:][:4*w]
		if bytes.Equal(la, lb) {
			continue
		}
		left, right := 0, w-1
		for [4]byte(la[4*left:]) == [4]byte(lb[4*left:]) {
			left++
		}
		for [4]byte(la[4*right:]) == [4]byte(lb[4*right:]) {
			right--
		}
		r = r.Union(image.Rect(left, y, right+1, y+1))
	}
	return r
}
