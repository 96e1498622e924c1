package main

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"vncgate/gateway/tunnel"
)

// agentRun is an agent that runs, with what is beside it.
type agentRun struct {
	agent *tunnel.Agent
	id    *agentIdentity
	way   *gatewayWay
	log   *slog.Logger

	notify *notifier
	ready  atomic.Bool // systemd knows that we are
}

// serve runs until ctx ends, the gateway wants us no more, or the command ends.
func (r *agentRun) serve(ctx context.Context, argv []string) error {
	r.notify = &notifier{log: r.log, figures: r.status, healthy: func(context.Context) error { return nil }}
	r.agent.Observe = r.observe
	names := make([]string, 0, len(r.agent.Services))
	for _, s := range r.agent.Services {
		names = append(names, s.Name)
	}
	r.log.Info("agent starts", "gateway", r.way.String(), "agent", r.id.name, "services", names)
	var command *beside
	if len(argv) > 0 {
		var err error
		if command, err = startBeside(argv, r.log); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var parts sync.WaitGroup
	parts.Go(func() { r.notify.run(ctx) })
	if r.id.renew != nil {
		parts.Go(func() { r.id.renew(ctx, r.agent) })
	}
	var ended *besideEnded
	if command != nil {
		parts.Go(func() { ended = command.wait(ctx); cancel(ended) })
	}
	err := agentError(r.agent.Run(ctx))
	r.notify.stopping()
	if err == nil {
		r.log.Info("agent ends")
	}
	cancel(err)
	parts.Wait()
	if ended != nil && err == nil {
		return ended.exit()
	}
	return err
}

// observe tells systemd how things are.
func (r *agentRun) observe(s tunnel.State) {
	if s.Tunnels > 0 && r.ready.CompareAndSwap(false, true) {
		r.notify.serving()
		return
	}
	r.notify.status(r.status())
}

// status is one line about it all.
func (r *agentRun) status() string {
	s := r.agent.State()
	switch {
	case s.Tunnels == 0 && s.Err != nil:
		return fmt.Sprintf("not connected to %s: %.200v", r.way, s.Err)
	case s.Tunnels == 0:
		return fmt.Sprintf("connecting to %s", r.way)
	}
	return fmt.Sprintf("connected to %s as %s, %d of %d connections, %d sessions", r.way, s.Name, s.Tunnels, s.Wanted, s.Streams)
}
