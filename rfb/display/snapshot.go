package display

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"net"
	"time"

	"vncgate/rfb"
)

// maxRequests bounds how often the rest of the screen is asked for.
const maxRequests = 64

// past is a deadline that has been missed already.
var past = time.Unix(1, 0)

// Snapshot asks the display behind c for its whole screen and returns that.
// c has just had ServerInit, which is init; it is good for nothing but closing
// afterwards. A display that sends its screen in pieces is asked for the rest,
// one that changes its size for all of it anew. The pointer is left out. When
// ctx ends, so does Snapshot, with its cause.
func Snapshot(ctx context.Context, c *rfb.Conn, init rfb.ServerInit) (image.Image, error) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(past) })
	defer stop()
	img, err := snapshot(c, init)
	if err == nil {
		return img, nil
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("display: snapshot: %w", context.Cause(ctx))
	}
	return nil, err
}

func snapshot(c net.Conn, init rfb.ServerInit) (image.Image, error) {
	s := &stream{in: bufio.NewReader(c)}
	order, known := decoders()
	s.decode = known
	if err := s.fb.resize(int(init.Width), int(init.Height)); err != nil {
		return nil, fmt.Errorf("display: %w", err)
	}
	hello := rfb.AppendSetEncodings(rfb.AppendSetPixelFormat(nil, pixelFormat()), order...)
	if _, err := c.Write(hello); err != nil {
		return nil, fmt.Errorf("display: %w", err)
	}
	var asked image.Rectangle
	for range maxRequests {
		screen := s.fb.Rect
		if err := request(c, screen, screen == asked); err != nil {
			return nil, err
		}
		asked = screen
		if err := s.untilUpdate(); err != nil {
			return nil, err
		}
		if s.fb.Opaque() {
			return s.fb.RGBA, nil
		}
	}
	return nil, fmt.Errorf("display: the screen was not whole after %d updates", maxRequests)
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
func (s *stream) untilUpdate() error {
	for {
		update, err := s.next()
		if update || err != nil {
			return err
		}
	}
}
