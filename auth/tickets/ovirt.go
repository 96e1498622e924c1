package tickets

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"vncgate/auth"
)

// Bounds of a ticket of oVirt's.
const (
	oVirtTime     = "20060102150405" // UTC
	maxOVirtSkew  = time.Minute
	maxKubeBearer = 2048 // bytes of a token for KubeVirt: the request must stay below 4 KiB
	oVirtSalt     = 12   // characters: 8 bytes in base64
)

// OVirtConfig says whose tickets are good: those signed with the certificate in
// CertificateFile, or with one of CAFile's. One of the two is needed.
type OVirtConfig struct {
	// CertificateFile is the engine's certificate, PEM, which oVirt's own proxy
	// has as CERT_FOR_DATA_VERIFICATION. It is read again when it changes; the
	// certificate in the ticket is then not looked at.
	CertificateFile string
	// CAFile is the engine's CA, PEM. It signs hosts' certificates as well, so
	// Purpose is needed with it.
	CAFile string
	// Purpose is the extended key usage that a certificate must have, as an OID.
	Purpose string
	// Skew is by how much clocks may differ, a minute at most; the original
	// allows nothing, and tickets are good for 5 s.
	Skew time.Duration
	// Report is told, once for each, of a changed file that could not be used;
	// what was read before stays.
	Report func(error)
}

// OVirt is a source whose tokens are the tickets that oVirt's engine signs for
// its WebSocket proxy: base64 of JSON whose signedFields, one after the other,
// are signed by RSASSA-PSS with SHA-256, and whose data is URL-encoded JSON
// {host, port, ssl_target[, path, token]}. ssl_target stands for VeNCrypt; path
// and token for KubeVirt, over WebSocket and TLS. A leading / is passed over,
// since the original has the ticket for its path
// (ovirt-engine:packaging/pythonlib/ovirt_engine/ticket.py).
type OVirt struct {
	cfg     OVirtConfig
	purpose asn1.ObjectIdentifier
	certs   *auth.Watched[[]*x509.Certificate] // one certificate, or the CAs
}

// NewOVirt reads the certificates.
func NewOVirt(cfg OVirtConfig) (*OVirt, error) {
	o := &OVirt{cfg: cfg}
	file := cfg.CertificateFile
	switch {
	case (cfg.CertificateFile == "") == (cfg.CAFile == ""):
		return nil, errors.New("tickets: ovirt: either the engine's certificate or its CA is needed")
	case cfg.Skew < 0 || cfg.Skew > maxOVirtSkew:
		return nil, fmt.Errorf("tickets: ovirt: a skew of %s, at most %s are allowed", cfg.Skew, maxOVirtSkew)
	case cfg.CAFile != "":
		file = cfg.CAFile
		var err error
		if o.purpose, err = parseOID(cfg.Purpose); err != nil {
			return nil, err
		}
	}
	var err error
	if o.certs, err = auth.Watch("ovirt certificate", file, maxKeyText, parseCertificates); err != nil {
		return nil, fmt.Errorf("tickets: %w", err)
	}
	return o, nil
}

func parseOID(text string) (asn1.ObjectIdentifier, error) {
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(text, ".") {
		number, err := parseArc(part)
		if err != nil {
			return nil, errors.New("tickets: ovirt: with a CA, the purpose that a certificate must have is needed, as an OID like 1.3.6.1.5.5.7.3.1")
		}
		oid = append(oid, number)
	}
	return oid, nil
}

func parseArc(part string) (int, error) {
	var number int
	if part == "" || len(part) > 9 {
		return 0, errors.New("no arc")
	}
	for _, r := range part {
		if r < '0' || r > '9' {
			return 0, errors.New("no arc")
		}
		number = number*10 + int(r-'0')
	}
	return number, nil
}

func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for text = bytes.TrimSpace(text); len(text) > 0; text = bytes.TrimSpace(text) {
		block, rest := pem.Decode(text)
		if block == nil || block.Type != "CERTIFICATE" || len(certs) >= maxKeys {
			return nil, errors.New("not a PEM file of certificates alone, 64 at most")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("a malformed certificate: %w", err)
		}
		certs, text = append(certs, cert), rest
	}
	if len(certs) == 0 {
		return nil, errors.New("no certificate in it")
	}
	return certs, nil
}

// Lookup checks a ticket and reads what it says.
func (o *OVirt) Lookup(_ context.Context, token string) (Ticket, error) {
	if len(token) > maxSealed {
		return Ticket{}, refused("ovirt", "it is too large")
	}
	said, err := parseOVirt(strings.TrimPrefix(token, "/"))
	if err != nil {
		return Ticket{}, refused("ovirt", err.Error())
	}
	if err := o.verify(said); err != nil {
		return Ticket{}, refused("ovirt", err.Error())
	}
	t, err := oVirtTicket(said["data"])
	if err != nil {
		return Ticket{}, refused("ovirt", err.Error())
	}
	return t, nil
}

// parseOVirt reads the ticket's fields, all of which are strings. base64 with
// the URL's alphabet is taken as well, and a + that became a space.
func parseOVirt(token string) (map[string]string, error) {
	text, err := base64.StdEncoding.DecodeString(strings.NewReplacer(" ", "+", "-", "+", "_", "/").Replace(token))
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	var said map[string]string
	if json.Unmarshal(text, &said) != nil {
		return nil, errors.New("it is not the JSON that was expected")
	}
	return said, nil
}

// verify checks whose signature it is, and the time.
func (o *OVirt) verify(said map[string]string) error {
	digest, err := oVirtDigest(said)
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(said["v2_signature"])
	if err != nil || len(signature) == 0 {
		return errors.New("it has no v2_signature: the engine is older than 4.3, whose SHA-1 is not taken")
	}
	cert, err := o.certificate(said["certificate"])
	if err != nil {
		return err
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok || rsa.VerifyPSS(key, crypto.SHA256, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}) != nil {
		return errors.New("its signature is wrong: it was changed, or signed with another key")
	}
	return oVirtLife(said["validFrom"], said["validTo"], o.cfg.Skew)
}

// oVirtDigest hashes the signed fields. There is nothing between them under the
// signature, so another signedFields could cut the same bytes elsewhere: it must
// name just the four fields of the format, in any order, and those must have
// their lengths.
func oVirtDigest(said map[string]string) ([]byte, error) {
	names := strings.Split(said["signedFields"], ",")
	h := sha256.New()
	for i, name := range names {
		names[i] = strings.TrimSpace(name)
		h.Write([]byte(said[names[i]]))
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"data", "salt", "validFrom", "validTo"}) {
		return nil, errors.New("its signature does not cover just salt, validFrom, validTo and data")
	}
	if salt := said["salt"]; len(salt) != oVirtSalt || strings.ContainsAny(salt, "{%") {
		return nil, errors.New("its salt is not of 8 bytes")
	}
	return h.Sum(nil), nil
}

func oVirtLife(from, to string, skew time.Duration) error {
	begin, err := time.Parse(oVirtTime, from)
	if err != nil || len(from) != len(oVirtTime) {
		return errors.New("its validFrom is malformed")
	}
	end, err := time.Parse(oVirtTime, to)
	if err != nil || len(to) != len(oVirtTime) {
		return errors.New("its validTo is malformed")
	}
	if now := time.Now(); now.Before(begin.Add(-skew)) || now.After(end.Add(skew)) {
		return errors.New("it has expired, or is not valid yet")
	}
	return nil
}

// certificate returns the engine's, or that in the ticket if a CA of the
// engine's signed it for the purpose.
func (o *OVirt) certificate(text string) (*x509.Certificate, error) {
	trusted, broken := o.certs.Current()
	if broken != nil && o.cfg.Report != nil {
		o.cfg.Report(broken)
	}
	if o.cfg.CAFile == "" {
		return trusted[0], nil
	}
	certs, err := parseCertificates([]byte(text))
	if err != nil {
		return nil, errors.New("its certificate is malformed")
	}
	roots := x509.NewCertPool()
	for _, ca := range trusted {
		roots.AddCert(ca)
	}
	if _, err := certs[0].Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return nil, errors.New("its certificate is not the engine's CA's, or not of this time")
	}
	if !hasPurpose(certs[0], o.purpose) {
		return nil, errors.New("its certificate is not for this purpose")
	}
	return certs[0], nil
}

// hasPurpose looks for an extended key usage (RFC 5280, 4.2.1.12), in the
// extension itself since x509 has usages that it knows by number.
func hasPurpose(cert *x509.Certificate, purpose asn1.ObjectIdentifier) bool {
	for _, extension := range cert.Extensions {
		var usages []asn1.ObjectIdentifier
		if !extension.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 37}) {
			continue
		}
		if _, err := asn1.Unmarshal(extension.Value, &usages); err == nil && slices.ContainsFunc(usages, purpose.Equal) {
			return true
		}
	}
	return false
}

// oVirtTicket reads the data.
func oVirtTicket(data string) (Ticket, error) {
	text, err := url.PathUnescape(data)
	var said struct {
		Host  string          `json:"host"`
		Port  jsonText        `json:"port"`
		TLS   json.RawMessage `json:"ssl_target"`
		Path  string          `json:"path"`
		Token string          `json:"token"`
	}
	if err != nil || json.Unmarshal([]byte(text), &said) != nil {
		return Ticket{}, errors.New("its data is not the JSON that was expected")
	}
	address, err := JoinAddress(said.Host, string(said.Port))
	if err != nil {
		return Ticket{}, err
	}
	if said.Path != "" {
		return kubeVirtTicket(address, said.Path, said.Token)
	}
	t := Ticket{Address: address}
	switch strings.ToLower(strings.Trim(string(said.TLS), `"`)) {
	case "true":
		t.VeNCrypt = true
	case "false", "null", "":
	default:
		return Ticket{}, errors.New("its ssl_target is neither true nor false")
	}
	return t, nil
}

// kubeVirtTicket asks the cluster's API for the display as
// pkg/virt-handler/rest/console.go of KubeVirt has it: the bearer's token goes
// in a subprotocol, as it would from a browser.
func kubeVirtTicket(address, path, bearer string) (Ticket, error) {
	u, err := url.Parse(path)
	if err != nil || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || u.Host != "" || u.Fragment != "" {
		return Ticket{}, errors.New("its path is malformed")
	}
	if strings.HasPrefix(address, "unix:") || len(path)+len(bearer) > maxKubeBearer {
		return Ticket{}, errors.New("its path and token are too long, or for a socket")
	}
	u.Scheme, u.Host = "wss", address
	protocols := []string{"plain.kubevirt.io"}
	if bearer != "" {
		protocols = slices.Insert(protocols, 0, "base64url.bearer.authorization.k8s.io."+base64.RawURLEncoding.EncodeToString([]byte(bearer)))
	}
	header := http.Header{"Sec-Websocket-Protocol": {strings.Join(protocols, ", ")}}
	return Ticket{Address: address, TLS: true, WebSocketURL: u.String(), Header: header}, nil
}
