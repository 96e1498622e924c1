package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// wordsDown are for the viewers of a gateway that was told to end.
const wordsDown = "The gateway is shutting down."

// drain lets nobody in any more, and ends those who are in when the time is over;
// 0 ends nobody. It returns at once.
func (w *wiring) drain(timeout time.Duration, words string) {
	until := time.Time{}
	if timeout > 0 {
		until = time.Now().Add(timeout)
	}
	w.gate.Drain(until, words)
	d, _ := w.gate.Draining()
	w.gate.Emit(gateway.Event{Kind: gateway.Draining, Words: d.Words, Duration: timeout})
	w.log.Info("draining: nobody is let in any more", "sessions", w.gate.Sessions(), "timeout", timeout.String(), "words", d.Words)
	w.notify.status(w.figures())
}

var errNotDraining = control.NotFound("the gateway does not drain, so that there is nothing to take back")

// undrain lets viewers in again. A process that has handed over has no way in, and
// keeps those it has.
func (w *wiring) undrain() error {
	if !w.gate.Undrain() {
		return errNotDraining
	}
	w.gate.Emit(gateway.Event{Kind: gateway.Undrained})
	if w.successor() != nil {
		w.log.Info("who is in stays; another process lets viewers in")
		w.notify.status(w.figures())
		return nil
	}
	w.log.Info("viewers are let in again")
	w.notify.serving()
	return nil
}

// goingAway says why no viewer should be sent here though one would be let in;
// nil: let them come.
func (w *wiring) goingAway() error {
	switch {
	case w.successor() != nil:
		return errors.New("another process has taken over")
	case w.leaving.Load():
		return errors.New("the gateway is shutting down")
	}
	return nil
}

// sayGoodbye tells balancers first, who take a moment to send viewers elsewhere,
// and then the viewers.
func (w *wiring) sayGoodbye(ctx context.Context) {
	w.leaving.Store(true)
	limits := w.now().cfg.Limits
	timeout := limits.shutdownTimeout()
	w.notify.stopping()
	if delay := limits.ShutdownDelay; delay > 0 && ctx.Err() != nil && w.successor() == nil {
		w.log.Info("shutting down soon; viewers still come in", "delay", delay.String())
		time.Sleep(delay)
	}
	w.log.Info("shutting down", "sessions", w.gate.Sessions(), "timeout", timeout.String())
	if w.gate.Sessions() > 0 {
		d, _ := w.gate.Draining()
		w.gate.Drain(time.Now().Add(timeout), cmp.Or(d.Words, wordsDown))
	}
}

// isShuttingDown reports whether the end has begun.
func (w *wiring) isShuttingDown() bool { return w.leaving.Load() }

// figures are for systemctl status.
func (w *wiring) figures() string {
	n := w.gate.Granted()
	d, draining := w.gate.Draining()
	switch next := w.successor(); {
	case next != nil:
		return fmt.Sprintf("process %d has taken over; %s left here", next.pid, sessions(n))
	case w.leaving.Load():
		return fmt.Sprintf("shutting down; %s left", sessions(n))
	case draining && !d.Until.IsZero():
		return fmt.Sprintf("draining until %s; %s left", d.Until.Format(time.TimeOnly), sessions(n))
	case draining:
		return fmt.Sprintf("draining; %s left", sessions(n))
	}
	text := fmt.Sprintf("serving %s at %d listeners", sessions(n), len(w.lives.sockets))
	if w.house.failing.Load() != nil {
		text += "; recordings cannot be written, see the log"
	}
	if w.outdated.Load() {
		text += "; the configuration's file was rejected, see the log: what it said before is in force"
	}
	return text
}

func sessions(n int) string {
	if n == 1 {
		return "1 session"
	}
	return fmt.Sprintf("%d sessions", n)
}

// announceHouse says in the log where those who look after the gateway find it,
// and what it writes.
func (w *wiring) announceHouse() {
	var places []any
	if a := w.admin; a != nil {
		places = append(places, "admin", a.ln.Addr().String(), "tls", a.cfg.TLS != nil)
	}
	if c := w.controls; c != nil && c.ln != nil {
		places = append(places, "control", w.cfg.Control.Socket)
	}
	if a := w.cfg.Audit; a != nil && a.File != "" {
		places = append(places, "audit", a.File)
	}
	if places != nil {
		w.log.Info("for administrators", places...)
	}
}
