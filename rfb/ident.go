package rfb

import (
	"context"
	"fmt"
	"net"
)

// maxIdentLen bounds the user name of Ident.
const maxIdentLen = 1024

// ClientIdent is the viewer's side of VeNCrypt's Ident, a user name and no
// proof of it (type 265, or under TLS as X509Ident): the display knows us some
// other way, by our certificate or by where we come from. There is no display's
// side here, because a name that is only claimed is nobody's identity.
type ClientIdent struct {
	// User returns the name to give, asked anew for each connection.
	User func(context.Context) (string, error)
}

// Type returns TypeIdent.
func (ClientIdent) Type() SecurityType { return TypeIdent }

// Handshake sends U32 length and the name.
func (s ClientIdent) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	user, err := s.User(ctx)
	if err != nil {
		return Secured{}, fmt.Errorf("rfb: ident: user: %w", err)
	}
	if len(user) > maxIdentLen {
		return Secured{}, fmt.Errorf("rfb: ident: user of more than %d bytes", maxIdentLen)
	}
	if err := write(c, appendCounted(nil, user), "ident user"); err != nil {
		return Secured{}, err
	}
	return Secured{Conn: c, Method: TypeIdent.String()}, nil
}
