package display

import (
	"errors"
	"fmt"
	"image"

	"vncgate/rfb"
)

// A keyframe is all that a Follower knows between two messages of the display,
// so that another goes on from there:
//
//	U8       1, the version
//	U8       1: a display's messages may follow; 0: it is a picture and no more
//	U16      width, height, and 4·width·height bytes: red, green, blue, alpha
//	U16      width, height of the cursor (0: none), as many bytes, U16 x, y of the
//	         hot spot, U8 whether its place is known, U16 x, y of that
//	U32 n    name
//	U8[16]   PIXEL_FORMAT in force
//	U32 n    colours of the map, U32 each, red lowest
//	U8       level of ZYWRLE
//	6 times  a stream of zlib: U8 whether it has begun, U32 n, its window: zlib,
//	         ZRLE, Tight's four
//	U32 n    tables of JPEG: quantization, then U32 n Huffman
//	U32 n    payload of the last fence that was answered
//	         the viewer's side:
//	U32 n    SetEncodings, S32 each
//	U32 n    a message as far as it had come, U32 bytes to pass over
//	U8       continuous updates, U32 times they were ended, U8 whether U32 n fence
//	U32 n    changes of format: U8 place, PIXEL_FORMAT, U32 n fence
//
// Numbers are big-endian, U32 n is followed by n bytes or things.
const keyframeVersion = 1

// ErrNotResumable is that there is a stream of zlib which nothing but its
// beginning makes sense of here: what came last of it had more than the pixels, or
// does not end in a Z_SYNC_FLUSH. A later keyframe may be good again.
var ErrNotResumable = errors.New("display: a stream of zlib cannot be taken up here")

// ErrPictureOnly is that a keyframe has a picture, and that no message of the
// display can follow it.
var ErrPictureOnly = errors.New("display: the keyframe has a picture alone")

// Keyframe appends all that f knows, as it is wanted for Resume: at the end of a
// message, when f is Between two or by Each. The error is ErrNotResumable, with
// which the keyframe is good for its picture. A keyframe is as long as the
// picture and up to 200 KiB: compress it.
func (f *Follower) Keyframe(b []byte) ([]byte, error) {
	d := f.d
	exact := true
	for _, z := range d.streams() {
		exact = exact && z.resumable()
	}
	b = append(b, keyframeVersion, boolByte(exact))
	b = appendPicture(b, d.fb.RGBA)
	b = d.cursor.append(b)
	b = appendCounted(b, []byte(d.name))
	b = d.format.Append(b)
	b = be.AppendUint32(b, uint32(len(d.colours)))
	for _, c := range d.colours {
		b = be.AppendUint32(b, c)
	}
	b = append(b, byte(d.level))
	for _, z := range d.streams() {
		if !exact {
			b = appendCounted(append(b, 0), nil)
			continue
		}
		// From here on f reads the stream as those will that resume.
		z.resume(z.begun, z.past())
		b = appendCounted(append(b, boolByte(z.begun)), z.past())
	}
	b = appendCounted(appendCounted(b, d.jpeg.quantization), d.jpeg.huffman)
	b = appendCounted(b, d.answered)
	b = f.viewer.append(b)
	if !exact {
		return b, ErrNotResumable
	}
	return b, nil
}

// streams are those of zlib.
func (d *Decoder) streams() []*inflater {
	return []*inflater{&d.zlib, &d.zrle, &d.tight[0], &d.tight[1], &d.tight[2], &d.tight[3]}
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func appendCounted(b, what []byte) []byte {
	return append(be.AppendUint32(b, uint32(len(what))), what...)
}

func appendPicture(b []byte, img *image.RGBA) []byte {
	if img == nil {
		return append(b, 0, 0, 0, 0)
	}
	b = be.AppendUint16(be.AppendUint16(b, uint16(img.Rect.Dx())), uint16(img.Rect.Dy()))
	return append(b, img.Pix...)
}

func appendPoint(b []byte, p image.Point) []byte {
	return be.AppendUint16(be.AppendUint16(b, uint16(p.X)), uint16(p.Y))
}

func (c *Cursor) append(b []byte) []byte {
	b = appendPoint(appendPicture(b, c.Shape), c.Hot)
	return appendPoint(append(b, boolByte(c.Told)), c.At)
}

func (v *viewerSide) append(b []byte) []byte {
	b = be.AppendUint32(b, uint32(len(v.encodings)))
	for _, e := range v.encodings {
		b = be.AppendUint32(b, uint32(e))
	}
	b = be.AppendUint32(appendCounted(b, v.held), uint32(v.skip))
	b = be.AppendUint32(append(b, boolByte(v.pushed)), uint32(v.disabled))
	b = appendCounted(append(b, boolByte(v.sync != nil)), v.sync)
	b = be.AppendUint32(b, uint32(len(v.changes)))
	for _, c := range v.changes {
		b = appendCounted(c.to.Append(append(b, byte(c.when))), c.sync)
	}
	return b
}

// KeyframePicture returns the picture of a keyframe and the cursor in it.
func KeyframePicture(keyframe []byte) (*image.RGBA, Cursor, error) {
	r := &keyframeReader{b: keyframe}
	d := &Decoder{}
	_, err := r.head(d)
	return d.fb.RGBA, d.cursor, err
}

// Resume returns a Follower that goes on where one was when it made the keyframe:
// the bytes of the display from its Offset on come next, and of the viewer what
// it had not been given. The error is ErrPictureOnly, or that it is no keyframe.
// Close the Follower.
func Resume(keyframe []byte) (*Follower, error) {
	r := &keyframeReader{b: keyframe}
	from := &pieces{}
	d, _ := NewDecoder(from, rfb.ServerInit{Width: 1, Height: 1, Format: rfb.Format32()})
	exact, err := r.head(d)
	switch {
	case err != nil:
		return nil, err
	case !exact:
		return nil, ErrPictureOnly
	}
	r.decoder(d)
	v := r.viewer()
	if r.bad == nil && len(r.b) > 0 {
		r.fail("bytes behind its end")
	}
	if r.bad != nil {
		return nil, r.bad
	}
	if err := d.SetFormat(d.format); err != nil {
		return nil, fmt.Errorf("display: keyframe: %w", err)
	}
	f := follow(d, from)
	f.viewer = v
	f.viewer.framing.ExtendedPointer = listed(v.encodings, rfb.EncodingExtendedMouseButtons)
	return f, nil
}
