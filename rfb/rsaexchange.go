package rfb

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
)

// rsaExchange is the part of the handshake that is the same for both sides.
type rsaExchange struct {
	rsaAES
	as           SecurityType
	key          *rsa.PrivateKey
	peer         *rsa.PublicKey
	ours, theirs []byte // public keys, as sent
}

func newRSAExchange(as SecurityType, key func() (*rsa.PrivateKey, error)) (*rsaExchange, error) {
	kind, err := rsaAESOf(as)
	if err != nil {
		return nil, err
	}
	k, err := key()
	if err != nil {
		return nil, fmt.Errorf("rfb: %s: our key: %w", as, err)
	}
	if err := checkRSAKey(k); err != nil {
		return nil, err
	}
	return &rsaExchange{rsaAES: kind, as: as, key: k, ours: appendRSAKey(nil, &k.PublicKey)}, nil
}

// secure exchanges the halves of the session keys, puts records on c and has
// each side prove that it saw the same public keys as the other.
func (x *rsaExchange) secure(c net.Conn) (*recordConn, error) {
	half := make([]byte, x.half)
	if _, err := rand.Read(half); err != nil {
		return nil, fmt.Errorf("rfb: %s: session key: %w", x.as, err)
	}
	if err := x.sendHalf(c, half); err != nil {
		return nil, err
	}
	theirHalf, err := x.readHalf(c)
	if err != nil {
		return nil, err
	}
	records, err := newRecordConn(c, x.sum(half, theirHalf)[:x.half], x.sum(theirHalf, half)[:x.half])
	if err != nil {
		return nil, err
	}
	return records, x.proveKeys(records)
}

// sendHalf sends our half in one write: noVNC takes the ciphertext without
// waiting for it once it has seen the length.
func (x *rsaExchange) sendHalf(c net.Conn, half []byte) error {
	//lint:ignore SA1019 the protocol has no other padding
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, x.peer, half)
	if err != nil {
		return fmt.Errorf("rfb: %s: peer's key: %w", x.as, err)
	}
	return write(c, append(be.AppendUint16(nil, uint16(len(sealed))), sealed...), "RSA-AES session key")
}

// readHalf reads the peer's half. One that does not decrypt becomes a random
// one, as in TLS (RFC 5246, 7.4.7.1): the records that follow then do not
// authenticate, and nobody learns about the padding.
func (x *rsaExchange) readHalf(c net.Conn) ([]byte, error) {
	head, err := readN(c, 2, "RSA-AES session key length")
	if err != nil {
		return nil, err
	}
	if n := int(be.Uint16(head)); n != x.key.Size() {
		return nil, fmt.Errorf("rfb: %s: session key in %d bytes, not the %d of our key", x.as, n, x.key.Size())
	}
	sealed, err := readN(c, x.key.Size(), "RSA-AES session key")
	if err != nil {
		return nil, err
	}
	half := make([]byte, x.half)
	if _, err := rand.Read(half); err != nil {
		return nil, fmt.Errorf("rfb: %s: session key: %w", x.as, err)
	}
	//lint:ignore SA1019 the protocol has no other padding
	if err := rsa.DecryptPKCS1v15SessionKey(nil, x.key, sealed, half); err != nil {
		return nil, fmt.Errorf("rfb: %s: session key: %w", x.as, err) // no number below our modulus: anyone can see that
	}
	return half, nil
}

// proveKeys exchanges the hashes of the public keys.
func (x *rsaExchange) proveKeys(records *recordConn) error {
	if err := write(records, x.sum(x.ours, x.theirs), "RSA-AES hash"); err != nil {
		return err
	}
	want := x.sum(x.theirs, x.ours)
	got, err := readN(records, len(want), "RSA-AES hash")
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(got, want) != 1 {
		return fmt.Errorf("rfb: %s: peer saw other keys than ours", x.as)
	}
	return nil
}

// leave says where the SecurityResult comes: in records or beside them.
func (x *rsaExchange) leave(c net.Conn, records *recordConn) (Secured, error) {
	done := Secured{Conn: records, Method: x.as.String()}
	if x.whole {
		return done, nil
	}
	if !records.drained() {
		return Secured{}, errors.New("rfb: rsa-aes: record has more than the credentials")
	}
	done.Conn = c
	return done, nil
}
