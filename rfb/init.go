package rfb

import (
	"context"
	"fmt"
	"io"
	"math/bits"
	"strings"
)

// PixelFormatLen is the length of a PIXEL_FORMAT on the wire.
const PixelFormatLen = 16

// serverInitLen is the length of ServerInit up to the name.
const serverInitLen = 4 + PixelFormatLen + 4

// PixelFormat is a PIXEL_FORMAT (RFC 6143, 7.4).
type PixelFormat struct {
	BitsPerPixel                    uint8 // 8, 16 or 32
	Depth                           uint8 // how many of those are used
	BigEndian                       bool
	TrueColour                      bool // false: pixels index a colour map, and the rest means nothing
	RedMax, GreenMax, BlueMax       uint16
	RedShift, GreenShift, BlueShift uint8
}

// Format32 is the format of most displays: 8 bits a channel in little-endian
// 32-bit words, blue lowest.
func Format32() PixelFormat {
	return PixelFormat{
		BitsPerPixel: 32, Depth: 24, TrueColour: true,
		RedMax: 255, GreenMax: 255, BlueMax: 255,
		RedShift: 16, GreenShift: 8,
	}
}

// ParsePixelFormat reads a PIXEL_FORMAT from the first PixelFormatLen bytes of
// b and checks it with Valid.
func ParsePixelFormat(b []byte) (PixelFormat, error) {
	if len(b) < PixelFormatLen {
		return PixelFormat{}, fmt.Errorf("rfb: pixel format of %d bytes", len(b))
	}
	f := PixelFormat{
		BitsPerPixel: b[0], Depth: b[1], BigEndian: b[2] != 0, TrueColour: b[3] != 0,
		RedMax: be.Uint16(b[4:]), GreenMax: be.Uint16(b[6:]), BlueMax: be.Uint16(b[8:]),
		RedShift: b[10], GreenShift: b[11], BlueShift: b[12],
	}
	return f, f.Valid()
}

// Append appends f as it is on the wire.
func (f PixelFormat) Append(b []byte) []byte {
	b = append(b, f.BitsPerPixel, f.Depth, u8(f.BigEndian), u8(f.TrueColour))
	b = be.AppendUint16(b, f.RedMax)
	b = be.AppendUint16(b, f.GreenMax)
	b = be.AppendUint16(b, f.BlueMax)
	return append(b, f.RedShift, f.GreenShift, f.BlueShift, 0, 0, 0)
}

// Valid returns an error for a format no pixel can have: a size other than 8,
// 16 or 32, more depth than bits, a channel that is not a run of bits or lies
// outside the pixel.
func (f PixelFormat) Valid() error {
	switch f.BitsPerPixel {
	case 8, 16, 32:
	default:
		return fmt.Errorf("rfb: pixel format of %d bits a pixel", f.BitsPerPixel)
	}
	if f.Depth == 0 || f.Depth > f.BitsPerPixel {
		return fmt.Errorf("rfb: pixel format of depth %d in %d bits", f.Depth, f.BitsPerPixel)
	}
	if !f.TrueColour {
		return nil
	}
	return f.validChannels()
}

func (f PixelFormat) validChannels() error {
	for _, ch := range []struct {
		max   uint16
		shift uint8
	}{{f.RedMax, f.RedShift}, {f.GreenMax, f.GreenShift}, {f.BlueMax, f.BlueShift}} {
		run := ch.max != 0 && ch.max&(ch.max+1) == 0
		if !run || int(ch.shift)+bits.Len16(ch.max) > int(f.BitsPerPixel) {
			return fmt.Errorf("rfb: pixel format with channel %#x<<%d in %d bits", ch.max, ch.shift, f.BitsPerPixel)
		}
	}
	return nil
}

// ServerInit is what a display says of its desktop (RFC 6143, 7.3.2).
type ServerInit struct {
	Width, Height uint16
	Format        PixelFormat
	Name          string // UTF-8 in practice, at most MaxNameLen bytes
}

// Append appends s as it is on the wire. A name beyond MaxNameLen is cut.
func (s ServerInit) Append(b []byte) []byte {
	b = s.Format.Append(appendU16s(b, s.Width, s.Height))
	return appendCounted(b, s.Name[:min(len(s.Name), MaxNameLen)])
}

// ReadClientInit reads a viewer's ClientInit: whether it would share the
// desktop with others (RFC 6143, 7.3.1).
func (c *Conn) ReadClientInit(ctx context.Context) (shared bool, err error) {
	err = interrupt(ctx, c.Conn, func() error {
		b, err := readU8(c.Conn, "ClientInit")
		shared = b != 0
		return err
	})
	return shared, err
}

// WriteClientInit sends our ClientInit to a display.
func (c *Conn) WriteClientInit(ctx context.Context, shared bool) error {
	return interrupt(ctx, c.Conn, func() error {
		return write(c.Conn, []byte{u8(shared)}, "ClientInit")
	})
}

// ReadServerInit reads a display's ServerInit.
func (c *Conn) ReadServerInit(ctx context.Context) (ServerInit, error) {
	var s ServerInit
	err := interrupt(ctx, c.Conn, func() (err error) {
		s, err = c.readServerInit()
		return err
	})
	return s, err
}

func (c *Conn) readServerInit() (ServerInit, error) {
	init, err := ReadServerInitFrom(c.Conn)
	if err == nil && c.Secured.Tight {
		err = skipInteraction(c.Conn)
	}
	return init, err
}

// ReadServerInitFrom reads a ServerInit from r, and no byte more: that of a
// recording, as Conn.ReadServerInit reads that of a display.
func ReadServerInitFrom(r io.Reader) (ServerInit, error) {
	b, err := readN(r, serverInitLen-4, "ServerInit")
	if err != nil {
		return ServerInit{}, err
	}
	format, err := ParsePixelFormat(b[4:])
	if err != nil {
		return ServerInit{}, fmt.Errorf("rfb: ServerInit: %w", err)
	}
	name, err := readCounted(r, MaxNameLen, "desktop name")
	if err != nil {
		return ServerInit{}, err
	}
	return ServerInit{
		Width: be.Uint16(b), Height: be.Uint16(b[2:]), Format: format,
		Name: strings.ToValidUTF8(strings.TrimRight(string(name), "\x00"), "?"),
	}, nil
}

// WriteServerInit sends s to a viewer. A name beyond MaxNameLen is cut.
func (c *Conn) WriteServerInit(ctx context.Context, s ServerInit) error {
	if err := s.Format.Valid(); err != nil {
		return fmt.Errorf("rfb: ServerInit: %w", err)
	}
	b := s.Append(make([]byte, 0, serverInitLen+len(s.Name)))
	if c.Secured.Tight { // nothing that goes beyond the usual
		b = append(b, make([]byte, interactionLen)...)
	}
	return interrupt(ctx, c.Conn, func() error {
		return write(c.Conn, b, "ServerInit")
	})
}

// u8 is a flag on the wire.
func u8(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
