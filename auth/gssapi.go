package auth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jcmturner/gokrb5/v8/types"
)

// GSSAPI is Kerberos V5 as a SASL mechanism (RFC 4752). Protocol flow:
//
//	C→S  AP-REQ                             (context token)
//	S→C  AP-REP, if the client asks for it  (context token)
//	C→S  nothing, if it did
//	S→C  U8 layers, U24 longest token that we take          (signed wrap token)
//	C→S  U8 layer, U24 longest token that it takes, authzid (signed wrap token)
//
// With a layer, everything after that is in sealed wrap tokens. A client
// without an initial response is sent an empty challenge first.
const GSSAPI = "GSSAPI"

// Security layers (RFC 4752, 3.3). Integrity alone is neither offered nor
// taken: either the channel is encrypted already, or it has to be.
const (
	layerNone            = 1
	layerConfidentiality = 4

	maxLayerToken = 1<<24 - 1
	ourLayerToken = 64 << 10 // bytes of the longest wrap token that we take or send
	minLayerToken = 256      // bytes: who takes less than this wants no connection
	maxAuthzid    = 1024     // bytes
)

// A SecurityLayer protects what follows a SASL exchange. It has the fields of
// layers.SASLCodec, into which it can be converted.
type SecurityLayer struct {
	// Wrap makes a token of plain text, Unwrap plain text of the peer's next
	// token. They may run at the same time, each in one goroutine. Neither
	// keeps or changes its argument, and what they return is the caller's.
	Wrap, Unwrap func([]byte) ([]byte, error)
	// MaxSend is the most bytes of plain text that one Wrap may get.
	MaxSend int
	// MaxReceive is the most bytes of a token that the peer may send.
	MaxReceive int
	// SSF is the layer's strength in bits.
	SSF int
}

// securityLayer is the layer of c towards a peer that takes tokens of at most
// peerMax bytes.
func (c *gssContext) securityLayer(peerMax int) *SecurityLayer {
	room := min(peerMax, ourLayerToken) - c.send.sealOverhead()
	return &SecurityLayer{
		Wrap: func(text []byte) ([]byte, error) {
			if len(text) > room {
				return nil, fmt.Errorf("auth: %s: %d bytes to wrap, more than %d", GSSAPI, len(text), room)
			}
			return c.send.seal(text), nil
		},
		Unwrap:     c.unseal,
		MaxSend:    room,
		MaxReceive: ourLayerToken,
		SSF:        c.keyBits,
	}
}

func (c *gssContext) unseal(token []byte) ([]byte, error) {
	text, sealed, err := c.receive.open(token)
	if err == nil && !sealed {
		err = errors.New("a wrap token that is not sealed")
	}
	if err != nil {
		return nil, fmt.Errorf("auth: %s: %w", GSSAPI, err)
	}
	return text, nil
}

// layerMessage is what the two sides negotiate a layer with.
type layerMessage struct {
	layers   byte // offered by the server as bits, or the one that the client chose
	maxToken int
	authzid  string // the client's alone
}

func (m layerMessage) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(m.layers)<<24|uint32(m.maxToken))
	return append(b, m.authzid...)
}

func parseLayerMessage(b []byte) (m layerMessage, err error) {
	if len(b) < 4 || len(b) > 4+maxAuthzid || !utf8.Valid(b[4:]) {
		return m, fmt.Errorf("malformed negotiation of the security layer, %d bytes", len(b))
	}
	word := binary.BigEndian.Uint32(b)
	return layerMessage{layers: byte(word >> 24), maxToken: int(word & maxLayerToken), authzid: string(b[4:])}, nil
}

// maxPrincipal bounds what a principal may look like as a name, in bytes.
const maxPrincipal = 255

// principalName writes a principal as Kerberos does, without its realm if that
// is local: "alice", "root/admin", "alice@OTHER.EXAMPLE". One that would need
// quoting there has no name here, so that no two have the same.
func principalName(p types.PrincipalName, realm, local string) (string, error) {
	name := strings.Join(p.NameString, "/")
	parts := append([]string{realm}, p.NameString...)
	for _, part := range parts {
		if !plainPrincipalPart(part) {
			return "", errors.New("the principal has an empty part, or signs in it that no name may have")
		}
	}
	if realm != local {
		name += "@" + realm
	}
	if len(p.NameString) == 0 || len(name) > maxPrincipal {
		return "", fmt.Errorf("the principal has no name, or one of more than %d bytes", maxPrincipal)
	}
	return name, nil
}

// plainPrincipalPart allows letters, digits and a few signs; $ ends the names
// of Windows' machines.
func plainPrincipalPart(s string) bool {
	allowed := func(r rune) bool {
		return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune("._-+$", r)
	}
	return s != "" && utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return !allowed(r) }) < 0
}
