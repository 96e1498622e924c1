package rfb

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"strings"
)

// Limits on RSA keys in RSA-AES, which TigerVNC and noVNC share.
const (
	MinRSABits = 1024
	MaxRSABits = 8192
)

// appendRSAKey appends a public key as RSA-AES sends it: U32 bits, then modulus
// and exponent, each in as many bytes as the bits need. The bits are those of
// whole bytes, as in TigerVNC.
func appendRSAKey(b []byte, key *rsa.PublicKey) []byte {
	b = be.AppendUint32(b, uint32(8*key.Size()))
	number := make([]byte, key.Size())
	b = append(b, key.N.FillBytes(number)...)
	return append(b, big.NewInt(int64(key.E)).FillBytes(number)...)
}

// readRSAKey reads a public key, and returns it also as it came.
func readRSAKey(c net.Conn) (key *rsa.PublicKey, raw []byte, err error) {
	head, err := readN(c, 4, "RSA key length")
	if err != nil {
		return nil, nil, err
	}
	bits := be.Uint32(head)
	if bits < MinRSABits || bits > MaxRSABits {
		return nil, nil, fmt.Errorf("rfb: rsa-aes: key of %d bits, not %d to %d", bits, MinRSABits, MaxRSABits)
	}
	size := int(bits+7) / 8
	numbers, err := readN(c, 2*size, "RSA key")
	if err != nil {
		return nil, nil, err
	}
	n, e := new(big.Int).SetBytes(numbers[:size]), new(big.Int).SetBytes(numbers[size:])
	// What the length does not fit, or has a factor of 2, is no modulus; and
	// crypto/rsa has exponents of 31 bits.
	switch {
	case n.BitLen() <= 8*(size-1) || n.BitLen() < MinRSABits || n.Bit(0) == 0:
		return nil, nil, errors.New("rfb: rsa-aes: key has an impossible modulus")
	case e.BitLen() > 31 || e.Int64() < 3 || e.Bit(0) == 0:
		return nil, nil, errors.New("rfb: rsa-aes: key has an impossible exponent")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, append(head, numbers...), nil
}

// checkRSAKey finds a key of our own that peers would refuse.
func checkRSAKey(key *rsa.PrivateKey) error {
	if bits := key.N.BitLen(); bits < MinRSABits || bits > MaxRSABits {
		return fmt.Errorf("rfb: rsa-aes: our key has %d bits, not %d to %d", bits, MinRSABits, MaxRSABits)
	}
	if key.E > math.MaxInt32 {
		return errors.New("rfb: rsa-aes: our key has too large an exponent")
	}
	return nil
}

// RSAFingerprint is the SHA-256 of a public key as RSA-AES sends it, to pin a
// display by.
func RSAFingerprint(key *rsa.PublicKey) [sha256.Size]byte {
	return sha256.Sum256(appendRSAKey(nil, key))
}

// RSASignature is how TigerVNC, RealVNC and noVNC show a display's key to
// people: the first 8 bytes of its SHA-1, "01-23-45-67-89-ab-cd-ef". It is too
// short to pin a key by.
func RSASignature(key *rsa.PublicKey) string {
	sum := sha1.Sum(appendRSAKey(nil, key))
	return strings.ReplaceAll(fmt.Sprintf("% x", sum[:8]), " ", "-")
}
