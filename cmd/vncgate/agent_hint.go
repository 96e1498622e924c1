package main

import (
	"crypto/x509"
	"errors"
	"strings"

	"vncgate/certs"
)

// connectHint says what to do about an error of the way to the gateway.
func connectHint(err error) string {
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	text := err.Error()
	switch {
	case errors.Is(err, certs.ErrOtherAuthority), errors.As(err, &unknown):
		return "\nwho answers there is not of the CA that this agent trusts: look at the address, and whether --ca (or the token) is of this gateway"
	case errors.As(err, &host):
		return "\nwho answers there has a certificate of another purpose: does this address take agents (agents: {} at the listener)?"
	case errors.As(err, &invalid):
		return "\nlook at this machine's clock, too"
	case strings.Contains(text, "client handshake: remote error: tls: "): // TLS 1.3 judges a client's certificate later
		return "\nwho answers there does not want this TLS: take the gateway's address for agents (agents: {} at the listener) with tls://, wss:// for pages that have TLS, ws:// for those that have none"
	case strings.Contains(text, "first record does not look like a TLS handshake"):
		return "\nwho answers there speaks no TLS: take the gateway's address for agents (agents: {} at the listener) with tls://, ws:// for pages without TLS"
	case strings.Contains(text, "the server answered 404"):
		return "\nno agents are taken at this path: the gateway's configuration says where (web: {agents: /agent})"
	case strings.Contains(text, "the server answered 401"), strings.Contains(text, "the server answered 403"), strings.Contains(text, "the server answered 30"):
		return "\na proxy in front of the gateway wants a login there: let this path through without one, agents prove themselves by certificates"
	case strings.Contains(text, "the other end answered 407"):
		return "\nthe proxy wants a name and a password: --proxy http://USER:PASSWORD@HOST:PORT"
	}
	return refusedHint(err)
}

// refusedHint is for what a TLS server says after its own handshake is done, as
// it does in TLS 1.3 of a client's certificate.
func refusedHint(err error) string {
	if !strings.Contains(err.Error(), "remote error: tls: ") { // its type is crypto/tls's own
		return ""
	}
	return "\nthe gateway does not take this agent's certificate: it is of another CA, too old, or revoked; 'vncgate token agent NAME' there makes a token for a new one"
}
