package bridge

import (
	"context"
	"io"
	"log/slog"
	"net"
	"time"

	"vncgate/layers"
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
func (s *Server) serve(ctx context.Context, ws *layers.WebSocketConn, path string, to Route) {
	defer func() { _ = ws.Close() }()
	id := s.ids.Add(1)
	live, ok := s.enter(ws)
	if !ok {
		_ = ws.CloseWith(layers.CloseGoingAway, "")
		return
	}
	if s.cfg.Opened != nil {
		s.cfg.Opened(id, live)
	}
	defer s.leave(ws, id)
	log := s.cfg.Log.With("session", id)
	log.Info("client connected", "client", ws.RemoteAddr().String(), "stack", layers.Describe(ws), "path", path, "target", to.Address)
	x := &session{&s.cfg, id, ws, to, log}
	x.run(ctx)
}

func (s *Server) enter(ws *layers.WebSocketConn) (live int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return 0, false
	}
	s.live[ws] = struct{}{}
	s.done.Add(1)
	return len(s.live), true
}

func (s *Server) leave(ws *layers.WebSocketConn, id uint64) {
	s.mu.Lock()
	delete(s.live, ws)
	live := len(s.live)
	s.mu.Unlock()
	if s.cfg.Closed != nil {
		s.cfg.Closed(id, live)
	}
	s.done.Done()
}

func (x *session) run(ctx context.Context) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, x.cfg.DialTimeout)
	target, err := x.cfg.Dial(ctx, x.route)
	cancel()
	if err != nil {
		_ = x.ws.CloseWith(layers.CloseServerError, "Failed to connect to downstream server")
		x.log.Info("target not reached", "target", x.route.Address, "error", err)
		return
	}
	defer func() { _ = target.Close() }()
	layers.SetNoDelay(target, true)
	t := newTap(x)
	defer t.close()
	code, words, err := pipe(t.client(x.ws), t.target(target))
	_ = x.ws.CloseWith(code, words)
	x.log.Info("session ended", "reason", words, "error", err, "duration", time.Since(start).Round(time.Millisecond))
}

// pipe moves bytes both ways until one end is through.
func pipe(client, target net.Conn) (code int, words string, err error) {
	up := make(chan error, 1)
	go func() {
		_, err := io.Copy(target, client)
		_ = target.SetReadDeadline(time.Now())
		up <- err
	}()
	_, err = io.Copy(client, target)
	_ = client.SetReadDeadline(time.Now())
	<-up
	return layers.CloseNormal, "Target closed", err
}
