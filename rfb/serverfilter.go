package rfb

import "sync/atomic"

// ServerFilter takes what a display sends apart and leaves out what a Policy
// withholds: ServerCutText, plain and extended, Bell, QEMU's audio, Tight's
// files. It follows every rectangle to its end without looking at pixels.
//
//	f := rfb.NewFilter(display, policy)
//	if policy.ParsesServer() {
//		s = rfb.NewServerFilter(f, init) // before the first Write to f
//	}
//	…
//	n, err := display.Read(buf[headroom:])
//	out, err := s.Cut(buf[:headroom+n], headroom)
//
// The policy is that of its Filter, SetPolicy included. Cut is for one
// goroutine; its counts are for any.
type ServerFilter struct {
	filter  *Filter
	formats *formats
	policy  *Policy // for the message under way

	part part  // what comes next
	need int   // how many bytes of it must be seen to go on
	skip int64 // bytes to come before it, which need not be seen
	drop bool  // the message under way is withheld
	// hold keeps the head back until it is decided what becomes of it.
	hold    bool
	head    [serverHead]byte
	headLen int
	kept    int // how much of the head is out already

	gathered []byte // a provide, until it is whole
	gather   bool

	update serverUpdate
	out    cutOut
	blind  bool // pass everything unread
	err    error

	kind                DisplayKind // of the message under way
	forwarded, withheld uint64
	passed, dropped     atomic.Uint64
	tally               tally
}

// serverHead is the most of a message that must be seen at once: a fence.
const serverHead = 9 + MaxFenceLen

// NewServerFilter returns a ServerFilter for what the display of f sends behind
// init. From then on f lets SetEncodings name only what a ServerFilter can
// follow.
func NewServerFilter(f *Filter, init ServerInit) *ServerFilter {
	f.turn.Lock()
	defer f.turn.Unlock()
	f.formats = newFormats(init.Format)
	s := &ServerFilter{filter: f, formats: f.formats}
	s.nextMessage()
	return s
}

// Passed returns how many messages have been let through.
func (s *ServerFilter) Passed() uint64 { return s.passed.Load() }

// Dropped returns how many messages have been withheld.
func (s *ServerFilter) Dropped() uint64 { return s.dropped.Load() }

// Cut returns b without what is withheld, and with b[:headroom] in front, which
// is left alone. It works within b where it can: what it returns is b itself as
// long as everything passes, and memory of its own where the start of a message
// that was held back the last time comes first. Either is good until the next
// call. Nothing may be left but the headroom.
//
// The error is a *StreamError or a *PixelFormatError when the rest cannot be
// understood, after what was; then it stays.
func (s *ServerFilter) Cut(b []byte, headroom int) ([]byte, error) {
	if s.err != nil {
		return b[:headroom], s.err
	}
	s.out.begin(b, headroom)
	s.err = s.cut(b, headroom)
	publish(&s.passed, s.forwarded)
	publish(&s.dropped, s.withheld)
	s.tally.publish()
	return s.out.end(), s.err
}

func (s *ServerFilter) cut(b []byte, pos int) error {
	for pos < len(b) {
		n, err := s.step(b, pos)
		pos += n
		if err == nil {
			continue
		}
		if s.blind || !s.goBlind() {
			return err
		}
		// What is held goes out as it is, like all that follows.
		s.out.insert(s.head[s.kept:s.headLen], pos)
		s.headLen, s.kept = 0, 0
	}
	return nil
}

// goBlind ends the parsing, where nothing is withheld any more.
func (s *ServerFilter) goBlind() bool {
	p := s.filter.wanted.Load()
	s.blind = p.Opaque && !p.ParsesServer() && !s.drop && !s.gather
	return s.blind
}

// step goes on at b[pos] and returns how many bytes it has dealt with.
func (s *ServerFilter) step(b []byte, pos int) (n int, err error) {
	switch {
	case s.blind:
		if s.filter.wanted.Load().ParsesServer() {
			return 0, ErrNotFiltered
		}
		n = len(b) - pos
	case s.skip > 0:
		n = int(min(s.skip, int64(len(b)-pos)))
		s.skip -= int64(n)
		if s.gather {
			s.gatherBody(b[pos:pos+n], pos+n)
		}
	case s.part == partEnd:
		s.nextMessage()
	case s.part.scanned():
		n, err = s.scan(b[pos:])
	default:
		return s.takeHead(b, pos)
	}
	if !s.drop {
		s.out.keep(pos, pos+n)
	}
	return n, err
}

// takeHead sees to it that s.see gets as much at once as it needs.
func (s *ServerFilter) takeHead(b []byte, pos int) (n int, err error) {
	if s.headLen > 0 {
		return s.goOnWithHead(b, pos)
	}
	for len(b)-pos >= s.need {
		head := b[pos : pos+s.need]
		more, err := s.see(head)
		switch {
		case err != nil:
			return 0, err
		case more > 0:
			s.need = more
			continue
		case !s.drop && !s.gather:
			s.out.keep(pos, pos+len(head))
		}
		return len(head), nil
	}
	rest := b[pos:]
	s.headLen = copy(s.head[:], rest)
	if !s.hold {
		s.out.keep(pos, len(b))
		s.kept = s.headLen
	}
	return len(rest), nil
}

// goOnWithHead adds to a head that the Cut before broke off in.
func (s *ServerFilter) goOnWithHead(b []byte, pos int) (n int, err error) {
	if s.headLen < s.need {
		n = min(s.need-s.headLen, len(b)-pos)
		copy(s.head[s.headLen:], b[pos:pos+n])
		s.headLen += n
		if !s.hold {
			s.out.keep(pos, pos+n)
			s.kept += n
		}
		if s.headLen < s.need {
			return n, nil
		}
	}
	more, err := s.see(s.head[:s.headLen])
	switch {
	case err != nil:
		return n, err
	case more > 0:
		s.need = more
		return n, nil
	case !s.drop && !s.gather:
		s.out.insert(s.head[s.kept:s.headLen], pos+n)
	}
	s.headLen, s.kept = 0, 0
	return n, nil
}
