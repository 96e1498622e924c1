package certs

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"time"
)

// soon is how long before its end a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// Subject names a certificate for people: its common name, else its first
// name of a host, else the whole subject.
func Subject(cert *x509.Certificate) string {
	switch names := Names(cert); {
	case cert.Subject.CommonName != "":
		return cert.Subject.CommonName
	case len(names) > 0:
		return names[0]
	case cert.Subject.String() != "":
		return cert.Subject.String()
	}
	return "serial number " + cert.SerialNumber.String()
}

// Names lists the hosts a certificate is for: DNS names, then addresses.
func Names(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// Problems says, a sentence each, why a viewer might refuse a server's chain
// at the time now, the server's own certificate first. It looks at the chain
// and this machine's roots; that a viewer trusts other roots it cannot know.
func Problems(chain []*x509.Certificate, now time.Time) []string {
	if len(chain) == 0 {
		return []string{"there is no certificate"}
	}
	return append(chainProblems(chain, now), trustProblems(chain, now)...)
}

// chainProblems are those that anybody can see in the certificates.
func chainProblems(chain []*x509.Certificate, now time.Time) []string {
	return append(leafProblems(chain[0]), anyChainProblems(chain, now)...)
}

// anyChainProblems are those of a client's chain, too.
func anyChainProblems(chain []*x509.Certificate, now time.Time) (problems []string) {
	for i, cert := range chain {
		problems = append(problems, timeProblems(cert, now)...)
		problems = append(problems, strengthProblems(cert)...)
		if i > 0 && chain[i-1].CheckSignatureFrom(cert) != nil {
			problems = append(problems, fmt.Sprintf("certificate no. %d (%s) did not issue the one before it (%s): order the file from the server's certificate to the root's", i+1, Subject(cert), Subject(chain[i-1])))
		}
	}
	return problems
}

func leafProblems(leaf *x509.Certificate) (problems []string) {
	if len(Names(leaf)) == 0 {
		problems = append(problems, "it names no host (subjectAltName): browsers and most viewers ignore the common name")
	}
	if leaf.IsCA {
		problems = append(problems, "it is a certificate authority's, not a server's")
	}
	if len(leaf.ExtKeyUsage) > 0 && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny) {
		problems = append(problems, "it is not for servers (extended key usage)")
	}
	return problems
}

func timeProblems(cert *x509.Certificate, now time.Time) []string {
	left := cert.NotAfter.Sub(now)
	switch {
	case now.Before(cert.NotBefore):
		return []string{fmt.Sprintf("%s is not valid before %s: is this machine's clock right?", Subject(cert), day(cert.NotBefore))}
	case left < 0:
		return []string{fmt.Sprintf("%s expired on %s", Subject(cert), day(cert.NotAfter))}
	case left < soon:
		return []string{fmt.Sprintf("%s expires on %s, in %d days", Subject(cert), day(cert.NotAfter), int(math.Ceil(left.Hours()/24)))}
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

func strengthProblems(cert *x509.Certificate) (problems []string) {
	if key, ok := cert.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		problems = append(problems, fmt.Sprintf("%s has an RSA key of %d bits: viewers ask for 2048", Subject(cert), key.N.BitLen()))
	}
	if alg := cert.SignatureAlgorithm.String(); strings.Contains(alg, "SHA1") || strings.Contains(alg, "MD5") {
		problems = append(problems, fmt.Sprintf("%s is signed with %s, which viewers no longer accept", Subject(cert), alg))
	}
	return problems
}

// trustProblems looks for a way from the leaf to a root, at a time when all
// are valid: dates are somebody else's complaint.
func trustProblems(chain []*x509.Certificate, now time.Time) []string {
	leaf, last := chain[0], chain[len(chain)-1]
	pool := x509.NewCertPool()
	for _, cert := range chain[1:] {
		pool.AddCert(cert)
	}
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		now = leaf.NotAfter
	}
	_, err := leaf.Verify(x509.VerifyOptions{Intermediates: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	switch {
	case err == nil:
		return nil
	case selfSigned(leaf):
		return []string{"it is signed by itself: viewers must be given the certificate to trust it"}
	case selfSigned(last):
		return []string{fmt.Sprintf("this machine does not trust the authority that issued it (%s): viewers must be given that authority's certificate", Subject(last))}
	}
	return []string{fmt.Sprintf("the issuer of %s (%s) is neither in the file nor trusted by this machine: append the missing intermediate certificates, or give viewers the authority's", Subject(last), issuer(last))}
}

func issuer(cert *x509.Certificate) string {
	if cert.Issuer.CommonName != "" {
		return cert.Issuer.CommonName
	}
	return cert.Issuer.String()
}

func selfSigned(cert *x509.Certificate) bool {
	return string(cert.RawIssuer) == string(cert.RawSubject) && cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

// CheckHost says whether host can stand in a certificate: an IP address, or a
// DNS name in ASCII (xn--… for others), which may begin with "*.".
func CheckHost(host string) error {
	if net.ParseIP(host) != nil {
		return nil
	}
	bad := func(why string) error { return fmt.Errorf("certs: host %.80q: %s", host, why) }
	if host == "" || len(host) > 253 {
		return bad("a name has 1 to 253 bytes")
	}
	if strings.Contains(host, "://") || strings.ContainsAny(host, "/:[]") {
		return bad("give the host alone, without scheme, port or path")
	}
	for label := range strings.SplitSeq(strings.TrimPrefix(host, "*."), ".") {
		if label == "" || len(label) > 63 {
			return bad("a part between dots has 1 to 63 bytes")
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return bad("a name has letters, digits, - and dots (others are written xn--…)")
			}
		}
	}
	return nil
}
