package display

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"

	"vncgate/rfb"
)

// A Decoder follows what a display sends behind ServerInit and draws it. It is
// for one goroutine.
type Decoder struct {
	in *bufio.Reader
	fb framebuffer
	px codecs

	name    string
	format  rfb.PixelFormat
	colours []uint32 // of the colour map
	cursor  Cursor
	level   int // of ZYWRLE, 1 to 3

	zlib, zrle inflater
	tight      [4]inflater
	jpeg       jpegTables
	keep       bool   // the windows of zlib's streams are wanted
	updating   bool   // an update is under way
	answered   []byte // payload of the last fence that was an answer
	message    Message
	used       map[rfb.Encoding]bool
	budget     int    // pixels that the update under way may still draw
	resizes    int    // of the update under way
	row        []byte // scratch
	palette    [256]uint32
	packed     []byte // scratch
	fault      *Fault // nothing is decoded after it
}

// Message is what one message of a display was and did.
type Message struct {
	Type uint8 // rfb.MsgFramebufferUpdate, …
	// Drawn covers all that was drawn; what was drawn before a resize is not in
	// it.
	Drawn image.Rectangle
	// Resized says that the screen has another size, and that nothing of it is
	// known but what is in Drawn.
	Resized bool
	// Pointer says that the shape or the place of the cursor is another.
	Pointer bool
	// Named says that the desktop has another name.
	Named bool
}

// A rect is the header of a rectangle (RFC 6143, 7.6.1), and where its pixels
// are drawn. For pseudo-encodings its numbers mean something else.
type rect struct {
	x, y, w, h int
	encoding   rfb.Encoding
	to         *framebuffer
	px         *codecs
}

func (r rect) bounds() image.Rectangle { return image.Rect(r.x, r.y, r.x+r.w, r.y+r.h) }

// NewDecoder returns a Decoder of what in brings behind init. The pixels are in
// the format of init until SetFormat says otherwise; its error is that init has
// no picture.
func NewDecoder(in io.Reader, init rfb.ServerInit) (*Decoder, error) {
	d := &Decoder{in: bufio.NewReaderSize(in, 64<<10), name: init.Name, level: 1, used: map[rfb.Encoding]bool{}}
	if err := d.fb.resize(int(init.Width), int(init.Height)); err != nil {
		return nil, fmt.Errorf("display: %w", err)
	}
	if err := d.SetFormat(init.Format); err != nil {
		return nil, err
	}
	return d, nil
}

// SetFormat tells in which format the pixels of the next update are: that of
// the viewer's SetPixelFormat, once the display goes by it (rfb.ServerFilter
// tells when). Streams of zlib run on.
func (d *Decoder) SetFormat(f rfb.PixelFormat) error {
	if err := f.Valid(); err != nil {
		return fmt.Errorf("display: %w", err)
	}
	if d.px.raw.size == 0 || f != d.format {
		d.format, d.px = f, newCodecs(f, d.colours)
	}
	return nil
}

// SetEncodings tells what the viewer has listed: the levels of quality in it
// say how ZYWRLE was made (libvncserver, zrle.c).
func (d *Decoder) SetEncodings(list []rfb.Encoding) {
	d.level = 1
	for _, e := range list {
		switch q := e - rfb.EncodingQualityLevel0; {
		case q < 0 || q > 9:
			continue
		case q < 3:
			d.level = 3
		case q < 6:
			d.level = 2
		default:
			d.level = 1
		}
		return
	}
}

// Image is the screen as it is known now; what has not arrived yet is
// transparent. The next call of Next draws into it, or leaves it behind when the
// screen has another size then.
func (d *Decoder) Image() *image.RGBA { return d.fb.RGBA }

// Format is the one that the pixels arrive in.
func (d *Decoder) Format() rfb.PixelFormat { return d.format }

// Name is that of the desktop.
func (d *Decoder) Name() string { return d.name }

// Used are the encodings of pixels that have come so far.
func (d *Decoder) Used() map[rfb.Encoding]bool { return d.used }

// Next reads a message and acts on it. The error is io.EOF at the end of the
// stream, where that is the end of a message too, and a *Fault if it met one.
func (d *Decoder) Next() (_ Message, err error) {
	if d.fault != nil {
		return Message{}, d.fault
	}
	defer d.contain(&err)
	head, err := d.in.Peek(1)
	if err != nil {
		if err == io.EOF {
			return Message{}, io.EOF
		}
		return Message{}, fmt.Errorf("display: read message: %w", err)
	}
	d.message = Message{Type: head[0]}
	switch head[0] {
	case rfb.MsgFramebufferUpdate:
		err = d.update()
	case rfb.MsgSetColourMapEntries:
		err = d.colourMap()
	case rfb.MsgServerCutText:
		err = d.cutText()
	case rfb.MsgFence:
		err = d.fence()
	default:
		err = d.passOver()
	}
	return d.message, err
}

// update reads a FramebufferUpdate (RFC 6143, 7.6.1).
func (d *Decoder) update() error {
	d.updating = true
	defer func() { d.updating = false }()
	b, err := d.head(4, "update")
	if err != nil {
		return err
	}
	d.budget, d.resizes = maxOverdraw*d.area(), 0
	for range be.Uint16(b[2:]) {
		last, err := d.rectangle()
		if err != nil || last {
			return err
		}
	}
	return nil
}

func (d *Decoder) rectangle() (last bool, err error) {
	b, err := d.head(12, "rectangle")
	if err != nil {
		return false, err
	}
	u16 := func(i int) int { return int(be.Uint16(b[i:])) }
	r := rect{x: u16(0), y: u16(2), w: u16(4), h: u16(6), encoding: rfb.Encoding(be.Uint32(b[8:])), to: &d.fb, px: &d.px}
	if r.encoding == rfb.EncodingLastRect {
		return true, nil
	}
	decode := decoders[r.encoding]
	if decode != nil {
		d.used[r.encoding] = true
		err = d.place(r)
	} else {
		decode = pseudo[r.encoding]
	}
	if decode == nil {
		return false, fmt.Errorf("display: rectangle in %s, which is not understood", r.encoding)
	}
	if err == nil {
		err = decode(d, r)
	}
	if err != nil {
		return false, fmt.Errorf("display: %s %v: %w", r.encoding, r.bounds(), short(err))
	}
	return false, nil
}

// place makes room for a rectangle of pixels.
func (d *Decoder) place(r rect) error {
	if !r.to.has(r.bounds()) {
		return errOutside
	}
	d.message.Drawn = d.message.Drawn.Union(r.bounds())
	return d.spend(r.w * r.h)
}

// spend counts pixels that are drawn.
func (d *Decoder) spend(pixels int) error {
	if d.budget -= pixels; d.budget < 0 {
		return errors.New("the update draws its screen too many times over")
	}
	return nil
}

func (d *Decoder) area() int { return d.fb.Rect.Dx() * d.fb.Rect.Dy() }

// head reads n bytes, at most a few; they stay until the next read.
func (d *Decoder) head(n int, what string) ([]byte, error) {
	b, err := d.in.Peek(n)
	if err != nil {
		return nil, fmt.Errorf("display: read %s: %w", what, short(err))
	}
	_, err = d.in.Discard(n)
	return b, err
}

// skip passes over n bytes, which have been checked against a limit.
func (d *Decoder) skip(n int64, what string) error {
	if _, err := io.CopyN(io.Discard, d.in, n); err != nil {
		return fmt.Errorf("display: read %s: %w", what, short(err))
	}
	return nil
}

// scratch returns n bytes, at most some of a framebuffer, that are good until
// it is called again.
func (d *Decoder) scratch(n int) []byte {
	if cap(d.row) < n {
		d.row = make([]byte, n)
	}
	return d.row[:n]
}

// chunk reads n bytes, which have been checked against a limit. They are good
// until it is called again.
func (d *Decoder) chunk(n int) ([]byte, error) {
	var err error
	d.packed, err = d.appendBytes(d.packed[:0], n)
	return d.packed, err
}

// appendBytes reads n bytes onto b.
func (d *Decoder) appendBytes(b []byte, n int) ([]byte, error) { return appendFrom(d.in, b, n) }

// appendFrom reads n bytes of in onto b, or as many as there are: what was
// announced and does not come takes no memory.
func appendFrom(in io.Reader, b []byte, n int) ([]byte, error) {
	const step = 256 << 10
	for n > 0 {
		piece := min(n, step)
		b = slices.Grow(b, piece)
		got, err := io.ReadFull(in, b[len(b):len(b)+piece])
		if b = b[:len(b)+got]; err != nil {
			return b, short(err)
		}
		n -= piece
	}
	return b, nil
}

// short is err where more had been promised.
func short(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
