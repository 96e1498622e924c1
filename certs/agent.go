package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// GatewayName is the DNS name in the certificate that a gateway shows to agents:
// they know it by its authority, whatever address they reach it at.
const GatewayName = "vncgate-gateway"

// The URIs (RFC 5280, 4.2.1.6) that say in a certificate what it is for. What
// has none of them is neither an agent's nor a node's, whoever issued it.
const (
	agentURI   = "agent:"   // vncgate:agent:NAME
	serviceURI = "service:" // vncgate:service:PATTERN, one for each
	nodeURI    = "node:"    // vncgate:node:NAME
	ourScheme  = "vncgate"
)

// Bounds of an agent's certificate.
const (
	maxWord     = 64 // bytes of a name or a pattern
	MaxServices = 64 // patterns of one certificate
)

// Agent is what a certificate says of the agent that holds it.
type Agent struct {
	Name     string
	Services []string // patterns (path.Match) of the services it may announce
	Serial   string   // the certificate's serial number, in hex
	Issued   time.Time
	Expires  time.Time
}

// May reports whether the agent may announce a service of that name.
func (a Agent) May(service string) bool {
	return CheckWord(service) == nil && slices.ContainsFunc(a.Services, func(pattern string) bool {
		ok, err := path.Match(pattern, service)
		return ok && err == nil
	})
}

// CheckWord says whether word can be the name of an agent, of a node or of a
// service: letters and digits of ASCII and . _ -, one of the former first, so
// that it is part of no path, address or pattern.
func CheckWord(word string) error {
	if word == "" || len(word) > maxWord || !alphanumeric(word[0]) || !ofBytes(word, "._-") {
		return fmt.Errorf("certs: %.80q: a name has 1 to %d letters and digits and . _ -, a letter or digit first", word, maxWord)
	}
	return nil
}

// CheckServices says whether a certificate can name the patterns.
func CheckServices(patterns []string) error {
	if len(patterns) == 0 || len(patterns) > MaxServices {
		return fmt.Errorf("certs: %d patterns of services: an agent has 1 to %d", len(patterns), MaxServices)
	}
	for _, p := range patterns {
		if _, err := path.Match(p, ""); p == "" || len(p) > maxWord || !ofBytes(p, `._-*?[]^\`) || err != nil {
			return fmt.Errorf("certs: service %.80q: a name, or a pattern such as desk-* with * ? [a-z], of at most %d bytes", p, maxWord)
		}
	}
	return nil
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// ofBytes reports whether a text has only letters, digits and the bytes of more.
func ofBytes(text, more string) bool {
	for _, c := range []byte(text) {
		if !alphanumeric(c) && strings.IndexByte(more, c) < 0 {
			return false
		}
	}
	return true
}

// ErrNoAgent is about certificates that others hold rightly.
var ErrNoAgent = errors.New("it is not an agent's: 'vncgate cert agent NAME' makes one")

// ParseAgent reads an agent's certificate. That a trusted authority issued it
// and that its time has not run out is for the TLS handshake to say.
func ParseAgent(cert *x509.Certificate) (Agent, error) {
	a := Agent{Serial: Serial(cert), Issued: Issued(cert), Expires: cert.NotAfter}
	names, patterns := ours(cert, agentURI), ours(cert, serviceURI)
	bad := func(err error) (Agent, error) {
		return Agent{}, fmt.Errorf("certs: certificate of %.80q: %w", Subject(cert), err)
	}
	switch {
	case len(names) != 1 || !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) || cert.IsCA:
		return bad(ErrNoAgent)
	case names[0] != cert.Subject.CommonName:
		return bad(fmt.Errorf("it names the agent %.80q and another subject", names[0]))
	}
	a.Name, a.Services = names[0], patterns
	if err := CheckWord(a.Name); err != nil {
		return bad(err)
	}
	if err := CheckServices(patterns); err != nil {
		return bad(err)
	}
	return a, nil
}

// ParseNode returns the name of the gateway that holds a certificate for the
// connections between gateways. As with ParseAgent, the signature is checked
// elsewhere.
func ParseNode(cert *x509.Certificate) (name string, err error) {
	names := ours(cert, nodeURI)
	if len(names) != 1 || cert.IsCA || names[0] != cert.Subject.CommonName {
		return "", fmt.Errorf("certs: certificate of %.80q: it is not that of a gateway among several: 'vncgate cert node NAME' makes one", Subject(cert))
	}
	return names[0], CheckWord(names[0])
}

// OfMachine reports whether a certificate is an agent's, or that of one gateway
// among several: nobody is to be taken for a viewer or an administrator by it.
func OfMachine(cert *x509.Certificate) bool {
	return len(ours(cert, agentURI)) > 0 || len(ours(cert, nodeURI)) > 0
}

// ours are the rests of the certificate's URIs that begin with kind.
func ours(cert *x509.Certificate, kind string) (rests []string) {
	for _, u := range cert.URIs {
		rest, ok := strings.CutPrefix(u.Opaque, kind)
		if !ok || u.Scheme != ourScheme || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
			continue
		}
		text, err := url.PathUnescape(rest)
		if err != nil {
			text = rest // what has a % that is none is no name, as its reader will see
		}
		rests = append(rests, text)
	}
	return rests
}

// uri is one of ours. What an URI cannot hold as it is, is escaped (RFC 3986, 2.1).
func uri(kind, text string) *url.URL {
	var rest strings.Builder
	for _, c := range []byte(text) {
		if alphanumeric(c) || strings.IndexByte("._-*", c) >= 0 {
			rest.WriteByte(c)
		} else {
			fmt.Fprintf(&rest, "%%%02X", c)
		}
	}
	return &url.URL{Scheme: ourScheme, Opaque: kind + rest.String()}
}

// Serial is a certificate's serial number in hex, as openssl writes it.
func Serial(cert *x509.Certificate) string { return fmt.Sprintf("%X", cert.SerialNumber) }

// Issued is when a certificate was made: it is valid for some time longer, for
// those whose clocks are late.
func Issued(cert *x509.Certificate) time.Time { return cert.NotBefore.Add(skew) }

// KeyFingerprint is the SHA-256 of a certificate's public key
// (SubjectPublicKeyInfo) in base64url. It is the same for all certificates of
// one authority's key, so it outlasts their renewal.
func KeyFingerprint(cert *x509.Certificate) string {
	return keyFingerprint(cert.RawSubjectPublicKeyInfo)
}

func keyFingerprint(spki []byte) string {
	sum := sha256.Sum256(spki)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
