package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"vncgate/auth"
	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// automaticSecurity is what we use towards displays without being told,
// strongest first: encrypted and proved both ways, then encrypted, then at
// least without the password in clear.
var automaticSecurity = []string{
	"x509-sasl", "x509-plain", "ra2-256", "ra2", "x509-vnc", "x509-none",
	"ra2ne-256", "ra2ne", "sasl", "ard", "vnc", "tight-vnc", "none", "tight-none",
}

// displaySecurity is all we can speak towards displays. What comes on top
// shows the password to everybody on the way, or proves nothing, and is used
// only where it is named.
var displaySecurity = append(slices.Clone(automaticSecurity), "plain", "x509-ident", "ident", "mslogon2", "tight-plain")

// ourKeyBits is the size of our side's RSA key towards displays, as noVNC has
// it.
const ourKeyBits = 2048

// template is what is made once for a target, or for all that a source names:
// where each of those is comes later.
type template struct {
	w   *wiring
	t   targetConfig
	tls *tls.Config
}

// template opens the files that the settings of a display name.
func (w *wiring) template(t targetConfig) (*template, error) {
	tlsConfig, err := t.clientTLS()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	t.ourKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, ourKeyBits) })
	return &template{w, t, tlsConfig}, nil
}

// target wires one display's settings to a dialler, layers and security types.
func (w *wiring) target(name string, t targetConfig) (*gateway.Target, error) {
	p, err := w.template(t)
	if err != nil {
		return nil, err
	}
	if t.TLS != nil && t.TLS.Insecure {
		w.log.Warn("the certificate of this display is not checked", "target", name)
	}
	g, err := p.build(name)
	if err != nil {
		return nil, err
	}
	g.Launcher = w.launcher(name, t.Start)
	return g, nil
}

// build makes the target, from settings that say where it is.
func (p *template) build(name string) (*gateway.Target, error) {
	t, tlsConfig := &p.t, p.tls
	g := &gateway.Target{
		Name: name, Class: t.Class, Retry: t.Retry, SendProxy: proxyVersions[t.ProxyHeader], Security: p.security,
		Dial: func(ctx context.Context) (net.Conn, error) { return layers.Dial(ctx, t.Address) },
	}
	switch {
	case len(t.Command) > 0:
		log := p.w.log.With("target", name)
		g.Dial = func(ctx context.Context) (net.Conn, error) {
			return layers.DialCommand(ctx, t.Command, func(line string) { log.Info("display command", "stderr", line) })
		}
	case t.Arrives != nil:
		g.Dial = p.w.arrival(name)
	case t.Agent != "":
		p.reachAgent(g)
	case t.URL != "":
		return g, t.dialWebSocket(g, tlsConfig, nil)
	}
	if t.URL == "" && t.Arrives == nil && t.TLS != nil && t.TLS.Implicit {
		g.Layers = []layers.Layer{layers.TLSClient(tlsConfig)}
	}
	return g, nil
}

// security is how we prove ourselves, for one connection.
func (p *template) security() []rfb.Security { return p.t.prove(p.tls) }

// proxyVersions are the PROXY headers by their names.
var proxyVersions = map[string]int{"v1": 1, "v2": 2}

// dialWebSocket reaches a display that speaks RFB over ws or wss, as QEMU can.
func (t *targetConfig) dialWebSocket(g *gateway.Target, tlsConfig *tls.Config, header http.Header) error {
	u, err := url.Parse(t.URL)
	if err != nil {
		return fmt.Errorf("websocket: %w", err)
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	}
	address := net.JoinHostPort(u.Hostname(), port)
	g.Dial = func(ctx context.Context) (net.Conn, error) { return layers.Dial(ctx, address) }
	if u.Scheme == "wss" {
		g.Layers = append(g.Layers, layers.TLSClient(tlsConfig))
	}
	g.Layers = append(g.Layers, layers.WebSocketClient(t.URL, header))
	return nil
}

// prove lists how we prove ourselves to the display, best first, for one
// connection. Types whose secret is not configured come last: a display that
// wants nothing else makes an error that says what is missing.
func (t *targetConfig) prove(tlsConfig *tls.Config) []rfb.Security {
	names := t.Security
	if len(names) == 0 {
		names = t.automatic()
	}
	return side{
		single: t.clientSecurity,
		x509: func(inner rfb.Security) rfb.Security {
			return rfb.ClientX509{TLS: rfb.Upgrade(layers.TLSClient(tlsConfig)), Inner: inner}
		},
		venCrypt: func(list []rfb.Security) rfb.Security { return rfb.ClientVeNCrypt{Subtypes: list} },
		tight:    func(list []rfb.Security) rfb.Security { return rfb.ClientTight{Auths: list} },
	}.assemble(names)
}

// automatic is everything down to the stated minimum.
func (t *targetConfig) automatic() []string {
	names := slices.Clone(automaticSecurity)
	if t.Minimum != "" {
		names = names[:slices.Index(names, t.Minimum)+1]
	}
	slices.SortStableFunc(names, func(a, b string) int { return t.lacks(a) - t.lacks(b) })
	return names
}

// lacks is 1 for a security type that needs something which is not configured.
func (t *targetConfig) lacks(name string) int {
	user, password := t.User != "", t.Password != nil
	ready := true
	switch {
	case asksSASL(name):
		ready = user && password || t.Token != nil || t.Kerberos != nil || t.TLS != nil && t.TLS.Certificate != ""
	case isRSAAES(name):
		ready = password && (t.RSAKey != "" || t.insecure())
	case asksPassword(name):
		ready = user && password
	case asksVncPassword(name):
		ready = password
	}
	if ready {
		return 0
	}
	return 1
}

func (t *targetConfig) insecure() bool { return t.TLS != nil && t.TLS.Insecure }

func (t *targetConfig) clientSecurity(name string, overTLS bool) rfb.Security {
	switch name {
	case "vnc":
		return rfb.ClientVncAuth{Password: t.password}
	case "plain":
		return rfb.ClientPlain{Credentials: t.credentials}
	case "ra2", "ra2ne", "ra2-256", "ra2ne-256":
		return rfb.ClientRSAAES{As: rsaTypes[name], VerifyKey: t.verifyRSAKey, Credentials: t.passwordAndUser, Key: t.ourKey}
	case "ard":
		return rfb.ClientARD{Credentials: t.credentials}
	case "mslogon2":
		return rfb.ClientMSLogonII{Credentials: t.credentials}
	case "ident":
		return rfb.ClientIdent{User: t.user}
	case "sasl":
		return rfb.ClientSASL{Choose: func(ctx context.Context, offered []string, c net.Conn) (rfb.SASLClientMechanism, error) {
			return t.mechanism(ctx, offered, c, overTLS)
		}}
	}
	return rfb.None{}
}

func (t *targetConfig) password(ctx context.Context) (string, error) {
	if t.Password == nil {
		return "", errors.New("the display asks for a password and the target has none; set its password")
	}
	return t.Password.read(ctx)
}

func (t *targetConfig) credentials(ctx context.Context) (user, password string, err error) {
	if t.User == "" {
		return "", "", errors.New("the display asks for a user and the target has none; set its user and password")
	}
	return t.passwordAndUser(ctx)
}

func (t *targetConfig) user(context.Context) (string, error) {
	if t.User == "" {
		return "", errors.New("the display asks for a user and the target has none; set its user")
	}
	return t.User, nil
}

// passwordAndUser is for types that may or may not ask for the user.
func (t *targetConfig) passwordAndUser(ctx context.Context) (user, password string, err error) {
	password, err = t.password(ctx)
	return t.User, password, err
}

// verifyRSAKey compares the display's key with the fingerprint that is
// configured; its error names the one it has.
func (t *targetConfig) verifyRSAKey(key *rsa.PublicKey) error {
	sum := rfb.RSAFingerprint(key)
	have := certs.Hex(sum[:])
	switch {
	case t.RSAKey != "" && sameHex(t.RSAKey, have), t.RSAKey == "" && t.insecure():
		return nil
	case t.RSAKey == "":
		return fmt.Errorf("nothing says that it is right; compare it on the display and set rsa_key: %s", have)
	}
	return fmt.Errorf("its fingerprint is %s and should be %s", have, t.RSAKey)
}

// saslCredentials are what SASL may use over c. A display whose certificate was
// not checked is not shown a secret as such.
func (t *targetConfig) saslCredentials(c net.Conn, overTLS bool) auth.Credentials {
	state, encrypted := layers.TLSState(c)
	cred := auth.Credentials{
		User: t.User, Password: t.password,
		External:  t.TLS != nil && t.TLS.Certificate != "" && encrypted,
		Encrypted: encrypted && !t.insecure() || strings.HasPrefix(t.Address, "unix:"),
	}
	if overTLS && len(state.PeerCertificates) > 0 {
		cred.Binding = auth.NewBinding(state, state.PeerCertificates[0])
	}
	if t.Token != nil {
		cred.Token = t.Token.read
	}
	return cred
}

// clientTLS is how the display's certificate is checked: by default against
// the system's roots, for the host name that is dialled. A pin alone is enough;
// beside a CA both must hold.
func (t *targetConfig) clientTLS() (*tls.Config, error) {
	set := clientTLSConfig{}
	if t.TLS != nil {
		set = *t.TLS
	}
	cfg := &tls.Config{ServerName: set.Name, InsecureSkipVerify: set.Insecure || set.Pin != "" && set.CA == "", MinVersion: tls.VersionTLS12}
	if cfg.ServerName == "" {
		cfg.ServerName = t.host()
	}
	if set.Pin != "" {
		cfg.VerifyConnection = func(state tls.ConnectionState) error { return checkPin(set.Pin, state.PeerCertificates[0]) }
	}
	var err error
	if set.CA != "" {
		if cfg.RootCAs, err = certs.Pool(set.CA); err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
	}
	if set.Certificate != "" {
		pair, err := certs.Load(set.Certificate, set.Key)
		if err != nil {
			return nil, err
		}
		cfg.GetClientCertificate = pair.GetClientCertificate
	}
	return cfg, nil
}

// checkPin compares a certificate with its SHA-256, however that is written.
func checkPin(pin string, cert *x509.Certificate) error {
	have := certs.Fingerprint(cert)
	if sameHex(pin, have) {
		return nil
	}
	return fmt.Errorf("the display's certificate is not the pinned one; its SHA-256 is %s", have)
}

// sameHex compares hex digits, with or without colons between.
func sameHex(a, b string) bool {
	return strings.EqualFold(strings.ReplaceAll(a, ":", ""), strings.ReplaceAll(b, ":", ""))
}

// host is the name that a certificate of the display must bear; a unix socket
// or a command is on this machine.
func (t *targetConfig) host() string {
	address := t.Address
	if u, err := url.Parse(t.URL); err == nil && u.Host != "" {
		return u.Hostname()
	}
	if host, _, err := net.SplitHostPort(address); err == nil && host != "" {
		return host
	}
	return "localhost"
}
