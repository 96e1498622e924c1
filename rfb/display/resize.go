package display

import (
	"fmt"
	"image"
	"strings"

	"vncgate/rfb"
)

// decodeDesktopSize takes the new size, which is the rectangle's (rfbproto,
// "DesktopSize Pseudo-encoding"). What was on the screen is no longer known.
func decodeDesktopSize(d *Decoder, r rect) error { return d.resize(r.w, r.h) }

// decodeExtendedDesktopSize is DesktopSize with a list of screens: U8 n, 3 pad,
// 16n (rfbproto, "ExtendedDesktopSize Pseudo-encoding"). y is not 0 in the
// answer to a SetDesktopSize that failed. Displays also send it at the
// beginning, with the size there is.
func decodeExtendedDesktopSize(d *Decoder, r rect) error {
	b, err := d.head(4, "screens")
	if err != nil {
		return err
	}
	if err := d.skip(16*int64(b[0]), "screens"); err != nil {
		return err
	}
	if r.y != 0 {
		return nil
	}
	return d.resize(r.w, r.h)
}

func (d *Decoder) resize(w, h int) error {
	before := d.fb.RGBA
	if err := d.fb.resize(w, h); err != nil {
		return err
	}
	if d.fb.RGBA != before {
		if d.resizes++; d.resizes > maxResizes {
			return fmt.Errorf("the update changes its size more than %d times", maxResizes)
		}
		d.message.Resized, d.message.Drawn = true, image.Rectangle{}
		d.budget = max(d.budget, maxOverdraw*d.area())
	}
	return nil
}

// decodeDesktopName takes the new name: U32 n, n bytes of UTF-8 (rfbproto,
// "DesktopName Pseudo-encoding").
func decodeDesktopName(d *Decoder, _ rect) error {
	b, err := d.head(4, "name")
	if err != nil {
		return err
	}
	n := be.Uint32(b)
	if n > rfb.MaxNameLen {
		return fmt.Errorf("a name of %d bytes, more than %d", n, rfb.MaxNameLen)
	}
	if b, err = d.chunk(int(n)); err != nil {
		return err
	}
	d.name = strings.ToValidUTF8(string(b), "\uFFFD")
	d.message.Named = true
	return nil
}

// decodeDisplayMode takes the format in which the pixels are from here on (QEMU
// ui/vnc.c, WMVi).
func decodeDisplayMode(d *Decoder, _ rect) error {
	b, err := d.head(rfb.PixelFormatLen, "pixel format")
	if err != nil {
		return err
	}
	f, err := rfb.ParsePixelFormat(b)
	if err != nil {
		return err
	}
	return d.SetFormat(f)
}
