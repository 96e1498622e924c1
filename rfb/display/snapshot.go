package display

import (
	"context"
	"fmt"
	"image"
	"io"
	"net"
	"time"

	"vncgate/rfb"
)

// maxRequests bounds how often the rest of the screen is asked for.
const maxRequests = 64

// snapshotEncodings are without loss, in the order in which they are asked for:
// what the display likes best of them, it sends. The cursor is among them, so
// that it stays out of the picture.
var snapshotEncodings = []rfb.Encoding{
	rfb.EncodingCopyRect, rfb.EncodingZRLE, rfb.EncodingHextile, rfb.EncodingRaw,
	rfb.EncodingExtendedDesktopSize, rfb.EncodingDesktopSize, rfb.EncodingCursor,
}

// past is a deadline that has been missed already.
var past = time.Unix(1, 0)

// Snapshot asks the display behind c for its whole screen and returns that.
// c has just had ServerInit, which is init; it is good for nothing but closing
// afterwards. A display that sends its screen in pieces is asked for the rest,
// one that changes its size for all of it anew. The pointer is left out. When
// ctx ends, so does Snapshot, with its cause.
func Snapshot(ctx context.Context, c *rfb.Conn, init rfb.ServerInit) (image.Image, error) {
	img, err := SnapshotWhen(ctx, c, init, func(*image.RGBA) bool { return true })
	if err != nil {
		return nil, err
	}
	return img, nil
}

// SnapshotWhen is Snapshot that goes on, as the display changes, until a whole
// screen is enough. When ctx ends before that, it returns the last whole one with
// the error; nil: there was none.
func SnapshotWhen(ctx context.Context, c *rfb.Conn, init rfb.ServerInit, enough func(*image.RGBA) bool) (*image.RGBA, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) })
	defer stop()
	img, err := snapshot(c, init, enough)
	if err != nil && ctx.Err() != nil {
		return img, fmt.Errorf("display: snapshot: %w", context.Cause(ctx))
	}
	return img, err
}

func snapshot(c net.Conn, init rfb.ServerInit, enough func(*image.RGBA) bool) (*image.RGBA, error) {
	init.Format = rfb.Format32() // which is asked for: pixels need no conversion but of the order of their bytes
	d, err := NewDecoder(c, init)
	if err != nil {
		return nil, err
	}
	hello := rfb.AppendSetEncodings(rfb.AppendSetPixelFormat(nil, init.Format), snapshotEncodings...)
	if _, err := c.Write(hello); err != nil {
		return nil, fmt.Errorf("display: %w", err)
	}
	var asked image.Rectangle
	var whole *image.RGBA
	for more := maxRequests; more > 0; more-- {
		screen := d.fb.Rect
		if err := request(c, screen, screen == asked); err != nil {
			return whole, err
		}
		asked, whole = screen, nil
		if err := d.untilUpdate(); err != nil {
			return d.whole(), err
		}
		if whole = d.whole(); whole != nil {
			if enough(whole) {
				return whole, nil
			}
			more = maxRequests
		}
	}
	return nil, fmt.Errorf("display: the screen was not whole after %d updates", maxRequests)
}

// whole is the screen once all of it has arrived, and nil before.
func (d *Decoder) whole() *image.RGBA {
	if !d.fb.Opaque() {
		return nil
	}
	return d.fb.RGBA
}

// request asks for the screen: all of it, or what is new since that was asked.
func request(c net.Conn, screen image.Rectangle, incremental bool) error {
	b := rfb.AppendFramebufferUpdateRequest(nil, incremental, 0, 0, uint16(screen.Dx()), uint16(screen.Dy()))
	if _, err := c.Write(b); err != nil {
		return fmt.Errorf("display: %w", err)
	}
	return nil
}

// untilUpdate reads up to the end of the next FramebufferUpdate.
func (d *Decoder) untilUpdate() error {
	for {
		message, err := d.Next()
		if err == io.EOF {
			return fmt.Errorf("display: read message: %w", err)
		}
		if err != nil || message.Type == rfb.MsgFramebufferUpdate {
			return err
		}
	}
}
