package certs

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// The files of a development authority's directory. A key is made once and
// never replaced; a certificate is replaced by another for the same key. So
// every pair of files fits at every moment, without a lock, and pins of the
// public key last.
const (
	caCertFile = "ca.crt"
	caKeyFile  = "ca.key"
)

// How long certificates are made for. Apple's systems take no server
// certificate that is longer than 825 days, browsers complain from 398.
const (
	caLife   = 10 * 365 * 24 * time.Hour
	leafLife = 397 * 24 * time.Hour
	skew     = time.Hour // before now, for viewers whose clocks are late
	maxHosts = 100       // names of one certificate
)

// CA is a development authority: it makes certificates for machines whose
// users have been told to trust it, and for nobody else.
type CA struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// Development returns the pair of a development authority in dir for this
// machine and for hosts, ready to serve. It makes what is missing and keeps
// what is there.
func Development(dir string, hosts []string) (*KeyPair, error) {
	ca, err := OpenCA(dir)
	if err != nil {
		return nil, err
	}
	return ca.Server(hosts)
}

// OpenCA opens the authority in dir, which it makes on the first run. Its
// certificate is renewed, for the same key, a month before it ends.
func OpenCA(dir string) (*CA, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("certs: directory of the authority: %w", err)
	}
	key, err := keepKey(filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, err
	}
	ca := &CA{dir: dir, key: key}
	file := filepath.Join(dir, caCertFile)
	chain, err := ReadCertificates(file)
	switch {
	case err == nil && !sameKey(chain[0], key):
		return nil, fmt.Errorf("certs: certificate %s does not belong to key %s: remove both to begin anew; viewers will have to trust the new one", file, caKeyFile)
	case err == nil && time.Until(chain[0].NotAfter) > soon:
		ca.cert = chain[0]
		return ca, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	missing := err != nil
	if ca.cert, err = newCA(key); err != nil {
		return nil, err
	}
	if missing {
		return ca, ca.keepFirst(file)
	}
	return ca, writeFile(file, EncodePEM(ca.cert), 0o644)
}

// keepFirst writes the certificate of a new authority, or takes the one of
// another process that was quicker.
func (ca *CA) keepFirst(file string) error {
	wrote, err := createFile(file, EncodePEM(ca.cert), 0o644)
	if err != nil || wrote {
		return err
	}
	chain, err := ReadCertificates(file)
	if err != nil {
		return err
	}
	ca.cert = chain[0]
	return nil
}

// Certificate returns the authority's certificate: what viewers must trust.
func (ca *CA) Certificate() *x509.Certificate { return ca.cert }

// CertFile returns the name of the file that the certificate is in.
func (ca *CA) CertFile() string { return filepath.Join(ca.dir, caCertFile) }

// Server returns the pair server.crt and server.key for this machine's usual
// names, hosts, and the names it had before. The certificate is issued anew
// when a name is missing or it ends within a month.
func (ca *CA) Server(hosts []string) (*KeyPair, error) {
	return ca.pair("server", func(old *x509.Certificate) Request {
		all := append(localHosts(), hosts...)
		if old != nil {
			all = append(all, Names(old)...)
		}
		// Too many are old ones: those of containers, say, that shared dir.
		names := canonicalHosts(all)
		return Request{Hosts: names[:min(len(names), max(maxHosts, len(hosts)))]}
	})
}

// Client returns the pair client-NAME.crt and client-NAME.key that proves
// name to servers which trust the authority.
func (ca *CA) Client(name string) (*KeyPair, error) {
	if err := checkClient(name); err != nil {
		return nil, err
	}
	return ca.pair("client-"+name, func(*x509.Certificate) Request { return Request{Client: name} })
}

// Agent returns the pair agent-NAME.crt and agent-NAME.key by which an agent
// proves its name and the services (patterns) it may announce. The certificate
// is issued anew, for the same key, when it is to say something else. It lasts
// for life, or 397 days where that is 0.
func (ca *CA) Agent(name string, services []string, life time.Duration) (*KeyPair, error) {
	request := Request{Agent: name, Services: services, Life: life}
	if err := request.applyAgent(&x509.Certificate{}); err != nil {
		return nil, err
	}
	return ca.pair("agent-"+name, func(*x509.Certificate) Request { return request })
}

// Node returns the pair node-NAME.crt and node-NAME.key of one gateway among
// several, which the others reach at hosts and the ones it had before.
func (ca *CA) Node(name string, hosts []string) (*KeyPair, error) {
	if err := CheckWord(name); err != nil {
		return nil, err
	}
	return ca.pair("node-"+name, func(old *x509.Certificate) Request {
		all := hosts
		if old != nil {
			all = append(slices.Clone(hosts), Names(old)...)
		}
		return Request{Node: name, Hosts: canonicalHosts(all)}
	})
}

// Gateway returns the pair gateway.crt and gateway.key that the gateway shows to
// agents. The authority's certificate follows its own, for agents that know no
// more than its KeyFingerprint.
func (ca *CA) Gateway() (*KeyPair, error) {
	return ca.pair("gateway", func(*x509.Certificate) Request { return Request{Hosts: []string{GatewayName}} })
}

// pair keeps the pair of files base.crt and base.key as want says.
func (ca *CA) pair(base string, want func(old *x509.Certificate) Request) (*KeyPair, error) {
	certFile, keyFile := filepath.Join(ca.dir, base+".crt"), filepath.Join(ca.dir, base+".key")
	key, err := keepKey(keyFile)
	if err != nil {
		return nil, err
	}
	var old *x509.Certificate
	if chain, err := ReadCertificates(certFile); err == nil && sameKey(chain[0], key) && chain[0].CheckSignatureFrom(ca.cert) == nil {
		old = chain[0]
	}
	request := want(old)
	if old == nil || time.Until(old.NotAfter) < soon || !request.coveredBy(old) {
		cert, err := ca.Issue(key.Public(), request)
		if err != nil {
			return nil, err
		}
		if err := writeFile(certFile, EncodePEM(ca.chain(base, cert)...), 0o644); err != nil {
			return nil, err
		}
	}
	return Load(certFile, keyFile)
}

// chain is what stands in a pair's file.
func (ca *CA) chain(base string, cert *x509.Certificate) []*x509.Certificate {
	if base == "gateway" {
		return []*x509.Certificate{cert, ca.cert}
	}
	return []*x509.Certificate{cert}
}

// newCA makes the certificate of an authority that can sign certificates but
// no further authorities.
func newCA(key crypto.Signer) (*x509.Certificate, error) {
	name := "vncgate development CA"
	if host, err := os.Hostname(); err == nil && len(name)+len(host) < 60 {
		name += " of " + host // several of them end up in one browser
	}
	t := template(name, caLife)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	return sign(t, t, key.Public(), key)
}
