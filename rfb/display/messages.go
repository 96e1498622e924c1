package display

import (
	"fmt"

	"vncgate/rfb"
)

// colourMap reads SetColourMapEntries (RFC 6143, 7.6.2): what is drawn from now
// on has these colours. What is drawn already keeps those it had, as with
// viewers that turn every pixel into true colour.
func (d *Decoder) colourMap() error {
	b, err := d.head(6, "colour map")
	if err != nil {
		return err
	}
	first, n := int(be.Uint16(b[2:])), int(be.Uint16(b[4:]))
	if first+n > 1<<16 {
		return fmt.Errorf("display: colour map entries %d to %d", first, first+n)
	}
	if grow := first + n - len(d.colours); grow > 0 {
		d.colours = append(d.colours, make([]uint32, grow)...)
	}
	for i := range n {
		c, err := d.head(6, "colour map")
		if err != nil {
			return err
		}
		d.colours[first+i] = opaque | uint32(c[0]) | uint32(c[2])<<8 | uint32(c[4])<<16 // the high bytes
	}
	if !d.format.TrueColour {
		table := d.px.raw.table // which the other codecs share
		for i := first; i < min(first+n, len(table)); i++ {
			table[i] = d.colours[i]
		}
	}
	return nil
}

// cutText passes over the display's clipboard; a negative length is that of the
// extended one.
func (d *Decoder) cutText() error {
	b, err := d.head(8, "clipboard")
	if err != nil {
		return err
	}
	n := int64(int32(be.Uint32(b[4:])))
	if n = max(n, -n); n > maxCutText {
		return fmt.Errorf("display: clipboard of %d bytes, more than %d", n, maxCutText)
	}
	return d.skip(n, "clipboard")
}

// fence reads a Fence; those that want an answer are the viewer's to answer.
func (d *Decoder) fence() error {
	b, err := d.head(9, "fence")
	if err != nil {
		return err
	}
	if b[8] > rfb.MaxFenceLen {
		return fmt.Errorf("display: fence of %d bytes, more than %d", b[8], rfb.MaxFenceLen)
	}
	flags, n := be.Uint32(b[4:]), int(b[8])
	if b, err = d.head(n, "fence"); err == nil && flags&rfb.FenceRequest == 0 {
		d.answered = append(d.answered[:0], b...)
	}
	return err
}

// passOver passes over a message that says nothing about the picture.
func (d *Decoder) passOver() error {
	for see := 1; ; {
		head, err := d.in.Peek(see)
		if err != nil {
			return fmt.Errorf("display: read message: %w", short(err))
		}
		n, more, err := rfb.ServerMessageLen(head)
		switch {
		case err != nil:
			return fmt.Errorf("display: %w", err)
		case more > 0:
			see = more
		default:
			return d.skip(n, "message")
		}
	}
}
