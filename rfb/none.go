package rfb

import (
	"context"
	"net"
)

// None is security type 1 for both sides: nothing is exchanged and nothing
// proved (RFC 6143, 7.2.1).
type None struct{}

// Type returns TypeNone.
func (None) Type() SecurityType { return TypeNone }

// Handshake does nothing.
func (None) Handshake(_ context.Context, c net.Conn) (Secured, error) {
	return Secured{Conn: c, Method: TypeNone.String()}, nil
}
