package certs

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"sync"
	"time"
)

// ErrRevoked is matched by the error of a certificate that its issuer has
// revoked, or of which CRLConfig.FailClosed does not know.
var ErrRevoked = errors.New("the certificate is revoked")

// CRLConfig says which revocation lists count.
type CRLConfig struct {
	// Files hold the lists, in PEM (X509 CRL, any number) or DER.
	Files []string
	// Authorities hold the certificates of those who sign the lists, one of
	// which must have signed each: the authorities whose certificates are
	// taken, and intermediate ones that revoke.
	Authorities []string
	// FailClosed takes a certificate for revoked where its issuer has no list,
	// or one whose next update is overdue. Otherwise an overdue list goes on
	// to count and is reported, and without a list nothing is revoked.
	FailClosed bool
	// Report is told, once for each, of changed files that could not be used
	// and of lists that are overdue. Nil tells nobody.
	Report func(error)
}

// CRLs are certificate revocation lists (RFC 5280, 5) from files, which are
// read again when they change; new files that cannot be used leave the old
// lists in force. They are safe for concurrent use.
type CRLs struct {
	cfg         CRLConfig
	authorities []*x509.Certificate

	mu      sync.Mutex
	lists   []*crl // never changed in place, but for overdue
	seen    []os.FileInfo
	read    time.Time
	err     error
	version uint64
}

// crl is the newest list of an authority.
type crl struct {
	authority              *x509.Certificate
	number                 *big.Int // nil: it has none
	thisUpdate, nextUpdate time.Time
	revoked                map[string]time.Time // since when, by the serial number's bytes
	file                   string
	sum                    [sha256.Size]byte // of the list
	overdue                bool              // the next one is, as was said
}

// LoadCRLs reads the lists that there must be to begin with, and the
// certificates of those who sign them, which are read only now.
func LoadCRLs(cfg CRLConfig) (*CRLs, error) {
	c := &CRLs{cfg: cfg}
	for _, file := range cfg.Authorities {
		certs, err := ReadCertificates(file)
		if err != nil {
			return nil, err
		}
		c.authorities = append(c.authorities, certs...)
	}
	if len(cfg.Files) == 0 || len(c.authorities) == 0 {
		return nil, errors.New("certs: revocation lists: name files of lists and of the authorities that sign them")
	}
	c.load(time.Now())
	if c.err != nil {
		return nil, c.err
	}
	return c, nil
}

// Revoked reports whether a certificate's issuer has revoked it. Its signature
// is somebody else's to check.
func (c *CRLs) Revoked(cert *x509.Certificate) bool { return c.verdict(cert) != nil }

// Check returns nil if one of the chains, as crypto/tls verified them, has no
// revoked certificate; the authority at a chain's end is trusted and not
// looked up. It is for sessions that are looked at again; no chain is nil.
func (c *CRLs) Check(chains [][]*x509.Certificate) error {
	var first error
	for _, chain := range chains {
		err := c.checkChain(chain[:max(len(chain)-1, min(len(chain), 1))])
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (c *CRLs) checkChain(chain []*x509.Certificate) error {
	for _, cert := range chain {
		if err := c.verdict(cert); err != nil {
			return err
		}
	}
	return nil
}

// VerifyConnection is for tls.Config's field of that name: it refuses peers
// whose certificate is revoked. A peer without one passes: whether it must have
// one is for ClientAuth to say.
func (c *CRLs) VerifyConnection(state tls.ConnectionState) error {
	if len(state.VerifiedChains) == 0 {
		return c.checkChain(state.PeerCertificates)
	}
	return c.Check(state.VerifiedChains)
}

// Version is a number that grows when an answer may have become another:
// the files have changed, or a list is overdue. It looks at the files.
func (c *CRLs) Version() uint64 {
	c.current()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.version
}

// verdict is why a certificate is not good.
func (c *CRLs) verdict(cert *x509.Certificate) error {
	listed := false
	for _, l := range c.current() {
		if !l.speaksOf(cert) {
			continue
		}
		listed = true
		if at, ok := l.revoked[string(cert.SerialNumber.Bytes())]; ok {
			return fmt.Errorf("certs: %s: %w since %s", Subject(cert), ErrRevoked, day(at))
		}
		if l.late(time.Now()) && c.cfg.FailClosed {
			return fmt.Errorf("certs: %s: %w, as far as is known: the next list of its issuer was due on %s", Subject(cert), ErrRevoked, day(l.nextUpdate))
		}
	}
	if !listed && c.cfg.FailClosed {
		return fmt.Errorf("certs: %s: %w, as far as is known: there is no list of its issuer", Subject(cert), ErrRevoked)
	}
	return nil
}

// speaksOf reports whether the list's authority issued the certificate. Of two
// authorities of one name the key's ID tells them apart (RFC 5280, 4.2.1.1).
func (l *crl) speaksOf(cert *x509.Certificate) bool {
	ids := len(cert.AuthorityKeyId) > 0 && len(l.authority.SubjectKeyId) > 0
	return bytes.Equal(cert.RawIssuer, l.authority.RawSubject) && (!ids || bytes.Equal(cert.AuthorityKeyId, l.authority.SubjectKeyId))
}

func (l *crl) late(now time.Time) bool { return !l.nextUpdate.IsZero() && now.After(l.nextUpdate) }

// current looks at the files and returns the lists in force.
func (c *CRLs) current() []*crl {
	c.mu.Lock()
	problems := c.refresh(time.Now())
	lists := c.lists
	c.mu.Unlock()
	for _, err := range problems {
		if c.cfg.Report != nil {
			c.cfg.Report(err)
		}
	}
	return lists
}

// refresh returns what is wrong and was not before.
func (c *CRLs) refresh(now time.Time) (problems []error) {
	changed := false
	for i, file := range c.cfg.Files {
		changed = changed || !same(c.seen[i], file, c.read)
	}
	if changed {
		before := c.err
		c.load(now)
		if c.err != nil && (before == nil || before.Error() != c.err.Error()) {
			problems = append(problems, c.err)
		}
	}
	for _, l := range c.lists {
		if !l.overdue && l.late(now) {
			l.overdue = true
			c.version++
			problems = append(problems, fmt.Errorf("certs: revocation list %s of %s: the next one was due on %s: fetch it from the authority", l.file, Subject(l.authority), day(l.nextUpdate)))
		}
	}
	return problems
}

// load reads all files; a failure leaves the lists as they were.
func (c *CRLs) load(now time.Time) {
	c.read, c.seen = now, make([]os.FileInfo, len(c.cfg.Files))
	var lists []*crl
	c.err = nil
	for i, file := range c.cfg.Files {
		var data []byte
		var err error
		if data, c.seen[i], err = readCRLFile(file); err == nil {
			lists, err = c.add(lists, file, data)
		}
		if err != nil && c.err == nil {
			c.err = fmt.Errorf("certs: revocation list %s: %w", file, plainCause(err))
		}
	}
	if c.err == nil {
		c.become(lists)
	}
}

// become puts lists in force; what was known of the same lists stays.
func (c *CRLs) become(lists []*crl) {
	for i, l := range lists {
		at := slices.IndexFunc(c.lists, func(old *crl) bool { return old.sum == l.sum && sameAuthority(old.authority, l.authority) })
		if at >= 0 {
			lists[i] = c.lists[at]
		}
	}
	if !slices.Equal(lists, c.lists) {
		c.lists = lists
		c.version++
	}
}
