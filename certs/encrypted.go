package certs

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/youmark/pkcs8"
)

// LoadEncrypted is Load for a key that a password protects: PKCS #8 (ENCRYPTED
// PRIVATE KEY) or the older form of OpenSSL (DEK-Info). A key that turns out to
// have no protection is taken as it is.
func LoadEncrypted(certFile, keyFile, password string) (*KeyPair, error) {
	k := &KeyPair{certFile: certFile, keyFile: keyFile, password: []byte(password)}
	return k.first()
}

// decryptKey returns the PEM data with its private keys decrypted. Errors do
// not tell the password.
func decryptKey(data, password []byte) ([]byte, error) {
	var out bytes.Buffer
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return out.Bytes(), nil
		}
		plain, err := decryptBlock(block, password)
		if err != nil {
			return nil, err
		}
		if err := pem.Encode(&out, plain); err != nil {
			return nil, fmt.Errorf("pem: %w", err)
		}
	}
}

func decryptBlock(block *pem.Block, password []byte) (*pem.Block, error) {
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY":
		key, err := parseProtected(block.Bytes, password)
		if err != nil {
			return nil, errors.New("the password does not open it, or its encryption is not known here (openssl pkcs8 -topk8 -v2 aes-256-cbc makes one that is)")
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, fmt.Errorf("the decrypted key: %w", err)
		}
		return &pem.Block{Type: "PRIVATE KEY", Bytes: der}, nil
	case block.Headers["DEK-Info"] != "":
		//lint:ignore SA1019 deprecated for its weak integrity, which matters to nobody who has such a file on the own disk
		der, err := x509.DecryptPEMBlock(block, password)
		if err != nil {
			return nil, errors.New("the password does not open it")
		}
		return &pem.Block{Type: block.Type, Bytes: der}, nil
	}
	return block, nil
}

// parseProtected keeps a panic of the library over malformed parameters from
// ending us.
func parseProtected(der, password []byte) (key any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed: %v", r)
		}
	}()
	key, _, err = pkcs8.ParsePrivateKey(der, password)
	return key, err
}
