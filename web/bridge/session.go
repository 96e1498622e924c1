package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"vncgate/gateway"
	"vncgate/layers"
)

// Why a session is cancelled.
var (
	errShutdown = errors.New("bridge: shutdown")
	errNoPong   = errors.New("bridge: the client gives no sign of life")
)

// A session is one WebSocket and the connection that it leads to.
type session struct {
	cfg   *Config
	id    uint64
	ws    *layers.WebSocketConn
	route Route
	log   *slog.Logger
}

// serve runs a session to its end.
func (s *Server) serve(r *http.Request, ws *layers.WebSocketConn, to Route) {
	defer func() { _ = ws.Close() }()
	// From here on the session ends by its own ends or by cancel, nothing else.
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(r.Context()))
	defer cancel(nil)
	id := s.ids.Add(1)
	live, ok := s.enter(id, cancel)
	if !ok {
		_ = ws.CloseWith(layers.CloseGoingAway, "")
		return
	}
	defer s.leave(id)
	if s.cfg.Opened != nil {
		s.cfg.Opened(id, live)
	}
	log := s.cfg.Log.With("session", id)
	log.Info("client connected", "client", r.RemoteAddr, "stack", layers.Describe(ws), "path", pathForLog(r), "target", to.String())
	x := &session{&s.cfg, id, ws, to, log}
	x.run(ctx, cancel)
}

// enter counts a session in, unless we are shutting down.
func (s *Server) enter(id uint64, cancel context.CancelCauseFunc) (live int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return 0, false
	}
	s.live[id] = cancel
	s.running++
	return len(s.live), true
}

func (s *Server) leave(id uint64) {
	s.mu.Lock()
	delete(s.live, id)
	live := len(s.live)
	s.mu.Unlock()
	if s.cfg.Closed != nil {
		s.cfg.Closed(id, live)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	s.ended.Broadcast()
}

func (x *session) run(ctx context.Context, cancel context.CancelCauseFunc) {
	start := time.Now()
	dialling, stop := context.WithTimeout(ctx, x.cfg.DialTimeout)
	target, err := x.cfg.Dial(dialling, x.route)
	stop()
	if err != nil {
		x.log.Warn("target not reached", "target", x.route.String(), "error", x.route.scrub(err))
		code, words := lastWord("", context.Cause(ctx))
		if ctx.Err() == nil {
			code, words = layers.CloseServerError, "Failed to connect to downstream server"
		}
		_ = x.ws.CloseWith(code, words)
		return
	}
	defer func() { _ = target.Close() }()
	t := newTap(x)
	defer t.close()
	if every := x.cfg.Heartbeat; every > 0 {
		defer layers.Heartbeat(x.ws, every, 2*every, func() { cancel(errNoPong) })()
	}
	end := gateway.Pipe(ctx, t.client(x.ws), t.target(target), x.cfg.Stall)
	code, words := lastWord(end.Reason, context.Cause(ctx))
	_ = x.ws.CloseWith(code, words)
	x.log.Info("session ended", "reason", reasonOf(end.Reason, context.Cause(ctx)), "error", end.Err, "up", end.Up, "down", end.Down,
		"duration", time.Since(start).Round(time.Millisecond))
}

// reasonOf is an end for the log: one that we made has its cause.
func reasonOf(reason string, cause error) string {
	switch {
	case errors.Is(cause, errShutdown):
		return "shutdown"
	case errors.Is(cause, errNoPong):
		return "viewer gone"
	}
	return reason
}

// lastWord is the close frame for an end. Where the client ended or has been
// told already what it did wrong, no second one is sent.
func lastWord(reason string, cause error) (code int, words string) {
	switch {
	case errors.Is(cause, errShutdown):
		return layers.CloseGoingAway, "Shutting down"
	case errors.Is(cause, errNoPong):
		return layers.ClosePolicy, "No answer to pings"
	}
	switch reason {
	case "target closed":
		return layers.CloseNormal, "Target closed"
	case "target failed":
		return layers.CloseServerError, "The connection to the target failed"
	case "target stalled":
		return layers.CloseServerError, "The target stopped reading"
	case "viewer stalled":
		return layers.ClosePolicy, "The client stopped reading"
	}
	return layers.CloseNormal, ""
}
