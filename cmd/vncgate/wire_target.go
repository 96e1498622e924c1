package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"

	"vncgate/auth"
	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// displaySecurity is what we can speak towards displays, strongest first.
var displaySecurity = []string{"x509-sasl", "x509-plain", "x509-vnc", "x509-none", "sasl", "vnc", "none"}

// target wires one display's settings to a dialler, layers and security types.
func (w *wiring) target(name string, t targetConfig) (*gateway.Target, error) {
	tlsConfig, err := t.clientTLS()
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	g := &gateway.Target{Name: name, Security: func() []rfb.Security { return t.prove(tlsConfig) }}
	g.Dial = func(ctx context.Context) (net.Conn, error) { return layers.Dial(ctx, t.Address) }
	switch {
	case len(t.Command) > 0:
		log := w.log.With("target", name)
		g.Dial = func(ctx context.Context) (net.Conn, error) {
			return layers.DialCommand(ctx, t.Command, func(line string) { log.Info("display command", "stderr", line) })
		}
	case t.URL != "":
		err = t.dialWebSocket(g, tlsConfig)
	case t.TLS != nil && t.TLS.Implicit:
		g.Layers = []layers.Layer{layers.TLSClient(tlsConfig)}
	}
	if t.TLS != nil && t.TLS.Insecure {
		w.log.Warn("the certificate of this display is not checked", "target", name)
	}
	return g, err
}

// dialWebSocket reaches a display that speaks RFB over ws or wss, as QEMU can.
func (t *targetConfig) dialWebSocket(g *gateway.Target, tlsConfig *tls.Config) error {
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
	g.Layers = append(g.Layers, layers.WebSocketClient(t.URL, nil))
	return nil
}

// prove lists how we prove ourselves to the display, best first, for one
// connection. Types whose secret is not configured come last: a display that
// wants nothing else makes an error that says what is missing.
func (t *targetConfig) prove(tlsConfig *tls.Config) []rfb.Security {
	names := t.Security
	if len(names) == 0 {
		names = slices.Clone(displaySecurity)
		slices.SortStableFunc(names, func(a, b string) int { return t.lacks(a) - t.lacks(b) })
	}
	var list, subtypes []rfb.Security
	at := -1
	for _, name := range names {
		inner, overTLS := strings.CutPrefix(name, "x509-")
		s := t.clientSecurity(inner, overTLS)
		if !overTLS {
			list = append(list, s)
			continue
		}
		subtypes = append(subtypes, rfb.ClientX509{TLS: rfb.Upgrade(layers.TLSClient(tlsConfig)), Inner: s})
		if at < 0 {
			at = len(list)
		}
	}
	if at >= 0 {
		list = slices.Insert(list, at, rfb.Security(rfb.ClientVeNCrypt{Subtypes: subtypes}))
	}
	return list
}

// lacks is 1 for a security type that needs a secret which is not configured.
func (t *targetConfig) lacks(name string) int {
	needsUser := strings.HasSuffix(name, "sasl") || strings.HasSuffix(name, "plain")
	needsPassword := needsUser || strings.HasSuffix(name, "vnc")
	if needsUser && t.User == "" || needsPassword && t.Password == nil {
		return 1
	}
	return 0
}

func (t *targetConfig) clientSecurity(name string, private bool) rfb.Security {
	switch name {
	case "vnc":
		return rfb.ClientVncAuth{Password: t.password}
	case "plain":
		return rfb.ClientPlain{Credentials: t.credentials}
	case "sasl":
		return rfb.ClientSASL{Choose: func(ctx context.Context, offered []string, _ net.Conn) (rfb.SASLClientMechanism, error) {
			return t.mechanism(ctx, offered, private)
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
	password, err = t.password(ctx)
	return t.User, password, err
}

// mechanism picks the strongest SASL mechanism that the display offers; PLAIN
// only where nobody on the way can read it.
func (t *targetConfig) mechanism(ctx context.Context, offered []string, private bool) (rfb.SASLClientMechanism, error) {
	user, password, err := t.credentials(ctx)
	if err != nil {
		return nil, err
	}
	if slices.Contains(offered, auth.ScramSHA256) {
		return auth.ScramClient(user, password) // refuses a display that does not prove itself
	}
	if private && slices.Contains(offered, auth.Plain) {
		return auth.PlainClient(user, password), nil
	}
	return nil, fmt.Errorf("the display offers no SASL mechanism for this channel that vncgate speaks: %s", strings.Join(offered, ", "))
}

// clientTLS is how the display's certificate is checked: by default against
// the system's roots, for the host name that is dialled.
func (t *targetConfig) clientTLS() (*tls.Config, error) {
	set := clientTLSConfig{}
	if t.TLS != nil {
		set = *t.TLS
	}
	cfg := &tls.Config{ServerName: set.Name, InsecureSkipVerify: set.Insecure, MinVersion: tls.VersionTLS12}
	if cfg.ServerName == "" {
		cfg.ServerName = t.host()
	}
	var err error
	if set.CA != "" {
		if cfg.RootCAs, err = certs.Pool(set.CA); err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
	}
	if set.Certificate != "" {
		pair, err := tls.LoadX509KeyPair(set.Certificate, set.Key)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
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

// resolver finds targets by name.
func resolver(targets map[string]*gateway.Target) func(context.Context, string) (*gateway.Target, error) {
	return func(_ context.Context, name string) (*gateway.Target, error) {
		t, ok := targets[name]
		if !ok {
			return nil, fmt.Errorf("%w: %q", gateway.ErrNoTarget, name)
		}
		return t, nil
	}
}

// authorizer grants what the policy allows; users, if there are any, know the
// groups.
func authorizer(policy *auth.Policy, users *auth.Users, log *slog.Logger) func(context.Context, []auth.Identity, string) (auth.Grant, error) {
	return func(_ context.Context, ids []auth.Identity, target string) (auth.Grant, error) {
		for i, id := range ids {
			if users == nil || id.Name == "" {
				continue
			}
			if known, ok := users.Identity(id.Name); ok {
				ids[i].Name, ids[i].Groups = known.Name, known.Groups
			}
		}
		decision := policy.Decide(ids, target)
		log.Debug("policy decided", "user", ids[0].String(), "method", ids[0].Method, "target", target, "decision", decision.String())
		if !decision.Allowed() {
			return auth.Grant{}, &rfb.Refusal{Reason: "You may not use this display.", Err: errors.New("policy: " + decision.String())}
		}
		return auth.Grant{Identity: ids[0], Target: target, Rights: decision.Rights}, nil
	}
}
