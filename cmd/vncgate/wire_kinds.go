package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"

	"vncgate/auth"
	"vncgate/auth/tickets"
	"vncgate/certs"
)

// sourceKind is how a source of one kind is opened.
type sourceKind struct {
	name string
	set  bool
	open func(context.Context, sourceOpener) (tickets.Source, error)
	// outside says that whoever runs the machine does not alone decide what it
	// answers, so that loopback and unix sockets are not meant by themselves.
	outside bool
}

// sourceOpener is what the kinds need of the wiring.
type sourceOpener struct {
	name   string
	report func(what, path string) func(error)
	// unusable is told of answers that are no addresses.
	unusable func(error)
}

// namingKinds are the kinds whose keys may be names.
var namingKinds = []string{"file", "named_files", "sockets", "http", "redis", "proxmox"}

func (s *sourceConfig) allKinds() []sourceKind {
	return []sourceKind{
		{"file", s.File != "", s.openFile, false},
		{"named_files", s.NamedFiles != "", s.openNamedFiles, false},
		{"sockets", s.Sockets != "", s.openSockets, false},
		{"http", s.HTTP != nil, s.HTTP.open, true},
		{"redis", s.Redis != nil, s.Redis.open, true},
		{"jwt", s.JWT != nil, s.JWT.open, true},
		{"nova", s.Nova != nil, s.Nova.open, true},
		{"proxmox", s.Proxmox != nil, s.Proxmox.open, true},
		{"proxmox_tickets", s.ProxmoxTickets != nil, s.ProxmoxTickets.open, true},
		{"ovirt", s.OVirt != nil, s.OVirt.open, true},
		{"novncauthproxy", s.AuthProxy != nil, s.AuthProxy.openAuthProxy, true},
		{"guacamole", s.Guacamole != nil, s.Guacamole.openGuacamole, true},
	}
}

// kinds are those that the source has set; validate wants one.
func (s *sourceConfig) kinds() []sourceKind {
	var set []sourceKind
	for _, k := range s.allKinds() {
		if k.set {
			set = append(set, k)
		}
	}
	return set
}

func sourceKindNames() []string {
	var names []string
	for _, k := range (&sourceConfig{}).allKinds() {
		names = append(names, k.name)
	}
	return names
}

func (s *sourceConfig) openFile(_ context.Context, o sourceOpener) (tickets.Source, error) {
	return &tickets.File{Path: s.File, Report: o.report("source "+o.name, s.File)}, nil
}

func (s *sourceConfig) openNamedFiles(context.Context, sourceOpener) (tickets.Source, error) {
	return &tickets.NamedFiles{Dir: s.NamedFiles}, nil
}

func (s *sourceConfig) openSockets(context.Context, sourceOpener) (tickets.Source, error) {
	return &tickets.Sockets{Dir: s.Sockets}, nil
}

func (h *httpSource) open(ctx context.Context, o sourceOpener) (tickets.Source, error) {
	tlsConfig, err := h.TLS.config()
	if err != nil {
		return nil, err
	}
	header := http.Header{}
	for name, s := range h.Headers {
		value, err := s.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("headers: %s: %w", name, err)
		}
		header.Set(name, value)
	}
	s, err := tickets.NewHTTP(tickets.HTTPConfig{
		URL: string(h.URL), Header: header, TLS: tlsConfig, Timeout: h.Timeout, Keep: h.Keep, KeepUnknown: h.KeepUnknown,
	})
	if err != nil {
		return nil, err
	}
	s.Report = o.unusable
	return s, nil
}

func (r *redisSource) open(ctx context.Context, o sourceOpener) (tickets.Source, error) {
	cfg, err := r.config(ctx)
	if err != nil {
		return nil, err
	}
	s, err := tickets.NewRedis(cfg)
	if err != nil {
		return nil, err
	}
	s.Report = o.unusable
	return s, nil
}

func (r *redisSource) config(ctx context.Context) (tickets.RedisConfig, error) {
	cfg := tickets.RedisConfig{
		Addresses: r.Addresses, Cluster: r.Cluster, Master: r.Master, User: r.User, SentinelUser: r.SentinelUser, DB: r.DB,
		Namespace: r.Namespace, Timeout: r.Timeout, Keep: r.Keep, KeepUnknown: r.KeepUnknown, Once: r.Once,
	}
	var err error
	if cfg.TLS, err = r.TLS.config(); err != nil {
		return cfg, err
	}
	if cfg.Password, err = r.Password.optional(ctx); err != nil {
		return cfg, fmt.Errorf("password: %w", err)
	}
	if cfg.SentinelPassword, err = r.SentinelPassword.optional(ctx); err != nil {
		return cfg, fmt.Errorf("sentinel_password: %w", err)
	}
	return cfg, nil
}

func (j *jwtSource) open(ctx context.Context, o sourceOpener) (tickets.Source, error) {
	secret, err := j.Secret.optional(ctx)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	cfg := tickets.JWTConfig{
		Signed: auth.JWTConfig{
			Algorithms: j.Algorithms, KeyFile: j.Keys, Secret: []byte(secret), Issuer: j.Issuer, Audience: j.Audience,
			NameClaim: j.NameClaim, GroupsClaim: j.GroupsClaim, Report: o.report("keys of source "+o.name, j.Keys),
		},
		EncryptedOnly: j.EncryptedOnly, OnlyStart: j.OnlyStart,
	}
	if j.KeysURL != "" {
		client, err := j.TLS.client()
		if err != nil {
			return nil, err
		}
		cfg.JWKS, err = tickets.NewJWKS(tickets.JWKSConfig{
			URL: string(j.KeysURL), Client: client, Report: o.report("keys of source "+o.name, j.KeysURL.shown()),
		})
		if err != nil {
			return nil, fmt.Errorf("keys_url: %w", err)
		}
	}
	if cfg.Encrypted, err = j.Decrypt.config(ctx, o); err != nil {
		return nil, fmt.Errorf("decrypt: %w", err)
	}
	return opened(tickets.NewJWT(cfg))
}

// config is nil where no encrypted token is taken.
func (d *decryptConfig) config(ctx context.Context, o sourceOpener) (*tickets.JWEConfig, error) {
	if d == nil {
		return nil, nil
	}
	secret, err := d.Secret.optional(ctx)
	if err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	return &tickets.JWEConfig{
		KeyAlgorithms: d.KeyAlgorithms, Encryptions: d.Encryptions, KeyFile: d.Keys, Secret: []byte(secret),
		Report: o.report("decryption keys of source "+o.name, d.Keys),
	}, nil
}

func (n *novaSource) open(_ context.Context, _ sourceOpener) (tickets.Source, error) {
	client, err := n.TLS.client()
	if err != nil {
		return nil, err
	}
	cfg := tickets.NovaConfig{URL: string(n.URL), Plain: n.Plain, Client: client}
	if n.Token != nil {
		cfg.Token = n.Token.read
	}
	if k := n.Keystone; k != nil {
		keystone := tickets.KeystoneConfig{
			URL: string(k.URL), Plain: n.Plain, User: k.User, UserDomain: k.UserDomain, Project: k.Project, ProjectDomain: k.ProjectDomain,
			Credential: k.Credential, Client: client,
		}
		if k.Secret != nil {
			keystone.Secret = k.Secret.read
		}
		if cfg.Keystone, err = tickets.NewKeystone(keystone); err != nil {
			return nil, fmt.Errorf("keystone: %w", err)
		}
	}
	return opened(tickets.NewNova(cfg))
}

func (p *proxmoxSource) open(_ context.Context, _ sourceOpener) (tickets.Source, error) {
	client, err := p.TLS.client()
	if err != nil {
		return nil, err
	}
	cfg := tickets.ProxmoxConfig{URL: string(p.URL), Plain: p.Plain, Client: client}
	if p.Token != nil {
		cfg.Token = p.Token.read
	}
	return opened(tickets.NewProxmox(cfg))
}

func (p *proxmoxTickets) open(_ context.Context, o sourceOpener) (tickets.Source, error) {
	return opened(tickets.NewProxmoxTicket(tickets.ProxmoxTicketConfig{
		KeyFile: p.Key, Nodes: p.Nodes, TLS: p.TLS, Portless: p.Portless, Report: o.report("key of source "+o.name, p.Key),
	}))
}

func (v *ovirtSource) open(_ context.Context, o sourceOpener) (tickets.Source, error) {
	return opened(tickets.NewOVirt(tickets.OVirtConfig{
		CertificateFile: v.Certificate, CAFile: v.CA, Purpose: v.Purpose, Skew: v.Skew,
		Report: o.report("certificate of source "+o.name, v.Certificate+v.CA),
	}))
}

func (s *sharedSecretSource) openAuthProxy(ctx context.Context, _ sourceOpener) (tickets.Source, error) {
	key, err := s.Key.optional(ctx)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return opened(tickets.NewNoVNCAuthProxy(tickets.NoVNCAuthProxyConfig{Key: []byte(key), Endless: s.Endless}))
}

func (s *sharedSecretSource) openGuacamole(ctx context.Context, _ sourceOpener) (tickets.Source, error) {
	key, err := s.Key.optional(ctx)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	return opened(tickets.NewGuacamole(tickets.GuacamoleConfig{Key: key, Endless: s.Endless}))
}

// opened keeps a nil pointer from becoming a source.
func opened[S tickets.Source](s S, err error) (tickets.Source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// config is nil where a service needs no settings for TLS.
func (p *peerTLSConfig) config() (*tls.Config, error) {
	if p == nil {
		return nil, nil
	}
	cfg := &tls.Config{ServerName: p.Name, MinVersion: tls.VersionTLS12}
	var err error
	if p.CA != "" {
		if cfg.RootCAs, err = certs.Pool(p.CA); err != nil {
			return nil, fmt.Errorf("tls: ca: %w", err)
		}
	}
	if p.Certificate != "" || p.Key != "" {
		pair, err := certs.Load(p.Certificate, p.Key)
		if err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
		cfg.GetClientCertificate = pair.GetClientCertificate
	}
	return cfg, nil
}

// client is nil where the source's own will do.
func (p *peerTLSConfig) client() (*http.Client, error) {
	cfg, err := p.config()
	if cfg == nil || err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg
	return &http.Client{Transport: transport}, nil
}
