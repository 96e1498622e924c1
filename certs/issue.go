package certs

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// Request is what a certificate is to say: it is a server's, a client's, an
// agent's, or that of one gateway among several, which is a server and a client.
type Request struct {
	Hosts    []string      // the names and addresses of a server
	Client   string        // the name of a client
	Agent    string        // the name of an agent
	Services []string      // patterns of the services that the agent may announce
	Node     string        // the name of a gateway among several; it has Hosts, too
	Life     time.Duration // for how long; 0: 397 days
	Issued   time.Time     // since when; zero: now
}

// Issue makes a certificate for the holder of the key to public. It is valid
// for no longer than the authority.
func (ca *CA) Issue(public crypto.PublicKey, r Request) (*x509.Certificate, error) {
	t := template(r.name(), cmp.Or(r.Life, leafLife))
	if !r.Issued.IsZero() {
		t.NotBefore = r.Issued.Add(-skew)
	}
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
	switch {
	case r.Client != "":
		return cert.Subject.CommonName == r.Client && slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	case r.Agent != "":
		return r.coveredByAgent(cert)
	}
	names := Names(cert)
	return !slices.ContainsFunc(r.Hosts, func(host string) bool { return !slices.Contains(names, host) })
}

// coveredByAgent also wants no more services than are asked for, and the time.
func (r Request) coveredByAgent(cert *x509.Certificate) bool {
	a, err := ParseAgent(cert)
	life := a.Expires.Sub(a.Issued)
	return err == nil && a.Name == r.Agent && slices.Equal(a.Services, r.Services) && (r.Life == 0 || (life-r.Life).Abs() < time.Minute)
}

func (r Request) name() string {
	if name := cmp.Or(r.Client, r.Agent, r.Node); name != "" {
		return name
	}
	for _, h := range r.Hosts {
		if len(h) <= 64 { // the common name's upper bound (RFC 5280, appendix A)
			return h
		}
	}
	return ""
}

func (r Request) apply(t *x509.Certificate) error {
	kinds := 0
	for _, is := range []bool{r.Client != "", r.Agent != "", r.Node != "", len(r.Hosts) > 0 && r.Node == ""} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("certs: a certificate is for hosts, for one client, one agent or one node")
	case r.Life < 0:
		return errors.New("certs: a certificate that would have ended already")
	case r.Agent != "":
		return r.applyAgent(t)
	case r.Client != "":
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		return checkClient(r.Client)
	}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if r.Node != "" {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
		t.URIs = []*url.URL{uri(nodeURI, r.Node)}
		if err := CheckWord(r.Node); err != nil {
			return err
		}
	}
	return r.applyHosts(t)
}

func (r Request) applyAgent(t *x509.Certificate) error {
	if err := CheckWord(r.Agent); err != nil {
		return err
	}
	if err := CheckServices(r.Services); err != nil {
		return err
	}
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	t.URIs = []*url.URL{uri(agentURI, r.Agent)}
	for _, pattern := range r.Services {
		t.URIs = append(t.URIs, uri(serviceURI, pattern))
	}
	return nil
}

func (r Request) applyHosts(t *x509.Certificate) error {
	if len(r.Hosts) == 0 || len(r.Hosts) > maxHosts {
		return fmt.Errorf("certs: %d names of hosts, a certificate takes 1 to %d", len(r.Hosts), maxHosts)
	}
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
