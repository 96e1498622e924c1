package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"vncgate/auth"
	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/web"
)

// wiring turns a checked configuration into a running gateway. It is the one
// place where all parts meet.
type wiring struct {
	cfg      *config
	log      *slog.Logger
	users    *auth.Users
	tokens   *auth.JWTVerifier
	kerberos *auth.KerberosService
	guard    auth.Guard
	pairs    []*certs.KeyPair // for warnings about their age
	gate     *gateway.Gateway
	doors    []door
}

// door is one listener, bound and ready to serve.
type door struct {
	ln     net.Listener
	front  gateway.Front
	server *http.Server // nil for native viewers
}

// newWiring opens what the configuration names: users, certificates, and last
// the listeners, so that nobody comes in before everything is there.
func newWiring(ctx context.Context, cfg *config, log *slog.Logger) (*wiring, error) {
	w := &wiring{cfg: cfg, log: log}
	if err := cfg.secretsReadable(ctx); err != nil {
		return nil, err
	}
	if cfg.Users != nil {
		users, err := auth.OpenUsers(cfg.Users.File)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("users: %w\n'vncgate user add NAME --users-file %s' makes it", err, cfg.Users.File)
		}
		if err != nil {
			return nil, fmt.Errorf("users: %w", err)
		}
		users.Report = w.reporter("users", cfg.Users.File)
		w.users = users
	}
	var err error
	if w.tokens, err = cfg.Tokens.verifier(ctx, w.reporter); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	if w.kerberos, err = cfg.Kerberos.service(); err != nil {
		return nil, fmt.Errorf("kerberos: %w", err)
	}
	policy, err := cfg.policy()
	if err != nil {
		return nil, err
	}
	targets := map[string]*gateway.Target{}
	for name, t := range cfg.Targets {
		if targets[name], err = w.target(name, t); err != nil {
			return nil, fmt.Errorf("targets.%s: %w", name, err)
		}
	}
	w.gate = &gateway.Gateway{
		Resolve: resolver(targets), Authorize: authorizer(policy, w.users, log),
		Limits: cfg.Limits.limits(), Log: log,
	}
	for i := range cfg.Listeners {
		if err := w.openDoor(ctx, &cfg.Listeners[i]); err != nil {
			w.closeDoors()
			return nil, fmt.Errorf("listener %s: %w", cfg.Listeners[i].Address, err)
		}
	}
	return w, nil
}

// reporter logs what is wrong with a file that changed while it was in use;
// what it held before goes on serving.
func (w *wiring) reporter(what, path string) func(error) {
	return func(err error) { w.log.Error(what+" not reloaded", "file", path, "error", err) }
}

func (w *wiring) openDoor(ctx context.Context, l *listenerConfig) error {
	cert, err := w.serverTLS(l.TLS)
	if err != nil {
		return err
	}
	front, err := w.front(l, cert)
	if err != nil {
		return err
	}
	_, err = w.bind(ctx, l, front, cert, nil)
	return err
}

// bind opens the address of l for viewers that come in by front.
func (w *wiring) bind(ctx context.Context, l *listenerConfig, front gateway.Front, cert *serverCertificate, logins web.Logins) (door, error) {
	ln, err := layers.Listen(ctx, l.Address, layers.ListenConfig{Mode: fs.FileMode(l.Mode)})
	if err != nil {
		return door{}, err
	}
	d := door{ln: ln, front: front}
	if l.Web != nil {
		if cert != nil {
			http1 := cert.config.Clone()
			http1.NextProtos = []string{"http/1.1"} // upgrades exist there alone
			d.ln = tls.NewListener(ln, http1)
		}
		d.server = web.NewServer(web.Config{
			Admit: w.gate.Admit, Ready: w.gate.Ready, Front: front, Paths: []string{l.Web.Path}, Origins: l.Web.Origins, Logins: logins,
			Defaults: l.Web.Defaults, Mandatory: l.Web.Mandatory, Log: w.log,
		})
	}
	w.doors = append(w.doors, d)
	return d, nil
}

func (w *wiring) closeDoors() {
	for _, d := range w.doors {
		_ = d.ln.Close()
	}
}

// serve lets viewers in until ctx ends or a listener fails, then gives the
// sessions their time and returns when all have ended.
func (w *wiring) serve(ctx context.Context) error {
	failed := make(chan error, len(w.doors))
	var running sync.WaitGroup
	for _, d := range w.doors {
		running.Go(func() { failed <- d.serve(w.gate) })
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		w.log.Info("shutting down", "sessions", w.gate.Sessions(), "timeout", w.cfg.Limits.shutdownTimeout().String())
	}
	w.shutdown()
	running.Wait()
	return err
}

func (d *door) serve(gate *gateway.Gateway) error {
	var err error
	if d.server != nil {
		err = d.server.Serve(d.ln)
	} else {
		err = gate.Serve(d.ln, d.front)
	}
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, gateway.ErrClosed) {
		return nil
	}
	return fmt.Errorf("listener %s: %w", d.front.Name, err)
}

// shutdown ends everything within the configured time. HTTP connections that
// were upgraded are the gateway's, not the server's.
func (w *wiring) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), w.cfg.Limits.shutdownTimeout())
	defer cancel()
	var servers sync.WaitGroup
	for _, d := range w.doors {
		if d.server != nil {
			servers.Go(func() {
				if d.server.Shutdown(ctx) != nil {
					_ = d.server.Close()
				}
			})
		}
	}
	if err := w.gate.Shutdown(ctx); err != nil {
		w.log.Info("sessions were ended", "reason", "shutdown timeout")
	}
	servers.Wait()
}
