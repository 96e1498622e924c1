package gateway

import (
	"cmp"
	"container/list"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// Session is one viewer joined to one display under one grant, from accept to
// close. Gateway.Admit makes it.
type Session struct {
	g     *Gateway
	front *Front // nil once the session is open
	kept  keptFront
	id    string
	begun time.Time

	place       *list.Element // in slots.handshakes; the gateway's lock
	origin      netip.Prefix  // what it is counted under there; the gateway's lock
	established bool          // counted in slots.established; the gateway's lock
	proved      atomic.Bool   // the viewer has shown who it is
	entry       *class        // by which it came in

	mu      sync.Mutex
	stopEnd *ending // set by stop
	onStop  func()  // what stop calls, once Serve runs
	// These change while it is open.
	held      bool        // there is a grant
	most      *auth.Grant // the first; none of the three is changed, only replaced
	grant     *auth.Grant // as it is now: answer, with no more rights than left
	answer    *auth.Grant // of Authorize, the last time
	left      auth.Rights // by HoldTo
	ticketEnd time.Time   // Front.Expires, or what it was renewed to
	traffic   *relay
	tap       *tap // nil: nobody records
	times     *times
	class     atomic.Pointer[class]
	inClass   bool // counted there

	reviewing sync.Mutex // one question at a time; taken before mu
	moving    sync.Mutex // one move to another class at a time; taken before the gateway's lock, which is taken before mu
	board     *board     // nil: no page listens

	// Filled in as the session goes on, by the goroutine that serves it.
	name     string               // of the target, as the viewer chose it
	asked    auth.Request         // but for the time
	proof    *tls.ConnectionState // by which a client certificate was verified, or nil
	target   *Target              // the one that was reached; nil once the session is open
	fallback bool                 // and is not the first choice
	reached  string               // its name then
	agent    string               // by whose tunnel the display was reached, or ""
	viewer   *rfb.Conn
	display  *rfb.Conn
	stack    string // of the viewer's connection, for the log
	init     rfb.ServerInit
	from     string     // address of the viewer
	address  netip.Addr // the same, if it is one
	seat     *seat      // on the target
	clock    *clock     // of the handshake
	stages   *stages    // of the same; nil once it is over
	below    *watched   // the viewer's connection below RFB
	launcher *Launcher  // that the session is counted at, or nil

	pings  *pinger     // nil for viewers that are not pinged
	unhook func() bool // from the context of Start, or nil
	done   func(error) // of Start
}

func newSession(g *Gateway, front Front) *Session {
	var id [4]byte
	_, _ = rand.Read(id[:])   // never fails (crypto/rand)
	id[0] = id[0]&0x5f | 0xa0 // a letter first, so that no script takes it for a number
	return &Session{g: g, front: &front, kept: front.kept(), name: front.Target, id: hex.EncodeToString(id[:]), begun: time.Now(), ticketEnd: front.Expires}
}

// Release gives back the place of a session that is not going to be served.
func (s *Session) Release() {
	s.g.boards.close(s)
	if s.seat != nil {
		s.g.crowd.leave(s.seat)
		if s.seat.shared != nil {
			s.g.Seats.Leave(*s.seat.shared)
		}
	}
	s.leaveClass()
	s.g.forget(s)
}

// stop ends the session from outside with the stated end. It never blocks; the
// first call wins.
func (s *Session) stop(end ending) {
	s.mu.Lock()
	first := s.stopEnd == nil
	if first {
		s.stopEnd = &end
	}
	hook := s.onStop
	s.mu.Unlock()
	if first && hook != nil {
		hook()
	}
}

// hookStop has f called by stop, at once if that has been, instead of what was
// called before.
func (s *Session) hookStop(f func()) (before func()) {
	s.mu.Lock()
	before, s.onStop = s.onStop, f
	stopped := s.stopEnd != nil
	s.mu.Unlock()
	if stopped {
		f()
	}
	return before
}

// stopCause is the error of the end that stop has set, nil without one.
func (s *Session) stopCause() error {
	end, _ := s.stoppedEnd()
	return end.err
}

// stoppedEnd is the end that stop has set.
func (s *Session) stoppedEnd() (ending, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopEnd == nil {
		return ending{}, false
	}
	return *s.stopEnd, true
}

// join takes both handshakes to their ends: afterwards s.viewer and s.display
// carry messages. It returns the topmost connection to the viewer for saying
// why, if it came to nothing.
func (s *Session) join(ctx context.Context, c net.Conn) (net.Conn, error) {
	ctx, s.clock = startClock(ctx, s.g.limitsNow().HandshakeTimeout)
	defer s.clock.stop()
	s.stages.enter(stageLayers)
	stacked, err := s.stackViewer(ctx, c)
	if err != nil {
		return c, err
	}
	s.stages.enter(stageSecurity)
	_, browser := stacked.(*layers.WebSocketConn)
	s.below = &watched{Conn: stacked, ahead: browser}
	cfg, err := s.offer(ctx, stacked)
	if cfg != nil {
		var told error
		s.viewer, told = rfb.Server(ctx, s.below, cfg)
		err = cmp.Or(err, told)
	}
	if err == nil {
		err = s.passInit(ctx)
	}
	s.below.ahead = false
	if err != nil && s.display != nil {
		_ = s.display.Close()
	}
	return stacked, timedOut(ctx, err)
}

func (s *Session) stackViewer(ctx context.Context, c net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.g.limitsNow().LayerTimeout, errHandshakeTimeout)
	defer cancel()
	stacked, err := layers.Stack(ctx, c, s.front.Layers...)
	if err != nil {
		return nil, timedOut(ctx, err)
	}
	s.from, s.address = addressOf(stacked), ipOf(stacked)
	s.g.locate(s, s.address)
	return stacked, nil
}

// passInit hands ClientInit to the display and ServerInit to the viewer.
func (s *Session) passInit(ctx context.Context) error {
	s.stages.enter(stageInit)
	shared, err := s.viewer.ReadClientInit(ctx)
	if err != nil {
		return err
	}
	if err := s.display.WriteClientInit(ctx, s.shares(ctx, shared)); err != nil {
		return s.target.unreachable(ctx, "handshake", err)
	}
	if s.init, err = s.display.ReadServerInit(ctx); err != nil {
		return s.target.unreachable(ctx, "handshake", err)
	}
	if s.target.Opened != nil {
		s.target.Opened(s.described())
	}
	shown, err := s.startRecording(ctx)
	if err != nil {
		return err
	}
	return s.viewer.WriteServerInit(ctx, shown)
}

// reachedAttr names the fall-back that serves instead of the target.
func (s *Session) reachedAttr() slog.Attr {
	if !s.fallback {
		return slog.Attr{}
	}
	return slog.String("reached", s.reached)
}

// agentAttr names the agent through whose tunnel the display is reached.
func (s *Session) agentAttr() slog.Attr {
	if s.agent == "" {
		return slog.Attr{}
	}
	return slog.String("agent", s.agent)
}

// methodOf names what was run as the configuration does, the envelope of Tight
// included.
func methodOf(s rfb.Secured) string {
	if s.Tight {
		return "tight-" + s.Method
	}
	return s.Method
}

// report writes the one line of the end.
func (s *Session) report(end ending) {
	log := s.logger().With("reason", end.reason, "duration", time.Since(s.begun).Round(time.Millisecond).String())
	if s.traffic != nil {
		log.Info("session closed", "bytes_up", s.traffic.up.moved.Load(), "bytes_down", s.traffic.down.moved.Load(), errorAttr(end.err))
		return
	}
	log.Log(context.Background(), s.refusalLevel(end), "session refused", errorAttr(end.err))
}

// refusalLevel keeps strangers that only knock, by the hundred if they like,
// from drowning what an administrator must see.
func (s *Session) refusalLevel(end ending) slog.Level {
	var refused *rfb.Refusal
	switch {
	case s.g.Ours != nil && s.g.Ours(s.from):
		return slog.LevelDebug
	case errors.Is(end.err, errViewerLeft):
		return slog.LevelInfo
	case errors.As(end.err, &refused): // a wrong proof, or what a policy or a display said to a good one
		return slog.LevelWarn
	case end.reason == endEvicted.reason:
		s.g.fullLog.Do(func() {
			s.g.log().Warn("all places for handshakes are taken; the oldest strangers make room", "listener", s.kept.name, "places", s.g.limitsNow().Handshakes)
		})
		return slog.LevelDebug
	case s.proved.Load():
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func errorAttr(err error) slog.Attr {
	if err == nil {
		return slog.Attr{}
	}
	return slog.String("error", err.Error())
}

// logger is the session's: every line says who, from where and to what.
func (s *Session) logger() *slog.Logger {
	if s.kept.quiet {
		return slog.New(slog.DiscardHandler)
	}
	attrs := []any{"session", s.id, "listener", s.kept.name, "viewer", s.from, "target", s.name}
	if who := s.granted().Identity; who.Method != "" {
		attrs = append(attrs, "user", who.String())
	}
	if s.kept.ticketID != "" {
		attrs = append(attrs, "ticket", s.kept.ticketID)
	}
	if s.stack != "" {
		attrs = append(attrs, "stack", s.stack)
	}
	return s.g.log().With(attrs...)
}

func (g *Gateway) resolve(ctx context.Context, name string) (*Target, error) {
	if g.Resolve == nil {
		return nil, fmt.Errorf("%w: %q", ErrNoTarget, name)
	}
	return g.Resolve(ctx, name)
}

func addressOf(c net.Conn) string {
	a := c.RemoteAddr()
	if a == nil {
		return ""
	}
	if a.String() == "" || a.String() == "@" {
		return a.Network() // an unnamed unix socket
	}
	return a.String()
}
