package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"vncgate/gateway"
)

// poll is how often is asked anew by those who wait for a message that may be
// lost.
const poll = time.Second

func someTime() time.Duration { return poll*3/4 + rand.N(poll/2) }

// Wait asks again whenever somebody has left, until the session has its place
// (gateway.Seats). While Redis is away and nobody is let in, it waits on.
func (c *Cluster) Wait(ctx context.Context, s gateway.Seat) error {
	since := "0"
	for {
		woken := c.wakers.woken()
		got, came, err := c.enter(ctx, &s, since)
		switch {
		case errors.Is(err, gateway.ErrSeatsLocal):
			return err
		case err == nil && !got.Waits && got.Missing == gateway.SeatFree:
			return nil
		case err == nil && came != "":
			since = came
		}
		if err := rest(ctx, woken, someTime()); err != nil {
			return err
		}
	}
}

// awaitGone returns when the sessions that were to make room have left, or their
// nodes are dead.
func (c *Cluster) awaitGone(ctx context.Context, seats []string) error {
	for len(seats) > 0 {
		woken := c.wakers.woken()
		args := make([]any, len(seats))
		for i, seat := range seats {
			args[i] = seat
		}
		left, err := c.run(ctx, goneScript, []string{c.keys.alive(), c.keys.ended()}, args...)
		switch {
		case err == nil && len(left) == 0:
			return nil
		case err == nil:
			seats = left.texts(0)
		case ctx.Err() == nil && c.cfg.Alone == Local:
			return nil // nobody can be asked, and this session is to go on
		}
		if err := rest(ctx, woken, someTime()); err != nil {
			return err
		}
	}
	return nil
}
