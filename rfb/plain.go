package rfb

import (
	"context"
	"fmt"
	"net"
)

// maxPlainLen bounds the user name and the password of Plain, each.
const maxPlainLen = 1024

// ServerPlain is the display's side of VeNCrypt's Plain, a user name and a
// password in clear (type 256, or under TLS as X509Plain). It belongs inside
// TLS or wss.
type ServerPlain struct {
	// Verify returns nil when the user's password is right. Whatever else it
	// returns, the viewer learns only that authentication failed.
	Verify func(ctx context.Context, user, password string) error
}

// Type returns TypePlain.
func (ServerPlain) Type() SecurityType { return TypePlain }

// Handshake reads the credentials and has them verified.
func (s ServerPlain) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	user, password, err := readPlain(c)
	if err != nil {
		return Secured{}, err
	}
	done := Secured{Conn: c, Method: TypePlain.String()}
	if err := s.Verify(ctx, user, password); err != nil {
		return done, FailAuthentication(ctx, fmt.Errorf("rfb: plain: %w", err))
	}
	done.User = user
	return done, nil
}

// readPlain reads U32 user length, U32 password length, user, password.
func readPlain(c net.Conn) (user, password string, err error) {
	head, err := readN(c, 8, "plain lengths")
	if err != nil {
		return "", "", err
	}
	u, p := be.Uint32(head), be.Uint32(head[4:])
	if u > maxPlainLen || p > maxPlainLen {
		return "", "", fmt.Errorf("rfb: plain: credentials of %d and %d bytes, more than %d", u, p, maxPlainLen)
	}
	b, err := readN(c, int(u+p), "plain credentials")
	if err != nil {
		return "", "", err
	}
	return string(b[:u]), string(b[u:]), nil
}

// ClientPlain is the viewer's side of Plain.
type ClientPlain struct {
	// Credentials returns whom to log in as, asked anew for each connection.
	Credentials func(context.Context) (user, password string, err error)
}

// Type returns TypePlain.
func (ClientPlain) Type() SecurityType { return TypePlain }

// Handshake sends the credentials.
func (s ClientPlain) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	user, password, err := s.Credentials(ctx)
	if err != nil {
		return Secured{}, fmt.Errorf("rfb: plain: credentials: %w", err)
	}
	if len(user) > maxPlainLen || len(password) > maxPlainLen {
		return Secured{}, fmt.Errorf("rfb: plain: credentials of more than %d bytes", maxPlainLen)
	}
	b := be.AppendUint32(nil, uint32(len(user)))
	b = be.AppendUint32(b, uint32(len(password)))
	b = append(append(b, user...), password...)
	if err := write(c, b, "plain credentials"); err != nil {
		return Secured{}, err
	}
	return Secured{Conn: c, Method: TypePlain.String()}, nil
}
