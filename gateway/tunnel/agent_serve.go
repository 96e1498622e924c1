package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"vncgate/layers"
)

// serve does with one stream what the gateway has opened it for.
func (t *agentTunnel) serve(ctx context.Context, s *layers.MuxStream) {
	log := t.agent.log()
	_ = s.SetDeadline(time.Now().Add(openPatience))
	var asked open
	if err := readMessage(s, maxOpen, &asked); err != nil {
		if !errors.Is(err, layers.ErrMuxLost) {
			log.Warn("the gateway has opened a stream without saying what for", "error", err)
		}
		return
	}
	name := words(asked.Service)
	display, err := t.reach(ctx, name)
	if err != nil {
		log.Warn("session refused", "service", name, "error", err)
		_ = s.SetDeadline(time.Now().Add(openPatience))
		if writeMessage(s, refusedOpen(err), maxOpen) == nil {
			_ = s.CloseWrite()
		}
		return
	}
	defer t.done()
	defer display.Close()
	_ = s.SetDeadline(time.Time{})
	started := time.Now()
	if err := writeMessage(s, opened{}, maxOpen); err != nil {
		log.Info("the gateway has given a session up before it began", "service", name, "error", err)
		return
	}
	log.Info("session begins", "service", name, "display", displayName(display))
	err = join(s, display)
	in, out, _, _ := figures(s)
	args := []any{"service", name, "to_display", in, "from_display", out, "lasted", time.Since(started).Round(time.Millisecond)}
	if err != nil {
		args = append(args, "error", err)
	}
	log.Info("session ended", args...)
}

// errBusy says that there are too many streams.
var errBusy = errors.New("the agent has too many sessions")

// reach counts the stream and connects to what it is for. Only what was
// announced is looked for.
func (t *agentTunnel) reach(ctx context.Context, name string) (net.Conn, error) {
	if !t.enter() {
		return nil, errBusy
	}
	display, err := t.agent.dialService(ctx, name)
	if err != nil {
		t.leave()
		return nil, err
	}
	t.agent.count(1)
	return display, nil
}

func (t *agentTunnel) done() {
	t.agent.count(-1)
	t.leave()
}

// refusedOpen is what the gateway is told of an error.
func refusedOpen(err error) opened {
	o := opened{Code: codeUnreachable, Reason: words(err.Error())}
	switch {
	case errors.Is(err, errNotOurs):
		o.Code = codeUnknown
	case errors.Is(err, errBusy):
		o.Code = codeBusy
	}
	return o
}

func displayName(c net.Conn) string {
	a := c.RemoteAddr()
	if a == nil {
		return layers.Describe(c)
	}
	return fmt.Sprintf("%s:%s", a.Network(), a)
}
