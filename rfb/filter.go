package rfb

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// ErrNotFiltered is what SetPolicy says of a session whose messages can no
// longer be told apart: the new policy cannot be enforced, and the session has
// to be ended.
var ErrNotFiltered = errors.New("rfb: the viewer's messages can no longer be told apart")

// Filter is a writer that takes a viewer's bytes in any pieces and writes to a
// display those of the messages that a Policy allows, in order. Messages are
// written whole, straight out of the caller's slice in runs as long as can be:
// between two writes the display is always between two messages.
//
// Write is for one goroutine; everything else is for any.
type Filter struct {
	display io.Writer
	wanted  atomic.Pointer[Policy]
	changed atomic.Bool // wanted has not been applied yet

	turn    sync.Mutex // held by whoever walks over messages or writes
	policy  *Policy    // never changed, only replaced
	framing ClientFraming
	formats *formats // shared with a ServerFilter; nil without one
	keys    bucket
	moves   bucket
	pressed pressed
	gii     giiPressed
	listed  bool // EncodingExtendedMouseButtons has gone to the display

	held    []byte // the start of a message, until it is whole
	done    []byte // what was held, until the Write has ended
	skip    int    // bytes to come of a message that is withheld
	before  []byte // what to write before the message just judged
	instead []byte // what to write for it, if not itself
	late    []byte // a motion that was over the rate

	beforeMem  [24]byte // for before, instead and late, so that they cost nothing
	insteadMem [16]byte
	lateMem    [8]byte

	clock  time.Time // of this Write, once somebody asked
	err    error     // ends all further Writes
	broken bool      // the display may be in the middle of a message

	// What SetPolicy has to know at once.
	opaque   atomic.Bool // the rest is forwarded unread
	extended atomic.Bool // a seven-byte PointerEvent was sent, and nobody knows whether it was understood
	giiLost  atomic.Bool // gii.lost

	forwarded, withheld, acted uint64 // published when a Write ends
	passed, dropped, inputs    atomic.Uint64
	tally                      tally
}

// NewFilter returns a Filter for the messages behind ClientInit.
func NewFilter(display io.Writer, p Policy) *Filter {
	f := &Filter{display: display, framing: ClientFraming{Tight: true}}
	f.wanted.Store(&p)
	f.adopt(&p)
	return f
}

// Passed returns how many messages have been let through.
func (f *Filter) Passed() uint64 { return f.passed.Load() }

// Dropped returns how many messages have been withheld.
func (f *Filter) Dropped() uint64 { return f.dropped.Load() }

// Inputs returns how many messages the viewer has sent that are somebody's
// doing: keys, pointer, clipboard, chat, whether they were let through or not.
func (f *Filter) Inputs() uint64 { return f.inputs.Load() }

// Write filters b. It fails with an *UnknownMessage, a *MessageTooLongError or
// a *PixelFormatError when the rest of the stream cannot be understood, after
// the messages before have been written, or with the display's error; then it
// stays failed.
func (f *Filter) Write(b []byte) (n int, err error) {
	f.turn.Lock()
	if f.err == nil {
		f.clock = time.Time{}
		n, f.err = f.filter(b)
		publish(&f.passed, f.forwarded)
		publish(&f.dropped, f.withheld)
		publish(&f.inputs, f.acted)
		returnHeld(f.done)
		f.done = nil
		f.tally.publish()
	}
	err = f.err
	f.turn.Unlock()
	f.settle()
	return n, err
}

// publish stores n where others read it; most Writes change little of it.
func publish(to *atomic.Uint64, n uint64) {
	if to.Load() != n {
		to.Store(n)
	}
}

// filter walks over b and keeps b[start:pos], what is allowed and not written
// yet, as long as it can.
func (f *Filter) filter(b []byte) (int, error) {
	start, pos := 0, 0
	for pos < len(b) {
		if f.changed.Load() {
			if err := f.flush(b[start:pos]); err != nil {
				return pos, err
			}
			start = pos
			if err := f.apply(); err != nil {
				return pos, err
			}
		}
		n, pass, err := f.take(b[pos:])
		if pass && f.before == nil {
			pos += n
			continue
		}
		if start < pos {
			if err := f.flush(b[start:pos]); err != nil {
				return pos, err
			}
		}
		if err != nil {
			return pos, err
		}
		start = pos
		pos += n
		if f.before != nil || f.instead != nil {
			if err := f.substitute(); err != nil {
				return pos, err
			}
		}
		if !pass {
			start = pos
		}
	}
	return pos, f.flush(b[start:pos])
}

// substitute writes what was made in place of bytes of the viewer's, or to go
// before them.
func (f *Filter) substitute() error {
	if err := f.flush(f.before); err != nil {
		return err
	}
	f.before = nil
	err := f.flush(f.instead)
	f.instead = nil
	return err
}

func (f *Filter) flush(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := f.display.Write(b)
	f.broken = err != nil
	return err
}

// take consumes the first n bytes of b and tells whether they pass as they
// are; if not, f.instead is to be written in their place. f.before goes first
// in any case.
func (f *Filter) take(b []byte) (n int, pass bool, err error) {
	switch {
	case f.opaque.Load():
		return len(b), true, nil
	case f.skip > 0:
		n = min(f.skip, len(b))
		f.skip -= n
		return n, false, nil
	case len(f.held) > 0:
		return f.takeHeld(b)
	}
	size, known, err := f.framing.size(b)
	switch {
	case err != nil:
		return f.takeUnknown(b, err)
	case known && size <= len(b):
		pass, err := f.judge(b[:size])
		return size, pass, err
	case known && f.refuse(b, size):
		f.skip = size - len(b)
		return len(b), false, nil
	}
	f.hold(b)
	return len(b), false, nil
}

// takeHeld goes on with a message that the Write before broke off in. Its
// memory grows as it comes: a length alone costs nothing.
func (f *Filter) takeHeld(b []byte) (n int, pass bool, err error) {
	for {
		size, known, err := f.framing.size(f.held)
		switch {
		case err != nil:
			f.instead, f.held = f.held, nil
			if _, pass, err := f.takeUnknown(f.instead, err); !pass {
				f.instead = nil
				return n, false, err
			}
			return n, false, nil
		case known && size == len(f.held):
			err := f.judgeHeld()
			return n, false, err
		case known && f.refuse(f.held, size):
			f.skip = size - len(f.held)
			f.letGo()
			return n, false, nil
		case n == len(b):
			return n, false, nil
		}
		more := min(size-len(f.held), len(b)-n)
		f.hold(b[n : n+more])
		n += more
	}
}

// judgeHeld decides on the message held, which is whole.
func (f *Filter) judgeHeld() error {
	pass, err := f.judge(f.held)
	if pass {
		f.instead = f.held
	}
	f.letGo()
	return err
}

// refuse reports whether a message of length n is withheld whatever comes
// behind its head.
func (f *Filter) refuse(head []byte, n int) bool {
	if f.policy.allows(head, n) {
		return false
	}
	f.count(head, false)
	return true
}

// takeUnknown ends the session, or the filtering.
func (f *Filter) takeUnknown(b []byte, err error) (int, bool, error) {
	if f.policy.open() {
		f.opaque.Store(true)
		return len(b), true, nil
	}
	return 0, false, err
}

// count counts a message.
func (f *Filter) count(msg []byte, pass bool) {
	switch msg[0] {
	case MsgKeyEvent, MsgPointerEvent, MsgClientCutText, MsgTextChat:
		f.acted++
	case MsgQEMU:
		if msg[1] == QEMUKeyEvent {
			f.acted++
		}
	case MsgGii:
		if msg[1]&0x7f == giiEvents {
			f.acted++
		}
	}
	f.tally.count(msg, pass)
	if pass {
		f.forwarded++
	} else {
		f.withheld++
	}
}
