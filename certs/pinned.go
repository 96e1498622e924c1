package certs

import (
	"crypto"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// ErrOtherAuthority is matched where a server has not proved to be of the
// authority whose key one knows.
var ErrOtherAuthority = errors.New("it is not of the authority that was named")

// PinnedClient is the TLS of a client that knows no more of a server than its
// name and the fingerprint (KeyFingerprint) of its authority's key, whose
// certificate the server must send with its own.
func PinnedClient(name, fingerprint string) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		ServerName:         name,
		InsecureSkipVerify: true, // VerifyConnection does it, by another root
		VerifyConnection: func(state tls.ConnectionState) error {
			return verifyPinned(state.PeerCertificates, name, fingerprint, time.Now())
		},
	}
}

func verifyPinned(chain []*x509.Certificate, name, fingerprint string, now time.Time) error {
	roots := x509.NewCertPool()
	found := false
	for _, cert := range chain[min(1, len(chain)):] {
		if samePin(cert, fingerprint) {
			roots.AddCert(cert)
			found = true
		}
	}
	if !found {
		return fmt.Errorf("certs: server's certificate: %w", ErrOtherAuthority)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now})
	if err != nil {
		return fmt.Errorf("certs: server's certificate: %w", err)
	}
	return nil
}

func samePin(cert *x509.Certificate, fingerprint string) bool {
	return subtle.ConstantTimeCompare([]byte(KeyFingerprint(cert)), []byte(fingerprint)) == 1
}

// IssuedAgent is an agent's certificate as it was issued.
type IssuedAgent struct {
	Agent
	Leaf, CA []byte // the certificate and its authority's, in PEM
}

// VerifyIssued looks at what an authority gave to an agent that asked for a
// certificate: PEM, the agent's first, the authority's last. It must be for the
// agent's key and of the authority of that fingerprint.
func VerifyIssued(chain []byte, fingerprint string, public crypto.PublicKey) (IssuedAgent, error) {
	list, _, err := parseCertificates(chain)
	if err != nil || len(list) < 2 || len(chain) > maxFile {
		return IssuedAgent{}, errors.New("certs: it is not a certificate with its authority's")
	}
	leaf, ca := list[0], list[len(list)-1]
	key, ok := public.(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !key.Equal(leaf.PublicKey):
		return IssuedAgent{}, errors.New("certs: it is for another key")
	case !samePin(ca, fingerprint):
		return IssuedAgent{}, fmt.Errorf("certs: %w", ErrOtherAuthority)
	}
	// Its dates are not looked at here: the clock may be wrong, which shows when it
	// is used.
	for _, cert := range []*x509.Certificate{leaf, ca} {
		if err := cert.CheckSignatureFrom(ca); err != nil {
			return IssuedAgent{}, fmt.Errorf("certs: %s: %w", Subject(cert), err)
		}
	}
	agent, err := ParseAgent(leaf)
	return IssuedAgent{agent, EncodePEM(leaf), EncodePEM(ca)}, err
}
