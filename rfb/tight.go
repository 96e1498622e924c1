package rfb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
)

// Tight, type 16 (rfbproto, "Tight Security Type"; libvncserver
// tightvnc-filetransfer/rfbtightserver.c; noVNC core/rfb.js):
//
//	S→C  U32 n, n capabilities (tunnels)           C→S  U32 choice, if n > 0
//	S→C  U32 n, n capabilities (authentications)   C→S  U32 choice, if n > 0
//	...  the authentication's handshake
//	S→C  SecurityResult, but not for None before 3.8
//	...  ServerInit, with what the display can do behind it
//
// A capability is U32 code, U8[4] vendor, U8[8] signature.
const (
	capabilityLen   = 16
	maxCapabilities = 1024 // in any list; real ones have a dozen
	tunnelNone      = 0
	tunnelSiemens   = 1
)

// Vendor and signature of capabilities.
const (
	noTunnel = "TGHTNOTUNNEL"
	// siemensTunnel is listed by Siemens' panels, which can do without it but
	// do not say so (noVNC core/rfb.js).
	siemensTunnel = "SICRSCHANNEL"
)

// capability is an entry of Tight's lists.
type capability struct {
	code uint32
	name string // vendor and signature, 12 bytes
}

// tightAuths are the authentications of Tight by the type that does the same
// outside it. Unix login is Plain under another number.
var tightAuths = map[SecurityType]capability{
	TypeNone:     {1, "STDVNOAUTH__"},
	TypeVncAuth:  {2, "STDVVNCAUTH_"},
	TypeVeNCrypt: {19, "VENCVENCRYPT"},
	TypeSASL:     {20, "GTKVSASL____"},
	TypePlain:    {129, "TGHTULGNAUTH"},
}

// ServerTight is the display's side of Tight, as an envelope alone: there are
// no tunnels and no file transfer.
type ServerTight struct {
	// Auths lists what is offered, in this order: None, ServerVncAuth,
	// ServerPlain (which Tight calls Unix login), ServerVeNCrypt or
	// ServerSASL. Plain sends passwords in clear and belongs inside wss.
	Auths []Security
}

// Type returns TypeTight.
func (ServerTight) Type() SecurityType { return TypeTight }

// Handshake agrees on an authentication and runs it.
func (s ServerTight) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	if len(s.Auths) == 0 { // an empty list would mean None
		return Secured{}, errors.New("rfb: tight: nothing to offer")
	}
	legal := func(t SecurityType) bool { return tightAuths[t].code != 0 }
	if err := checkOffer(s.Auths, maxCapabilities, legal); err != nil {
		return Secured{}, err
	}
	lists := be.AppendUint32(nil, 0) // tunnels
	lists = be.AppendUint32(lists, uint32(len(s.Auths)))
	for _, a := range s.Auths {
		lists = appendCapability(lists, tightAuths[a.Type()])
	}
	if err := write(c, lists, "Tight capabilities"); err != nil {
		return Secured{}, err
	}
	code, err := readU32(c, "Tight authentication")
	if err != nil {
		return Secured{}, err
	}
	i := slices.IndexFunc(s.Auths, func(a Security) bool { return tightAuths[a.Type()].code == code })
	if i < 0 {
		return Secured{}, fmt.Errorf("rfb: tight: viewer chose authentication %d, which was not offered", code)
	}
	return insideTight(ctx, c, s.Auths[i])
}

func insideTight(ctx context.Context, c net.Conn, inner Security) (Secured, error) {
	secured, err := inner.Handshake(ctx, c)
	secured.Tight = true
	secured.bare = inner.Type() == TypeNone
	return secured, err
}

// ClientTight is the viewer's side of Tight. It uses no tunnel, so that a
// display which insists on one is refused.
type ClientTight struct {
	// Auths lists what we can do, best first: None, ClientVncAuth,
	// ClientPlain (which Tight calls Unix login), ClientVeNCrypt or
	// ClientSASL. The first that the display offers is used.
	Auths []Security
	// Offered, if set, is told what the display offers, in its order, as far
	// as it is among these.
	Offered func([]SecurityType)
}

// Type returns TypeTight.
func (ClientTight) Type() SecurityType { return TypeTight }

// Handshake declines tunnels, agrees on an authentication and runs it. A
// display that offers none of ours gives a *NoCommonSecurityError.
func (s ClientTight) Handshake(ctx context.Context, c net.Conn) (Secured, error) {
	if err := declineTunnels(c); err != nil {
		return Secured{}, err
	}
	listed, err := readCapabilities(c, "Tight authentications")
	if err != nil {
		return Secured{}, err
	}
	if len(listed) == 0 { // which means None, and needs no choice
		inner, err := best(s.Auths, []SecurityType{TypeNone}, s.Offered)
		if err != nil {
			return Secured{}, err
		}
		return insideTight(ctx, c, inner)
	}
	codes := make(map[SecurityType]uint32)
	var offered []SecurityType
	for _, l := range listed {
		if t := l.tightAuth(); t != TypeInvalid && codes[t] == 0 {
			codes[t] = l.code
			offered = append(offered, t)
		}
	}
	inner, err := best(s.Auths, offered, s.Offered)
	if err != nil {
		return Secured{}, err
	}
	if err := write(c, be.AppendUint32(nil, codes[inner.Type()]), "Tight authentication"); err != nil {
		return Secured{}, err
	}
	return insideTight(ctx, c, inner)
}

// tightAuth returns the type that does what c stands for, or TypeInvalid.
func (c capability) tightAuth() SecurityType {
	for t, known := range tightAuths {
		if c == known {
			return t
		}
	}
	return TypeInvalid
}

// declineTunnels reads what tunnels there are and chooses none of them.
func declineTunnels(c net.Conn) error {
	tunnels, err := readCapabilities(c, "Tight tunnels")
	if err != nil || len(tunnels) == 0 {
		return err
	}
	if !slices.Contains(tunnels, capability{tunnelNone, noTunnel}) &&
		!slices.Contains(tunnels, capability{tunnelSiemens, siemensTunnel}) {
		return &DisplayError{Stage: StageSecurity, Reason: "Tight without a tunnel refused"}
	}
	return write(c, be.AppendUint32(nil, tunnelNone), "Tight tunnel")
}

func appendCapability(b []byte, c capability) []byte {
	return append(be.AppendUint32(b, c.code), c.name...)
}

// readCapabilities reads a counted list of capabilities.
func readCapabilities(c net.Conn, what string) ([]capability, error) {
	n, err := readU32(c, what)
	if err != nil {
		return nil, err
	}
	if n > maxCapabilities {
		return nil, fmt.Errorf("rfb: %d %s, more than %d", n, what, maxCapabilities)
	}
	b, err := readN(c, int(n)*capabilityLen, what)
	if err != nil {
		return nil, err
	}
	list := make([]capability, n)
	for i := range list {
		entry := b[i*capabilityLen:][:capabilityLen]
		list[i] = capability{be.Uint32(entry), string(entry[4:])}
	}
	return list, nil
}

// interactionLen is the length of the counts behind a ServerInit under Tight:
// U16 server messages, U16 client messages, U16 encodings, 2 pad. As many
// capabilities follow.
const interactionLen = 8

// skipInteraction reads what a display under Tight says behind its ServerInit
// and forgets it: file transfer is not for our viewers.
func skipInteraction(c net.Conn) error {
	counts, err := readN(c, interactionLen, "Tight interaction capabilities")
	if err != nil {
		return err
	}
	for i := range 3 {
		n := int(be.Uint16(counts[2*i:]))
		if n > maxCapabilities {
			return fmt.Errorf("rfb: %d Tight interaction capabilities, more than %d", n, maxCapabilities)
		}
		if _, err := readN(c, n*capabilityLen, "Tight interaction capabilities"); err != nil {
			return err
		}
	}
	return nil
}
