package gateway

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"vncgate/rfb"
)

// maxOutlaws is how many are remembered at once; the one whose time is over
// first is forgotten for one more.
const maxOutlaws = 4096

var errKicked = errors.New("gateway: kicked a moment ago")

// outlaws remembers who was sent away, so that a page that connects again by
// itself does not bring them back. Whoever tries before the time is over begins
// it anew: only one that leaves off gets in again.
type outlaws struct {
	mu    sync.Mutex
	until map[string]outlaw
}

type outlaw struct {
	over time.Time
	time time.Duration
}

// add keeps those with one of keys out until d has passed without a try.
func (o *outlaws) add(keys []string, now time.Time, d time.Duration) {
	if d <= 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until == nil {
		o.until = map[string]outlaw{}
	}
	for _, key := range keys {
		if len(o.until) >= maxOutlaws {
			o.forget(now)
		}
		o.until[key] = outlaw{now.Add(d), d}
	}
}

// check refuses whoever has one of keys.
func (o *outlaws) check(keys []string, now time.Time) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, key := range keys {
		out, ok := o.until[key]
		switch {
		case !ok:
		case now.Before(out.over):
			o.until[key] = outlaw{now.Add(out.time), out.time}
			words := fmt.Sprintf("You were sent away from this display. Wait for %s before you try again.", out.time)
			return &rfb.Refusal{Reason: words, Err: errKicked}
		default:
			delete(o.until, key)
		}
	}
	return nil
}

// forget makes room: for those whose time is over, or else who is next.
func (o *outlaws) forget(now time.Time) {
	var next string
	for key, out := range o.until {
		if !now.Before(out.over) {
			delete(o.until, key)
		} else if next == "" || out.over.Before(o.until[next].over) {
			next = key
		}
	}
	if len(o.until) >= maxOutlaws {
		delete(o.until, next)
	}
}

// outlawKeys are what a session is known by when it comes again to its target:
// the names that it proved, by whatever means, and its address where it has none
// or came by a ticket. Others may come by the same ticket from elsewhere, so that
// alone says too little.
func (s *Session) outlawKeys() []string {
	var keys []string
	for _, id := range s.asked.Identities {
		if id.Name != "" {
			keys = append(keys, fmt.Sprintf("user %q %q", id.Name, s.name))
		}
	}
	if len(keys) == 0 || s.kept.ticketID != "" {
		keys = append(keys, fmt.Sprintf("ticket %q %s %q", s.kept.ticketID, oneAddress(s.address), s.name))
	}
	return keys
}

// outlawedBy are the keys that keep a session out: its own, and those of names
// that no display is for.
func (s *Session) outlawedBy() []string {
	keys := s.outlawKeys()
	for _, id := range s.asked.Identities {
		if id.Name != "" {
			keys = append(keys, bannedKey(id.Name))
		}
	}
	return keys
}

func bannedKey(user string) string { return fmt.Sprintf("user %q", user) }
