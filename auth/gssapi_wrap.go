package auth

import (
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/types"
)

// A wrap token (RFC 4121, 4.2.6.2) is a header of 16 bytes and a body:
//
//	05 04  U8 flags  FF  U16 EC  U16 RRC  U64 sequence number
//
// Sealed, the body is the encryption of text ‖ EC bytes of filler ‖ the header
// with RRC 0. Otherwise it is text ‖ checksum, EC being the checksum's length,
// and the checksum is over the text and the header with EC and RRC 0. Either
// body may come rotated to the right by RRC bytes, as Windows sends it.
const (
	wrapHeaderLen = 16

	wrapFromAcceptor   = 1 << 0
	wrapSealed         = 1 << 1
	wrapAcceptorSubkey = 1 << 2
	wrapKnownFlags     = wrapFromAcceptor | wrapSealed | wrapAcceptorSubkey // others are ignored (4.2.2)
)

// gssContext is an established security context. Sending and receiving have
// nothing in common, so that each can be in its own goroutine.
type gssContext struct {
	send, receive gssDirection
	keyBits       int
}

// gssDirection is what one side sends: its tokens are numbered.
type gssDirection struct {
	flags  byte // of all its tokens, but for wrapSealed
	seq    uint64
	cipher *krbCipher
}

// contextKeys are what the two sides have agreed on.
type contextKeys struct {
	key            types.EncryptionKey
	acceptorSubkey bool // the key is the acceptor's
	initiatorSeq   uint64
	acceptorSeq    uint64
}

// newGSSContext makes the context of the acceptor or of the initiator.
func newGSSContext(k contextKeys, acceptor bool) (*gssContext, error) {
	fromInitiator := gssDirection{seq: k.initiatorSeq}
	fromAcceptor := gssDirection{seq: k.acceptorSeq, flags: wrapFromAcceptor}
	if k.acceptorSubkey {
		fromInitiator.flags |= wrapAcceptorSubkey
		fromAcceptor.flags |= wrapAcceptorSubkey
	}
	var err error
	if fromInitiator.cipher, err = newKrbCipher(k.key, keyusage.GSSAPI_INITIATOR_SEAL); err != nil {
		return nil, err
	}
	if fromAcceptor.cipher, err = newKrbCipher(k.key, keyusage.GSSAPI_ACCEPTOR_SEAL); err != nil {
		return nil, err
	}
	c := &gssContext{send: fromInitiator, receive: fromAcceptor, keyBits: 8 * len(k.key.KeyValue)}
	if acceptor {
		c.send, c.receive = c.receive, c.send
	}
	return c, nil
}

// sealOverhead is how much longer than its text a sealed token is.
func (d *gssDirection) sealOverhead() int {
	return wrapHeaderLen + d.cipher.overhead() + wrapHeaderLen
}

// header begins the next token.
func (d *gssDirection) header(flags byte) []byte {
	h := make([]byte, wrapHeaderLen, wrapHeaderLen+64)
	h[0], h[1], h[2], h[3] = 0x05, 0x04, d.flags|flags, 0xff
	binary.BigEndian.PutUint64(h[8:], d.seq)
	d.seq++
	return h
}

// sign makes a token that anybody can read and nobody can change.
func (d *gssDirection) sign(text []byte) []byte {
	h := d.header(0)
	sum := d.cipher.check(text, h)
	binary.BigEndian.PutUint16(h[4:], uint16(len(sum)))
	return append(append(h, text...), sum...)
}

// seal makes a token that nobody else can read or change.
func (d *gssDirection) seal(text []byte) []byte {
	h := d.header(wrapSealed)
	token := make([]byte, 0, len(text)+d.sealOverhead())
	return d.cipher.appendEncrypted(append(token, h...), text, h)
}

// open takes the next token of either kind. It keeps its argument as it is.
func (d *gssDirection) open(token []byte) (text []byte, sealed bool, err error) {
	if len(token) < wrapHeaderLen {
		return nil, false, fmt.Errorf("wrap token of %d bytes", len(token))
	}
	h := bytes.Clone(token[:wrapHeaderLen])
	if err := d.checkHeader(h); err != nil {
		return nil, false, err
	}
	ec, rrc := int(binary.BigEndian.Uint16(h[4:])), int(binary.BigEndian.Uint16(h[6:]))
	body := rotateLeft(token[wrapHeaderLen:], rrc)
	h[6], h[7] = 0, 0
	if sealed = h[2]&wrapSealed != 0; sealed {
		text, err = d.openSealed(h, body, ec)
	} else {
		text, err = d.openSigned(h, body, ec)
	}
	if err != nil {
		return nil, false, err
	}
	d.seq++
	return text, sealed, nil
}

func (d *gssDirection) checkHeader(h []byte) error {
	switch seq := binary.BigEndian.Uint64(h[8:]); {
	case h[0] != 0x05 || h[1] != 0x04 || h[3] != 0xff:
		return errors.New("not a wrap token")
	case (h[2]^d.flags)&wrapFromAcceptor != 0:
		return errors.New("a wrap token of our own came back")
	case (h[2]^d.flags)&wrapAcceptorSubkey != 0:
		return errors.New("a wrap token made with another key than the one agreed on")
	case seq != d.seq:
		return fmt.Errorf("wrap token out of order: number %d, expected %d", seq, d.seq)
	}
	return nil
}

func (d *gssDirection) openSealed(h, body []byte, ec int) ([]byte, error) {
	plain, err := d.cipher.decrypt(body)
	if err != nil {
		return nil, fmt.Errorf("sealed wrap token: %w", err)
	}
	end := len(plain) - wrapHeaderLen
	if end < ec || !bytes.Equal(plain[end:], h) {
		return nil, errors.New("sealed wrap token: its header was changed")
	}
	return plain[:end-ec], nil
}

func (d *gssDirection) openSigned(h, body []byte, ec int) ([]byte, error) {
	if ec != d.cipher.macLen || len(body) < ec {
		return nil, fmt.Errorf("wrap token with a checksum of %d bytes, expected %d", ec, d.cipher.macLen)
	}
	h[4], h[5] = 0, 0
	text, sum := body[:len(body)-ec], body[len(body)-ec:]
	if subtle.ConstantTimeCompare(d.cipher.check(text, h), sum) != 1 {
		return nil, fmt.Errorf("wrap token: %w", errIntegrity)
	}
	return text, nil
}

// rotateLeft copies b, undoing a rotation to the right by n bytes.
func rotateLeft(b []byte, n int) []byte {
	if len(b) == 0 {
		return nil
	}
	n %= len(b)
	return append(append(make([]byte, 0, len(b)), b[n:]...), b[:n]...)
}
