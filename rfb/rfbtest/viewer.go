package rfbtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"vncgate/rfb"
)

// maxRaw bounds a raw rectangle that a Viewer reads.
const maxRaw = 64 << 20

// Viewer is a viewer for tests. It reads the pixels of raw rectangles, which
// every display can send.
type Viewer struct {
	*rfb.Conn
	Init rfb.ServerInit
}

// NewViewer takes the connection c to a display as far as ServerInit, by the
// means of security. It
// does not close c.
func NewViewer(ctx context.Context, c net.Conn, security ...rfb.Security) (*Viewer, error) {
	conn, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: security})
	if err != nil {
		return nil, err
	}
	if err := conn.WriteClientInit(ctx, true); err != nil {
		return nil, err
	}
	init, err := conn.ReadServerInit(ctx)
	if err != nil {
		return nil, err
	}
	return &Viewer{Conn: conn, Init: init}, nil
}

// DialViewer is NewViewer over TCP; the connection is closed when the test
// ends.
func DialViewer(ctx context.Context, t testing.TB, address string, security ...rfb.Security) (*Viewer, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { c.Close() })
	return NewViewer(ctx, c, security...)
}

// Send writes client messages, made by the append functions of rfb.
func (v *Viewer) Send(messages ...[]byte) error {
	for _, m := range messages {
		if _, err := v.Write(m); err != nil {
			return err
		}
	}
	return nil
}

// Raw is a raw rectangle.
type Raw struct {
	X, Y, W, H uint16
	Pixels     []byte
}

// ReadUpdate reads server messages up to a FramebufferUpdate and returns its
// rectangles. It understands what a display may send to a viewer that has
// asked for raw alone: other encodings are an error.
func (v *Viewer) ReadUpdate() ([]Raw, error) {
	for {
		kind, err := v.read(1)
		if err != nil {
			return nil, err
		}
		switch kind[0] {
		case rfb.MsgFramebufferUpdate:
			return v.readRects()
		case rfb.MsgBell:
		case rfb.MsgServerCutText:
			err = v.skipCutText()
		default:
			err = fmt.Errorf("rfbtest: server message of type %d", kind[0])
		}
		if err != nil {
			return nil, err
		}
	}
}

func (v *Viewer) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(v.Conn, b)
	return b, err
}

func (v *Viewer) skipCutText() error {
	head, err := v.read(7)
	if err != nil {
		return err
	}
	_, err = io.CopyN(io.Discard, v.Conn, int64(binary.BigEndian.Uint32(head[3:])))
	return err
}

func (v *Viewer) readRects() ([]Raw, error) {
	head, err := v.read(3)
	if err != nil {
		return nil, err
	}
	rects := make([]Raw, binary.BigEndian.Uint16(head[1:]))
	for i := range rects {
		if rects[i], err = v.readRaw(); err != nil {
			return nil, err
		}
	}
	return rects, nil
}

func (v *Viewer) readRaw() (Raw, error) {
	be := binary.BigEndian
	h, err := v.read(12)
	if err != nil {
		return Raw{}, err
	}
	r := Raw{X: be.Uint16(h), Y: be.Uint16(h[2:]), W: be.Uint16(h[4:]), H: be.Uint16(h[6:])}
	if e := rfb.Encoding(be.Uint32(h[8:])); e != rfb.EncodingRaw {
		return Raw{}, fmt.Errorf("rfbtest: rectangle in %s", e)
	}
	size := int(r.W) * int(r.H) * int(v.Init.Format.BitsPerPixel/8)
	if size > maxRaw {
		return Raw{}, fmt.Errorf("rfbtest: raw rectangle of %d bytes", size)
	}
	r.Pixels, err = v.read(size)
	return r, err
}
