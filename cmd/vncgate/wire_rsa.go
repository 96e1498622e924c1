package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// rsaKeyBits is the size of a key that is made here. Viewers of RSA-AES take
// 1024 to 8192.
const rsaKeyBits = 3072

// rsaKey is the key by which viewers of RSA-AES recognize us.
type rsaKey struct{ key *rsa.PrivateKey }

func (k *rsaKey) get() (*rsa.PrivateKey, error) { return k.key, nil }

// loadRSAKey reads a key in PEM, or makes the file: viewers remember the key,
// so it must outlive the process.
func loadRSAKey(path string) (*rsaKey, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return makeRSAKey(path)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s: not a key in PEM", path)
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return &rsaKey{key}, nil
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: no private key in it, or one with a passphrase", path)
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: holds a %T; RSA-AES needs an RSA key", path, parsed)
	}
	return &rsaKey{key}, nil
}

func makeRSAKey(path string) (*rsaKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaKeyBits)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	err = pem.Encode(file, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return &rsaKey{key}, errors.Join(err, file.Close())
}
