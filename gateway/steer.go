package gateway

import (
	"cmp"

	"vncgate/auth"
)

// What somebody outside does with sessions that are up, beside ending them. None
// of it waits for the data path, and none of it lasts beyond the session.

// Words for viewers whose session is steered, unless other words are given.
const (
	wordsPaused  = "Your session is paused. The picture stands still until it goes on."
	wordsResumed = "Your session goes on."
)

// Pause has nothing pass in the open sessions that match, in either direction,
// and returns how many these were. What the viewers hold down is released, and
// words are shown where their pages listen ("": that it is paused). Sessions that
// are paused still end by themselves or by End. It does not wait.
func (g *Gateway) Pause(match func(SessionInfo) bool, words string) int {
	return g.eachOpen(match, func(s *Session, r *relay) bool {
		r.pause()
		s.steered(SessionPaused, Notice{Kind: NoticePaused, Paused: true, Words: cmp.Or(words, wordsPaused)})
		return true
	})
}

// Resume has the sessions that match go on after a Pause, and returns how many
// were paused. It does not wait.
func (g *Gateway) Resume(match func(SessionInfo) bool, words string) int {
	return g.eachOpen(match, func(s *Session, r *relay) bool {
		if !r.isPaused() {
			return false
		}
		r.resume()
		s.steered(SessionResumed, Notice{Kind: NoticePaused, Words: cmp.Or(words, wordsResumed)})
		return true
	})
}

// eachOpen calls f for the open sessions that match, and counts where it did
// something.
func (g *Gateway) eachOpen(match func(SessionInfo) bool, f func(*Session, *relay) bool) (met int) {
	for _, s := range g.all() {
		info, ok := s.info()
		if !ok || !info.Open || !match(info) {
			continue
		}
		s.mu.Lock()
		traffic := s.traffic
		s.mu.Unlock()
		if f(s, traffic) {
			met++
		}
	}
	return met
}

// steered tells the page, the log and whoever observes.
func (s *Session) steered(kind EventKind, n Notice) {
	if s.board != nil {
		s.board.post(n)
	}
	s.mark(kind, n.Words)
	s.logger().Info("session steered", "event", string(kind))
	s.emit(Event{Kind: kind, Words: n.Words})
}

// Held is what HoldTo has come to.
type Held struct {
	// Sessions is how many do no more now than they are held to.
	Sessions int
	// Cannot is how many go on as before: something is to be withheld of what
	// their displays send, which nobody reads from the middle on.
	Cannot int
}

// HoldTo holds the sessions that match to those of their rights that are in
// rights, from the next message on. Nobody gets what was not granted at first; a
// later HoldTo may give back what this one takes, and reviews do not. rights
// must have auth.View: End is for the others. It waits for reviews that are under
// way.
func (g *Gateway) HoldTo(match func(SessionInfo) bool, rights auth.Rights) (held Held) {
	for _, s := range g.all() {
		info, ok := s.info()
		switch {
		case !ok || !match(info):
		case s.holdTo(rights | auth.View):
			held.Sessions++
		default:
			held.Cannot++
		}
	}
	return held
}

// holdTo reports whether the session can be held to rights.
func (s *Session) holdTo(rights auth.Rights) bool {
	s.reviewing.Lock()
	defer s.reviewing.Unlock()
	s.mu.Lock()
	answer, traffic := *s.answer, s.traffic
	now := answer
	now.Rights &= rights
	if traffic != nil && !traffic.canHoldTo(&now) {
		s.mu.Unlock()
		return false
	}
	s.left = rights
	s.mu.Unlock()
	s.hold(answer)
	return true
}

// canHoldTo reports whether obey can do it without an end.
func (r *relay) canHoldTo(grant *auth.Grant) bool {
	p := filterPolicy(grant)
	return r.server != nil || !p.ParsesServer()
}
