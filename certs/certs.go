// Package certs finds certificates for TLS: key pairs from files, read again
// when the files change; a development authority with certificates of its own
// making; pools of the authorities to trust. Its errors are written for the
// person who has to put the files right.
package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// maxFile bounds the bytes of a certificate or key file.
const maxFile = 1 << 20

// Fingerprint is the SHA-256 of a certificate as openssl and browsers write
// it: pairs of hex digits between colons.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return Hex(sum[:])
}

// Hex writes a hash as pairs of hex digits between colons.
func Hex(hash []byte) string { return strings.ReplaceAll(fmt.Sprintf("% X", hash), " ", ":") }

// PublicKeyPin is the SHA-256 of a certificate's SubjectPublicKeyInfo in
// base64, which stays when a certificate is renewed for the same key: what
// curl --pinnedpubkey sha256//… and Chromium's
// --ignore-certificate-errors-spki-list take (RFC 7469, 2.4).
func PublicKeyPin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// ReadCertificates returns the certificates of a PEM file, in its order, or
// the one of a DER file. Other PEM blocks are passed over.
func ReadCertificates(file string) ([]*x509.Certificate, error) {
	data, err := readFile("certificate", file)
	if err != nil {
		return nil, err
	}
	if cert, err := x509.ParseCertificate(data); err == nil {
		return []*x509.Certificate{cert}, nil
	}
	certs, other, err := parseCertificates(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("certs: certificate %s: %w", file, err)
	case len(certs) == 0 && strings.HasSuffix(other, "PRIVATE KEY"):
		return nil, fmt.Errorf("certs: certificate %s: the file holds a private key and no certificate: are the two files swapped?", file)
	case len(certs) == 0 && other != "":
		return nil, fmt.Errorf("certs: certificate %s: the file holds a %s and no certificate", file, other)
	case len(certs) == 0:
		return nil, fmt.Errorf("certs: certificate %s: neither PEM (-----BEGIN CERTIFICATE-----) nor DER", file)
	}
	return certs, nil
}

// parseCertificates also returns the type of the last PEM block that is no
// certificate.
func parseCertificates(data []byte) (certs []*x509.Certificate, other string, err error) {
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			return certs, other, nil
		}
		if block.Type != "CERTIFICATE" {
			other = block.Type
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, "", fmt.Errorf("certificate no. %d: %w", len(certs)+1, err)
		}
		certs = append(certs, cert)
	}
}

// EncodePEM writes certificates as a PEM file holds them.
func EncodePEM(certs ...*x509.Certificate) []byte {
	var out []byte
	for _, c := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return out
}

// readFile reads a bounded file; what says which one, for errors.
func readFile(what, file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("certs: %s %s: %w", what, file, plainCause(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("certs: %s %s: %w", what, file, plainCause(err))
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("certs: %s %s: larger than %d bytes", what, file, maxFile)
	}
	return data, nil
}

// plainCause drops the operation and the path, which the caller names.
func plainCause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}
