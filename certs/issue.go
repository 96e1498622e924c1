package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// Request is what a certificate is to say.
type Request struct {
	Hosts  []string // the names and addresses of a server
	Client string   // the name of a client; a certificate has one or the other
}

// Issue makes a certificate for the holder of the key to public. It is valid
// for 397 days, or as long as the authority where that is less.
func (ca *CA) Issue(public crypto.PublicKey, r Request) (*x509.Certificate, error) {
	t := template(r.name(), leafLife)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.AuthorityKeyId = ca.cert.SubjectKeyId
	if t.NotAfter.After(ca.cert.NotAfter) {
		t.NotAfter = ca.cert.NotAfter
	}
	if err := r.apply(t); err != nil {
		return nil, err
	}
	return sign(t, ca.cert, public, ca.key)
}

func (r Request) coveredBy(cert *x509.Certificate) bool {
	if r.Client != "" {
		return cert.Subject.CommonName == r.Client && slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	names := Names(cert)
	return !slices.ContainsFunc(r.Hosts, func(host string) bool { return !slices.Contains(names, host) })
}

func (r Request) name() string {
	if r.Client != "" {
		return r.Client
	}
	for _, h := range r.Hosts {
		if len(h) <= 64 { // the common name's upper bound (RFC 5280, appendix A)
			return h
		}
	}
	return ""
}

func (r Request) apply(t *x509.Certificate) error {
	if (r.Client == "") == (len(r.Hosts) == 0) {
		return errors.New("certs: a certificate is for hosts or for one client")
	}
	if r.Client != "" {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		return checkClient(r.Client)
	}
	if len(r.Hosts) > maxHosts {
		return fmt.Errorf("certs: %d names, a certificate takes %d", len(r.Hosts), maxHosts)
	}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range r.Hosts {
		if err := CheckHost(h); err != nil {
			return err
		}
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return nil
}

// checkClient bounds a client's name, which becomes part of a file's.
func checkClient(name string) error {
	if name == "" || len(name) > 64 || strings.HasPrefix(name, ".") {
		return fmt.Errorf("certs: client name %.80q: 1 to 64 bytes, no dot first", name)
	}
	for _, c := range []byte(name) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("._-@+", c) >= 0) {
			return fmt.Errorf("certs: client name %q: only letters and digits of ASCII and . _ - @ +", name)
		}
	}
	return nil
}

// localHosts are the names under which this machine is tried first.
func localHosts() []string {
	hosts := []string{"localhost", "127.0.0.1", "::1"}
	if name, err := os.Hostname(); err == nil && CheckHost(name) == nil {
		hosts = append(hosts, name)
	}
	return hosts
}

// canonicalHosts gives each host one spelling and drops repeats.
func canonicalHosts(hosts []string) []string {
	var out []string
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			h = ip.String()
		} else {
			h = strings.ToLower(strings.TrimSuffix(h, "."))
		}
		if !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return out
}

func template(name string, life time.Duration) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		Subject:   pkix.Name{CommonName: name, Organization: []string{"vncgate"}},
		NotBefore: now.Add(-skew),
		NotAfter:  now.Add(life),
	}
}

// sign fills in a random serial number (Go's default) and returns the
// certificate as others will parse it.
func sign(t, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, public, key)
	if err != nil {
		return nil, fmt.Errorf("certs: issue: %w", err)
	}
	return x509.ParseCertificate(der)
}
