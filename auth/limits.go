package auth

import (
	"slices"
	"time"
)

// Limits bounds what a viewer does with its rights. A field that is zero bounds
// nothing, so the zero value is no limit at all. Limits from several sources
// are combined by Narrow.
type Limits struct {
	// Session is how long a session may last, from the moment in which the
	// viewer sees the display.
	Session time.Duration
	// Idle is how long a viewer may do without a key, a button or the pointer.
	Idle time.Duration

	// DownRate and UpRate are bytes a second to the viewer and from it.
	DownRate, UpRate int64
	// KeyRate is how many presses of keys a second pass, those that repeat a
	// key included. A release goes with its press and does not count.
	// PointerRate is events of the pointer a second; the last position of many
	// is sent later, and no button is lost.
	KeyRate, PointerRate int

	// ClipboardIn and ClipboardOut are the most bytes of one cut text, towards
	// the display and towards the viewer. Whether there is a clipboard at all is
	// a question of rights. A longer text is withheld, and whoever was to get it
	// keeps what it had. Only where both ends speak the extended clipboard, it
	// has been told of a new text before anybody knew how long that is (rfbproto,
	// "Extended Clipboard Pseudo-Encoding"): then the old is given up, and there
	// is nothing to paste until something is copied again.
	ClipboardIn, ClipboardOut int
	// ClipboardFormats are the formats of the extended clipboard that pass, by
	// the names of ClipboardFormatNames. Nil bounds nothing; empty and not nil
	// lets none pass.
	ClipboardFormats []string

	// Encodings are the encodings of pixels that a viewer may ask for, by the
	// names of EncodingNames. Nil bounds nothing; empty and not nil leaves raw,
	// which every viewer gets when it asks for nothing else (RFC 6143, 7.7.1).
	Encodings []string
	// Quality and Compression bound the levels that a viewer may ask for
	// (rfbproto, "JPEG Quality Level Pseudo-encoding", "Compression Level
	// Pseudo-encoding").
	Quality, Compression Levels

	// PerUser, PerTarget and PerAddress are how many sessions there may be at
	// once of one user, on one target, from one address; of IPv6 its /64, which
	// one customer has.
	PerUser, PerTarget, PerAddress int
	// Busy is what a viewer meets when one of these numbers is reached.
	Busy BusyAction
	// QueueTime is how long a viewer waits for its turn where Busy is
	// BusyQueue.
	QueueTime time.Duration
}

// BusyAction is what happens to a viewer for whom there is no place left. The
// higher of two is the stricter.
type BusyAction int

// What to do with one viewer too many.
const (
	BusyUnset   BusyAction = iota // nothing is said about it: as BusyRefuse
	BusyReplace                   // the session that has lasted longest makes room, once the display has let the new one in
	BusyView                      // it may join and look, and no more
	BusyQueue                     // it waits for its turn, up to QueueTime
	BusyRefuse                    // it is told to come back later
)

// Levels bounds a level of 0 to 9. The zero value bounds nothing.
type Levels struct {
	Min, Max int
	Bound    bool // whether Min and Max are meant
}

// Clamp is the level of those allowed that is nearest to level.
func (l Levels) Clamp(level int) int {
	if !l.Bound {
		return level
	}
	return min(max(level, l.Min), l.Max)
}

// narrow leaves the levels that both allow. Where they have none in common, the
// lower of the two has its way, at its highest: it was written to save
// something.
func (l Levels) narrow(other Levels) Levels {
	switch {
	case !l.Bound:
		return other
	case !other.Bound:
		return l
	}
	both := Levels{Min: max(l.Min, other.Min), Max: min(l.Max, other.Max), Bound: true}
	both.Min = min(both.Min, both.Max)
	return both
}

// IsZero reports whether nothing is bounded.
func (l Limits) IsZero() bool { return l.Equal(Limits{}) }

// Equal reports whether both bound the same; lists may be in another order.
func (l Limits) Equal(other Limits) bool {
	for _, f := range limitFields {
		if f.text(&l) != f.text(&other) {
			return false
		}
	}
	return true
}

// Narrow is the stricter of both, field by field.
func (l Limits) Narrow(other Limits) Limits {
	return Limits{
		Session: lower(l.Session, other.Session), Idle: lower(l.Idle, other.Idle),
		DownRate: lower(l.DownRate, other.DownRate), UpRate: lower(l.UpRate, other.UpRate),
		KeyRate: lower(l.KeyRate, other.KeyRate), PointerRate: lower(l.PointerRate, other.PointerRate),
		ClipboardIn:      lower(l.ClipboardIn, other.ClipboardIn),
		ClipboardOut:     lower(l.ClipboardOut, other.ClipboardOut),
		ClipboardFormats: common(l.ClipboardFormats, other.ClipboardFormats),
		Encodings:        common(l.Encodings, other.Encodings),
		Quality:          l.Quality.narrow(other.Quality), Compression: l.Compression.narrow(other.Compression),
		PerUser: lower(l.PerUser, other.PerUser), PerTarget: lower(l.PerTarget, other.PerTarget),
		PerAddress: lower(l.PerAddress, other.PerAddress),
		Busy:       max(l.Busy, other.Busy), QueueTime: lower(l.QueueTime, other.QueueTime),
	}
}

// lower of two numbers of which zero, or less, bounds nothing.
func lower[N int | int64 | time.Duration](a, b N) N {
	if a <= 0 || b > 0 && b < a {
		return max(b, 0)
	}
	return a
}

// common is what two lists both name; nil names everything.
func common(a, b []string) []string {
	switch {
	case a == nil:
		return slices.Clone(b)
	case b == nil:
		return slices.Clone(a)
	}
	both := []string{}
	for _, name := range a {
		if slices.Contains(b, name) {
			both = append(both, name)
		}
	}
	return both
}
