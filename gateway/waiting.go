package gateway

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// How often a display that is not up is tried.
const (
	firstPause = 250 * time.Millisecond
	maxPause   = 5 * time.Second
)

// What is told of a display that is waited for.
const (
	wordsNotUp    = "The display is not up yet; trying again."
	wordsStarting = "The display is being started."
	wordsNoAgent  = "The display's agent is not connected."
)

// wordsFor are those of a display that could not be reached as err says.
func wordsFor(err error) string {
	if errors.Is(err, ErrNoAgent) {
		return wordsNoAgent + " Waiting for it."
	}
	return wordsNotUp
}

// Waiting says whether viewers wait for target to come up, what they can be
// told, and since when the first of them has waited. It needs no proof, so it
// says no more.
func (g *Gateway) Waiting(target string) (words string, since time.Time, ok bool) {
	return g.lobby.waiting(target)
}

// lobby is where sessions wait for displays, in a room for each. The zero
// value is ready.
type lobby struct {
	mu    sync.Mutex
	rooms map[roomKey]*room
}

// roomKey has the name too: several may lead to one target.
type roomKey struct {
	target *Target
	name   string
}

// room is where sessions wait for one display. One of them at a time tries it,
// and tells the others when it is up, so that a display that comes up is not
// met by a crowd that has knocked all the while.
type room struct {
	probe chan struct{} // holds a token while somebody probes
	since time.Time

	mu     sync.Mutex
	words  string // "" until a try has failed
	up     chan struct{}
	pause  time.Duration
	inside int // lobby.mu
}

// place is one session's in a room.
type place struct {
	lobby  *lobby
	key    roomKey
	room   *room
	probes bool // has the token
}

func (l *lobby) enter(target *Target, name string) *place {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := roomKey{target, name}
	r := l.rooms[key]
	if r == nil {
		r = &room{probe: make(chan struct{}, 1), up: make(chan struct{}), pause: firstPause, since: time.Now()}
		if l.rooms == nil {
			l.rooms = map[roomKey]*room{}
		}
		l.rooms[key] = r
	}
	r.inside++
	return &place{lobby: l, key: key, room: r}
}

func (l *lobby) waiting(name string) (words string, since time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, r := range l.rooms {
		r.mu.Lock()
		if key.name == name && r.words != "" && (!ok || r.since.Before(since)) {
			words, since, ok = r.words, r.since, true
		}
		r.mu.Unlock()
	}
	return words, since, ok
}

// say sets what those who ask are told.
func (p *place) say(words string) {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	p.room.words = words
}

// hint is said of a first try that takes long, for whatever reason.
func (p *place) hint() {
	p.room.mu.Lock()
	defer p.room.mu.Unlock()
	if p.room.words == "" {
		p.room.words = wordsNotUp
	}
}

// turn waits until this session is to try again after err; false says that ctx
// has ended or that it is later than until.
func (p *place) turn(ctx context.Context, until time.Time, err error) bool {
	over := time.NewTimer(time.Until(until))
	defer over.Stop()
	r := p.room
	r.mu.Lock()
	up := r.up
	r.mu.Unlock()
	if !p.probes {
		select {
		case r.probe <- struct{}{}:
			p.probes = true
		case <-up:
			return true
		case <-over.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	pause := time.NewTimer(r.nextPause(err))
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-over.C:
		return false
	case <-ctx.Done():
		return false
	}
}

// nextPause is longer each time, and spread by a quarter both ways. Where an agent
// is missing it stays short: nobody is knocked at, and Dial waits itself.
func (r *room) nextPause(err error) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if errors.Is(err, ErrNoAgent) {
		return firstPause
	}
	pause := r.pause
	r.pause = min(2*pause, maxPause)
	return pause*3/4 + rand.N(pause/2)
}

// leave gives the place up. The display is up if it was reached.
func (p *place) leave(reached bool) {
	r := p.room
	if reached {
		r.mu.Lock()
		r.words, r.pause = "", firstPause
		close(r.up)
		r.up = make(chan struct{})
		r.mu.Unlock()
	}
	if p.probes {
		<-r.probe
	}
	p.lobby.mu.Lock()
	defer p.lobby.mu.Unlock()
	if r.inside--; r.inside == 0 {
		delete(p.lobby.rooms, p.key)
	}
}
