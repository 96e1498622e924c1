package tunnel

import (
	"context"
	"fmt"
)

// Await returns once the agent has a tunnel. Its error matches ErrNoAgent where
// ctx ends first, or ErrClosed.
func (h *Hub) Await(ctx context.Context, agent string) error {
	for {
		h.mu.Lock()
		h.begin()
		closed, changed, s := h.closed, h.changed, h.agents[agent]
		here := s != nil && len(s.tunnels) > 0
		h.mu.Unlock()
		switch {
		case closed:
			return ErrClosed
		case here:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("tunnel: agent %s: %w: %w", agent, ErrNoAgent, context.Cause(ctx))
		}
	}
}
