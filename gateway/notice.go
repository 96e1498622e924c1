package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"vncgate/auth"
)

// What a page is told beside its RFB connection, which has no room for words.

// Kinds of Notice.
const (
	NoticeRights  = "rights"  // the first: Rights, Expires and Renewable as they are now
	NoticeWarning = "warning" // the session ends at Until, unless Words say how to go on; zero Until: it does not, after all
	NoticeEnding  = "ending"  // the session has ended, and this is the last notice
	NoticeMessage = "message" // somebody has something to say
	NoticePaused  = "paused"  // nothing passes for now, or where Paused is false, again
)

// Notice is one thing for a page to show. It marshals to what the page reads.
type Notice struct {
	Kind  string    `json:"kind"`
	Words string    `json:"words,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Code is the WebSocket close code that comes with an ending.
	Code int `json:"code,omitempty"`

	Rights    auth.Rights `json:"rights,omitempty"`
	Expires   time.Time   `json:"expires,omitzero"`
	Renewable bool        `json:"renewable,omitempty"` // Gateway.Renew may move Expires

	Paused bool `json:"paused,omitempty"`
}

// Bounds of Front.NoticeKey; others are as good as none. A key that can be
// guessed would show one viewer's notices to another.
const (
	MinNoticeKey = 16
	MaxNoticeKey = 128
)

// noticeQueue is how many notices wait for a page that does not take them; then
// the oldest is lost.
const noticeQueue = 8

// Errors of Renew that callers branch on.
var (
	ErrNoSession    = errors.New("gateway: no such session")
	ErrNotRenewable = errors.New("gateway: the session cannot be renewed")
)

// Notices returns what is to be shown on the page that chose key for its
// session (Front.NoticeKey), beginning with what holds now. The channel is
// closed when the session has ended, or when somebody else listens with the
// same key. A page that does not take its notices loses the oldest. cancel ends
// the listening; ok is false if there is no such session.
func (g *Gateway) Notices(key string) (notices <-chan Notice, cancel func(), ok bool) {
	s := g.boards.find(key)
	if s == nil {
		return nil, nil, false
	}
	c := s.board.listen()
	return c, func() { s.board.leave(c) }, true
}

// Tell has f called with what is to be shown on the page of this session, one
// notice after the other, in a goroutine that is there only for that. Where f is
// slow, the oldest notices are lost. It does nothing where the session's front
// has no key, and comes before Start, so that nothing is missed.
func (s *Session) Tell(f func(Notice)) {
	s.g.boards.open(s)
	if s.board != nil {
		s.board.tell(f, s.run)
	}
}

// SessionOf returns what there is to know of the session that has key
// (Front.NoticeKey); ok is false if there is none, or it has no grant yet.
func (g *Gateway) SessionOf(key string) (info SessionInfo, ok bool) {
	if s := g.boards.find(key); s != nil {
		return s.info()
	}
	return SessionInfo{}, false
}

// Renew moves the moment in which the ticket of the session of key ends, as
// Extend says; its page is then told. The error matches ErrNoSession or
// ErrNotRenewable, or is what Extend says.
func (g *Gateway) Renew(ctx context.Context, key string) error {
	s := g.boards.find(key)
	if s == nil {
		return ErrNoSession
	}
	info, ok := s.info()
	if !ok || !s.renewable() {
		return ErrNotRenewable
	}
	end, err := g.Extend(ctx, info)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.ticketEnd = end
	s.mu.Unlock()
	s.board.renew(end)
	s.logger().Info("grant renewed", "expires", end)
	s.review(endWithdrawn)
	return nil
}

// renewable reports whether a renewal would move the end of the ticket.
func (s *Session) renewable() bool {
	most := s.kept.renewUntil
	return s.g.Extend != nil && s.kept.renewable && !s.kept.expires.IsZero() && (most.IsZero() || s.board.ends(s.kept.expires).Before(most))
}

// tellRights has the page know what holds.
func (s *Session) tellRights(grant *auth.Grant) {
	if s.board != nil {
		// What ends before the ticket does is not put off by renewing that.
		first := grant.Expires.Equal(s.board.ends(s.kept.expires))
		s.board.post(Notice{Kind: NoticeRights, Rights: grant.Rights, Expires: grant.Expires, Renewable: first && s.renewable()})
	}
}

// boards are the sessions whose pages listen, by their keys. The zero value is
// ready.
type boards struct {
	mu sync.Mutex
	of map[string]*Session
}

// open gives s a board if its front has a key, and it has none yet. The newest
// session of a key has it.
func (b *boards) open(s *Session) {
	if n := len(s.kept.noticeKey); n < MinNoticeKey || n > MaxNoticeKey || s.board != nil {
		return
	}
	s.board = &board{}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[string]*Session{}
	}
	if old := b.of[s.kept.noticeKey]; old != nil {
		old.board.close()
	}
	b.of[s.kept.noticeKey] = s
}

func (b *boards) close(s *Session) {
	if s.board == nil {
		return
	}
	s.board.close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of[s.kept.noticeKey] == s {
		delete(b.of, s.kept.noticeKey)
	}
}

func (b *boards) find(key string) *Session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.of[key]
}

// board holds the notices of one session: what holds now, and those that its
// page has not taken yet.
type board struct {
	mu       sync.Mutex
	rights   *Notice
	warning  *Notice
	paused   *Notice
	unheard  *Notice   // the last message that came before anybody listened
	renewed  time.Time // the end of the ticket; zero: as it was
	listener chan Notice
	told     *told // by Tell, or nil
	closed   bool
}

// renew notes where a renewal has moved the end of the ticket.
func (b *board) renew(end time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renewed = end
}

// ends is when the ticket of a front ends, as renewed last. Whoever tells the page
// may hold the session's own lock.
func (b *board) ends(first time.Time) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.renewed.IsZero() {
		return first
	}
	return b.renewed
}

// post never blocks.
func (b *board) post(n Notice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return
	case n.Kind == NoticeRights:
		b.rights = &n
	case n.Kind == NoticeWarning && n.Until.IsZero():
		b.warning = nil
	case n.Kind == NoticeWarning:
		b.warning = &n
	case n.Kind == NoticePaused && n.Paused:
		b.paused = &n
	case n.Kind == NoticePaused:
		b.paused = nil
	case n.Kind == NoticeMessage && b.listener == nil && b.told == nil:
		b.unheard = &n
	}
	b.send(n)
	if b.told != nil {
		b.put(n)
	}
}

// send makes room by dropping the oldest; b.mu is held.
func (b *board) send(n Notice) {
	if b.listener == nil {
		return
	}
	for {
		select {
		case b.listener <- n:
			return
		default:
		}
		select {
		case <-b.listener:
		default:
		}
	}
}

// listen replaces whoever listened before, and repeats what holds now.
func (b *board) listen() <-chan Notice {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listener != nil {
		close(b.listener)
		b.listener = nil
	}
	c := make(chan Notice, noticeQueue)
	if b.closed {
		close(c)
		return c
	}
	b.listener = c
	for _, n := range []*Notice{b.rights, b.warning, b.paused, b.unheard} {
		if n != nil {
			b.send(*n)
		}
	}
	b.unheard = nil
	return c
}

func (b *board) leave(c <-chan Notice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listener == c {
		close(b.listener)
		b.listener = nil
	}
}

// close lets the listener take what is left, and ends.
func (b *board) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.listener != nil {
		close(b.listener)
		b.listener = nil
	}
}
