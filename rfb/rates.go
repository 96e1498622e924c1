package rfb

import "time"

// A bucket lets a number of events a second pass, and as many at once.
type bucket struct {
	rate   int // 0 lets all pass
	left   float64
	filled time.Time
}

// set changes the rate; what was left stays, up to the new one.
func (b *bucket) set(rate int) {
	if b.rate == 0 || b.filled.IsZero() {
		b.left = float64(rate)
	}
	b.rate = rate
	b.left = min(b.left, float64(rate))
}

// take reports whether an event passes now. A forced one does in any case, and
// counts: others wait for it.
func (b *bucket) take(now time.Time, forced bool) bool {
	if !b.filled.IsZero() {
		b.left = min(float64(b.rate), b.left+now.Sub(b.filled).Seconds()*float64(b.rate))
	}
	b.filled = now
	if b.left < 1 && !forced {
		return false
	}
	b.left = max(b.left-1, -float64(b.rate))
	return true
}
