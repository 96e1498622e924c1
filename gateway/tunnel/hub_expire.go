package tunnel

import (
	"context"
	"fmt"
	"time"
)

const (
	// soonMost and soonPart say how long before the end of its certificate an agent
	// has to connect anew, and so to show whether it has a newer one by now: that
	// part of the certificate's time, and no more than an hour.
	soonMost = time.Hour
	soonPart = 10
	// clockEvery is how often the clock is looked at, which may be set meanwhile.
	clockEvery = time.Hour
	// untilAgain is how soon Until is asked again that had no answer.
	untilAgain = 10 * time.Second
)

// Why such a tunnel ends: nobody has renewed the certificate, or what it was
// renewed to is good no more.
const (
	wordsRunOut    = "the agent's certificate has run out and was not renewed"
	wordsTakenBack = "the agent's certificate has run out, and the one that it was renewed to is not good any more"
)

// expire ends the tunnel when the agent's certificate has run out, unless it has
// got a newer one: the end of that counts then, for as long as that is good.
//
// What the hub does not hear of, as where somebody replaces the agent's files, is
// learned by having the agent connect anew a while before the end. Its sessions
// stay where they are meanwhile.
func (t *hubTunnel) expire(ctx context.Context) {
	end, why := t.peer.Expires, wordsRunOut
	if end.IsZero() {
		return
	}
	soon := end.Add(-t.soon())
	ask := time.Now().Before(soon)
	for {
		next := end
		if ask {
			next = soon
		}
		next = next.Round(0)
		if !t.rest(ctx, next, end) {
			return
		}
		switch newest, err := t.until(ctx); {
		case err != nil:
			t.hub.debug("until when an agent's certificate is good is not known", "agent", t.name, "error", err)
			if !pause(ctx, untilAgain) {
				return
			}
			t.doubt()
		case !newest.Equal(end):
			if why = wordsRunOut; newest.Before(end) {
				why = wordsTakenBack
			}
			end, soon = newest, newest.Add(-t.soon())
			ask = time.Now().Before(soon)
		case time.Now().Before(next): // it was asked for by Review alone
		case ask:
			ask = false
			t.drain("its certificate runs out soon")
		default:
			t.dismiss(bye{Reason: why})
			return
		}
	}
}

// rest returns at that time, or when the tunnel lives by what its certificate was
// renewed to until end, and that is to be looked at again. False says that ctx has
// ended.
func (t *hubTunnel) rest(ctx context.Context, next, end time.Time) bool {
	for {
		left := time.Until(next)
		if left <= 0 {
			return ctx.Err() == nil
		}
		timer := time.NewTimer(min(left, clockEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C:
		case <-t.doubted:
			timer.Stop()
			if end.After(t.peer.Expires) {
				return true
			}
		}
	}
}

// doubt has what the certificate was renewed to looked at again.
func (t *hubTunnel) doubt() {
	select {
	case t.doubted <- struct{}{}:
	default: // it is going to be
	}
}

// Review has Until asked again about each tunnel that has outlived its own
// certificate, or will, by a newer one. It is to be called when certificates were
// revoked, and does not wait.
func (h *Hub) Review() {
	for _, t := range h.all() {
		t.doubt()
	}
}

// soon is how long before the end the agent connects anew.
func (t *hubTunnel) soon() time.Duration {
	if t.peer.Issued.IsZero() {
		return 0
	}
	return min(max(t.peer.Expires.Sub(t.peer.Issued)/soonPart, 0), soonMost)
}

// until is the end of the newest certificate that is known of the agent: of those
// that its tunnels have come with, and of those that it has got.
func (t *hubTunnel) until(ctx context.Context) (newest time.Time, err error) {
	if t.hub.Until != nil {
		ctx, cancel := context.WithTimeout(ctx, helloPatience)
		defer cancel()
		if newest, err = t.hub.Until(ctx, t.name); err != nil {
			return newest, fmt.Errorf("tunnel: %w", err)
		}
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if s := t.hub.agents[t.name]; s != nil {
		for _, o := range s.tunnels {
			if !o.gone && o.peer.Expires.After(newest) {
				newest = o.peer.Expires
			}
		}
	}
	return newest, nil
}
