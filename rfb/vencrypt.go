package rfb

import (
	"context"
	"errors"
	"fmt"
	"net"
)

// VeNCrypt 0.2 (rfbproto, "VeNCrypt"; QEMU ui/vnc-auth-vencrypt.c):
//
//	S→C  U8 0, U8 2 (version)   C→S  U8 0, U8 2
//	S→C  U8 0 (version accepted; anything else is not)
//	S→C  U8 n, U32[n] subtypes  C→S  U32 choice
//	...  the subtype's handshake
const (
	venCryptVersion = 0x0002
	versionOK       = 0
	versionRefused  = 1
	maxSubtypes     = 20 // gtk-vnc takes no more
)

// ServerVeNCrypt is the display's side of VeNCrypt.
type ServerVeNCrypt struct {
	// Subtypes lists what is offered, in this order: X509 subtypes, Plain, or
	// an ordinary type. Plain belongs inside wss: gtk-vnc expects an
	// acknowledgement of it over TCP that no other viewer knows.
	Subtypes []Security
}

// Type returns TypeVeNCrypt.
func (ServerVeNCrypt) Type() SecurityType { return TypeVeNCrypt }

// Handshake agrees on a subtype and runs it.
func (s ServerVeNCrypt) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	if err := checkOffer(s.Subtypes, maxSubtypes, nested); err != nil {
		return Secured{}, err
	}
	if err := s.agreeVersion(c); err != nil {
		return Secured{}, err
	}
	list := []byte{versionOK, byte(len(s.Subtypes))}
	for _, sub := range s.Subtypes {
		list = be.AppendUint32(list, uint32(sub.Type()))
	}
	if err := write(c, list, "VeNCrypt subtypes"); err != nil {
		return Secured{}, err
	}
	if len(s.Subtypes) == 0 {
		return Secured{}, errors.New("rfb: vencrypt: no subtypes to offer")
	}
	choice, err := readU32(c, "VeNCrypt subtype")
	if err != nil {
		return Secured{}, err
	}
	sub, err := choose(s.Subtypes, SecurityType(choice))
	if err != nil {
		return Secured{}, err
	}
	return sub.Handshake(ctx, c)
}

func (s ServerVeNCrypt) agreeVersion(c net.Conn) error {
	if err := write(c, be.AppendUint16(nil, venCryptVersion), "VeNCrypt version"); err != nil {
		return err
	}
	b, err := readN(c, 2, "VeNCrypt version")
	if err != nil {
		return err
	}
	if v := be.Uint16(b); v != venCryptVersion {
		_, _ = c.Write([]byte{versionRefused}) // the viewer's version is the error that counts
		return fmt.Errorf("rfb: vencrypt: viewer speaks version %d.%d", b[0], b[1])
	}
	return nil
}

// nested reports whether t may be offered inside VeNCrypt.
func nested(t SecurityType) bool { return t != TypeInvalid && t != TypeVeNCrypt }

// ClientVeNCrypt is the viewer's side of VeNCrypt.
type ClientVeNCrypt struct {
	// Subtypes lists what we can do, best first: the first that the display
	// offers is used.
	Subtypes []Security
	// Offered, if set, is told what the display offers, in its order.
	Offered func([]SecurityType)
}

// Type returns TypeVeNCrypt.
func (ClientVeNCrypt) Type() SecurityType { return TypeVeNCrypt }

// Handshake agrees on a subtype and runs it. A display that offers none of
// ours gives a *NoCommonSecurityError.
func (s ClientVeNCrypt) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	if err := agreeDisplayVersion(c); err != nil {
		return Secured{}, err
	}
	offered, err := readSubtypes(c)
	if err != nil {
		return Secured{}, err
	}
	sub, err := best(s.Subtypes, offered, s.Offered)
	if err != nil {
		return Secured{}, err
	}
	if err := write(c, be.AppendUint32(nil, uint32(sub.Type())), "VeNCrypt subtype"); err != nil {
		return Secured{}, err
	}
	return sub.Handshake(ctx, c)
}

func agreeDisplayVersion(c net.Conn) error {
	b, err := readN(c, 2, "VeNCrypt version")
	if err != nil {
		return err
	}
	if be.Uint16(b) < venCryptVersion {
		_, _ = c.Write([]byte{0, 0}) // "cannot": the display's version is the error that counts
		return fmt.Errorf("rfb: vencrypt: display speaks version %d.%d", b[0], b[1])
	}
	if err := write(c, be.AppendUint16(nil, venCryptVersion), "VeNCrypt version"); err != nil {
		return err
	}
	ack, err := readU8(c, "VeNCrypt version acknowledgement")
	if err != nil {
		return err
	}
	if ack != versionOK {
		return &DisplayError{Stage: StageSecurity, Reason: "VeNCrypt version refused"}
	}
	return nil
}

func readSubtypes(c net.Conn) ([]SecurityType, error) {
	n, err := readU8(c, "VeNCrypt subtypes")
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, &DisplayError{Stage: StageSecurity, Reason: "no VeNCrypt subtypes"}
	}
	b, err := readN(c, 4*int(n), "VeNCrypt subtypes")
	if err != nil {
		return nil, err
	}
	offered := make([]SecurityType, n)
	for i := range offered {
		offered[i] = SecurityType(be.Uint32(b[4*i:]))
	}
	return offered, nil
}
