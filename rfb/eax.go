package rfb

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
)

// eaxTagLen is how much longer a sealed text is than its plain text.
const eaxTagLen = aes.BlockSize

var errEAX = errors.New("rfb: eax: message does not authenticate")

// eax is AES in EAX mode (Bellare, Rogaway and Wagner, "The EAX Mode of
// Operation"), which RSA-AES is built on and which neither the standard
// library nor x/crypto has: counter mode for secrecy, CMAC for integrity. It is
// a cipher.AEAD, good for any number of goroutines.
type eax struct{ mac *cmac }

// newEAX takes a key of 16 or 32 bytes.
func newEAX(key []byte) (eax, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return eax{}, err
	}
	return eax{newCMAC(block)}, nil
}

// NonceSize is that of RSA-AES; the mode itself takes any.
func (eax) NonceSize() int { return aes.BlockSize }

// Overhead returns how much longer a sealed text is than its plain text.
func (eax) Overhead() int { return eaxTagLen }

// The three uses of the MAC are told apart by a block in front.
const (
	eaxNonce  = 0
	eaxHeader = 1
	eaxText   = 2
)

// Seal appends the ciphertext of plaintext and its tag to dst.
func (e eax) Seal(dst, nonce, plaintext, header []byte) []byte {
	n := e.mac.tweaked(eaxNonce, nonce)
	at := len(dst)
	dst = append(dst, plaintext...)
	text := dst[at:]
	cipher.NewCTR(e.mac.block, n).XORKeyStream(text, text)
	return append(dst, e.tag(n, text, header)...)
}

// Open appends the plain text of sealed to dst, which may begin where sealed
// does, so that it is decrypted in place.
func (e eax) Open(dst, nonce, sealed, header []byte) ([]byte, error) {
	if len(sealed) < eaxTagLen {
		return nil, errEAX
	}
	n := e.mac.tweaked(eaxNonce, nonce)
	text, tag := sealed[:len(sealed)-eaxTagLen], sealed[len(sealed)-eaxTagLen:]
	if subtle.ConstantTimeCompare(tag, e.tag(n, text, header)) != 1 {
		return nil, errEAX
	}
	at := len(dst)
	dst = append(dst, text...)
	cipher.NewCTR(e.mac.block, n).XORKeyStream(dst[at:], dst[at:])
	return dst, nil
}

// tag authenticates ciphertext and header under the MAC n of the nonce.
func (e eax) tag(n, ciphertext, header []byte) []byte {
	tag := e.mac.tweaked(eaxText, ciphertext)
	subtle.XORBytes(tag, tag, n)
	subtle.XORBytes(tag, tag, e.mac.tweaked(eaxHeader, header))
	return tag
}

// cmac is AES-CMAC (RFC 4493; NIST SP 800-38B), which EAX's authors call OMAC.
type cmac struct {
	block  cipher.Block
	k1, k2 []byte // for a last block that is whole, and for one that is padded
}

func newCMAC(block cipher.Block) *cmac {
	k0 := make([]byte, aes.BlockSize)
	block.Encrypt(k0, k0)
	k1 := double(k0)
	return &cmac{block: block, k1: k1, k2: double(k1)}
}

// double multiplies by x in GF(2^128) (RFC 4493, 2.3).
func double(b []byte) []byte {
	d := make([]byte, len(b))
	carry := byte(0)
	for i := len(b) - 1; i >= 0; i-- {
		d[i] = b[i]<<1 | carry
		carry = b[i] >> 7
	}
	d[len(d)-1] ^= 0x87 * carry
	return d
}

// sum returns the MAC of msg.
func (m *cmac) sum(msg []byte) []byte {
	return m.finish(make([]byte, aes.BlockSize), msg)
}

// tweaked returns the MAC of msg behind a block that holds the number t.
func (m *cmac) tweaked(t byte, msg []byte) []byte {
	x := make([]byte, aes.BlockSize)
	x[len(x)-1] = t
	if len(msg) == 0 { // then that block is the last one, and it is whole
		subtle.XORBytes(x, x, m.k1)
		m.block.Encrypt(x, x)
		return x
	}
	m.block.Encrypt(x, x)
	return m.finish(x, msg)
}

// finish runs msg through the chain that stands at x, which it overwrites and
// returns.
func (m *cmac) finish(x, msg []byte) []byte {
	for len(msg) > aes.BlockSize {
		subtle.XORBytes(x, x, msg[:aes.BlockSize])
		m.block.Encrypt(x, x)
		msg = msg[aes.BlockSize:]
	}
	last := m.k1
	if subtle.XORBytes(x, x, msg) < aes.BlockSize {
		x[len(msg)] ^= 0x80
		last = m.k2
	}
	subtle.XORBytes(x, x, last)
	m.block.Encrypt(x, x)
	return x
}
