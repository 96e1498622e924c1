package recording

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
)

// A seal closes a part of a recording, and with last all of it:
//
//	U8      1: the last
//	U64     length of the display's file up to here as FBS, with a block's end
//	U64     the same with what zstd has made of it, where a frame of zstd ends
//	U8[32]  SHA-256 of that since the seal before
//	U8[32]  SHA-256 of the index up to here
//	U8[64]  ed25519 signature of "vncgate recording seal\n" and all that; zeros
type seal struct {
	last      bool
	fbs, disk int64
	hash      [sha256.Size]byte
	chain     [sha256.Size]byte
	signature [ed25519.SignatureSize]byte
}

const (
	sealChainAt = 1 + 8 + 8 + sha256.Size
	sealSigned  = sealChainAt + sha256.Size
	sealLen     = sealSigned + ed25519.SignatureSize
	// sealWords are in front of what is signed, so that the key can be used for
	// other things too.
	sealWords = "vncgate recording seal\n"
)

func (s *seal) append(b []byte) []byte {
	b = append(b, boolByte(s.last))
	b = be.AppendUint64(be.AppendUint64(b, uint64(s.fbs)), uint64(s.disk))
	b = append(append(b, s.hash[:]...), s.chain[:]...)
	return append(b, s.signature[:]...)
}

// sign seals with key, if there is one.
func (s *seal) sign(key ed25519.PrivateKey) {
	if key != nil {
		copy(s.signature[:], ed25519.Sign(key, s.signed()))
	}
}

// signed is what the signature is of.
func (s *seal) signed() []byte {
	b := s.append([]byte(sealWords))
	return b[:len(sealWords)+sealSigned]
}

func parseSeal(b []byte) (seal, error) {
	var s seal
	if len(b) != sealLen || b[0] > 1 {
		return s, fmt.Errorf("recording: a seal of %d bytes", len(b))
	}
	s.last = b[0] == 1
	s.fbs, s.disk = int64(be.Uint64(b[1:])), int64(be.Uint64(b[9:]))
	copy(s.hash[:], b[17:])
	copy(s.chain[:], b[sealChainAt:])
	copy(s.signature[:], b[sealSigned:])
	if s.fbs < 0 || s.disk < 0 {
		return s, fmt.Errorf("recording: a seal at no place")
	}
	return s, nil
}

// sum is what h has come to, without an end to it.
func sum(h hash.Hash) (out [sha256.Size]byte) {
	h.Sum(out[:0])
	return out
}

// PublicKey is how a public key is written: in base64.
func PublicKey(k ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(k) }

// ParsePublicKey reads what PublicKey has written.
func ParsePublicKey(s string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("recording: %q is not a public key: base64 of %d bytes is wanted", s, ed25519.PublicKeySize)
	}
	return b, nil
}

func boolByte(b bool) byte {
	if b {
		return 1
	}
	return 0
}
