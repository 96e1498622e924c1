package gateway

import (
	"time"

	"golang.org/x/time/rate"

	"vncgate/auth"
)

const (
	// burstTime is how much of a second's bytes may pass at once.
	burstTime = 5
	// minBurst is what a direction may write at once whatever its rate: less
	// would make frames of their own out of single rectangles.
	minBurst = 4 << 10
	// maxBurst is the most that is written at once where there is a rate.
	maxBurst = 64 << 10
)

// limit sets the rates of both directions.
func (r *relay) limit(l *auth.Limits) {
	r.up.limitTo(l.UpRate)
	r.down.limitTo(l.DownRate)
}

// limitTo lets perSecond bytes through, and no more than the class does; 0 lets
// all.
func (p *pump) limitTo(perSecond int64) {
	p.perSecond.Store(perSecond)
	now := p.rate.Load()
	switch {
	case perSecond <= 0 && p.shared() == nil:
		p.rate.Store(nil)
	case perSecond <= 0:
		p.rate.Store(unlimited())
	case now == nil || now.Limit() != rate.Limit(perSecond):
		p.rate.Store(newLimiter(perSecond))
	}
}

// shared is what the class lets through in this direction, or nil.
func (p *pump) shared() *rate.Limiter {
	c := p.relay.class.Load()
	switch {
	case c == nil:
		return nil
	case p == &p.relay.up:
		return c.up
	}
	return c.down
}

// sendSlowly writes b in pieces, each when its time has come. The headroom of a
// piece is what was the end of the one before.
func (p *pump) sendSlowly(b []byte, limit *rate.Limiter) error {
	most, shared := limit.Burst(), p.shared()
	if shared != nil {
		most = min(most, shared.Burst())
	}
	for len(b) > p.headroom {
		n := min(len(b)-p.headroom, most)
		now := time.Now()
		p.await(limit.ReserveN(now, n).Delay())
		if shared != nil {
			p.await(shared.ReserveN(now, n).Delay() - time.Since(now))
		}
		p.arm()
		if _, err := p.write(b[:p.headroom+n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// await lets d pass, unless an end has begun: its own deadline bounds what comes
// then.
func (p *pump) await(d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.relay.begins():
	}
}
