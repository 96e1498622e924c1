package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vncgate/certs"
)

// trust is what the other side's certificate is held against.
type trust struct {
	roots   *x509.CertPool // nil is the system's
	name    string
	checked bool // false: the target says insecure
	front   bool // it is viewers who have to trust it
	pinned  bool // it is known by itself: neither names nor dates nor issuers count
}

// fault is something wrong with a certificate, and what to do.
type fault struct {
	words  string
	advice []string
}

// expiresSoon is how long before its end a certificate is worth a remark.
const expiresSoon = 30 * 24 * time.Hour

// judge finds all that is wrong, where crypto/x509 stops at the first.
func (t trust) judge(chain []*x509.Certificate, now time.Time) []fault {
	switch {
	case len(chain) == 0:
		return []fault{{words: "it has shown no certificate"}}
	case t.pinned:
		return nil
	}
	var faults []fault
	for _, c := range chain {
		faults = append(faults, dated(c, now)...)
	}
	faults = append(faults, t.named(chain[0])...)
	return append(faults, t.rooted(chain, now)...)
}

func dated(c *x509.Certificate, now time.Time) []fault {
	date := func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
	switch {
	case now.Before(c.NotBefore):
		return []fault{{
			fmt.Sprintf("%s is not valid before %s", certs.Subject(c), date(c.NotBefore)),
			[]string{"On both sides: is the clock right? It is " + date(now) + " here."},
		}}
	case now.After(c.NotAfter):
		return []fault{{
			fmt.Sprintf("%s expired on %s", certs.Subject(c), date(c.NotAfter)),
			[]string{"On the other side: renew the certificate and restart the server, which may have read only the old file."},
		}}
	}
	return nil
}

func (t trust) named(leaf *x509.Certificate) []fault {
	if leaf.VerifyHostname(t.name) == nil {
		return nil
	}
	names := certs.Names(leaf)
	if len(names) == 0 {
		return []fault{{
			fmt.Sprintf("it names no host (subjectAltName), so it is not for %s; its common name does not count", t.name),
			[]string{"On the other side: have the certificate issued with the subjectAltName " + t.name + "."},
		}}
	}
	return []fault{{
		fmt.Sprintf("it is for %s, not for %s", strings.Join(names, ", "), t.name),
		[]string{
			"On this side: use the address that it is for, or say the name: " + t.by("--target-name "+names[0], "name: "+names[0]),
			"On the other side: or have the certificate issued for " + t.name + ".",
		},
	}}
}

// rooted looks for a way from the certificate to an authority, at a time when
// it is valid: dates are somebody else's business.
func (t trust) rooted(chain []*x509.Certificate, now time.Time) []fault {
	leaf := chain[0]
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
		now = leaf.NotAfter
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: t.roots, Intermediates: intermediates, CurrentTime: now})
	if err == nil {
		return nil
	}
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &x509.UnknownAuthorityError{}):
		return []fault{t.unknown(chain)}
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if len(dated(invalid.Cert, now)) > 0 && containsCertificate(chain, invalid.Cert) {
			return nil // said already
		}
		return []fault{{
			"the authority " + certs.Subject(invalid.Cert) + " that it leads to has expired",
			[]string{"On this side: give a CA file with the authority's present certificate."},
		}}
	}
	return []fault{{words: strings.TrimPrefix(err.Error(), "x509: ")}}
}

func containsCertificate(chain []*x509.Certificate, c *x509.Certificate) bool {
	return slices.ContainsFunc(chain, c.Equal)
}

// developmentCA is how the authority that 'vncgate cert make' sets up is named.
const developmentCA = "vncgate development CA"

// unknown says which authority is missing, and where.
func (t trust) unknown(chain []*x509.Certificate) fault {
	last := chain[len(chain)-1]
	against := "this machine's"
	if t.roots != nil {
		against = "the given CA file's"
	}
	if issuerName(chain[0]) == "itself" {
		return fault{
			"it is signed by itself, and not among " + against + " authorities",
			[]string{"On this side: if its fingerprint is the right one, save it as a file and give that: " + t.by("--target-ca FILE", "ca: FILE")},
		}
	}
	name := issuerName(last)
	if name == "itself" {
		name = certs.Subject(last)
	}
	if strings.HasPrefix(name, developmentCA) {
		return fault{
			"its issuer " + name + " is not among " + against + " authorities",
			[]string{"On this side: 'vncgate cert export --ca -o ca.pem' where the certificate was made writes that of its authority; give it: " + t.by("--target-ca ca.pem", "ca: ca.pem")},
		}
	}
	advice := []string{"On this side: get the certificate of " + name + " from whoever issued it and give it: " + t.by("--target-ca FILE", "ca: FILE")}
	if issuerName(last) != "itself" {
		advice = append(advice, "On the other side: if "+name+" is not a root, append its certificate to the server's file.")
	}
	return fault{"its issuer " + name + " is not among " + against + " authorities", advice}
}

// by says how to tell what to trust.
func (t trust) by(flag, setting string) string {
	if t.front {
		return flag + " here, and the viewers by their own means ('vncgate cert export --ca' tells how)."
	}
	return flag + " (in the configuration: tls: {" + setting + "})."
}

// ending is a remark on a certificate that will not be good for long.
func ending(chain []*x509.Certificate, now time.Time) string {
	for _, c := range chain {
		left, life := c.NotAfter.Sub(now), c.NotAfter.Sub(c.NotBefore)
		if left > 0 && left < min(expiresSoon, life/3) {
			return fmt.Sprintf("On the other side: renew the certificate: %s ends in %d days.", certs.Subject(c), int(left.Hours()/24))
		}
	}
	return ""
}
