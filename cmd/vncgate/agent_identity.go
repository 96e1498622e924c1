package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"vncgate/certs"
	"vncgate/gateway/tunnel"
)

// agentIdentity is by what an agent proves who it is.
type agentIdentity struct {
	name   string                               // in the certificate; "" where there is none
	config func() *tls.Config                   // of a client, for the next connection; nil: no TLS
	renew  func(context.Context, *tunnel.Agent) // until ctx ends; nil: there is nothing to renew
}

// identity is the one that the flags say.
func (f *agentFlags) identity(ctx context.Context, way *gatewayWay, log *slog.Logger) (*agentIdentity, error) {
	switch {
	case way.local():
		return &agentIdentity{name: f.name, config: func() *tls.Config { return nil }}, nil
	case f.certificate != "":
		return f.fromFiles(log)
	}
	token, err := f.secretToken()
	if err != nil {
		return nil, err
	}
	state, err := f.stateFolder()
	if err != nil {
		return nil, err
	}
	if f.check {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, checkPatience, errors.New("no answer"))
		defer cancel()
	}
	return enrolAgent(ctx, token, state, way.connect, f.check, log)
}

// fromFiles is for a certificate that somebody else keeps fresh: the files are
// read again when they change.
func (f *agentFlags) fromFiles(log *slog.Logger) (*agentIdentity, error) {
	base, err := f.trust()
	if err != nil {
		return nil, err
	}
	pair, err := certs.Load(f.certificate, f.key)
	if err != nil {
		return nil, err
	}
	pair.Report = func(err error) { log.Warn("the certificate stays the one that was loaded", "error", err) }
	if warning := pair.ClientWarning(); warning != "" {
		log.Warn("certificate: " + warning)
	}
	who, err := certs.ParseAgent(pair.Certificate().Leaf)
	if err != nil {
		return nil, fmt.Errorf("%s is no agent's certificate; 'vncgate cert agent NAME' on the gateway makes one: %w", f.certificate, err)
	}
	for _, s := range f.services.list {
		if !who.May(s.name) {
			return nil, usagef("the certificate does not allow the service %s, only %s", s.name, strings.Join(who.Services, ", "))
		}
	}
	base.GetClientCertificate = pair.GetClientCertificate
	return &agentIdentity{name: who.Name, config: base.Clone}, nil
}

// trust is the TLS of a client that knows the gateway by its CA.
func (f *agentFlags) trust() (*tls.Config, error) {
	switch {
	case f.fingerprint != "":
		return certs.PinnedClient(certs.GatewayName, f.fingerprint), nil
	case f.ca == "":
		return nil, usagef("--ca is missing: the certificate of the CA in the gateway's folder agents.certificates (ca.crt), or --ca-fingerprint")
	}
	pool, err := certs.Pool(f.ca)
	if err != nil {
		return nil, fmt.Errorf("--ca: %w", err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: certs.GatewayName, RootCAs: pool}, nil
}

// stateFolder is where the certificate is that a token has brought.
func (f *agentFlags) stateFolder() (string, error) {
	if f.state != "" {
		return f.state, nil
	}
	if dir, _, _ := strings.Cut(os.Getenv("STATE_DIRECTORY"), ":"); dir != "" { // systemd.exec(5)
		return dir, nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "vncgate-agent"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", usagef("no folder for the agent's certificate: give --state FOLDER (%w)", err)
	}
	return filepath.Join(home, ".local", "state", "vncgate-agent"), nil
}
