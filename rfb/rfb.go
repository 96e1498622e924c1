// Package rfb speaks the Remote Framebuffer protocol (RFC 6143 and the
// community's rfbproto text) over one connection, in both roles: Server plays
// the display to a viewer, Client plays the viewer to a display. It covers the
// handshake, the security types and the framing of messages; it knows neither
// sockets nor pixels.
//
//	Protocol flow (3.8):
//	  S→C  ProtocolVersion   C→S  ProtocolVersion
//	  S→C  security types    C→S  choice
//	  ...  the chosen type's handshake, which may put TLS on the connection
//	  S→C  SecurityResult (with a reason when it failed)
//	  C→S  ClientInit        S→C  ServerInit
//	  ...  messages, relayed by others
//
// Handshake code reads exact lengths, unbuffered, so that an upgrade to TLS
// never inherits plain-text read-ahead.
package rfb

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Limits on what a peer may announce during the handshake.
const (
	MaxReasonLen = 4096 // bytes of a failure reason that are read; more is an error
	maxOurReason = 256  // bytes of a failure reason that we send (nova reads no more)
	MaxNameLen   = 4096 // bytes of a desktop name in ServerInit
)

// SecurityType is a security type of the RFB registry (1 byte on the wire) or,
// from 256 on, a VeNCrypt subtype (4 bytes), which share one number space.
type SecurityType uint32

// Security types (RFC 6143, 7.2; rfbproto "Security Types"; QEMU ui/vnc.h).
const (
	TypeInvalid   SecurityType = 0
	TypeNone      SecurityType = 1
	TypeVncAuth   SecurityType = 2
	TypeRA2       SecurityType = 5 // RSA-AES with AES-128
	TypeRA2ne     SecurityType = 6 // RSA-AES whose session goes on in clear
	TypeTight     SecurityType = 16
	TypeTLS       SecurityType = 18 // anonymous Diffie-Hellman: crypto/tls has none
	TypeVeNCrypt  SecurityType = 19
	TypeSASL      SecurityType = 20
	TypeARD       SecurityType = 30  // Apple Remote Desktop's Diffie-Hellman
	TypeMSLogonII SecurityType = 113 // UltraVNC's
	TypeRA256     SecurityType = 129 // RSA-AES with AES-256
	TypeRAne256   SecurityType = 130 // RSA-AES with AES-256 whose session goes on in clear

	TypePlain     SecurityType = 256
	TypeTLSNone   SecurityType = 257
	TypeTLSVnc    SecurityType = 258
	TypeTLSPlain  SecurityType = 259
	TypeX509None  SecurityType = 260
	TypeX509Vnc   SecurityType = 261
	TypeX509Plain SecurityType = 262
	TypeX509SASL  SecurityType = 263 // as QEMU, gtk-vnc and libvncclient number it; rfbproto has 263 and 264 swapped
	TypeTLSSASL   SecurityType = 264
	TypeIdent     SecurityType = 265 // a user name and nothing else
	TypeTLSIdent  SecurityType = 266
	TypeX509Ident SecurityType = 267
)

var securityNames = map[SecurityType]string{
	TypeInvalid: "invalid", TypeNone: "none", TypeVncAuth: "vnc", TypeTight: "tight", TypeTLS: "tls",
	TypeVeNCrypt: "vencrypt", TypeSASL: "sasl", TypePlain: "plain",
	TypeTLSNone: "tls-none", TypeTLSVnc: "tls-vnc", TypeTLSPlain: "tls-plain", TypeTLSSASL: "tls-sasl",
	TypeX509None: "x509-none", TypeX509Vnc: "x509-vnc", TypeX509Plain: "x509-plain", TypeX509SASL: "x509-sasl",
	TypeRA2: "ra2", TypeRA2ne: "ra2ne", TypeRA256: "ra2-256", TypeRAne256: "ra2ne-256",
	TypeARD: "ard", TypeMSLogonII: "mslogon2", TypeIdent: "ident", TypeTLSIdent: "tls-ident", TypeX509Ident: "x509-ident",
}

// String names t as configuration and logs do: "vnc", "x509-plain".
func (t SecurityType) String() string {
	if s, ok := securityNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type-%d", uint32(t))
}

// Security is one side of one security type. Server and Client are given a
// list of them; a value serves one connection at a time.
type Security interface {
	Type() SecurityType
	// Handshake runs everything between the choice of the type and the
	// SecurityResult. An error that is a *Refusal (on the server) is told to
	// the peer in a SecurityResult sent on Secured.Conn; after any other the
	// connection is only good for closing.
	Handshake(ctx context.Context, c net.Conn) (Secured, error)
}

// Secured is what a security handshake has led to.
type Secured struct {
	// Conn carries the SecurityResult: the connection the handshake was
	// given, or TLS or RSA-AES's records above it.
	Conn net.Conn
	// After is run behind the SecurityResult and returns the connection for
	// the rest of the session; nil leaves it as it is. SASL's security layer
	// starts there (QEMU ui/vnc-auth-sasl.c).
	After func(context.Context, net.Conn) (net.Conn, error)
	// Method names what was run, subtypes and mechanism included: "vnc",
	// "x509-plain", "x509-sasl/SCRAM-SHA-256". The envelopes VeNCrypt and
	// Tight are not named.
	Method string
	// User is the name that was proved, on the server side; "" where the
	// type proves possession of a shared password or nothing at all.
	User string
	// Proof is what else a type of the caller's own has to say of who was
	// proved, for whoever knows it; the types of this package leave it nil.
	Proof any
	// Tight says that this happened inside the Tight security type: ServerInit
	// has then more behind it, which Conn's methods write and read.
	Tight bool

	// bare says that nothing was exchanged, so that a SecurityResult follows
	// in 3.8 alone.
	bare bool
}

// Upgrade puts a protocol over c and returns the connection above it. It is an
// alias, so that a layer of package layers, which this package does not
// import, is one as it stands.
type Upgrade = func(ctx context.Context, c net.Conn) (net.Conn, error)

// Refusal is an error whose Reason is meant for the peer's eyes. Every other
// error reaches a peer as "refused" or as a closed connection.
//
// Only 3.8 has room for the Reason of a Refusal that comes behind a security
// type. In 3.3 and 3.7 the viewer learns of a failure and no more; if its type
// was None it has no SecurityResult to wait for, takes itself for let in and
// finds the connection closed.
type Refusal struct {
	Reason string // ASCII, at most 256 bytes are sent
	Err    error  // the cause, for the log
}

func (r *Refusal) Error() string {
	if r.Err == nil {
		return "refused: " + r.Reason
	}
	return "refused: " + r.Reason + ": " + r.Err.Error()
}

func (r *Refusal) Unwrap() error { return r.Err }

// ServerConfig tells Server what to offer a viewer.
type ServerConfig struct {
	// Security lists what is offered, in this order: viewers take the first
	// that they know. An empty list refuses the viewer with NoSecurity.
	Security []Security
	// NoSecurity is the reason sent when Security is empty; "" sends a
	// general one.
	NoSecurity string
	// Approve decides, between a proof that succeeded and the SecurityResult,
	// whether the viewer gets in; nil lets it. It may take its time: the
	// display is dialled here, so that a *Refusal it returns can be shown.
	Approve func(context.Context, Secured) error
	// Failed, if set, is told of a proof that was wrong, before the viewer is:
	// of what kind it was (Secured.Method, "" where that is not clear), and what
	// the log should say of it.
	Failed func(method string, err error)
}

// ClientConfig tells Client what to use towards a display.
type ClientConfig struct {
	// Security lists what we can do, best first: the first that the display
	// offers is used.
	Security []Security
	// Offered, if set, is told what the display offers, in its order, before
	// one of it is chosen.
	Offered func([]SecurityType)
	// GreetTimeout bounds the wait for the display's ProtocolVersion, which is
	// due at once: then the error is ErrNoGreeting. 0 leaves it to ctx.
	GreetTimeout time.Duration
}

// Conn is a connection whose handshake has reached the SecurityResult. It is
// the net.Conn that carries everything behind it and owns what lies below.
type Conn struct {
	net.Conn
	Version Version // as agreed: 3.3, 3.7 or 3.8
	Secured Secured // how the peer was secured; Secured.Conn lies below Conn
}

// NetConn returns the connection below.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Bypass returns the connection below: a Conn changes none of its bytes.
func (c *Conn) Bypass() net.Conn { return c.Conn }

// LayerName leaves rfb out of descriptions of the stack: it is what the stack
// is for.
func (c *Conn) LayerName() string { return "" }
