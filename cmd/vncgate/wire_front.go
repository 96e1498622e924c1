package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vncgate/auth"
	"vncgate/certs"
	"vncgate/gateway"
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

// known are the security types that viewers of kind k may be offered.
func (k kind) known() []string {
	if k == browsers {
		return webSecurity
	}
	return nativeSecurity
}

// types are the security types that viewers of kind k are offered. Where both
// kinds come in, browsers have their own.
func (l *listenerConfig) types(k kind) *[]string {
	if l.mixed() && k == browsers {
		return &l.Web.Security
	}
	return &l.Security
}

// validateSecurity fills in what is offered where nothing is stated, and
// refuses what cannot work.
func (l *listenerConfig) validateSecurity(c *config) error {
	if l.Web != nil && len(l.Web.Security) > 0 && !l.mixed() {
		return errors.New("web: security: is for a port for all, where native viewers have another; here write security beside web")
	}
	for _, k := range l.kinds() {
		list := l.types(k)
		if len(*list) == 0 {
			*list = l.defaultSecurity(k, c)
		}
		if err := l.validateTypes(*list, k, c); err != nil {
			return err
		}
	}
	return l.validateUse()
}

func (l *listenerConfig) validateTypes(list []string, k kind, c *config) error {
	where := "security"
	if l.mixed() && k == browsers {
		where = "web: security"
	}
	for i, name := range list {
		if !slices.Contains(k.known(), name) {
			return fmt.Errorf("%s: %w", where, notOneOf("security type", name, k.known()))
		}
		if slices.Contains(list[:i], name) {
			return fmt.Errorf("%s: %s is named twice", where, name)
		}
		if err := l.canOffer(name, k, c); err != nil {
			return fmt.Errorf("%s: %s: %w", where, name, err)
		}
	}
	return nil
}

// offered are the security types of all kinds of viewers.
func (l *listenerConfig) offered() []string {
	var list []string
	for _, k := range l.kinds() {
		list = append(list, *l.types(k)...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// offers reports whether one of the security types is f's.
func (l *listenerConfig) offers(f func(name string) bool) bool {
	return slices.ContainsFunc(l.offered(), f)
}

// validateUse refuses settings that no security type here makes use of.
func (l *listenerConfig) validateUse() error {
	types := strings.Join(l.offered(), ", ")
	switch {
	case l.Password != nil && !l.offers(asksVncPassword):
		return fmt.Errorf("password: none of %s uses it; add vnc or x509-vnc to security, or leave it out", types)
	case l.TLS != nil && !l.takes(browsers) && !l.TLS.Implicit && !l.offers(isX509):
		return fmt.Errorf("tls: none of %s uses it; add an x509 type to security, or set implicit for TLS from the first byte", types)
	case l.Anonymous && !l.offers(asksSASL):
		return fmt.Errorf("anonymous: none of %s uses it; it allows a SASL mechanism, so add sasl or x509-sasl to security", types)
	case l.Route != nil && l.Route.User && !slices.ContainsFunc(*l.types(natives), asksUser):
		return fmt.Errorf("route: user: none of %s asks for a user who could name the display; add one that does to security, such as x509-plain, or leave it out", strings.Join(*l.types(natives), ", "))
	case l.RSAKey != "" && !l.offers(isRSAAES):
		return fmt.Errorf("rsa_key: none of %s uses it; add an ra2 type to security, or leave it out", types)
	}
	return nil
}

func isX509(name string) bool          { return strings.HasPrefix(name, "x509-") }
func isRSAAES(name string) bool        { return strings.HasPrefix(name, "ra2") }
func asksSASL(name string) bool        { return strings.HasSuffix(name, "sasl") }
func asksVncPassword(name string) bool { return strings.HasSuffix(name, "vnc") }

// asksUser is for types that bring a user's name.
func asksUser(name string) bool { return asksPassword(name) || asksSASL(name) }

// asksPassword is for types by which a user's password comes to us.
func asksPassword(name string) bool {
	return strings.HasSuffix(name, "plain") || isRSAAES(name) || name == "ard" || name == "mslogon2"
}

// showsPassword is for types that send a password as it is.
func showsPassword(name string) bool { return name == "plain" || name == "tight-plain" }

// defaultSecurity is the strongest that the listener's settings make possible.
func (l *listenerConfig) defaultSecurity(k kind, c *config) []string {
	users, password := c.Users != nil, l.Password != nil
	switch {
	case k == browsers && l.tokenRequired():
		return []string{"none"} // the token is the proof
	case k == browsers && users:
		return []string{"plain"}
	case k == natives && users && l.TLS != nil:
		return []string{"x509-plain", "x509-sasl"}
	case k == natives && users:
		return []string{"sasl"}
	case k == natives && l.TLS != nil && password:
		return []string{"x509-vnc"}
	case k == natives && l.TLS != nil:
		return []string{"x509-none"}
	case password:
		return []string{"vnc"}
	}
	return []string{"none"}
}

// canOffer says what a security type lacks here.
func (l *listenerConfig) canOffer(name string, k kind, c *config) error {
	switch {
	case isX509(name) && l.TLS == nil:
		return errors.New("needs tls with certificate and key on this listener")
	case asksPassword(name) && c.Users == nil:
		return errors.New("needs users; 'vncgate user add' makes the file")
	case asksSASL(name) && c.Users == nil && c.Tokens == nil && c.Kerberos == nil && !l.Anonymous && !l.knowsPeers():
		return errors.New("needs users ('vncgate user add' makes the file), tokens, kerberos, client certificates or anonymous")
	case asksVncPassword(name) && l.Password == nil && c.Targets[l.Target].ViewerPassword == nil:
		return errors.New("needs a password on this listener, such as password: {file: PATH}, or a viewer_password of the target")
	case showsPassword(name) && !l.private(k):
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

// private reports whether nobody on the way can read what a viewer of kind k
// sends.
func (l *listenerConfig) private(k kind) bool {
	switch {
	case strings.HasPrefix(l.Address, "unix:"):
		return true
	case l.TLS == nil:
		return false
	case k == browsers:
		return !l.PlainHTTP
	}
	return l.TLS.Implicit
}

// open reports whether anyone of kind k who reaches the address gets in.
func (l *listenerConfig) open(k kind) bool {
	if k == browsers && l.tokenRequired() {
		return false
	}
	none := func(name string) bool { return strings.HasSuffix(name, "none") }
	return l.Anonymous || slices.ContainsFunc(*l.types(k), none)
}

// entry is one listener for one kind of viewers, wired: what its security types
// are made from.
type entry struct {
	w    *wiring
	l    *listenerConfig
	kind kind
	cert *serverCertificate // nil without TLS
	rsa  *rsaKey            // nil without RSA-AES
}

// entry opens what the listener's security types need.
func (w *wiring) entry(l *listenerConfig, k kind, cert *serverCertificate) (*entry, error) {
	e := &entry{w: w, l: l, kind: k, cert: cert}
	if l.RSAKey != "" {
		key, err := loadRSAKey(l.RSAKey)
		if err != nil {
			return nil, fmt.Errorf("rsa_key: %w", err)
		}
		e.rsa = key
	}
	return e, nil
}

// front wires what viewers of kind k meet at a listener, above the connection
// that it hands on.
func (w *wiring) front(l *listenerConfig, k kind, cert *serverCertificate) (gateway.Front, error) {
	front := gateway.Front{Name: l.Address, Target: l.Target, Limits: l.Limits, Class: l.Class}
	var err error
	if front.Rights, err = auth.ParseRights(l.Rights); err != nil {
		return front, fmt.Errorf("rights: %w", err)
	}
	e, err := w.entry(l, k, cert)
	if err != nil {
		return front, err
	}
	front.Security = e.offer
	if k == browsers {
		front.Ping = time.Duration(l.Web.Ping)
		return front, nil
	}
	return front, e.route(&front)
}

// offer makes the security types for one connection, in the stated order.
func (e *entry) offer(_ net.Conn, target string) []rfb.Security {
	return side{
		single: func(inner string, overTLS bool) rfb.Security {
			return e.security(inner, target, overTLS || e.l.private(e.kind))
		},
		x509: func(inner rfb.Security) rfb.Security {
			return rfb.ServerX509{TLS: rfb.Upgrade(e.w.turns.TLSServer(e.cert.config)), Inner: inner}
		},
		venCrypt: func(list []rfb.Security) rfb.Security { return rfb.ServerVeNCrypt{Subtypes: list} },
		tight:    func(list []rfb.Security) rfb.Security { return rfb.ServerTight{Auths: list} },
	}.assemble(*e.l.types(e.kind))
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
	if err := w.revokes(t, cert); err != nil {
		return nil, err
	}
	onlyPeople(cert.config)
	return cert, nil
}

// revokes has revocation lists looked at for client certificates.
func (w *wiring) revokes(t *serverTLSConfig, cert *serverCertificate) error {
	if len(t.CRL) == 0 {
		return nil
	}
	lists, err := certs.LoadCRLs(certs.CRLConfig{
		Files: t.CRL, Authorities: []string{t.ClientCA}, FailClosed: t.CRLFailClosed,
		Report: w.reporter("revocation list", strings.Join(t.CRL, ",")),
	})
	if err != nil {
		return fmt.Errorf("tls: crl: %w", err)
	}
	cert.config.VerifyConnection = lists.VerifyConnection
	w.lists = append(w.lists, lists)
	return nil
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
