package main

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"testing"
	"time"
)

// The pages of oVirt connect to a path that is the engine's signed ticket.
func TestOVirtTicketAsPath(t *testing.T) {
	at := displaysAt(t, "one")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	engine := fileWith(t, "%s", selfSignedBy(t, key))
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [engine], security: [none]}
sources:
  - {name: engine, ovirt: {certificate: %q, skew: 1m}, allow: ["127.0.0.0/8:*"]}
`, engine)
	ticket := oVirtTicketFor(t, key, at[0].(string))
	got, err := g.browser(0, "/"+ticket, nil)
	sees(t, "a ticket", "one", got, err)
	got, err = g.browser(0, "/websockify?token="+url.QueryEscape(ticket), nil)
	sees(t, "a ticket as a token", "one", got, err)
	got, err = g.browser(0, "/"+oVirtTicketFor(t, otherRSAKey(t), at[0].(string)), nil)
	sees(t, "another's ticket", "!403", got, err)
}

func otherRSAKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func selfSignedBy(t *testing.T, key *rsa.PrivateKey) []byte {
	t.Helper()
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// oVirtTicketFor signs as TicketEncoder.java of oVirt's engine does.
func oVirtTicketFor(t *testing.T, key *rsa.PrivateKey, address string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	said := map[string]string{
		"salt": "c2FsdHNhbHQ=", "validFrom": now.Format("20060102150405"), "validTo": now.Add(time.Minute).Format("20060102150405"),
		"data":         url.PathEscape(fmt.Sprintf(`{"host":%q,"port":%q,"ssl_target":false}`, host, port)),
		"signedFields": "salt,validFrom,validTo,data",
	}
	digest := sha256.Sum256([]byte(said["salt"] + said["validFrom"] + said["validTo"] + said["data"]))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], nil)
	if err != nil {
		t.Fatal(err)
	}
	said["v2_signature"] = base64.StdEncoding.EncodeToString(signature)
	text, err := json.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(text)
}
