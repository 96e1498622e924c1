package main

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"vncgate/certs"
)

// description is what 'cert show' prints of a file.
type description struct {
	File         string                   `json:"file"`
	Certificates []certificateDescription `json:"certificates"`
	Problems     []string                 `json:"problems"`
}

type certificateDescription struct {
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Names     []string  `json:"names"`
	Authority bool      `json:"authority"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	Key       string    `json:"key"`
	SHA256    string    `json:"sha256"`
	PublicKey string    `json:"publicKeySHA256"`
}

// describe judges chain with issuers behind it.
func describe(file string, chain, issuers []*x509.Certificate, now time.Time) description {
	d := description{File: file, Problems: append([]string{}, problemsOf(slices.Concat(chain, issuers), now)...)}
	for _, c := range chain {
		d.Certificates = append(d.Certificates, certificateDescription{
			Subject:   c.Subject.String(),
			Issuer:    c.Issuer.String(),
			Names:     append([]string{}, certs.Names(c)...),
			Authority: c.IsCA,
			NotBefore: c.NotBefore.UTC(),
			NotAfter:  c.NotAfter.UTC(),
			Key:       keyText(c),
			SHA256:    certs.Fingerprint(c),
			PublicKey: certs.PublicKeyPin(c),
		})
	}
	return d
}

// problemsOf leaves an authority's own certificate alone: it is no server's.
func problemsOf(chain []*x509.Certificate, now time.Time) []string {
	if len(chain) == 1 && chain[0].IsCA {
		if now.After(chain[0].NotAfter) {
			return []string{fmt.Sprintf("%s expired on %s", certs.Subject(chain[0]), chain[0].NotAfter.UTC().Format(time.DateOnly))}
		}
		return nil
	}
	return certs.Problems(chain, now)
}

func keyText(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d bits", key.N.BitLen())
	}
	return c.PublicKeyAlgorithm.String()
}

func (d description) text() string {
	var b strings.Builder
	for i, c := range d.Certificates {
		if i > 0 {
			b.WriteString("\n")
		}
		names := strings.Join(c.Names, ", ")
		switch {
		case c.Authority:
			names = "an authority: it signs other certificates"
		case names == "":
			names = "no host"
		}
		fmt.Fprintf(&b, "subject      %s\nissuer       %s\nfor          %s\nvalid        %s to %s\nkey          %s\nsha256       %s\npublic key   sha256//%s\n",
			c.Subject, c.Issuer, names, c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly), c.Key, c.SHA256, c.PublicKey)
	}
	if len(d.Problems) == 0 {
		return b.String()
	}
	b.WriteString("\nWhat viewers may refuse:\n")
	for _, p := range d.Problems {
		b.WriteString("- " + p + "\n")
	}
	return b.String()
}

// trustHint says how to make programs trust the authority in file.
func trustHint(file string) string {
	if file == "-" {
		file = "FILE"
	}
	return strings.ReplaceAll(`
Trust it where the viewers run, and only there:
  Chrome, Edge     Settings > Privacy and security > Security > Manage certificates > import as an authority
  Firefox          Settings > Privacy & Security > View Certificates > Authorities > Import
  Debian, Ubuntu   sudo cp FILE /usr/local/share/ca-certificates/vncgate-ca.crt && sudo update-ca-certificates
  Fedora           sudo trust anchor FILE
  macOS            sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain FILE
  Windows          certutil -addstore -f Root FILE
  TigerVNC         vncviewer -X509CA FILE …
  virt-viewer      mkdir -p ~/.pki/CA && cp FILE ~/.pki/CA/cacert.pem
Take it away again when you no longer need it: whoever has ca.key can pose as any server to those who trust it.
`, "FILE", file)
}
