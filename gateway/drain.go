package gateway

import (
	"cmp"
	"time"

	"vncgate/layers"
	"vncgate/rfb"
)

// Drain is how a gateway empties itself: nobody comes in any more, who is in
// stays until the deadline.
type Drain struct {
	// Since is when it began, Until when the sessions that are left are ended;
	// the zero time is never.
	Since, Until time.Time
	// Words are for the viewers: on pages at once, and at the end.
	Words string
}

// wordsDrain are said where nobody has chosen others.
const wordsDrain = "The gateway is going down for maintenance."

// reasonDrained is that of sessions that were left at the deadline.
const reasonDrained = "drained"

// Drain lets nobody in from now on: Admit and Ready say ErrDraining. Listeners stay
// open, so that whoever comes is told. Who is in is told the words, and ended with
// them when until has come; a zero until ends nobody. Called again, the later call
// counts. Undrain takes it back; Shutdown may follow, whose deadline counts then.
func (g *Gateway) Drain(until time.Time, words string) {
	words = cmp.Or(words, wordsDrain)
	g.mu.Lock()
	g.prepare()
	since := time.Now()
	if g.drain.on {
		since = g.drain.Since
	}
	g.drain.stop()
	g.drain.on, g.drain.Drain = true, Drain{Since: since, Until: until, Words: words}
	if !until.IsZero() {
		round := g.drain.round
		g.drain.timer = time.AfterFunc(time.Until(until), func() { g.drained(round) })
	}
	g.mu.Unlock()
	g.announce(Notice{Kind: drainKind(until), Words: words, Until: until})
}

// drainKind is what a page is told: without a deadline there is nothing to count
// down to.
func drainKind(until time.Time) string {
	if until.IsZero() {
		return NoticeMessage
	}
	return NoticeWarning
}

// Undrain lets viewers in again, and whoever is in stay. It reports whether the
// gateway was draining; after Shutdown there is no way back.
func (g *Gateway) Undrain() bool {
	g.mu.Lock()
	was := g.drain.on && !g.draining
	warned := was && !g.drain.Until.IsZero()
	if was {
		g.drain.stop()
		g.drain.on, g.drain.Drain = false, Drain{}
	}
	g.mu.Unlock()
	if warned {
		g.announce(Notice{Kind: NoticeWarning})
	}
	return was
}

// Draining says how the gateway empties itself; ok is false while it does not. A
// gateway that shuts down drains, too.
func (g *Gateway) Draining() (d Drain, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.drain.Drain, g.closed()
}

// drains is what Drain has set; the gateway's lock guards it.
type drains struct {
	Drain
	on    bool
	timer *time.Timer // of Until
	round int         // so that a timer that was stopped too late knows that it was
}

// stop forgets the deadline.
func (d *drains) stop() {
	d.round++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// drained ends whoever is left at the deadline.
func (g *Gateway) drained(round int) {
	g.mu.Lock()
	over := g.drain.on && g.drain.round == round
	words := g.drain.Words
	g.mu.Unlock()
	if !over {
		return
	}
	for _, s := range g.all() {
		s.stop(ending{reasonDrained, words, layers.CloseGoingAway, ErrDraining})
	}
}

// announce puts a notice on the pages of all sessions that have a grant.
func (g *Gateway) announce(n Notice) {
	for _, s := range g.all() {
		if s.hasGrant() && s.board != nil {
			s.board.post(n)
		}
	}
}

// away is the end of one who comes while the gateway drains.
func (g *Gateway) away() ending {
	d, _ := g.Draining()
	return ending{"draining", cmp.Or(d.Words, endShutdown.words), layers.CloseGoingAway, ErrDraining}
}

// shutdownEnd is the end of those who are left when the gateway shuts down.
func (g *Gateway) shutdownEnd() ending {
	d, _ := g.Draining()
	end := endShutdown
	end.words = cmp.Or(d.Words, end.words)
	return end
}

// shut is ErrDraining, with the words of the drain where somebody has begun one;
// g.mu is held.
func (g *Gateway) shut() error {
	if g.drain.Words == "" {
		return ErrDraining
	}
	return &rfb.Refusal{Reason: g.drain.Words, Err: ErrDraining}
}

// closed reports whether nobody is let in any more; g.mu is held.
func (g *Gateway) closed() bool { return g.draining || g.drain.on }
