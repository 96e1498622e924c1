package certs_test

import (
	"crypto/tls"
	"fmt"
	"log"
	"os"

	"vncgate/certs"
)

// A development authority serves at once; what viewers have to trust is its
// certificate.
func ExampleDevelopment() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	pair, err := certs.Development(dir, []string{"gate.example"})
	if err != nil {
		log.Fatal(err)
	}
	config := &tls.Config{GetCertificate: pair.GetCertificate}
	fmt.Println(config.GetCertificate != nil, pair.Leaf().VerifyHostname("gate.example"))
	// Output: true <nil>
}

// A pair from files follows them; what may trouble viewers is said at start.
func ExampleLoad() {
	pair, err := certs.Load("tls.crt", "tls.key")
	if err != nil {
		fmt.Println(err)
		return
	}
	pair.Report = func(err error) { log.Print(err) }
	if warning := pair.Warning(); warning != "" {
		log.Print(warning)
	}
	// Output: certs: certificate tls.crt: no such file or directory
}

// Revocation lists stop handshakes, and end sessions that are looked at again.
func ExampleLoadCRLs() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ca, err := certs.OpenCA(dir)
	if err != nil {
		log.Fatal(err)
	}
	_, err = certs.LoadCRLs(certs.CRLConfig{Files: []string{"revoked.crl"}, Authorities: []string{ca.CertFile()}})
	fmt.Println(err)
	// Output: certs: revocation list revoked.crl: no such file or directory
}
