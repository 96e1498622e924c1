package tickets_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"vncgate/auth/tickets"
)

const oVirtPurpose = "1.3.6.1.4.1.2312.13.1.2.1.1"

// oVirtCert is a certificate for key by the CA of caKey, nil for its own.
func oVirtCert(t testing.TB, key *rsa.PrivateKey, ca *x509.Certificate, caKey *rsa.PrivateKey, change func(*x509.Certificate)) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "engine"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 2312, 13, 1, 2, 1, 1}},
	}
	if ca == nil {
		c.IsCA, c.BasicConstraintsValid, c.UnknownExtKeyUsage, ca, caKey = true, true, nil, c, key
	}
	if change != nil {
		change(c)
	}
	return ok(x509.ParseCertificate(ok(x509.CreateCertificate(rand.Reader, c, ca, &key.PublicKey, caKey))(t)))(t)
}

func certPEM(c *x509.Certificate) string { return pemText("CERTIFICATE", c.Raw) }

// oVirt signs a ticket as ovirt-engine:packaging/pythonlib/ovirt_engine/ticket.py
// says; change sees the fields before they are signed.
func oVirt(t testing.TB, key *rsa.PrivateKey, cert *x509.Certificate, data any, change func(map[string]string)) map[string]string {
	now := time.Now().UTC()
	said := map[string]string{
		"salt":         base64.StdEncoding.EncodeToString([]byte("12345678")),
		"validFrom":    now.Format("20060102150405"),
		"validTo":      now.Add(time.Hour).Format("20060102150405"),
		"data":         url.PathEscape(string(toJSON(t, data))),
		"signedFields": "salt,validFrom,validTo,data",
	}
	if change != nil {
		change(said)
	}
	var text string
	for name := range strings.SplitSeq(said["signedFields"], ",") {
		text += said[strings.TrimSpace(name)]
	}
	digest := sha256.Sum256([]byte(text))
	// The longest salt is what PSSSaltLengthAuto signs with.
	signature := ok(rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthAuto}))(t)
	said["v2_signature"] = base64.StdEncoding.EncodeToString(signature)
	said["certificate"] = certPEM(cert)
	return said
}

func oVirtText(t testing.TB, said map[string]string) string {
	return base64.StdEncoding.EncodeToString(toJSON(t, said))
}

func TestOVirt(t *testing.T) {
	cert := oVirtCert(t, rsaKey(), nil, nil, nil)
	o := ok(tickets.NewOVirt(tickets.OVirtConfig{CertificateFile: keyFile(t, certPEM(cert)), Skew: time.Second}))(t)
	data := object{"host": "vm", "port": "5901", "ssl_target": false}
	token := func(data any, change func(map[string]string)) string {
		return oVirtText(t, oVirt(t, rsaKey(), cert, data, change))
	}
	plain := tickets.Ticket{Address: "vm:5901"}
	want(t, o, token(data, nil), plain)
	want(t, o, "/"+token(data, nil), plain)
	want(t, o, strings.NewReplacer("+", "-", "/", "_").Replace(token(data, nil)), plain)
	want(t, o, token(data, func(s map[string]string) { s["signedFields"] = "data, validTo, salt, validFrom" }), plain)
	want(t, o, token(with(data, object{"port": 5902, "ssl_target": true}), nil), tickets.Ticket{Address: "vm:5902", VeNCrypt: true})
	want(t, o, token(with(data, object{"ssl_target": "True"}), nil), tickets.Ticket{Address: "vm:5901", VeNCrypt: true})
	want(t, o, token(with(data, object{"path": "/apis/vnc?x=1", "token": "b?>"}), nil), tickets.Ticket{
		Address: "vm:5901", TLS: true, WebSocketURL: "wss://vm:5901/apis/vnc?x=1",
		Header: http.Header{"Sec-Websocket-Protocol": {"base64url.bearer.authorization.k8s.io.Yj8-, plain.kubevirt.io"}},
	})
	for says, bad := range map[string]string{
		"not base64":                "*",
		"not the JSON":              base64.StdEncoding.EncodeToString([]byte(`{"salt":1}`)),
		"port is missing":           token(object{"host": "vm"}, nil),
		"its data is not":           token([]string{"x"}, nil),
		"neither true":              token(with(data, object{"ssl_target": 1}), nil),
		"path is malformed":         token(with(data, object{"path": "//evil/"}), nil),
		"too long, or for a socket": token(object{"host": "unix_socket", "port": "/x", "path": "/"}, nil),
		"does not cover":            token(data, func(s map[string]string) { s["signedFields"] = "salt,data" }),
		"salt is not":               token(data, func(s map[string]string) { s["salt"] = "" }),
		"validFrom is malformed":    token(data, func(s map[string]string) { s["validFrom"] = "yesterday" }),
		"validTo is malformed":      token(data, func(s map[string]string) { s["validTo"] += "0" }),
		"has expired":               token(data, func(s map[string]string) { s["validTo"] = "20200101000000" }),
		"not valid yet":             token(data, func(s map[string]string) { s["validFrom"] = "21000101000000" }),
		"too large":                 strings.Repeat("A", 65<<10),
	} {
		wantUnknown(t, o, bad, says)
	}
	wantUnknown(t, o, oVirtText(t, oVirt(t, rsaKey2(), cert, data, nil)), "signature is wrong")
	for _, field := range []string{"data", "validTo", "v2_signature"} {
		said := oVirt(t, rsaKey(), cert, data, nil)
		said[field] = map[string]string{"data": "%7B%7D", "validTo": "21000101000000"}[field]
		wantUnknown(t, o, oVirtText(t, said), "signature")
	}
}

// There is nothing between the fields under the signature: what is signed as one
// must not be read as another.
func TestOVirtFieldsCutElsewhere(t *testing.T) {
	cert := oVirtCert(t, rsaKey(), nil, nil, nil)
	o := ok(tickets.NewOVirt(tickets.OVirtConfig{CertificateFile: keyFile(t, certPEM(cert))}))(t)
	said := oVirt(t, rsaKey(), cert, object{"host": "vm", "port": "5901", "path": "/99991231235959"}, nil)
	whole := said["salt"] + said["validFrom"] + said["validTo"] + said["data"]
	at := strings.Index(whole, "9999")
	said["x"], said["validTo"], said["y"] = whole[:at], whole[at:at+14], whole[at+14:]
	said["signedFields"] = "x,validTo,y"
	wantUnknown(t, o, oVirtText(t, said), "does not cover")
	said["signedFields"], said["salt"] = "salt,validTo,data", said["x"]
	wantUnknown(t, o, oVirtText(t, said), "does not cover")
	said["signedFields"], said["validFrom"], said["data"] = "salt,validFrom,validTo,data", "", said["y"]
	wantUnknown(t, o, oVirtText(t, said), "salt is not")
}

func TestOVirtByCA(t *testing.T) {
	ca := oVirtCert(t, rsaKey2(), nil, nil, nil)
	file := keyFile(t, certPEM(ca))
	o := ok(tickets.NewOVirt(tickets.OVirtConfig{CAFile: file, Purpose: oVirtPurpose}))(t)
	data := object{"host": "vm", "port": 5901, "ssl_target": false}
	token := func(cert *x509.Certificate) string { return oVirtText(t, oVirt(t, rsaKey(), cert, data, nil)) }
	good := oVirtCert(t, rsaKey(), ca, rsaKey2(), nil)
	want(t, o, token(good), tickets.Ticket{Address: "vm:5901"})
	wantUnknown(t, o, token(oVirtCert(t, rsaKey(), nil, nil, nil)), "engine's CA")
	wantUnknown(t, o, token(oVirtCert(t, rsaKey(), ca, rsaKey2(), func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })), "engine's CA")
	wantUnknown(t, o, token(oVirtCert(t, rsaKey(), ca, rsaKey2(), func(c *x509.Certificate) {
		c.UnknownExtKeyUsage, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})), "purpose")
	said := oVirt(t, rsaKey(), good, data, nil)
	said["certificate"] = "text"
	wantUnknown(t, o, oVirtText(t, said), "certificate is malformed")
	for says, cfg := range map[string]tickets.OVirtConfig{
		"either":             {},
		"either the engine":  {CAFile: file, CertificateFile: file},
		"purpose":            {CAFile: file},
		"like 1.3.6":         {CAFile: file, Purpose: "1..3"},
		"at most":            {CertificateFile: file, Skew: time.Hour},
		"no such file":       {CertificateFile: file + ".none"},
		"not a PEM file":     {CertificateFile: keyFile(t, "text")},
		"no certificate":     {CertificateFile: keyFile(t, "")},
		"certificates alone": {CertificateFile: keyFile(t, publicPEM(t, &rsaKey().PublicKey))},
	} {
		if _, err := tickets.NewOVirt(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, expected: %s", err, says)
		}
	}
}

func TestOVirtCertificateIsHot(t *testing.T) {
	first, second := oVirtCert(t, rsaKey(), nil, nil, nil), oVirtCert(t, rsaKey2(), nil, nil, nil)
	path := keyFile(t, certPEM(first))
	var broken error
	o := ok(tickets.NewOVirt(tickets.OVirtConfig{CertificateFile: path, Report: func(err error) { broken = err }}))(t)
	token := oVirtText(t, oVirt(t, rsaKey2(), second, object{"host": "vm", "port": "1"}, nil))
	wantUnknown(t, o, token, "signature is wrong")
	for _, text := range []string{certPEM(second), "broken"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want(t, o, token, tickets.Ticket{Address: "vm:1"})
	}
	if broken == nil {
		t.Error("nothing was reported")
	}
}

// Whatever is in a ticket, only what was signed comes out.
func FuzzOVirt(f *testing.F) {
	cert := oVirtCert(f, rsaKey(), nil, nil, nil)
	o := ok(tickets.NewOVirt(tickets.OVirtConfig{CertificateFile: keyFile(f, certPEM(cert))}))(f)
	good := toJSON(f, oVirt(f, rsaKey(), cert, object{"host": "vm", "port": "5901"}, nil))
	f.Add(good, `{"host":"vm","port":"1"}`)
	f.Add([]byte(`{"signedFields":",,,","v2_signature":"AA=="}`), `{"host":"h","port":1,"path":"/%zz","token":"t"}`)
	f.Fuzz(func(t *testing.T, text []byte, data string) {
		ticket, err := o.Lookup(context.Background(), base64.StdEncoding.EncodeToString(text))
		if err == nil && ticket.Address != "vm:5901" || err != nil && !errors.Is(err, tickets.ErrUnknown) {
			t.Fatalf("%+v, %v", ticket, err)
		}
		signed := oVirt(t, rsaKey(), cert, nil, func(s map[string]string) { s["data"] = data })
		ticket, err = o.Lookup(context.Background(), oVirtText(t, signed))
		if err == nil && ticket.Address == "" || err != nil && !errors.Is(err, tickets.ErrUnknown) {
			t.Fatalf("%+v, %v", ticket, err)
		}
	})
}
