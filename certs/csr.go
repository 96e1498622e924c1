package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
)

// MaxRequest bounds the bytes of a request for a certificate.
const MaxRequest = 16 << 10

// KeyRequest is what a request for a certificate (PKCS #10, RFC 2986) proves:
// that its sender has the key. Names and extensions that it asks for are not
// looked at.
type KeyRequest struct {
	Public      crypto.PublicKey
	Fingerprint string // as KeyFingerprint
}

// NewKeyRequest makes the request of who holds key, in DER.
func NewKeyRequest(key crypto.Signer) ([]byte, error) {
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, fmt.Errorf("certs: request: %w", err)
	}
	return der, nil
}

// ParseKeyRequest reads a request, in DER, of somebody who is not trusted.
func ParseKeyRequest(der []byte) (KeyRequest, error) {
	if len(der) > MaxRequest {
		return KeyRequest{}, fmt.Errorf("certs: request: larger than %d bytes", MaxRequest)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return KeyRequest{}, fmt.Errorf("certs: request: %w", err)
	}
	if err := checkRequestKey(csr.PublicKey); err != nil {
		return KeyRequest{}, fmt.Errorf("certs: request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return KeyRequest{}, fmt.Errorf("certs: request: its sender does not have the key: %w", err)
	}
	return KeyRequest{csr.PublicKey, keyFingerprint(csr.RawSubjectPublicKeyInfo)}, nil
}

// checkRequestKey takes the keys that TLS 1.3 takes, and none that would cost
// much to check.
func checkRequestKey(public crypto.PublicKey) error {
	switch key := public.(type) {
	case ed25519.PublicKey:
		return nil
	case *ecdsa.PublicKey:
		if bits := key.Curve.Params().BitSize; bits >= 256 && bits <= 521 {
			return nil
		}
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits >= 2048 && bits <= 4096 {
			return nil
		}
	}
	return errors.New("it is for a key of a kind that is not taken: ECDSA, Ed25519, or RSA of 2048 to 4096 bits")
}
