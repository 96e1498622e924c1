package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"time"
)

// Bounds of a Links store. The oldest entry is the one that goes.
const (
	maxTickets  = 1024
	maxLogins   = 4096
	loginLength = 12 * time.Hour
)

// Links hands out one-time tickets, for links that a person opens in a
// browser. A ticket is redeemed once, for a secret that the browser keeps.
// Only hashes are held, so that memory shows nobody's secret and look-ups do
// not leak by their timing. The zero value is ready.
type Links struct {
	mu      sync.Mutex
	tickets expiring
	logins  expiring
}

// New returns a fresh ticket that can be redeemed within ttl.
func (l *Links) New(ttl time.Duration) string {
	ticket := rand.Text()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tickets.add(ticket, ttl, maxTickets)
	return ticket
}

// Redeem uses the ticket up and returns the secret of the log-in it opens; ok
// is false for a ticket that is unknown, used or too old.
func (l *Links) Redeem(ticket string) (secret string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tickets.has(ticket) {
		return "", false
	}
	l.tickets.remove(ticket)
	secret = rand.Text()
	l.logins.add(secret, loginLength, maxLogins)
	return secret, true
}

// Valid reports whether secret is that of a log-in that has not ended.
func (l *Links) Valid(secret string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logins.has(secret)
}

// expiring is a bounded set of secrets, by their hashes.
type expiring struct {
	until map[[sha256.Size]byte]time.Time
	order [][sha256.Size]byte
}

func (e *expiring) add(secret string, ttl time.Duration, limit int) {
	if e.until == nil {
		e.until = map[[sha256.Size]byte]time.Time{}
	}
	now := time.Now()
	e.order = slices.DeleteFunc(e.order, func(key [sha256.Size]byte) bool {
		until, ok := e.until[key]
		if ok && now.Before(until) {
			return false
		}
		delete(e.until, key)
		return true
	})
	if len(e.order) >= limit {
		delete(e.until, e.order[0])
		e.order = e.order[1:]
	}
	key := sha256.Sum256([]byte(secret))
	e.until[key] = now.Add(ttl)
	e.order = append(e.order, key)
}

func (e *expiring) has(secret string) bool {
	until, ok := e.until[sha256.Sum256([]byte(secret))]
	return ok && time.Now().Before(until)
}

func (e *expiring) remove(secret string) {
	delete(e.until, sha256.Sum256([]byte(secret)))
}
