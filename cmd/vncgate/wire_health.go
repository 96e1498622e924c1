package main

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/rfb"
)

// stuckAfter is how long the gateway may take to say how many are in before it
// counts as stuck.
const stuckAfter = 5 * time.Second

// adminHealth adds the pages for those who watch over processes.
//
// /livez says that the process works: it takes the gateway's lock, without which
// nobody comes in or out. /readyz says that a viewer would be let in now, so that
// a load balancer sends one here. Neither says anything of displays: a display
// that is down must not have the gateway restarted.
func (w *wiring) adminHealth(a *adminServer) {
	alive := &liveness{ask: func() { w.gate.Sessions() }, patience: stuckAfter}
	a.mux.HandleFunc("GET /livez", func(rw http.ResponseWriter, _ *http.Request) {
		answerHealth(rw, alive.check())
	})
	a.mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, r *http.Request) {
		answerHealth(rw, w.readyFor(a, r))
	})
	a.mux.Handle("GET /healthz", w.healthz(a))
}

// ready says why no viewer would be let in.
func (w *wiring) ready() error {
	if err := w.goingAway(); err != nil {
		return err
	}
	if err := w.cluster.ready(); err != nil {
		return err
	}
	if w.capabilities != nil {
		if err := w.capabilities.Ring.Fault(); err != nil {
			return &rfb.Refusal{Reason: "Tokens cannot be verified here.", Err: err}
		}
	}
	switch err := w.gate.Ready(); {
	case errors.Is(err, gateway.ErrFull):
		return errors.New("all places for sessions are taken")
	case errors.Is(err, gateway.ErrDraining):
		return errors.New("the gateway is draining or shutting down")
	default:
		return err
	}
}

// readyFor is ready for whoever asks: strangers are told what viewers are, and not
// which file it is that cannot be written to.
func (w *wiring) readyFor(a *adminServer, r *http.Request) error {
	err := w.ready()
	no, hasWords := errors.AsType[*rfb.Refusal](err)
	if !hasWords {
		return err
	}
	if who, _ := a.gate.caller(r); who.Role >= control.Viewer {
		return err
	}
	return errors.New(no.Reason + " A request with a token is told why.")
}

// answerHealth is for programs, which look at the status, and for people.
func answerHealth(rw http.ResponseWriter, err error) {
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	if err != nil {
		rw.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(rw, err)
		return
	}
	fmt.Fprintln(rw, "ok")
}

// liveness asks something that must be answered soon. One question at a time: a
// gateway that is stuck is not buried under those who ask whether it is.
type liveness struct {
	ask      func()
	patience time.Duration

	mu    sync.Mutex
	under chan struct{} // closed when the question under way is answered
}

var errStuck = errors.New("the gateway is stuck: it has not answered for too long; restart it, and report what 'vncgate ctl' or a SIGQUIT shows")

func (l *liveness) check() error {
	l.mu.Lock()
	answered := l.under
	if answered == nil {
		answered = make(chan struct{})
		l.under = answered
		go l.question(answered)
	}
	l.mu.Unlock()
	late := time.NewTimer(l.patience)
	defer late.Stop()
	select {
	case <-answered:
		return nil
	case <-late.C:
		return errStuck
	}
}

// question ends with its answer; nobody can wait for it longer than that.
func (l *liveness) question(answered chan struct{}) {
	l.ask()
	l.mu.Lock()
	l.under = nil
	l.mu.Unlock()
	close(answered)
}
