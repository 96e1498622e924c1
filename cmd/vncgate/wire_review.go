package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"

	"vncgate/gateway"
)

// Sessions are asked about again (Gateway.Review) when something changes that
// their grants rest on. Tokens' revocations say so themselves; for files and
// clocks somebody has to look.

// watchEvery is how often that is: a session ends within a second of a change,
// and looking at a few files costs nothing.
const watchEvery = 200 * time.Millisecond

// watch looks until ctx ends.
func (w *wiring) watch(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	before := w.grounds()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := w.grounds()
		if now != before || w.certEnds.passed(time.Now()) {
			w.gate.Review()
		}
		before = now
	}
}

// grounds says what the grants rest on, so that a change shows: the users file
// and the policy's as they are on the disk, and the version of the revocation
// lists.
func (w *wiring) grounds() string {
	text := ""
	if w.cfg.Users != nil {
		text += stamp(w.cfg.Users.File)
	}
	if now := w.now(); now.cfg.PolicyFile != "" {
		text += stamp(now.cfg.PolicyFile)
		now.rules.now() // so that a mistake is reported though nobody comes
	}
	for _, lists := range w.lists {
		text += fmt.Sprintf(" %d", lists.Version())
	}
	return text
}

// stamp is what stat tells of a file's contents. A file that was just written
// may be written again within the same tick of the file system's clock, so that
// its stamp differs from the one that it has once it has settled.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return " none"
	}
	return fmt.Sprintf(" %d %d %v", info.Size(), info.ModTime().UnixNano(), time.Since(info.ModTime()).Abs() < watchEvery)
}

// certified is the gateway's Certified: a client certificate is good until it
// ends or is revoked.
func (w *wiring) certified(state tls.ConnectionState) error {
	for _, chain := range state.VerifiedChains {
		if end := chain[0].NotAfter; time.Now().After(end) {
			return fmt.Errorf("%w: the client certificate ended at %s", gateway.ErrDenied, end.Format(time.RFC3339))
		} else {
			w.certEnds.note(end)
		}
	}
	for _, lists := range w.lists {
		if err := lists.VerifyConnection(state); err != nil {
			return err
		}
	}
	return nil
}

// certificateEnds remembers when the next client certificate ends that a session
// rests on. A review notes all of them again.
type certificateEnds struct {
	mu   sync.Mutex
	next time.Time // zero: none is known
}

func (c *certificateEnds) note(end time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next.IsZero() || end.Before(c.next) {
		c.next = end
	}
}

// passed reports, once, that it has come.
func (c *certificateEnds) passed(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next.IsZero() || !now.After(c.next) {
		return false
	}
	c.next = time.Time{}
	return true
}
