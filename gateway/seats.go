package gateway

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"vncgate/auth"
	"vncgate/rfb"
)

// Errors by which Seats says that it cannot count.
var (
	// ErrSeatsLocal: this gateway counts its own sessions alone for now.
	ErrSeatsLocal = errors.New("gateway: sessions of other gateways are not counted for now")
	// ErrSeatsAway: nobody comes in, since nobody can be counted.
	ErrSeatsAway = errors.New("gateway: sessions cannot be counted for now")
)

var errQueueOver = errors.New("gateway: waited for a place too long")

const wordsSeatsAway = "The gateway cannot tell at the moment how many sessions there are. Try again in a few seconds."

// Seats counts the sessions of several gateways together, so that the numbers
// in auth.Limits hold for all of them. It has so many methods because whoever
// counts has to do all of it: each of them is one step in which nobody else
// comes in between.
//
// What returns an error may match ErrSeatsLocal, and the gateway goes on by its
// own count, or ErrSeatsAway, and the viewer is told to come back. They are
// called without locks, and end with ctx; the implementation sets shorter limits.
type Seats interface {
	// Enter gives the session a place as its Limits say, or one in the queue, or
	// tells what is missing.
	Enter(ctx context.Context, seat Seat) (Seating, error)
	// Wait returns when one that was put into the queue has its place.
	Wait(ctx context.Context, seat Seat) error
	// Replace gives a place to one that Enter has told that it may replace, has
	// those who have to be gone for it end, wherever they are (Gateway.MakeRoom),
	// and returns when they are gone.
	Replace(ctx context.Context, seat Seat) error
	// Exclude gives a session that has a place the target for itself, as
	// ClientInit asks for (RFC 6143, 7.3.1). Where Busy is unset or BusyReplace the
	// others are ended; otherwise it is granted only if there are none, and keeps
	// others out then.
	Exclude(ctx context.Context, seat Seat) (granted bool, err error)
	// Hold counts a session that came in by the gateway's own count. It returns
	// at once.
	Hold(seat Seat)
	// Leave forgets the session, if it was known, and returns at once.
	Leave(seat Seat)
}

// Seat is one session, as Seats counts it.
type Seat struct {
	// Session is its ID.
	Session string
	// User is who the session goes by, "" for nobody that could be counted.
	User, Target string
	// Address is where it comes from, as one customer has it; invalid for none.
	Address netip.Addr
	// Limits are those of its own grant. They are shared.
	Limits *auth.Limits
	// Looks says that it takes no place on the target.
	Looks bool
	// Since is when the viewer came.
	Since time.Time
	// Info is what to tell of the session where this gateway dies with it. Leave
	// needs none.
	Info SessionInfo
}

// SeatWant is why there is no place.
type SeatWant int

// What may be missing.
const (
	SeatFree      SeatWant = iota // nothing: there is a place
	SeatAlone                     // somebody has the target for itself
	SeatOfTarget                  // Limits.PerTarget are there
	SeatOfUser                    // Limits.PerUser are there
	SeatOfAddress                 // Limits.PerAddress are there
)

// Seating is what became of somebody who came.
type Seating struct {
	Missing  SeatWant
	Looks    bool // there is a place, but to look only
	Waits    bool // it is in the queue
	Crowded  bool // it would wait, and too many do
	Replaces bool // it may take somebody's place, by Replace
	Occupied bool // somebody stays on the target
}

// takeShared is takeSeat where several gateways count together.
func (s *Session) takeShared(ctx context.Context, grant *auth.Grant) error {
	s.seat.shared = &Seat{
		Session: s.id, User: s.seat.user, Target: s.seat.target, Address: s.seat.address,
		Limits: s.seat.limits, Since: s.begun, Info: s.described(),
	}
	got, err := s.g.Seats.Enter(ctx, *s.seat.shared)
	switch {
	case err != nil:
		return seatsFailed(ctx, err)
	case got.Waits:
		return s.queue(ctx, grant, s.turnShared)
	case got.Crowded:
		return &rfb.Refusal{Reason: wordsQueueFull, Err: errBusy}
	case got.Replaces:
		s.seat.replaces, s.seat.occupied = true, got.Occupied
		return nil
	case got.Looks:
		s.seat.looks, s.seat.shared.Looks = true, true
		s.joinToLook(grant)
	case got.Missing != SeatFree:
		return &rfb.Refusal{Reason: busyWords[got.Missing], Err: errBusy}
	}
	s.heldThere()
	return nil
}

// turnShared waits for the place that Seats gives.
func (s *Session) turnShared(ctx context.Context) error {
	if err := s.g.Seats.Wait(ctx, *s.seat.shared); err != nil {
		return seatsFailed(ctx, err)
	}
	s.heldThere()
	return nil
}

// replaceShared is replace where several gateways count together.
func (s *Session) replaceShared(ctx context.Context) error {
	if err := s.g.Seats.Replace(ctx, *s.seat.shared); err != nil {
		return seatsFailed(ctx, err)
	}
	s.seat.replaces = false
	s.heldThere()
	return nil
}

// excludes reports whether the session gets its target for itself before those
// at other gateways.
func (s *Session) excludes(ctx context.Context) bool {
	if s.seat.shared == nil {
		return true
	}
	granted, err := s.g.Seats.Exclude(ctx, *s.seat.shared)
	return granted && err == nil || errors.Is(err, ErrSeatsLocal)
}

// heldThere gives the session the place that Seats has counted.
func (s *Session) heldThere() {
	s.seat.shared.Info = SessionInfo{} // it was told, and would be kept for as long as the session lasts
	s.g.crowd.hold(s.seat)
}

// heldHere tells Seats of one that came in by the gateway's own count.
func (s *Session) heldHere() {
	if s.seat.shared != nil {
		s.seat.shared.Looks = s.seat.looks
		s.g.Seats.Hold(*s.seat.shared)
		s.seat.shared.Info = SessionInfo{}
	}
}

// couldReplace is crowd's, wherever it is that somebody is.
func (s *Session) couldReplace() bool {
	if s.seat.replaces {
		return s.seat.occupied
	}
	return s.g.crowd.couldReplace(s.seat)
}

// seatsFailed is what comes of an error of Seats.
func seatsFailed(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, ErrSeatsLocal):
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(err, ErrSeatsAway):
		err = errors.Join(ErrSeatsAway, err)
	}
	return &rfb.Refusal{Reason: wordsSeatsAway, Err: err}
}

// hold gives n its place whatever the count is: it was counted elsewhere.
func (c *crowd) hold(n *seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seats = append(c.seats, n)
}

// MakeRoom ends the session whose place one at another gateway takes, or whose
// display that one takes for itself. It reports whether the session is here, and
// does not wait for its end.
func (g *Gateway) MakeRoom(session string, taken bool) bool {
	end := endReplaced
	if taken {
		end = endTaken
	}
	for _, s := range g.all() {
		if s.id == session {
			s.stop(end)
			return true
		}
	}
	return false
}
