package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"vncgate/gateway/control"
	"vncgate/layers"
)

// adminConfig is the listener for those who look after the gateway and for the
// programs that watch it.
type adminConfig struct {
	Address      string              `yaml:"address"`
	Mode         fileMode            `yaml:"mode,omitempty"`  // of a unix socket, as owner and group are
	Owner        string              `yaml:"owner,omitempty"` // a name or number
	Group        string              `yaml:"group,omitempty"` // a name or number
	TLS          *adminTLSConfig     `yaml:"tls,omitempty"`
	Tokens       []adminTokenConfig  `yaml:"tokens,omitempty"`
	Certificates []adminClientConfig `yaml:"certificates,omitempty"` // who may do what by a client certificate
	Open         []string            `yaml:"open,omitempty"`         // what needs neither: metrics, health
	Hosts        []string            `yaml:"hosts,omitempty"`        // names by which browsers and scrapers without a token ask for it
	Origins      []string            `yaml:"origins,omitempty"`      // of foreign pages that may use the API
}

// adminTLSConfig is our certificate towards those.
type adminTLSConfig struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	ClientCA    string `yaml:"client_ca,omitempty"` // takes client certificates of this CA
}

// adminTokenConfig is a bearer token and what it is good for.
type adminTokenConfig struct {
	Name  string  `yaml:"name"` // in the audit
	Role  string  `yaml:"role"` // viewer, operator or admin
	Token *secret `yaml:"token"`
}

// adminClientConfig is the owner of a client certificate.
type adminClientConfig struct {
	Name string `yaml:"name"` // the certificate's common name; "*" is anybody with one
	Role string `yaml:"role"`
}

// What may be open to everybody who reaches the address.
const (
	openMetrics = "metrics"
	openHealth  = "health"
)

func (a *adminConfig) validate() error {
	if a == nil {
		return nil
	}
	network, _, err := layers.ParseAddress(a.Address)
	if err != nil {
		return err
	}
	socket := listenerConfig{Address: a.Address, Mode: a.Mode, Owner: a.Owner, Group: a.Group}
	if err := socket.validateSocket(network); err != nil {
		return err
	}
	if err := a.TLS.validate(network); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	if err := a.validateTokens(); err != nil {
		return fmt.Errorf("tokens: %w", err)
	}
	if err := a.validateCertificates(); err != nil {
		return fmt.Errorf("certificates: %w", err)
	}
	for _, origin := range a.Origins {
		if err := http.NewCrossOriginProtection().AddTrustedOrigin(origin); err != nil {
			return fmt.Errorf("origins: %q is none; write it as browsers do, https://portal.example", origin)
		}
	}
	for _, what := range a.Open {
		if what != openMetrics && what != openHealth {
			return fmt.Errorf("open: %w", notOneOf("page", what, []string{openMetrics, openHealth}))
		}
	}
	if len(a.Tokens) > 0 && a.TLS == nil && network == "tcp" && !a.local() {
		return errors.New("tokens would cross the network in the clear; set tls, or an address of this machine such as 127.0.0.1:6081 or unix:/run/vncgate/admin.sock")
	}
	return nil
}

// minAdminToken is how many characters a token has at least: it gives whoever has
// it all sessions, and needs no name beside it.
const minAdminToken = 16

// secretsReadable names the first token that cannot be had, or could be guessed.
func (a *adminConfig) secretsReadable(ctx context.Context) error {
	if a == nil {
		return nil
	}
	for _, t := range a.Tokens {
		token, err := t.Token.read(ctx)
		if err != nil {
			return fmt.Errorf("token %s: %w", t.Name, err)
		}
		if len(token) < minAdminToken {
			return fmt.Errorf("token %s: %s is shorter than %d characters, and could be guessed; 'openssl rand -base64 24' makes one", t.Name, t.Token.place(), minAdminToken)
		}
	}
	return nil
}

// local reports whether only this machine reaches the address.
func (a *adminConfig) local() bool {
	host, _, err := net.SplitHostPort(a.Address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (t *adminTLSConfig) validate(network string) error {
	switch {
	case t == nil:
		return nil
	case network == "unix":
		return errors.New("a unix socket needs none: leave it out")
	case t.Certificate == "" || t.Key == "":
		return errors.New("both certificate and key are needed; 'vncgate cert make' makes them")
	}
	return nil
}

func (a *adminConfig) validateTokens() error {
	var names []string
	for i, t := range a.Tokens {
		switch {
		case t.Name == "":
			return fmt.Errorf("[%d]: name is missing; the audit log calls its owner by it", i)
		case slices.Contains(names, t.Name):
			return fmt.Errorf("%s is named twice", t.Name)
		case t.Token == nil:
			return fmt.Errorf("%s: token is missing, such as token: {file: PATH}", t.Name)
		}
		if err := validRole(t.Role); err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		names = append(names, t.Name)
	}
	return nil
}

func (a *adminConfig) validateCertificates() error {
	if len(a.Certificates) > 0 && (a.TLS == nil || a.TLS.ClientCA == "") {
		return errors.New("tls with client_ca is needed, by which client certificates are checked")
	}
	if len(a.Certificates) == 0 && a.TLS != nil && a.TLS.ClientCA != "" {
		return errors.New("none is named, so tls: client_ca would do nothing; add {name: COMMON NAME, role: viewer}")
	}
	for i, c := range a.Certificates {
		if c.Name == "" {
			return fmt.Errorf("[%d]: name is missing: the certificate's common name, or \"*\" for all", i)
		}
		if err := validRole(c.Role); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

func validRole(name string) error {
	if _, err := control.ParseRole(name); err != nil {
		return fmt.Errorf("role: %w", notOneOf("role", name, []string{"viewer", "operator", "admin"}))
	}
	return nil
}

// opens reports whether a page needs neither token nor certificate.
func (a *adminConfig) opens(what string) bool { return slices.Contains(a.Open, what) }

// knowsHost reports whether a request that came without a token was meant for
// us: a page whose name its owner has pointed at our address, to read from
// within what it cannot reach from outside, names another host.
func (a *adminConfig) knowsHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	if _, err := netip.ParseAddr(host); err == nil || host == "" || !strings.Contains(host, ".") {
		return true // an address, or a name that no public server can give away
	}
	own, _, _ := net.SplitHostPort(a.Address)
	return strings.EqualFold(own, host) || slices.ContainsFunc(a.Hosts, func(h string) bool { return strings.EqualFold(h, host) })
}
