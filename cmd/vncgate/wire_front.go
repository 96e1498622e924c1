package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"vncgate/auth"
	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// What can be offered to viewers, by the names the configuration uses. Plain
// on a bare TCP connection would show the password to everybody on the way.
var (
	webSecurity    = []string{"none", "vnc", "plain", "sasl"}
	nativeSecurity = []string{"x509-plain", "x509-sasl", "x509-vnc", "x509-none", "sasl", "vnc", "none"}
)

// validateSecurity fills in what is offered where nothing is stated, and
// refuses what cannot work.
func (l *listenerConfig) validateSecurity(c *config) error {
	known := nativeSecurity
	if l.Web != nil {
		known = webSecurity
	}
	if len(l.Security) == 0 {
		l.Security = l.defaultSecurity(c)
	}
	for i, name := range l.Security {
		if !slices.Contains(known, name) {
			return fmt.Errorf("security: %w", notOneOf("security type", name, known))
		}
		if slices.Contains(l.Security[:i], name) {
			return fmt.Errorf("security: %s is named twice", name)
		}
		if err := l.canOffer(name, c); err != nil {
			return fmt.Errorf("security: %s: %w", name, err)
		}
	}
	return l.validateUse()
}

// validateUse refuses settings that no security type here makes use of.
func (l *listenerConfig) validateUse() error {
	uses := func(suffix string) bool {
		return slices.ContainsFunc(l.Security, func(name string) bool { return strings.HasSuffix(name, suffix) })
	}
	overTLS := slices.ContainsFunc(l.Security, func(name string) bool { return strings.HasPrefix(name, "x509-") })
	switch {
	case l.Password != nil && !uses("vnc"):
		return fmt.Errorf("password: none of %s uses it; add vnc or x509-vnc to security, or leave it out", strings.Join(l.Security, ", "))
	case l.TLS != nil && l.Web == nil && !l.TLS.Implicit && !overTLS:
		return fmt.Errorf("tls: none of %s uses it; add an x509 type to security, or set implicit for TLS from the first byte", strings.Join(l.Security, ", "))
	}
	return nil
}

// defaultSecurity is the strongest that the listener's settings make possible.
func (l *listenerConfig) defaultSecurity(c *config) []string {
	users, password := c.Users != nil, l.Password != nil
	switch {
	case l.Web != nil && users:
		return []string{"plain"}
	case l.Web == nil && users && l.TLS != nil:
		return []string{"x509-plain", "x509-sasl"}
	case l.Web == nil && users:
		return []string{"sasl"}
	case l.Web == nil && l.TLS != nil && password:
		return []string{"x509-vnc"}
	case l.Web == nil && l.TLS != nil:
		return []string{"x509-none"}
	case password:
		return []string{"vnc"}
	}
	return []string{"none"}
}

// canOffer says what a security type lacks here.
func (l *listenerConfig) canOffer(name string, c *config) error {
	switch {
	case strings.HasPrefix(name, "x509-") && l.TLS == nil:
		return errors.New("needs tls with certificate and key on this listener")
	case (strings.HasSuffix(name, "plain") || strings.HasSuffix(name, "sasl")) && c.Users == nil:
		return errors.New("needs users; 'vncgate user add' makes the file")
	case strings.HasSuffix(name, "vnc") && l.Password == nil:
		return errors.New("needs a password on this listener, such as password: {file: PATH}")
	case name == "plain" && !l.private():
		return errors.New("needs tls on this listener (or a unix socket), else passwords would cross the network in the clear")
	}
	return nil
}

// private reports whether nobody on the way can read what a viewer sends.
func (l *listenerConfig) private() bool {
	return l.TLS != nil && (l.Web != nil || l.TLS.Implicit) || strings.HasPrefix(l.Address, "unix:")
}

// open reports whether anyone who reaches the address gets in.
func (l *listenerConfig) open() bool {
	return slices.Contains(l.Security, "none") || slices.Contains(l.Security, "x509-none")
}

// front wires one listener's settings to layers and security types.
func (w *wiring) front(l *listenerConfig, tlsConfig *tls.Config) (gateway.Front, error) {
	front := gateway.Front{Name: l.Address, Target: l.Target}
	if l.Proxy != nil {
		trusted, err := parsePrefixes(l.Proxy.Trusted)
		if err != nil {
			return front, fmt.Errorf("proxy: %w", err)
		}
		front.Layers = append(front.Layers, layers.ProxyServer(trusted))
	}
	if l.Web == nil && l.TLS != nil && l.TLS.Implicit {
		front.Layers = append(front.Layers, layers.TLSServer(tlsConfig))
	}
	front.Security = func(net.Conn) []rfb.Security { return w.offer(l, tlsConfig) }
	return front, nil
}

// offer makes the security types for one connection, in the stated order; the
// x509 ones share one VeNCrypt, at the place of the first.
func (w *wiring) offer(l *listenerConfig, tlsConfig *tls.Config) []rfb.Security {
	var offered []rfb.Security
	var subtypes []rfb.Security
	at := -1
	for _, name := range l.Security {
		inner, overTLS := strings.CutPrefix(name, "x509-")
		s := w.serverSecurity(inner, l, overTLS || l.private())
		if !overTLS && name != "plain" {
			offered = append(offered, s)
			continue
		}
		if overTLS {
			s = rfb.ServerX509{TLS: rfb.Upgrade(layers.TLSServer(tlsConfig)), Inner: s}
		}
		subtypes = append(subtypes, s)
		if at < 0 {
			at = len(offered)
		}
	}
	if at >= 0 {
		offered = slices.Insert(offered, at, rfb.Security(rfb.ServerVeNCrypt{Subtypes: subtypes}))
	}
	return offered
}

func (w *wiring) serverSecurity(name string, l *listenerConfig, private bool) rfb.Security {
	switch name {
	case "vnc":
		return rfb.ServerVncAuth{Passwords: func(ctx context.Context) ([]string, error) {
			p, err := l.Password.read(ctx)
			return []string{p}, err
		}}
	case "plain":
		return rfb.ServerPlain{Verify: func(ctx context.Context, user, password string) error {
			return w.verify(ctx, user, password)
		}}
	case "sasl":
		mechanisms := auth.Mechanisms{Users: w.users, Encrypted: private}
		return rfb.ServerSASL{
			Mechanisms: mechanisms.Names(),
			Start: func(ctx context.Context, name string, _ net.Conn) (rfb.SASLMechanism, error) {
				return mechanisms.New(ctx, name)
			},
		}
	}
	return rfb.None{}
}

// verify proves a user by password. A name in another spelling than the file's
// is refused although it means the same user: the policy must see the name that
// its rules are written with.
func (w *wiring) verify(ctx context.Context, user, password string) error {
	id, err := w.users.Verify(ctx, user, password)
	if err == nil && id.Name != user {
		return auth.ErrDenied
	}
	return err
}

// serverTLS loads our certificate; it is read again when its files change.
func (w *wiring) serverTLS(t *serverTLSConfig) (*tls.Config, error) {
	if t == nil {
		return nil, nil
	}
	pair, err := certs.Load(t.Certificate, t.Key)
	if err != nil {
		return nil, err
	}
	pair.Report = w.reporter("certificate", t.Certificate)
	w.pairs = append(w.pairs, pair)
	cfg := serverTLSOf(pair)
	if t.ClientCA != "" {
		if cfg.ClientCAs, err = certs.Pool(t.ClientCA); err != nil {
			return nil, fmt.Errorf("tls: client_ca: %w", err)
		}
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return cfg, nil
}

func serverTLSOf(pair *certs.KeyPair) *tls.Config {
	return &tls.Config{GetCertificate: pair.GetCertificate, MinVersion: tls.VersionTLS12}
}

// parsePrefixes reads addresses and CIDR ranges; "unix" is every peer that
// reaches a unix socket, which has no address.
func parsePrefixes(list []string) (func(netip.Addr) bool, error) {
	var prefixes []netip.Prefix
	local := false
	for _, text := range list {
		if text == "unix" {
			local = true
			continue
		}
		p, err := netip.ParsePrefix(text)
		if err != nil {
			a, addrErr := netip.ParseAddr(text)
			if addrErr != nil {
				return nil, fmt.Errorf("%q is neither an address nor a CIDR range nor unix", text)
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		prefixes = append(prefixes, p.Masked())
	}
	return func(a netip.Addr) bool {
		if !a.IsValid() {
			return local
		}
		return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
	}, nil
}
