package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// recheck is how often the files are looked at, at most.
const recheck = time.Second

// KeyPair is a certificate chain with its key, from PEM files. It reads them
// again when they change, which it notices at handshakes, at most once a
// second. New files that cannot be used leave the old pair in use. It is safe
// for concurrent use.
type KeyPair struct {
	// Report is told, once for each, of changed files that could not be used.
	// Set it before the first handshake; nil leaves it to Err.
	Report func(error)

	certFile, keyFile string
	password          []byte // of the key; empty for none

	mu      sync.Mutex
	pair    *tls.Certificate // never nil, never changed in place
	seen    [2]os.FileInfo   // the files as last read; nil: not there
	checked time.Time
	err     error
}

// Load reads a pair. Both names may be of one file. The certificate of the key
// comes first, the intermediate ones that lead to a root after it.
func Load(certFile, keyFile string) (*KeyPair, error) {
	return (&KeyPair{certFile: certFile, keyFile: keyFile}).first()
}

// first reads the pair that there must be to begin with.
func (k *KeyPair) first() (*KeyPair, error) {
	k.checked = time.Now()
	k.load()
	if k.err != nil {
		return nil, k.err
	}
	return k, nil
}

// GetCertificate is for tls.Config's field of that name.
func (k *KeyPair) GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return k.Certificate(), nil
}

// GetClientCertificate is for tls.Config's field of that name, where the pair
// proves us to a display.
func (k *KeyPair) GetClientCertificate(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return k.Certificate(), nil
}

// Certificate returns the pair in use. It is not to be changed.
func (k *KeyPair) Certificate() *tls.Certificate {
	k.mu.Lock()
	broken := k.refresh(time.Now())
	pair := k.pair
	k.mu.Unlock()
	if broken != nil && k.Report != nil {
		k.Report(broken)
	}
	return pair
}

// Leaf returns the certificate of the pair in use.
func (k *KeyPair) Leaf() *x509.Certificate { return k.Certificate().Leaf }

// Files returns the names of the two files.
func (k *KeyPair) Files() (certFile, keyFile string) { return k.certFile, k.keyFile }

// Err returns why the files as last looked at are not the pair in use; nil
// when they are.
func (k *KeyPair) Err() error {
	k.Certificate()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.err
}

// Warning says in words what is wrong with the pair in use as it stands: its
// dates, its names, its chain, a key that others can read; "" when nothing is.
// Whether anybody trusts its issuer is not for a server to know: see Problems.
func (k *KeyPair) Warning() string {
	return strings.Join(k.warnings(time.Now(), chainProblems), "; ")
}

// ClientWarning is Warning for a pair by which a client proves itself: it names
// no host and is not for servers.
func (k *KeyPair) ClientWarning() string {
	return strings.Join(k.warnings(time.Now(), anyChainProblems), "; ")
}

func (k *KeyPair) warnings(now time.Time, problemsOf func([]*x509.Certificate, time.Time) []string) []string {
	chain, err := k.chain()
	if err != nil {
		return []string{err.Error()}
	}
	problems := problemsOf(chain, now)
	if info, err := os.Stat(k.keyFile); err == nil && info.Mode().Perm()&0o004 != 0 {
		problems = append(problems, fmt.Sprintf("the key can be read by every user of this machine: chmod 600 %s", k.keyFile))
	}
	return problems
}

func (k *KeyPair) chain() ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for _, der := range k.Certificate().Certificate {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("certs: certificate %s: %w", k.certFile, err)
		}
		chain = append(chain, cert)
	}
	return chain, nil
}

// refresh returns the error of a change that is seen for the first time.
func (k *KeyPair) refresh(now time.Time) error {
	if since := now.Sub(k.checked); since >= 0 && since < recheck {
		return nil
	}
	previous := k.checked
	k.checked = now
	if same(k.seen[0], k.certFile, previous) && same(k.seen[1], k.keyFile, previous) {
		return nil
	}
	before := k.err
	k.load()
	if k.err == nil || before != nil && before.Error() == k.err.Error() {
		return nil
	}
	return k.err
}

// same reports whether the file is what it was when it was read. A file
// written within the tick before that may have been written once more in the
// same tick, so it is read again.
func same(seen os.FileInfo, file string, read time.Time) bool {
	now, err := os.Stat(file)
	if seen == nil || err != nil {
		return seen == nil && err != nil
	}
	const tick = 100 * time.Millisecond
	return os.SameFile(seen, now) && seen.Size() == now.Size() &&
		seen.ModTime().Equal(now.ModTime()) && read.Sub(now.ModTime()).Abs() > tick
}

// load reads both files; a failure leaves the pair as it was.
func (k *KeyPair) load() {
	for i, file := range []string{k.certFile, k.keyFile} {
		info, err := os.Stat(file)
		if err != nil {
			info = nil
		}
		k.seen[i] = info
	}
	pair, err := readPair(k.certFile, k.keyFile, k.password)
	if k.err = err; err == nil {
		k.pair = pair
	}
}

func readPair(certFile, keyFile string, password []byte) (*tls.Certificate, error) {
	certs, err := ReadCertificates(certFile)
	if err != nil {
		return nil, err
	}
	keyPEM, err := readFile("key", keyFile)
	if err != nil {
		return nil, err
	}
	if len(password) > 0 {
		if keyPEM, err = decryptKey(keyPEM, password); err != nil {
			return nil, fmt.Errorf("certs: key %s: %w", keyFile, err)
		}
	}
	if err := checkKeyFile(keyPEM); err != nil {
		return nil, fmt.Errorf("certs: key %s: %w", keyFile, err)
	}
	pair, err := tls.X509KeyPair(EncodePEM(certs...), keyPEM)
	if err == nil {
		return &pair, nil
	}
	for i := range certs[1:] {
		if _, err := tls.X509KeyPair(EncodePEM(certs[i+1]), keyPEM); err == nil {
			return nil, fmt.Errorf("certs: certificate %s: the certificate of the key is no. %d in the file: put it first", certFile, i+2)
		}
	}
	if strings.Contains(err.Error(), "does not match") {
		return nil, fmt.Errorf("certs: key %s does not belong to certificate %s (%s)", keyFile, certFile, Subject(certs[0]))
	}
	return nil, fmt.Errorf("certs: key %s: %w", keyFile, err)
}

// checkKeyFile says in words what tls.X509KeyPair would not.
func checkKeyFile(data []byte) error {
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		return errors.New("not PEM (-----BEGIN PRIVATE KEY-----)")
	}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return errors.New("the file holds no private key")
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return errors.New("the key is protected by a passphrase, which a service cannot type: take it off with openssl pkey -in OLD -out NEW")
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil
		}
	}
}
