package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"vncgate/layers"
	"vncgate/web/bridge"
)

// farewell is how long clients have to take leave once we end.
const farewell = 5 * time.Second

// A bridgeRun is one life of `vncgate websockify`.
type bridgeRun struct {
	o      *websockifyOptions
	log    *bridgeLog
	ready  *os.File // takeReadyPipe
	hungUp chan os.Signal
	server *bridge.Server
	split  *layers.Split
	served sync.WaitGroup

	closing atomic.Bool // the listener is closed by us

	opened chan struct{} // the first session, with --run-once
	once   atomic.Bool   // it has been
	idle   *time.Timer   // nil without --idle-timeout
	over   chan string   // why we end, whatever sessions there are
	failed chan error    // of Serve
}

// runBridge lives until the options or a signal end it.
func runBridge(ctx context.Context, o *websockifyOptions, out, errOut io.Writer) error {
	if o.inetd {
		out, errOut = besideInetd(out, os.Stdout), besideInetd(errOut, os.Stderr)
	}
	ready, err := takeReadyPipe()
	if err != nil {
		return err
	}
	hungUp := o.hangUps() // before anybody is told that we listen
	defer signal.Stop(hungUp)
	log, err := o.openLog(errOut)
	if err != nil {
		return err
	}
	defer func() { _ = log.close() }()
	r := &bridgeRun{
		o: o, log: log, ready: ready, hungUp: hungUp,
		opened: make(chan struct{}, 1), over: make(chan string, 1), failed: make(chan error, 1),
	}
	err = r.run(ctx, out)
	if err != nil && (o.syslog != "" || o.logFile != "") {
		log.Error("ended", "error", err) // for those who do not see standard error
	}
	return err
}

func (r *bridgeRun) run(ctx context.Context, out io.Writer) error {
	secure, err := r.o.serverTLS(r.log.Logger)
	if err != nil {
		return err
	}
	ln, err := r.o.listenOn(ctx, r.log.Logger)
	if err != nil {
		return err
	}
	defer func() { _ = ln.Close() }()
	behind, err := r.o.wrapCommand(r.log.Logger, r.end)
	if err != nil {
		return err
	}
	if r.server, err = r.newServer(out); err != nil {
		return err
	}
	r.split = layers.NewSplit(ln, layers.SplitConfig{TLS: secure, TLSOnly: r.o.sslOnly, NoRaw: true, Turns: layers.NewTurns(0), Log: r.log.Logger})
	r.served.Go(r.serve)
	defer r.served.Wait()
	defer func() { r.closing.Store(true); _ = r.split.Close() }()
	if err := behind.start(); err != nil {
		return err
	}
	defer behind.stop()
	r.announce(out, ln.Addr(), secure != nil)
	if err := tellReady(r.ready); err != nil {
		return err
	}
	return r.live(ctx)
}

func (r *bridgeRun) newServer(out io.Writer) (*bridge.Server, error) {
	cfg, err := r.o.bridgeConfig(out, r.log.Logger)
	if err != nil {
		return nil, err
	}
	for _, warning := range r.o.missing() {
		r.log.Warn(warning)
	}
	cfg.Opened, cfg.Closed = r.sessionOpened, r.sessionClosed
	if r.o.runOnce {
		cfg.Dial = r.dialOnce
	}
	if r.o.idleTimeout > 0 {
		r.idle = time.AfterFunc(r.o.idleTimeout, func() { r.end("there was no connection for the time of --idle-timeout") })
	}
	return bridge.New(cfg)
}

// dialOnce refuses a session that came beside the one that --run-once allows.
func (r *bridgeRun) dialOnce(ctx context.Context, to bridge.Route) (net.Conn, error) {
	if r.once.Swap(true) {
		return nil, errors.New("--run-once: there was a connection already")
	}
	return r.o.dial(ctx, to)
}

// serve hands connections to the server until the listener is closed, by us
// or with the only connection of inetd's "nowait".
func (r *bridgeRun) serve() {
	err := r.server.Serve(r.split.HTTP())
	switch {
	case err == nil || r.closing.Load():
	case errors.Is(err, net.ErrClosed):
		r.end("the connection has ended")
	default:
		r.failed <- err
	}
}

func (r *bridgeRun) sessionOpened(uint64, int) {
	if r.idle != nil {
		r.idle.Stop()
	}
	if r.o.runOnce {
		select {
		case r.opened <- struct{}{}:
		default:
		}
	}
}

func (r *bridgeRun) sessionClosed(_ uint64, live int) {
	if live == 0 && r.idle != nil {
		r.idle.Reset(r.o.idleTimeout)
	}
}

// end asks live to end; the first reason counts.
func (r *bridgeRun) end(why string) {
	select {
	case r.over <- why:
	default:
	}
}

// live waits for what ends us: a signal and everything in over at once, the
// rest when the last session has ended.
func (r *bridgeRun) live(ctx context.Context) error {
	timeout := after(r.o.timeout)
	var drained chan struct{}
	drain := func(why string) {
		r.log.Info("listening no longer", "reason", why)
		r.closing.Store(true)
		_ = r.split.Close()
		if drained == nil {
			drained = make(chan struct{})
			r.served.Go(func() { r.server.Wait(); close(drained) })
		}
	}
	for {
		select {
		case <-r.hungUp:
			r.log.reopen()
		case <-timeout:
			drain("--timeout")
		case <-r.opened:
			drain("--run-once")
		case <-drained:
			return nil
		case err := <-r.failed:
			return errors.Join(err, r.shutdown(ctx))
		case why := <-r.over:
			r.log.Info("ending", "reason", why)
			return r.shutdown(ctx)
		case <-ctx.Done():
			r.log.Info("ending", "reason", "told to by a signal")
			return r.shutdown(ctx)
		}
	}
}

// shutdown lets clients know. Those that do not take leave in time are left.
func (r *bridgeRun) shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := r.server.Shutdown(ctx); err != nil {
		r.log.Warn("not all clients took leave", "error", err)
	}
	return nil
}

// hangUps are the signals to open the log file anew. Without a file SIGHUP
// ends us as ever: a terminal has been closed.
func (o *websockifyOptions) hangUps() chan os.Signal {
	c := make(chan os.Signal, 1)
	if o.logFile != "" {
		signal.Notify(c, syscall.SIGHUP)
	}
	return c
}

// after is time.After, where 0 is never.
func after(d time.Duration) <-chan time.Time {
	if d <= 0 {
		return nil
	}
	return time.After(d)
}

// announce says what is served where.
func (r *bridgeRun) announce(out io.Writer, at net.Addr, secure bool) {
	args := []any{"address", at.String(), "tls", secure}
	switch {
	case r.o.tokenPlugin != "":
		args = append(args, "targets", r.o.tokenPlugin)
	default:
		args = append(args, "target", r.o.targetAddress())
	}
	if r.o.web != "" {
		args = append(args, "web", r.o.web)
	}
	r.log.Info("listening", args...)
	if r.o.page {
		fmt.Fprintf(out, "\nNavigate to this URL:\n\n    %s\n\nPress Ctrl-C to exit\n\n", r.pageURL(at, secure))
	}
}

// pageURL is where a browser finds the page of novnc_proxy.
func (r *bridgeRun) pageURL(at net.Addr, secure bool) string {
	here := r.o.listen
	if tcp, ok := at.(*net.TCPAddr); ok {
		here.port = tcp.Port
	}
	if name, err := os.Hostname(); err == nil && here.host == "" {
		here.host = name
	}
	scheme := "http"
	if secure {
		scheme = "https"
	}
	return scheme + "://" + here.String() + "/vnc.html"
}
