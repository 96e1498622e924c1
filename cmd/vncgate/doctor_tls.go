package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"vncgate/certs"
	"vncgate/layers"
	"vncgate/rfb"
)

// inspection is what was seen of the other side's TLS.
type inspection struct {
	chain  []*x509.Certificate
	asked  bool // for a certificate of ours
	faults []fault
}

// watched is cfg with hooks that keep what the other side shows.
func (d *doctor) watched(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	verify, give, ours := cfg.VerifyConnection, cfg.GetClientCertificate, cfg.Certificates
	cfg.VerifyConnection = func(cs tls.ConnectionState) error {
		d.inspected().chain = cs.PeerCertificates
		if verify != nil {
			return verify(cs)
		}
		return nil
	}
	cfg.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		d.inspected().asked = true
		if give != nil {
			return give(info)
		}
		for i := range ours {
			if info.SupportsCertificate(&ours[i]) == nil {
				return &ours[i], nil
			}
		}
		return &tls.Certificate{}, nil
	}
	return cfg
}

func (d *doctor) inspected() *inspection {
	if d.seen == nil {
		d.seen = &inspection{}
	}
	return d.seen
}

// watchedTLS is TLS inside VeNCrypt, as steps of its own.
func (d *doctor) watchedTLS(upgrade rfb.Upgrade) rfb.Upgrade {
	return func(ctx context.Context, c net.Conn) (net.Conn, error) {
		s := d.begin("tls")
		d.seen = nil
		above, err := upgrade(ctx, c)
		if err := d.tlsDone(s, above, because(ctx, err), true); err != nil {
			return nil, err
		}
		return above, nil
	}
}

// tlsDone ends the step of a TLS handshake and looks at the certificate.
func (d *doctor) tlsDone(s *step, above net.Conn, err error, aloud bool) error {
	var unverified *tls.CertificateVerificationError
	if errors.As(err, &unverified) {
		d.inspected().chain = unverified.UnverifiedCertificates
	}
	seen := d.inspected()
	if err != nil && len(seen.chain) == 0 || isAlert(err) {
		d.fail(d.noTLS(err))
		return errFailed
	}
	if !aloud && err == nil {
		d.current = nil
		return nil
	}
	s.Summary = "TLS is spoken, and ended by us over the certificate"
	if state, ok := stateOf(above); ok {
		s.Summary = tls.VersionName(state.Version) + ", " + tls.CipherSuiteName(state.CipherSuite)
		s.detail("version", tls.VersionName(state.Version))
		s.detail("cipher", tls.CipherSuiteName(state.CipherSuite))
	}
	if seen.asked {
		s.note("it asks for a client certificate; ours: %s", d.ownCertificate())
	}
	return d.certificate(err)
}

func stateOf(c net.Conn) (tls.ConnectionState, bool) {
	if c == nil {
		return tls.ConnectionState{}, false
	}
	return layers.TLSState(c)
}

func (d *doctor) ownCertificate() string {
	if d.t.TLS == nil || d.t.TLS.Certificate == "" {
		return "none"
	}
	return d.t.TLS.Certificate
}

// certificate is the step that shows the chain and what is wrong with it;
// refused is the error that ended the handshake, if it did.
func (d *doctor) certificate(refused error) error {
	s := d.begin("certificate")
	now := time.Now()
	chain := d.seen.chain
	s.detail("certificates", describe("", chain, nil, now).Certificates)
	noteChain(s, chain)
	d.seen.faults = d.trust.judge(chain, now)
	if refused != nil && len(d.seen.faults) == 0 {
		d.seen.faults = []fault{{words: refused.Error()}}
	}
	problems := []string{}
	for _, f := range d.seen.faults {
		problems = append(problems, f.words)
		s.advise(f.advice...)
	}
	s.detail("problems", problems)
	switch {
	case len(problems) == 0:
		s.Summary = fmt.Sprintf("%s: in order for %s", certs.Subject(chain[0]), d.trust.name)
		if d.trust.pinned {
			s.Summary = certs.Subject(chain[0]) + ": it is the pinned one"
		}
		if soon := ending(chain, now); soon != "" {
			s.advise(soon)
		}
		d.done()
		return nil
	case !d.trust.checked:
		s.Summary = "not checked, as you asked (insecure); else: " + strings.Join(problems, "; ")
		d.done()
		return nil
	}
	d.fail(newTrouble(strings.Join(problems, "; ")))
	if d.front {
		return nil // a viewer's user may go on, too
	}
	return errFailed
}

func noteChain(s *step, chain []*x509.Certificate) {
	for i, c := range chain {
		if i == 0 {
			names := strings.Join(certs.Names(c), ", ")
			if names == "" {
				names = "no host"
			}
			s.note("%s, for %s", certs.Subject(c), names)
		} else {
			s.note("%s, which issued the one before", certs.Subject(c))
		}
		s.note("  valid %s to %s, issued by %s", c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly), issuerName(c))
		s.note("  sha256 %s", certs.Fingerprint(c))
	}
}

func issuerName(c *x509.Certificate) string {
	switch {
	case string(c.RawIssuer) == string(c.RawSubject):
		return "itself"
	case c.Issuer.CommonName != "":
		return c.Issuer.CommonName
	}
	return c.Issuer.String()
}

// isAlert reports whether the other side ended TLS with an alert.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

// noTLS says why there was no TLS.
func (d *doctor) noTLS(err error) error {
	var record tls.RecordHeaderError
	text := err.Error()
	switch {
	case errors.As(err, &record):
		return newTrouble("it does not speak TLS here"+sent(text),
			"On this side: "+d.otherScheme()+".",
			"Or the other side is to speak TLS, and its certificate and key are not configured.")
	case isAlert(err) && (wantsCertificate(text) || d.wantsOurCertificate(err)):
		return newTrouble("it refused us in the TLS handshake: "+alertWords(err), clientCertificateAdvice()...)
	case isAlert(err) && strings.Contains(text, "handshake failure"):
		return newTrouble("it refused us in the TLS handshake: nothing in common",
			"On the other side: TLS without a certificate (anonymous Diffie-Hellman) cannot be spoken here; give the server a certificate and an X509 type. Or its versions and ciphers are too old: vncgate speaks TLS 1.2 and 1.3.")
	case isAlert(err) && strings.Contains(text, "protocol version"):
		return newTrouble("it refused us in the TLS handshake: another TLS version",
			"On the other side: allow TLS 1.2 or 1.3; vncgate speaks nothing older.")
	case isAlert(err):
		return newTrouble("it refused us in the TLS handshake: " + alertWords(err))
	case errors.Is(err, errSilent):
		return newTrouble("no answer to the TLS handshake",
			"On this side: is TLS what this port speaks? A display that speaks plain RFB waits in silence, too: "+d.otherScheme()+".")
	case closed(err):
		return newTrouble("it closed the connection in the TLS handshake",
			"On the other side: its log says why. Usual: its certificate or key cannot be read, or it demands a certificate of ours.")
	}
	return newTrouble(text)
}

// sent is what our TLS layer found out about a peer that speaks none.
func sent(text string) string {
	if at := strings.LastIndex(text, " (the peer sent "); at >= 0 {
		return text[at:]
	}
	return ""
}

func wantsCertificate(text string) bool {
	return strings.Contains(text, "certificate required") || strings.Contains(text, "bad certificate") || strings.Contains(text, "unknown certificate authority")
}

func clientCertificateAdvice() []string {
	return []string{
		"On this side: it demands a client certificate; give --target-cert and --target-key (in the configuration: tls: {certificate: …, key: …}), issued by a CA that the other side trusts.",
		"On the other side: QEMU asks for it by verify-peer=yes; it must trust our CA (ca-cert.pem).",
	}
}

// alertWords is the alert of the other side, without what was around it.
func alertWords(err error) string {
	var op *net.OpError
	errors.As(err, &op)
	return strings.TrimPrefix(op.Err.Error(), "tls: ")
}

func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
