package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// maxCRLFile bounds the bytes of a file of revocation lists.
const maxCRLFile = 64 << 20

func readCRLFile(file string) ([]byte, os.FileInfo, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxCRLFile+1))
	if err == nil && len(data) > maxCRLFile {
		err = fmt.Errorf("larger than %d bytes", maxCRLFile)
	}
	return data, info, err
}

// add reads the lists of a file; of each authority the newest stays.
func (c *CRLs) add(lists []*crl, file string, data []byte) ([]*crl, error) {
	parsed, err := parseCRLs(data)
	if err != nil {
		return nil, err
	}
next:
	for i, p := range parsed {
		l, err := c.accept(p)
		if err != nil {
			return nil, fmt.Errorf("list no. %d: %w", i+1, err)
		}
		l.file = file
		for j, other := range lists {
			if sameAuthority(other.authority, l.authority) {
				if l.newer(other) {
					lists[j] = l
				}
				continue next
			}
		}
		lists = append(lists, l)
	}
	return lists, nil
}

func sameAuthority(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubject, b.RawSubject) && bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}

// newer compares by number (RFC 5280, 5.2.3), or else by time.
func (l *crl) newer(other *crl) bool {
	if l.number != nil && other.number != nil {
		return l.number.Cmp(other.number) > 0
	}
	return l.thisUpdate.After(other.thisUpdate)
}

// parseCRLs reads PEM or DER.
func parseCRLs(data []byte) ([]*x509.RevocationList, error) {
	if !bytes.Contains(data, []byte("-----BEGIN ")) {
		list, err := x509.ParseRevocationList(data)
		if err != nil {
			return nil, errors.New("neither PEM (-----BEGIN X509 CRL-----) nor DER")
		}
		return []*x509.RevocationList{list}, nil
	}
	var lists []*x509.RevocationList
	other, whole := "", bytes.Count(data, []byte("-----BEGIN X509 CRL-----"))
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		if block.Type != "X509 CRL" {
			other = block.Type
			continue
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("list no. %d: %w", len(lists)+1, err)
		}
		lists = append(lists, list)
	}
	switch {
	case len(lists) != whole:
		return nil, fmt.Errorf("it begins %d lists, of which %d are whole", whole, len(lists))
	case len(lists) == 0 && other != "":
		return nil, fmt.Errorf("the file holds a %s and no X509 CRL", other)
	case len(lists) == 0:
		return nil, errors.New("the file holds no X509 CRL")
	}
	return lists, nil
}

// accept checks who signed a list and that all of it is understood.
func (c *CRLs) accept(p *x509.RevocationList) (*crl, error) {
	authority, err := c.signer(p)
	if err != nil {
		return nil, err
	}
	for _, e := range p.Extensions { // a delta, or one for some certificates only: RFC 5280, 5.2
		if e.Critical {
			return nil, fmt.Errorf("it has the critical extension %s, which is not known here: take the authority's complete list", e.Id)
		}
	}
	l := &crl{
		authority: authority, number: p.Number, thisUpdate: p.ThisUpdate, nextUpdate: p.NextUpdate, sum: sha256.Sum256(p.Raw),
		revoked: make(map[string]time.Time, len(p.RevokedCertificateEntries)),
	}
	for i := range p.RevokedCertificateEntries {
		entry := &p.RevokedCertificateEntries[i]
		for _, e := range entry.Extensions { // an entry for another issuer's: RFC 5280, 5.3
			if e.Critical {
				return nil, fmt.Errorf("entry %d has the critical extension %s, which is not known here", i+1, e.Id)
			}
		}
		l.revoked[string(entry.SerialNumber.Bytes())] = entry.RevocationTime
	}
	return l, nil
}

func (c *CRLs) signer(p *x509.RevocationList) (*x509.Certificate, error) {
	named := false
	for _, authority := range c.authorities {
		if !bytes.Equal(p.RawIssuer, authority.RawSubject) {
			continue
		}
		named = true
		if p.CheckSignatureFrom(authority) == nil {
			return authority, nil
		}
	}
	if named {
		return nil, fmt.Errorf("its signature is not that of the authority %s, or that one may not sign lists", p.Issuer)
	}
	return nil, fmt.Errorf("it is of %s, who is not among the authorities", p.Issuer)
}
