package main

import "testing"

// Who must show a certificate is not just anyone who reaches the address.
func TestDemandsCertificate(t *testing.T) {
	for _, c := range []struct {
		name     string
		kind     kind
		tls      *serverTLSConfig
		security []string
		want     bool
	}{
		{"no TLS", browsers, nil, []string{"none"}, false},
		{"no CA", browsers, &serverTLSConfig{}, []string{"none"}, false},
		{"browsers", browsers, &serverTLSConfig{ClientCA: "ca"}, []string{"none"}, true},
		{"TLS from the first byte", natives, &serverTLSConfig{ClientCA: "ca", Implicit: true}, []string{"none"}, true},
		{"TLS inside VeNCrypt", natives, &serverTLSConfig{ClientCA: "ca"}, []string{"x509-none"}, true},
		{"a way around TLS", natives, &serverTLSConfig{ClientCA: "ca"}, []string{"x509-none", "none"}, false},
	} {
		l := listenerConfig{TLS: c.tls}
		*l.types(c.kind) = c.security
		if got := l.demandsCertificate(c.kind); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
