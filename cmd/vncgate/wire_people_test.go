package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"

	"vncgate/certs"
)

// One authority may issue for viewers, agents and gateways: each kind is good for
// its own purpose.
func TestOnlyPeopleComeByCertificates(t *testing.T) {
	ca, err := certs.OpenCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	asked := errors.New("asked")
	var plain, listed tls.Config
	listed.VerifyConnection = func(tls.ConnectionState) error { return asked }
	onlyPeople(&plain)
	onlyPeople(&listed)
	pairs := map[string]func() (*certs.KeyPair, error){
		"client": func() (*certs.KeyPair, error) { return ca.Client("alice") },
		"agent":  func() (*certs.KeyPair, error) { return ca.Agent("alice", []string{"*"}, 0) },
		"node":   func() (*certs.KeyPair, error) { return ca.Node("alice", []string{"a.internal"}) },
	}
	for kind, pair := range pairs {
		p, err := pair()
		if err != nil {
			t.Fatal(err)
		}
		state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{p.Leaf()}}
		if err := plain.VerifyConnection(state); (err == nil) != (kind == "client") {
			t.Errorf("%s: %v", kind, err)
		}
		if err := listed.VerifyConnection(state); errors.Is(err, asked) != (kind == "client") {
			t.Errorf("%s, with a list: %v", kind, err)
		}
		if certs.OfMachine(p.Leaf()) != (kind != "client") {
			t.Errorf("%s: of a machine?", kind)
		}
	}
	if err := plain.VerifyConnection(tls.ConnectionState{}); err != nil {
		t.Errorf("without one: %v", err)
	}
}
