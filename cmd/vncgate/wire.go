package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"

	"vncgate/auth"
	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/gateway/audit"
	"vncgate/gateway/traces"
	"vncgate/layers"
)

// wiring turns a checked configuration into a running gateway. It is the one
// place where all parts meet.
type wiring struct {
	cfg          *config     // as at the start
	file         *configFile // nil: nobody looks for changes
	live         atomic.Pointer[inForce]
	log          *slog.Logger
	users        *auth.Users
	tokens       *auth.JWTVerifier
	kerberos     *auth.KerberosService
	guard        auth.Guard
	pairs        []*certs.KeyPair // for warnings about their age
	lists        []*certs.CRLs    // of revoked client certificates
	turns        *layers.Turns    // of TLS handshakes
	ration       *gateway.Ration  // of connections by address
	capabilities *capabilities    // nil: no tokens are issued here
	certEnds     certificateEnds
	retired      retirement
	arrivals     *gateway.Arrivals
	agents       *agentHouse     // nil: none can come in
	single       <-chan struct{} // closed when the one viewer that inetd gave us has left; nil: many may come
	gate         *gateway.Gateway
	events       events       // of the gate and of ours
	foreign      events       // of other gateways
	cluster      *clustered   // nil: there are no others
	agentHere    agentDial    // nil: no agents come to this gateway
	shadows      shadows      // sessions that may be looked on in
	watchPlaces  watchPlaces  // those of other nodes
	playbacks    playbacks    // recordings that are being watched
	denials      denials      // wrong tokens
	admin        *adminServer // nil: none is configured
	audit        *audit.Log   // the same
	auditSyslog  *syslogWriter
	traces       *traces.Exporter // nil: no session's setting up is told of
	doors        []door
	controls     *controls // nil: nobody steers
	recorders    []recorderFor
	house        recorderHouse
	lives        lives     // the process before, and the one after
	notify       *notifier // nil: nobody is told how we are
	pidFile      pidFile
	leaving      atomic.Bool
	outdated     atomic.Bool // the file says something else than what is in force, since it was rejected
}

// newWiring opens what the configuration names: users, certificates, and last
// the listeners, so that nobody comes in before everything is there.
// options set what does not come from it.
func newWiring(ctx context.Context, cfg *config, log *slog.Logger, options ...func(*wiring)) (*wiring, error) {
	w := &wiring{cfg: cfg, log: log, turns: layers.NewTurns(cfg.Limits.HandshakeCores)}
	w.lives.handed = make(chan struct{})
	for _, set := range options {
		set(w)
	}
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
	if w.ration, err = cfg.Limits.newRation(log); err != nil {
		return nil, err
	}
	if w.tokens, err = cfg.Tokens.verifier(ctx, w.reporter); err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	if w.kerberos, err = cfg.Kerberos.service(); err != nil {
		return nil, fmt.Errorf("kerberos: %w", err)
	}
	first := &inForce{cfg: cfg}
	if first.rules, err = w.openPolicy(cfg); err != nil {
		return nil, err
	}
	w.gate = &gateway.Gateway{
		Resolve: w.find, Authorize: w.authorize, Certified: w.certified, Extend: w.extend, Limits: cfg.Limits.limits(), Log: log,
		Observe: w.events.tell, Ours: w.events.ours, Record: w.record,
	}
	if err := w.gate.SetClasses(cfg.classList()); err != nil {
		return nil, fmt.Errorf("classes: %w", err)
	}
	if err := w.openCluster(ctx); err != nil {
		return nil, err
	}
	complete := false
	defer func() {
		if !complete {
			w.cluster.close()
		}
	}()
	w.recorders = append(w.recorders, w.recordingFor)
	if err := w.openRecordings(first, &inForce{cfg: &config{}}); err != nil {
		return nil, err
	}
	w.recorders = append(w.recorders, w.shadow)
	w.events.to(w.shadowEvent)
	first.recordings.keepRecordings(w)
	if err := w.openDisplays(ctx, first); err != nil {
		w.closeSources()
		return nil, err
	}
	if err := w.openRecords(); err != nil {
		w.closeSources()
		return nil, err
	}
	if err := w.openAdmin(ctx, cfg.Admin); err != nil {
		w.closeRecords()
		w.closeSources()
		return nil, err
	}
	for i := range cfg.Listeners {
		if err := w.openDoor(ctx, &cfg.Listeners[i]); err != nil {
			w.closeDoors()
			w.closeAdmin()
			w.closeRecords()
			w.closeSources()
			return nil, fmt.Errorf("listener %s: %w", cfg.Listeners[i].Address, err)
		}
	}
	if err := w.openControl(ctx); err != nil {
		w.closeDoors()
		w.closeAdmin()
		w.closeRecords()
		w.closeSources()
		return nil, err
	}
	w.adminAPI()
	complete = true
	return w, nil
}

// openRecords begins to tell others what happens.
func (w *wiring) openRecords() error {
	if err := w.openTracing(); err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	if err := w.openAudit(); err != nil {
		w.closeTracing()
		return err
	}
	return nil
}

// closeRecords has the rest told.
func (w *wiring) closeRecords() {
	w.denials.stop()
	w.closeTracing()
	w.closeAudit()
}

// openDisplays wires the targets, puts them in force, and wires all that leads to
// others.
func (w *wiring) openDisplays(ctx context.Context, first *inForce) error {
	w.arrivals = w.arrivalsOf(w.cfg)
	if err := w.openAgents(ctx); err != nil {
		return err
	}
	if err := w.openTargets(first, &inForce{cfg: &config{}}); err != nil {
		return err
	}
	w.live.Store(first)
	if err := w.openSources(ctx, first, &inForce{cfg: &config{}}); err != nil {
		return err
	}
	return w.openCapabilities(ctx)
}

// reporter logs what is wrong with a file that changed while it was in use;
// what it held before goes on serving.
func (w *wiring) reporter(what, path string) func(error) {
	return func(err error) { w.log.Error(what+" not reloaded", "file", path, "error", err) }
}

// serve lets viewers in until ctx ends or a listener fails, then gives the
// sessions their time and returns when all have ended.
func (w *wiring) serve(ctx context.Context) error {
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	if w.controls != nil {
		w.controls.quit = quit
	}
	failed := make(chan error, len(w.doors)+1)
	var running sync.WaitGroup
	for _, d := range w.doors {
		running.Go(func() { failed <- d.serve(w.gate) })
	}
	if w.admin != nil {
		running.Go(func() { failed <- w.admin.serve() })
	}
	watching, stopWatching := context.WithCancel(context.Background())
	running.Go(func() { w.watch(watching) })
	running.Go(func() { w.follow(watching) })
	running.Go(func() { w.tidy(watching) })
	running.Go(func() { w.sweepRecordings(watching) })
	running.Go(func() { w.house.uploadRecordings(watching) })
	running.Go(w.serveControl)
	running.Go(w.cluster.serve)
	running.Go(func() { w.notify.run(watching) })
	w.succeeds()
	if err := w.pidFile.write(); err != nil {
		w.log.Error("pid file not written", "error", err)
	}
	defer w.pidFile.remove()
	w.notify.serving()
	var err error
	select {
	case <-w.single:
	case err = <-failed:
	case <-w.lives.handed:
		w.outlive(ctx)
	case <-ctx.Done():
	}
	if err == nil {
		w.sayGoodbye(ctx)
	}
	w.shutdown()
	w.closeControl()
	w.tidyApart()
	stopWatching()
	running.Wait()
	return err
}

// shutdown ends everything within the configured time. HTTP connections that
// were upgraded are the gateway's, not the server's.
func (w *wiring) shutdown() {
	ctx, cancel := context.WithTimeout(context.Background(), w.now().cfg.Limits.shutdownTimeout())
	defer cancel()
	var servers sync.WaitGroup
	servers.Go(func() { w.stopServers(ctx) })
	if err := w.gate.Shutdown(ctx); err != nil {
		w.log.Info("sessions were ended", "reason", "shutdown timeout")
	}
	if w.arrivals != nil {
		w.arrivals.Close()
	}
	w.agents.close()
	servers.Wait()
	w.closeRecordings()
	w.cluster.close()
	if w.admin != nil { // last: until then it can be seen how it goes
		w.admin.close()
	}
	w.closeRecords()
	w.closeSources()
}

// stopServers ends what belongs to net/http, once it has answered.
func (w *wiring) stopServers(ctx context.Context) {
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
	servers.Wait()
}
