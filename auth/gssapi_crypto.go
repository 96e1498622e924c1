package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	stdhash "hash"

	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/types"
)

// The enctypes that are spoken: AES alone. RC4 and DES have other tokens than
// those of RFC 4121, and no place in a network of today.
var errEnctype = errors.New("not one of the AES enctypes 17 to 20")

// enctypeKeyLen is the length of an enctype's protocol keys in bytes (RFC 3962,
// RFC 8009); 0 for one that is not spoken.
func enctypeKeyLen(enctype int32) int {
	switch enctype {
	case etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA256_128:
		return 16
	case etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA384_192:
		return 32
	}
	return 0
}

// checkKrbKey says whether a key of the wire is one that can be used.
func checkKrbKey(key types.EncryptionKey) error {
	switch n := enctypeKeyLen(key.KeyType); {
	case n == 0:
		return fmt.Errorf("key of enctype %d: %w", key.KeyType, errEnctype)
	case len(key.KeyValue) != n:
		return fmt.Errorf("key of enctype %d has %d bytes, not %d", key.KeyType, len(key.KeyValue), n)
	}
	return nil
}

// newKrbKey makes a key of the enctype of like.
func newKrbKey(like types.EncryptionKey) types.EncryptionKey {
	return types.EncryptionKey{KeyType: like.KeyType, KeyValue: randomBytes(enctypeKeyLen(like.KeyType))}
}

// krbCipher encrypts and decrypts with one key for one usage (RFC 3961, 5.3).
// The library derives the keys anew for each message; a security layer, which
// has a message for each piece of picture, cannot afford that.
type krbCipher struct {
	block      cipher.Block
	mac        stdhash.Hash
	macLen     int
	ofCipher   bool // the MAC is over the cipher text (RFC 8009, 5), not the plain one (RFC 3962, 6)
	checksum   stdhash.Hash
	confounder func() []byte
}

// The last byte of what a key is derived with (RFC 3961, 5.3).
const (
	deriveChecksum   = 0x99
	deriveEncryption = 0xAA
	deriveIntegrity  = 0x55
)

func newKrbCipher(key types.EncryptionKey, usage uint32) (*krbCipher, error) {
	if err := checkKrbKey(key); err != nil {
		return nil, err
	}
	kind, err := krbcrypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	var derived [3][]byte
	for i, last := range []byte{deriveEncryption, deriveIntegrity, deriveChecksum} {
		label := append(binary.BigEndian.AppendUint32(nil, usage), last)
		if derived[i], err = kind.DeriveKey(key.KeyValue, label); err != nil {
			return nil, err
		}
	}
	block, err := aes.NewCipher(derived[0])
	if err != nil {
		return nil, err
	}
	return &krbCipher{
		block:      block,
		mac:        hmac.New(kind.GetHashFunc(), derived[1]),
		macLen:     kind.GetHMACBitLength() / 8,
		ofCipher:   key.KeyType == etypeID.AES128_CTS_HMAC_SHA256_128 || key.KeyType == etypeID.AES256_CTS_HMAC_SHA384_192,
		checksum:   hmac.New(kind.GetHashFunc(), derived[2]),
		confounder: func() []byte { return randomBytes(aes.BlockSize) },
	}, nil
}

// overhead is how much longer than its text a message is.
func (c *krbCipher) overhead() int { return aes.BlockSize + c.macLen }

// appendEncrypted appends to dst the encryption of the parts together, which
// are not empty.
func (c *krbCipher) appendEncrypted(dst []byte, parts ...[]byte) []byte {
	start := len(dst)
	dst = append(dst, c.confounder()...)
	for _, part := range parts {
		dst = append(dst, part...)
	}
	text := dst[start:]
	if c.ofCipher {
		encryptCTS(c.block, text)
		return append(dst, c.sum(text)...)
	}
	sum := c.sum(text)
	encryptCTS(c.block, text)
	return append(dst, sum...)
}

var errIntegrity = errors.New("its integrity check fails")

// decrypt decrypts b where it is and returns the text in it.
func (c *krbCipher) decrypt(b []byte) ([]byte, error) {
	if len(b) <= c.overhead() {
		return nil, fmt.Errorf("encrypted message of %d bytes, no more than its overhead", len(b))
	}
	text, sum := b[:len(b)-c.macLen], b[len(b)-c.macLen:]
	if c.ofCipher && subtle.ConstantTimeCompare(c.sum(text), sum) != 1 {
		return nil, errIntegrity
	}
	decryptCTS(c.block, text)
	if !c.ofCipher && subtle.ConstantTimeCompare(c.sum(text), sum) != 1 {
		return nil, errIntegrity
	}
	return text[aes.BlockSize:], nil
}

// sum is the MAC of text. RFC 8009's takes the cipher state in, which is zero.
func (c *krbCipher) sum(text []byte) []byte {
	c.mac.Reset()
	if c.ofCipher {
		c.mac.Write(make([]byte, aes.BlockSize))
	}
	c.mac.Write(text)
	return c.mac.Sum(nil)[:c.macLen]
}

// check is the checksum of the parts together (RFC 3961, 5.4).
func (c *krbCipher) check(parts ...[]byte) []byte {
	c.checksum.Reset()
	for _, part := range parts {
		c.checksum.Write(part)
	}
	return c.checksum.Sum(nil)[:c.macLen]
}

// encryptCTS encrypts more than one block where it is: CBC from a zero vector,
// the last two blocks swapped and the very last cut to what was left of the
// text (RFC 3962, 5).
func encryptCTS(block cipher.Block, text []byte) {
	last := (len(text) - 1) / aes.BlockSize * aes.BlockSize // where the last, perhaps partial block begins
	var zero, end [aes.BlockSize]byte
	cipher.NewCBCEncrypter(block, zero[:]).CryptBlocks(text[:last], text[:last])
	before := text[last-aes.BlockSize : last]
	copy(end[:], text[last:])
	subtle.XORBytes(end[:], end[:], before)
	block.Encrypt(end[:], end[:])
	copy(text[last:], before)
	copy(before, end[:])
}

// decryptCTS undoes encryptCTS.
func decryptCTS(block cipher.Block, text []byte) {
	last := (len(text) - 1) / aes.BlockSize * aes.BlockSize
	var zero, end [aes.BlockSize]byte
	before := text[last-aes.BlockSize : last]
	block.Decrypt(end[:], before)
	rest := len(text) - last
	copy(before, end[:]) // what was stolen from the block before
	copy(before, text[last:])
	subtle.XORBytes(text[last:], text[last:], end[:rest])
	cipher.NewCBCDecrypter(block, zero[:]).CryptBlocks(text[:last], text[:last])
}
