package main

import (
	"context"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"vncgate/auth/folder"
	"vncgate/certs"
	"vncgate/gateway/tunnel"
)

// The files of an agent's state. Each token has a folder of its own in it, so
// that the files of one always fit, whenever the agent was killed: first the
// key, which is made once, then the authority's certificate, then the agent's.
const (
	agentKeyFile  = "agent.key"
	agentCertFile = "agent.crt"
	agentCAFile   = "ca.crt"
)

// How long an agent waits before it tries again what may succeed then.
const (
	enrolRetry    = time.Second
	maxEnrolRetry = time.Minute
	renewRetry    = time.Minute
	maxRenewRetry = time.Hour
)

// enrolled is an agent's certificate and key in its folder.
type enrolled struct {
	dir         string
	pair        *certs.KeyPair
	agent       certs.Agent
	fingerprint string
	log         *slog.Logger
}

// enrolAgent returns who the agent is: by the certificate that it has in its
// state folder, or by a new one that it gets for the token. connect reaches the
// gateway up to and with TLS. An error is one that trying again does not mend;
// with once nothing is tried again.
func enrolAgent(ctx context.Context, token, state string, connect func(context.Context, *tls.Config) (net.Conn, error), once bool, log *slog.Logger) (*agentIdentity, error) {
	if err := folder.MakeDir(state); err != nil {
		return nil, fmt.Errorf("state folder: %w\nname one that is yours with --state", err)
	}
	if token == "" {
		e, err := lastEnrolled(state, log)
		if err != nil {
			return nil, err
		}
		return e.identity()
	}
	fingerprint, secret, err := tunnel.ParseToken(token)
	if err != nil {
		return nil, usageOf(err)
	}
	dir := filepath.Join(state, tunnel.TokenID(secret))
	e, err := openEnrolled(dir, log)
	if err == nil && time.Now().Before(e.agent.Expires) {
		return e.identity()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := getEnrolled(ctx, dir, token, fingerprint, connect, once, log); err != nil {
		return nil, err
	}
	if e, err = openEnrolled(dir, log); err != nil {
		return nil, err
	}
	forgetOthers(state, dir)
	return e.identity()
}

// getEnrolled makes the key, unless an earlier try did, and asks for the
// certificate until there is an answer, or once.
func getEnrolled(ctx context.Context, dir, token, fingerprint string, connect func(context.Context, *tls.Config) (net.Conn, error), once bool, log *slog.Logger) error {
	if err := folder.MakeDir(dir); err != nil {
		return err
	}
	key, err := certs.KeepKey(filepath.Join(dir, agentKeyFile))
	if err != nil {
		return err
	}
	for wait := enrolRetry; ; wait = min(2*wait, maxEnrolRetry) {
		got, err := askEnrolled(ctx, token, fingerprint, key, connect)
		if err == nil {
			return keepEnrolled(dir, got)
		}
		explained := explainEnrol(err)
		if once && explained == nil {
			return fmt.Errorf("the agent is not enrolled: %w", err)
		}
		if explained != nil || ctx.Err() != nil {
			return errors.Join(explained, ctx.Err())
		}
		log.Warn("the agent is not enrolled yet", "error", err, "again_in", wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func askEnrolled(ctx context.Context, token, fingerprint string, key crypto.Signer, connect func(context.Context, *tls.Config) (net.Conn, error)) (tunnel.Enrolled, error) {
	c, err := connect(ctx, certs.PinnedClient(certs.GatewayName, fingerprint))
	if err != nil {
		return tunnel.Enrolled{}, err
	}
	defer c.Close()
	return tunnel.Enrol(ctx, c, token, key)
}

// explainEnrol says of an error what to do; nil of those that may pass.
func explainEnrol(err error) error {
	const again = "make a new one at the gateway with 'vncgate token agent NAME --service …'"
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, tunnel.ErrTokenUnknown):
		return errors.New("the gateway does not know this token, or it was taken back: " + again)
	case errors.Is(err, tunnel.ErrTokenExpired):
		return errors.New("the token has expired: " + again)
	case errors.Is(err, tunnel.ErrTokenUsed):
		return errors.New("the token has been used already, on another machine or with another --state: " + again)
	case errors.Is(err, certs.ErrOtherAuthority):
		return errors.New("that is not the gateway that the token is for: its certificate is of another authority\nlook at --gateway; if it is right, somebody may be in between, or the gateway has got a new authority and the token is an old one's")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("the gateway's certificate is not valid at this time, which is %s by this machine's clock: is that right? (%w)", time.Now().Format(time.RFC3339), err)
	case errors.Is(err, tunnel.ErrVersion), errors.Is(err, tunnel.ErrRequest):
		return fmt.Errorf("%w\nuse the same version of vncgate at both ends", err)
	}
	return nil
}

// keepEnrolled writes what was got; the agent's certificate last, for what is
// whole then.
func keepEnrolled(dir string, got tunnel.Enrolled) error {
	if err := folder.WriteFile(filepath.Join(dir, agentCAFile), got.CA); err != nil {
		return fmt.Errorf("keep the certificate: %w", err)
	}
	if err := folder.WriteFile(filepath.Join(dir, agentCertFile), got.Chain); err != nil {
		return fmt.Errorf("keep the certificate: %w", err)
	}
	return nil
}

// openEnrolled reads a folder; fs.ErrNotExist says that nothing was got yet.
func openEnrolled(dir string, log *slog.Logger) (*enrolled, error) {
	cas, err := certs.ReadCertificates(filepath.Join(dir, agentCAFile))
	if err != nil {
		return nil, err
	}
	pair, err := certs.Load(filepath.Join(dir, agentCertFile), filepath.Join(dir, agentKeyFile))
	if err != nil {
		return nil, err
	}
	agent, err := certs.ParseAgent(pair.Leaf())
	if err != nil {
		return nil, err
	}
	return &enrolled{dir, pair, agent, certs.KeyFingerprint(cas[0]), log}, nil
}

// lastEnrolled is what the agent got last.
func lastEnrolled(state string, log *slog.Logger) (last *enrolled, err error) {
	entries, err := os.ReadDir(state)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	var failed error
	for _, entry := range entries {
		e, err := openEnrolled(filepath.Join(state, entry.Name()), log)
		if err == nil && (last == nil || e.agent.Issued.After(last.agent.Issued)) {
			last = e
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) && entry.IsDir() {
			failed = errors.Join(failed, err)
		}
	}
	const get = "get a token from the gateway ('vncgate token agent NAME --service …' there) and give it once with --token"
	switch {
	case last == nil && failed != nil:
		return nil, failed
	case last == nil:
		return nil, usagef("who is this agent? there is no certificate in %s: %s", state, get)
	case !time.Now().Before(last.agent.Expires):
		return nil, fmt.Errorf("the certificate of agent %s expired on %s (it is %s by this machine's clock): %s",
			last.agent.Name, last.agent.Expires.Format(time.RFC3339), time.Now().Format(time.RFC3339), get)
	}
	return last, nil
}

// forgetOthers removes what the agent got by earlier tokens.
func forgetOthers(state, dir string) {
	entries, _ := os.ReadDir(state)
	for _, entry := range entries {
		old := filepath.Join(state, entry.Name())
		if _, err := os.Stat(filepath.Join(old, agentKeyFile)); old != dir && err == nil {
			os.RemoveAll(old)
		}
	}
}

// identity is who the agent is for its connections.
func (e *enrolled) identity() (*agentIdentity, error) {
	roots, err := certs.Pool(filepath.Join(e.dir, agentCAFile))
	if err != nil {
		return nil, err
	}
	return &agentIdentity{
		name: e.agent.Name,
		config: func() *tls.Config {
			return &tls.Config{MinVersion: tls.VersionTLS13, ServerName: certs.GatewayName, RootCAs: roots, GetClientCertificate: e.pair.GetClientCertificate}
		},
		renew: e.renew,
	}, nil
}

// due is when a certificate is to be renewed: when two thirds of its time are
// over.
func due(a certs.Agent) time.Time { return a.Issued.Add(a.Expires.Sub(a.Issued) * 2 / 3) }

// renew gets another certificate for the same key when it is time, until ctx
// ends. The clock is looked at every hour: it may be set meanwhile.
func (e *enrolled) renew(ctx context.Context, agent *tunnel.Agent) {
	retry := renewRetry
	for {
		wait := max(time.Second, min(time.Until(due(e.agent)), maxRenewRetry))
		if !time.Now().Before(due(e.agent)) {
			err := e.renewNow(ctx, agent.Renew)
			if err == nil {
				e.log.Info("the agent's certificate is renewed", "until", e.agent.Expires)
				retry = renewRetry
				continue
			}
			e.log.Warn("the agent's certificate is not renewed yet", "error", err, "until", e.agent.Expires, "again_in", retry)
			wait, retry = retry, min(2*retry, maxRenewRetry)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

func (e *enrolled) renewNow(ctx context.Context, ask func(context.Context, []byte) ([]byte, error)) error {
	key, ok := e.pair.Certificate().PrivateKey.(crypto.Signer)
	if !ok {
		return errors.New("the key cannot sign")
	}
	request, err := certs.NewKeyRequest(key)
	if err != nil {
		return err
	}
	chain, err := ask(ctx, request)
	if err != nil {
		return err
	}
	got, err := tunnel.CheckChain(chain, e.fingerprint, key)
	if err != nil {
		return err
	}
	if err := keepEnrolled(e.dir, got); err != nil {
		return err
	}
	e.agent = got.Agent
	return nil
}
