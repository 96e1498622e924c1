package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// What can be offered to viewers, by the names the configuration uses. Plain
// on a bare TCP connection would show the password to everybody on the way.
var (
	webSecurity = []string{
		"none", "vnc", "plain", "sasl", "ra2ne-256", "ra2-256", "ra2ne", "ra2", "ard", "tight-none", "tight-vnc", "tight-plain",
	}
	nativeSecurity = []string{
		"x509-plain", "x509-sasl", "x509-vnc", "x509-none", "sasl", "ra2-256", "ra2", "ra2ne-256", "ra2ne", "ard",
		"vnc", "none", "tight-vnc", "tight-none", "tight-plain",
	}
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

// offers reports whether one of the security types is f's.
func (l *listenerConfig) offers(f func(name string) bool) bool {
	return slices.ContainsFunc(l.Security, f)
}

// validateUse refuses settings that no security type here makes use of.
func (l *listenerConfig) validateUse() error {
	types := strings.Join(l.Security, ", ")
	switch {
	case l.Password != nil && !l.offers(asksVncPassword):
		return fmt.Errorf("password: none of %s uses it; add vnc or x509-vnc to security, or leave it out", types)
	case l.TLS != nil && l.Web == nil && !l.TLS.Implicit && !l.offers(isX509):
		return fmt.Errorf("tls: none of %s uses it; add an x509 type to security, or set implicit for TLS from the first byte", types)
	case l.Anonymous && !l.offers(asksSASL):
		return fmt.Errorf("anonymous: none of %s uses it; it allows a SASL mechanism, so add sasl or x509-sasl to security", types)
	case l.RSAKey != "" && !l.offers(isRSAAES):
		return fmt.Errorf("rsa_key: none of %s uses it; add an ra2 type to security, or leave it out", types)
	}
	return nil
}

func isX509(name string) bool          { return strings.HasPrefix(name, "x509-") }
func isRSAAES(name string) bool        { return strings.HasPrefix(name, "ra2") }
func asksSASL(name string) bool        { return strings.HasSuffix(name, "sasl") }
func asksVncPassword(name string) bool { return strings.HasSuffix(name, "vnc") }

// asksPassword is for types by which a user's password comes to us.
func asksPassword(name string) bool {
	return strings.HasSuffix(name, "plain") || isRSAAES(name) || name == "ard" || name == "mslogon2"
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
	case isX509(name) && l.TLS == nil:
		return errors.New("needs tls with certificate and key on this listener")
	case asksPassword(name) && c.Users == nil:
		return errors.New("needs users; 'vncgate user add' makes the file")
	case asksSASL(name) && c.Users == nil && c.Tokens == nil && c.Kerberos == nil && !l.Anonymous && !l.knowsPeers():
		return errors.New("needs users ('vncgate user add' makes the file), tokens, kerberos, client certificates or anonymous")
	case asksVncPassword(name) && l.Password == nil && c.Targets[l.Target].ViewerPassword == nil:
		return errors.New("needs a password on this listener, such as password: {file: PATH}, or a viewer_password of the target")
	case (name == "plain" || name == "tight-plain") && !l.private():
		return errors.New("needs tls on this listener (or a unix socket), else passwords would cross the network in the clear")
	case isRSAAES(name) && l.RSAKey == "":
		return errors.New("needs rsa_key: FILE, which is made if there is none; viewers remember the key")
	}
	return nil
}

// knowsPeers reports whether a proof below RFB may say who a viewer is.
func (l *listenerConfig) knowsPeers() bool {
	return l.TLS != nil && l.TLS.ClientCA != "" || strings.HasPrefix(l.Address, "unix:")
}

// private reports whether nobody on the way can read what a viewer sends.
func (l *listenerConfig) private() bool {
	return l.TLS != nil && (l.Web != nil || l.TLS.Implicit) || strings.HasPrefix(l.Address, "unix:")
}

// open reports whether anyone who reaches the address gets in.
func (l *listenerConfig) open() bool {
	return l.Anonymous || l.offers(func(name string) bool { return strings.HasSuffix(name, "none") })
}

// entry is one listener, wired: what its security types are made from.
type entry struct {
	w    *wiring
	l    *listenerConfig
	cert *serverCertificate // nil without TLS
	rsa  *rsaKey            // nil without RSA-AES
}

// entry opens what the listener's security types need.
func (w *wiring) entry(l *listenerConfig, cert *serverCertificate) (*entry, error) {
	e := &entry{w: w, l: l, cert: cert}
	if l.RSAKey != "" {
		key, err := loadRSAKey(l.RSAKey)
		if err != nil {
			return nil, fmt.Errorf("rsa_key: %w", err)
		}
		e.rsa = key
	}
	return e, nil
}

// front wires one listener's settings to layers and security types.
func (w *wiring) front(l *listenerConfig, cert *serverCertificate) (gateway.Front, error) {
	front := gateway.Front{Name: l.Address, Target: l.Target}
	if l.Proxy != nil {
		trusted, err := parsePrefixes(l.Proxy.Trusted)
		if err != nil {
			return front, fmt.Errorf("proxy: %w", err)
		}
		front.Layers = append(front.Layers, layers.ProxyServer(trusted))
	}
	if l.Web == nil && l.TLS != nil && l.TLS.Implicit {
		front.Layers = append(front.Layers, layers.TLSServer(cert.config))
	}
	e, err := w.entry(l, cert)
	if err != nil {
		return front, err
	}
	front.Security = e.offer
	return front, nil
}

// offer makes the security types for one connection, in the stated order.
func (e *entry) offer(_ net.Conn, target string) []rfb.Security {
	return side{
		single: func(inner string, overTLS bool) rfb.Security {
			return e.security(inner, target, overTLS || e.l.private())
		},
		x509: func(inner rfb.Security) rfb.Security {
			return rfb.ServerX509{TLS: rfb.Upgrade(layers.TLSServer(e.cert.config)), Inner: inner}
		},
		venCrypt: func(list []rfb.Security) rfb.Security { return rfb.ServerVeNCrypt{Subtypes: list} },
		tight:    func(list []rfb.Security) rfb.Security { return rfb.ServerTight{Auths: list} },
	}.assemble(e.l.Security)
}

func (e *entry) security(name, target string, private bool) rfb.Security {
	switch name {
	case "vnc":
		return vncProof{e, target}
	case "plain":
		return passwordProof{e, func(v verifier) rfb.Security { return rfb.ServerPlain{Verify: v} }}
	case "sasl":
		return saslProof{e, private}
	case "ard":
		return passwordProof{e, func(v verifier) rfb.Security { return rfb.ServerARD{Verify: v} }}
	case "ra2", "ra2ne", "ra2-256", "ra2ne-256":
		return passwordProof{e, func(v verifier) rfb.Security {
			return rfb.ServerRSAAES{As: rsaTypes[name], Key: e.rsa.get, Verify: v}
		}}
	}
	return rfb.None{}
}

// rsaTypes are the types of RSA-AES by the names of the configuration.
var rsaTypes = map[string]rfb.SecurityType{
	"ra2": rfb.TypeRA2, "ra2ne": rfb.TypeRA2ne, "ra2-256": rfb.TypeRA256, "ra2ne-256": rfb.TypeRAne256,
}

// serverCertificate is our certificate on one listener.
type serverCertificate struct {
	pair   *certs.KeyPair
	config *tls.Config
}

// serverTLS loads our certificate; it is read again when its files change.
func (w *wiring) serverTLS(t *serverTLSConfig) (*serverCertificate, error) {
	if t == nil {
		return nil, nil
	}
	pair, err := certs.Load(t.Certificate, t.Key)
	if err != nil {
		return nil, err
	}
	pair.Report = w.reporter("certificate", t.Certificate)
	w.pairs = append(w.pairs, pair)
	cert := certificateOf(pair)
	if t.ClientCA != "" {
		if cert.config.ClientCAs, err = certs.Pool(t.ClientCA); err != nil {
			return nil, fmt.Errorf("tls: client_ca: %w", err)
		}
		cert.config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return cert, nil
}

func certificateOf(pair *certs.KeyPair) *serverCertificate {
	return &serverCertificate{pair, &tls.Config{GetCertificate: pair.GetCertificate, MinVersion: tls.VersionTLS12}}
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
