package gateway

import (
	"context"
	"net"

	"vncgate/auth"
	"vncgate/layers"
)

// The course of a session: a goroutine of the caller's takes both handshakes to
// their ends; then there are only those of the relay, which come and go with the
// traffic, and the last of them ends the session.

// Serve runs the session on c, which it owns, and returns when it has ended;
// nil means that one of the two ends left. The end is logged here, once.
func (s *Session) Serve(ctx context.Context, c net.Conn) error {
	ended := make(chan error, 1)
	s.Start(ctx, c, func(err error) { ended <- err })
	return <-ended
}

// Start is Serve for callers that have nothing to wait for: it returns when the
// handshakes are over, and the session goes on without the caller's goroutine. It
// calls done with what Serve would have returned, once and at the very end, in
// the caller's goroutine if the handshakes came to nothing, else in one of the
// session's. A nil done is not called. A ctx that never ends costs nothing.
func (s *Session) Start(ctx context.Context, c net.Conn, done func(error)) {
	s.done = done
	s.from, s.address = addressOf(c), ipOf(c)
	s.g.locate(s, s.address)
	began := newStages(s.begun)
	s.stages = &began
	s.g.boards.open(s)
	shaking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.hookStop(func() { cancel(s.stopCause()) })
	top, err := s.joinSafely(shaking, c)
	if err != nil {
		end := s.endOf(err)
		defer s.close(end)
		defer s.rescue()
		end.refuse(top)
		return
	}
	s.relaySafely(ctx)
}

// run starts a goroutine of the session: all that it has begin here. What is
// carried there has its own rescue, for a relay must know which direction ended.
func (s *Session) run(f func()) {
	go func() {
		defer s.rescue()
		f()
	}()
}

// relay begins to move messages.
func (s *Session) relay(ctx context.Context) {
	grant := s.open()
	s.logger().Info("session opened",
		"security", methodOf(s.viewer.Secured), "display_security", methodOf(s.display.Secured),
		"display_stack", displayStack(s.display.Conn), "rights", grant.Rights.String(), ruleAttr(grant), s.reachedAttr(), s.agentAttr())
	s.opened()
	s.travelLight()
	s.hookStop(s.cutStopped)
	if ctx.Done() != nil {
		s.unhook = context.AfterFunc(ctx, func() { s.traffic.cut(s.whyCancelled(ctx)) })
	}
	s.pings = s.ping(&s.traffic.up, s.viewerGone)
	s.traffic.start(s.relayed)
	s.g.trimmer.note(&s.g.alarms)
}

// open has the relay begin with the grant as it is now; what changes later, hold
// applies.
func (s *Session) open() *auth.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	grant := s.grant
	if s.fallback {
		s.reached = s.target.Name
	}
	s.traffic = newRelay(s.viewer.Conn, s.display.Conn, grant, s.init, s.g.limitsNow().Stall, s.tap)
	s.traffic.spawn, s.traffic.faulted, s.traffic.fair = s.run, s.faulted, &s.g.fair
	if !s.inClass {
		s.class.Load().force()
		s.inClass = true
	}
	s.traffic.class.Store(s.class.Load())
	s.traffic.limit(&grant.Limits)
	s.times = startTimes(s, grant)
	s.tellRights(grant)
	s.announce()
	return grant
}

// travelLight lets go of what only the handshakes need: tens of thousands of
// sessions may be open that do nothing.
func (s *Session) travelLight() {
	s.front, s.clock, s.stages, s.target = nil, nil, nil, nil
}

// alarms are those of the session's class.
func (s *Session) alarms() *alarms { return &s.class.Load().alarms }

func (s *Session) viewerGone() { s.stop(endViewerGone) }

// cutStopped ends the relay as stop has said.
func (s *Session) cutStopped() {
	if end, ok := s.stoppedEnd(); ok {
		s.traffic.cut(end)
	}
}

func (s *Session) whyCancelled(ctx context.Context) ending {
	if end, ok := s.stoppedEnd(); ok {
		return end
	}
	return ending{"cancelled", "The gateway ended the session.", layers.CloseGoingAway, context.Cause(ctx)}
}

// relayed ends a session whose relay has, or has not begun: it closes both
// connections.
func (s *Session) relayed(end ending) {
	defer s.close(end)
	defer s.rescue()
	if s.unhook != nil {
		s.unhook()
	}
	s.pings.end()
	s.times.stop()
	end.tell(s.viewer.Conn)
	_ = s.display.Close()
}

// close is the end of every session that was started. Whatever fails in it, its
// place is given back.
func (s *Session) close(end ending) {
	defer func() {
		if s.done != nil {
			s.done(end.err)
		}
	}()
	defer s.Release()
	defer s.stopUsing()
	defer s.rescue()
	s.stopRecording(end)
	if s.board != nil {
		s.board.post(Notice{Kind: NoticeEnding, Words: end.words, Code: end.code})
	}
	s.report(end)
	s.ended(end)
	s.g.trimmer.note(&s.g.alarms)
}

// stopUsing lets the display be stopped, if it was started for its sessions.
func (s *Session) stopUsing() {
	if s.launcher != nil {
		s.launcher.release()
	}
}
