// Package gateway joins viewers to displays: it stacks the layers of both
// connections, runs the RFB handshake on each with its own security, asks who
// may do what in between, and relays until one end leaves.
//
//	g := &gateway.Gateway{Resolve: targets.Find, Authorize: policy.Grant, Log: log}
//	go g.Serve(listener, gateway.Front{Security: offered, Target: "build-vm"})
//	...
//	g.Shutdown(ctx)
//
// What a viewer may do holds for as long as the answer would be the same: after
// Review, and when a grant itself says so, Authorize is asked again about those
// who are in. Who may do less does less from the next message on, who may
// nothing is told why and ended, and nobody gets more than at first.
//
// Everything it may do beyond that comes in as func fields, so that it runs
// without HTTP, without a configuration file and without pixels.
package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// stopGrace is the least time that displays have to stop in when the gateway
// shuts down.
const stopGrace = 5 * time.Second

// Errors of Admit and Serve that callers branch on.
var (
	ErrFull     = errors.New("gateway: all session slots are taken")
	ErrDraining = errors.New("gateway: shutting down")
	ErrNoTarget = errors.New("gateway: no such target")
	ErrClosed   = errors.New("gateway: closed")
)

// Gateway serves viewers. Its fields are set before the first call and not
// changed afterwards; the zero value of each is stated.
type Gateway struct {
	// Resolve finds the target of a name; its error matches ErrNoTarget when
	// there is none. Nil knows no targets.
	Resolve func(ctx context.Context, name string) (*Target, error)
	// Authorize says what a viewer may do on a target, once it has proved
	// its identities, and says so again whenever Review is called or the
	// moment has come that the last grant calls Review. A *rfb.Refusal is
	// told to the viewer, and ErrDenied is a plain no; any other error is a
	// fault of ours. Nil grants auth.AllRights.
	Authorize func(ctx context.Context, req auth.Request) (auth.Grant, error)
	// Certified says whether the client certificate that a viewer came with,
	// and that was verified then, is still good. It is asked before each
	// Authorize. Nil: always.
	Certified func(tls.ConnectionState) error
	// Extend says until when the ticket of a session lasts that is to be
	// renewed, or why it does not last any longer. Nil renews nothing.
	Extend func(ctx context.Context, session SessionInfo) (time.Time, error)
	// Refuse says why nobody can be let in for now, in the words of a
	// *rfb.Refusal. It is asked about each viewer that has proved who it is, and
	// by Ready. Who is in already stays. Nil: there is no reason.
	Refuse func() error
	// Ours reports whether a viewer at that address is the gateway itself, which
	// knocks to see whether it is answered: its refusal is logged for debugging
	// alone. Nil: none is.
	Ours func(from string) bool
	// Record says who records a session that is about to open; nil: nobody does.
	// init is the display's. An error refuses the session, in the words of a
	// *rfb.Refusal. Nil records none.
	Record func(ctx context.Context, session SessionInfo, init rfb.ServerInit) (Recorder, error)
	// Observe is told what happens. It is called where that is, by many
	// goroutines at once, though never where bytes are moved, and has to return
	// at once: what takes longer is the receiver's to queue. Nil: nobody.
	Observe func(Event)
	// Seats counts sessions together with those of other gateways; nil: the
	// numbers in auth.Limits are of this gateway's sessions.
	Seats Seats
	// Limits bounds what is served at once; zero fields mean the defaults.
	// SetLimits changes them while the gateway serves.
	Limits Limits
	// Log gets one line when a session starts and one when it ends; nil
	// discards them.
	Log *slog.Logger

	mu        sync.Mutex
	ready     bool
	draining  bool
	drain     drains
	listeners map[net.Listener]struct{}
	sessions  map[*Session]struct{} // from Admit to the end
	slots     slots
	turned    TurnedAway
	limits    atomic.Pointer[Limits] // those in force; read without the lock
	launchers map[*Launcher]struct{} // that sessions have used
	lobby     lobby                  // has its own lock, as those below have
	reviews   reviews
	outlaws   outlaws
	boards    boards
	crowd     crowd
	classes   classes
	trimmer   trimmer
	alarms    alarms // of the gateway's own
	fair      fair
	displays  displays
	past      Totals // of sessions that have ended
	idleSince time.Time
	idle      chan struct{} // closed when draining and no session is left
	fullLog   rate.Sometimes
	farewells chan struct{} // places for telling viewers that the house is full
}

// Serve accepts viewers on ln until Shutdown or an error that is not of one
// connection. It closes ln, and returns ErrClosed after Shutdown. Sessions run
// on when it returns.
func (g *Gateway) Serve(ln net.Listener, front Front) error {
	if !g.track(ln) {
		_ = ln.Close()
		return ErrClosed
	}
	defer g.untrack(ln)
	var wait backoff
	for {
		c, err := ln.Accept()
		if err != nil {
			if g.isDraining() {
				return ErrClosed
			}
			if !wait.temporary(err) {
				return err
			}
			g.log().Warn("accept failed, trying again", "listener", front.Name, "error", err)
			wait.sleep()
			continue
		}
		wait.reset()
		s, err := g.Admit(front)
		if err != nil {
			g.turnedAway(front, c, err)
			continue
		}
		go startAccepted(s, c)
	}
}

// startAccepted owns one connection of Serve; the session logs its own end.
func startAccepted(s *Session, c net.Conn) {
	s.Start(context.Background(), c, nil)
}

// ServeConn serves one viewer on c, which it owns, and returns when the
// session has ended. ctx ends the session early.
func (g *Gateway) ServeConn(ctx context.Context, c net.Conn, front Front) error {
	s, err := g.Admit(front)
	if err != nil {
		g.turnedAway(front, c, err)
		return err
	}
	return s.Serve(ctx, c)
}

// Admit takes a place for a viewer that is about to come in: ErrFull, ErrMemory
// and ErrDraining say that there is none. The Session must be served or released.
func (g *Gateway) Admit(front Front) (*Session, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepare()
	if g.closed() {
		g.turned.count(ErrDraining)
		return nil, g.shut()
	}
	s := newSession(g, front)
	s.entry = g.classes.of(front.Class)
	s.class.Store(s.entry)
	if err := g.slots.enter(s); err != nil {
		g.turned.count(err)
		return nil, err
	}
	g.sessions[s] = struct{}{}
	return s, nil
}

// Ready says whether Admit would find a place, without taking one: ErrFull,
// ErrMemory, ErrDraining or nil.
func (g *Gateway) Ready() error {
	if err := g.refuses(); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepare()
	if g.closed() {
		return g.shut()
	}
	return g.slots.room()
}

func (g *Gateway) refuses() error {
	if g.Refuse == nil {
		return nil
	}
	return g.Refuse()
}

// Shutdown stops accepting, waits until every session has ended by itself, and
// cuts those that are left when ctx ends, which is then its error.
func (g *Gateway) Shutdown(ctx context.Context) error {
	idle := g.startDraining()
	defer g.reviews.running.Wait() // none begins once nobody is left
	select {
	case <-idle:
		g.stopLaunched(ctx)
		return nil
	case <-ctx.Done():
	}
	end := g.shutdownEnd()
	for _, s := range g.all() {
		s.stop(end)
	}
	<-idle
	g.stopLaunched(ctx)
	return ctx.Err()
}

// launches remembers a launcher for Shutdown; false says that it is too late.
func (g *Gateway) launches(l *Launcher) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.launchers == nil {
		g.launchers = map[*Launcher]struct{}{}
	}
	g.launchers[l] = struct{}{}
	return !g.draining
}

// stopLaunched stops the displays that were started for sessions, all at once.
// They have until ctx ends, and a moment at least.
func (g *Gateway) stopLaunched(ctx context.Context) {
	moment, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	if end, limited := ctx.Deadline(); ctx.Err() != nil || limited && time.Until(end) < stopGrace {
		ctx = moment
	}
	var stopping sync.WaitGroup
	for l := range g.launchers { // no session is left to add one
		stopping.Go(func() { l.shutdown(ctx) })
	}
	stopping.Wait()
}

// Sessions returns how many viewers are being served, handshakes included.
func (g *Gateway) Sessions() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.sessions)
}

// Idle says since when nobody has been served; ok is false while somebody is.
// A gateway that has served nobody yet has been idle since its first use.
func (g *Gateway) Idle() (since time.Time, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepare()
	return g.idleSince, len(g.sessions) == 0
}

// prepare makes the zero value usable; g.mu is held.
func (g *Gateway) prepare() {
	if g.ready {
		return
	}
	g.ready = true
	g.Limits = g.Limits.WithDefaults()
	g.setLimits(g.Limits)
	g.classes = classes{DefaultClass: newClass(Class{Name: DefaultClass})}
	g.listeners = map[net.Listener]struct{}{}
	g.sessions = map[*Session]struct{}{}
	g.idle = make(chan struct{})
	g.idleSince = time.Now()
	g.fullLog.Interval = time.Second
	g.farewells = make(chan struct{}, maxFarewells)
}

func (g *Gateway) track(ln net.Listener) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepare()
	if g.draining {
		return false
	}
	g.listeners[ln] = struct{}{}
	return true
}

func (g *Gateway) untrack(ln net.Listener) {
	_ = ln.Close()
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.listeners, ln)
}

func (g *Gateway) startDraining() (idle <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.prepare()
	if !g.draining {
		g.draining = true
		g.drain.stop() // the deadline is that of Shutdown now
		for ln := range g.listeners {
			_ = ln.Close()
		}
		g.checkIdle()
	}
	return g.idle
}

// checkIdle lets Shutdown return once nobody is left; g.mu is held.
func (g *Gateway) checkIdle() {
	if !g.draining || len(g.sessions) > 0 {
		return
	}
	select {
	case <-g.idle:
	default:
		close(g.idle)
	}
}

func (g *Gateway) isDraining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

func (g *Gateway) all() []*Session {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*Session, 0, len(g.sessions))
	for s := range g.sessions {
		list = append(list, s)
	}
	return list
}

// locate notes where s comes from, for the count of those of one address.
func (g *Gateway) locate(s *Session, addr netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slots.locate(s, addr)
}

// forget gives back the place of s.
func (g *Gateway) forget(s *Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.slots.leave(s)
	delete(g.sessions, s)
	g.past.add(s)
	if len(g.sessions) == 0 {
		g.idleSince = time.Now()
	}
	g.checkIdle()
}

// establish moves s from the handshakes to the sessions, or says ErrFull.
func (g *Gateway) establish(s *Session) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.slots.establish(s)
}

func (g *Gateway) turnedAway(front Front, c net.Conn, err error) {
	g.fullLog.Do(func() {
		g.log().Warn("viewer turned away", "listener", front.Name, "viewer", addressOf(c), "reason", err)
	})
	end := endFull
	switch {
	case errors.Is(err, ErrDraining):
		end = g.away()
	case errors.Is(err, ErrMemory):
		end = endMemory
	}
	select {
	case g.farewells <- struct{}{}:
		go guarded(g.log(), "the connection", func() { g.sendAway(front, c, end) })
	default:
		_ = c.Close()
	}
}

// sendAway says in the handshake why there is no place, to as many viewers at
// once as there are farewells.
func (g *Gateway) sendAway(front Front, c net.Conn, end ending) {
	defer func() { <-g.farewells }()
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	stacked, err := layers.Stack(ctx, c, front.Layers...)
	if err != nil {
		return
	}
	_, _ = rfb.Server(ctx, stacked, &rfb.ServerConfig{NoSecurity: end.words})
	end.refuse(stacked)
}

func (g *Gateway) log() *slog.Logger {
	if g.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return g.Log
}
