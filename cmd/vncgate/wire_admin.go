package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"vncgate/certs"
	"vncgate/layers"
)

// adminServer is the listener for those who look after the gateway: health,
// metrics, and what else is handled there. Whoever it is, a handler learns who
// asks and what that one may do from its gate.
type adminServer struct {
	cfg    *adminConfig
	ln     net.Listener
	mux    *http.ServeMux
	server *http.Server
	gate   *adminGate
}

// openAdmin opens the address, if there is one. Handlers are added until it
// serves.
func (w *wiring) openAdmin(ctx context.Context, cfg *adminConfig) (err error) {
	if cfg == nil {
		return nil
	}
	a := &adminServer{cfg: cfg, mux: http.NewServeMux(), gate: newAdminGate(cfg, w.log, func(r *http.Request) { w.denials.tell(w, deniedAdmin, cfg.Address, r.RemoteAddr) })}
	a.server = &http.Server{
		Handler:           a.gate.guard(a.mux),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ConnContext: withConn,
		ErrorLog:    slog.NewLogLogger(w.log.Handler(), slog.LevelDebug),
	}
	if cfg.TLS != nil {
		if a.server.TLSConfig, err = w.adminTLS(cfg.TLS); err != nil {
			return fmt.Errorf("admin: %w", err)
		}
	}
	socket := listenerConfig{Address: cfg.Address, Mode: cmp.Or(cfg.Mode, 0o660), Owner: cfg.Owner, Group: cfg.Group}
	if network, _, _ := layers.ParseAddress(cfg.Address); network != "unix" {
		socket.Mode = 0
	}
	if a.ln, err = w.listen(ctx, &socket); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	w.admin = a
	w.adminHealth(a)
	w.serveMetrics()
	return nil
}

// adminHandle adds a handler. Its patterns are net/http's; what it may be asked
// by whom is its own to find out, by adminGate.allow or adminGate.need. Without
// an admin listener it does nothing.
func (w *wiring) adminHandle(pattern string, h http.Handler) {
	if w.admin != nil {
		w.admin.mux.Handle(pattern, h)
	}
}

// adminTLS takes client certificates where there is a CA for them, and does not
// demand them: probes have none.
func (w *wiring) adminTLS(t *adminTLSConfig) (*tls.Config, error) {
	pair, err := certs.Load(t.Certificate, t.Key)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	pair.Report = w.reporter("certificate", t.Certificate)
	w.pairs = append(w.pairs, pair)
	cfg := certificateOf(pair).config
	if t.ClientCA == "" {
		return cfg, nil
	}
	if cfg.ClientCAs, err = certs.Pool(t.ClientCA); err != nil {
		return nil, fmt.Errorf("tls: client_ca: %w", err)
	}
	cfg.ClientAuth = tls.VerifyClientCertIfGiven
	onlyPeople(cfg)
	return cfg, nil
}

// serve answers until close.
func (a *adminServer) serve() error {
	var err error
	if a.cfg.TLS != nil {
		err = a.server.ServeTLS(a.ln, "", "")
	} else {
		err = a.server.Serve(a.ln)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("admin %s: %w", a.cfg.Address, err)
}

// close ends it, whoever is still asking.
func (a *adminServer) close() { _ = a.server.Close() }

// closeAdmin closes the listener of a gateway that has not served.
func (w *wiring) closeAdmin() {
	if w.admin != nil {
		_ = w.admin.ln.Close()
	}
}

// connKey is where net/http keeps the connection of a request for us: it is the
// one place that a handler can find it in.
type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// connOf is the connection that r came by.
func connOf(r *http.Request) net.Conn {
	c, _ := r.Context().Value(connKey{}).(net.Conn)
	return c
}
