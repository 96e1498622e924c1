package rfb

import (
	"context"
	"fmt"
	"net"
)

// A VeNCrypt subtype under TLS with certificates (rfbproto, "VeNCrypt"; QEMU
// ui/vnc-auth-vencrypt.c):
//
//	S→C  U8 1 (the subtype is accepted)
//	...  TLS, from the very next byte
//	...  the inner type's handshake

// x509Types are the subtypes, by what runs inside.
var x509Types = map[SecurityType]SecurityType{
	TypeNone: TypeX509None, TypeVncAuth: TypeX509Vnc, TypePlain: TypeX509Plain, TypeSASL: TypeX509SASL,
	TypeIdent: TypeX509Ident,
}

// subtypeOK acknowledges a subtype; beware that VeNCrypt's other
// acknowledgement, of the version, says yes with 0.
const subtypeOK = 1

// ServerX509 is the display's side of VeNCrypt's X509 subtypes: it puts TLS on
// the connection and runs Inner inside.
type ServerX509 struct {
	TLS   Upgrade  // as TLS server, with our certificate
	Inner Security // None, ServerVncAuth, ServerPlain or ServerSASL
}

// Type returns the subtype that Inner makes it, or TypeInvalid.
func (s ServerX509) Type() SecurityType { return x509Types[s.Inner.Type()] }

// Handshake runs TLS and then Inner.
func (s ServerX509) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	if err := write(c, []byte{subtypeOK}, "subtype acknowledgement"); err != nil {
		return Secured{}, err
	}
	return insideTLS(ctx, c, s.TLS, s.Inner)
}

// ClientX509 is the viewer's side of VeNCrypt's X509 subtypes.
type ClientX509 struct {
	TLS   Upgrade  // as TLS client; it checks the display's certificate
	Inner Security // None, ClientVncAuth, ClientPlain, ClientSASL or ClientIdent
}

// Type returns the subtype that Inner makes it, or TypeInvalid.
func (s ClientX509) Type() SecurityType { return x509Types[s.Inner.Type()] }

// Handshake runs TLS and then Inner.
func (s ClientX509) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	ok, err := readU8(c, "subtype acknowledgement")
	if err != nil {
		return Secured{}, err
	}
	if ok != subtypeOK {
		return Secured{}, &DisplayError{Stage: StageSecurity, Reason: "VeNCrypt subtype refused"}
	}
	return insideTLS(ctx, c, s.TLS, s.Inner)
}

func insideTLS(ctx context.Context, c net.Conn, tls Upgrade, inner Security) (Secured, error) {
	above, err := tls(ctx, c)
	if err != nil {
		return Secured{}, fmt.Errorf("rfb: x509: %w", err)
	}
	s, err := inner.Handshake(ctx, above)
	if s.Conn == nil {
		s.Conn = above
	}
	s.Method = "x509-" + s.Method
	return s, err
}
