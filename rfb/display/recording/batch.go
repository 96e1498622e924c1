package recording

import (
	"encoding/binary"
	"sync"
	"time"

	"vncgate/rfb"
)

// A batch is what has been said since the writer last looked.
type batch struct {
	begin  bool // the display's file begins, in this format
	format rfb.PixelFormat
	blocks []*block
	input  inputs
	items  []item
	made   []item // by the workers, who know places as they are written
	held   int    // bytes of all that
}

// blockLen is the room of a block, in bytes.
const blockLen = 64 << 10

// A block is a piece of what the display says.
type block struct {
	b    []byte
	said []said
}

// said is a piece of a block that came at once.
type said struct {
	end int // in the block
	at  time.Duration
}

// blocks are those that nobody uses.
var blocks = sync.Pool{New: func() any { return &block{b: make([]byte, 0, blockLen)} }}

func (b *block) free() {
	b.b, b.said = b.b[:0], b.said[:0]
	blocks.Put(b)
}

// display takes a copy of what the display says.
func (q *batch) display(b []byte, at time.Duration) {
	q.held += len(b)
	for len(b) > 0 {
		var to *block
		if n := len(q.blocks); n > 0 && len(q.blocks[n-1].b) < blockLen {
			to = q.blocks[n-1]
		} else {
			to = blocks.Get().(*block)
			q.blocks = append(q.blocks, to)
		}
		n := min(len(b), blockLen-len(to.b))
		to.b = append(to.b, b[:n]...)
		to.note(at)
		b = b[n:]
	}
}

// note takes note of when the end of the block came. What came in the same
// millisecond came at once.
func (b *block) note(at time.Duration) {
	if n := len(b.said); n > 0 && b.said[n-1].at/time.Millisecond == at/time.Millisecond {
		b.said[n-1].end = len(b.b)
		return
	}
	b.said = append(b.said, said{len(b.b), at})
}

// An item is a record that is yet to be numbered.
type item struct {
	kind  Type
	at    time.Duration
	place int64
	body  []byte
}

// mark adds a TypeMark.
func (q *batch) mark(kind, words string, at time.Duration, place int64) {
	kind = kind[:min(len(kind), 255)]
	q.items = append(q.items, item{TypeMark, at, place, append(append([]byte{byte(len(kind))}, kind...), words...)})
}

// inputs are messages of the viewer's, as a TypeInput holds them.
type inputs struct {
	b           []byte
	first       time.Duration
	place       int64 // of the first
	last        time.Duration
	lastPlace   int64
	keys, moves int
}

func (in *inputs) add(msg []byte, at time.Duration, place int64) {
	if len(in.b) == 0 {
		in.first, in.place = at, place
		in.last, in.lastPlace = at, place
	}
	in.b = binary.AppendUvarint(in.b, uint64(max(at-in.last, 0).Microseconds()))
	in.b = binary.AppendUvarint(in.b, uint64(place-in.lastPlace))
	in.b = binary.AppendUvarint(in.b, uint64(len(msg)))
	in.b = append(in.b, msg...)
	in.last += max(at-in.last, 0).Truncate(time.Microsecond)
	in.lastPlace = place
	switch msg[0] {
	case rfb.MsgKeyEvent, rfb.MsgQEMU:
		in.keys++
	case rfb.MsgPointerEvent:
		in.moves++
	}
}

// An inputAt is a message of the viewer's out of a TypeInput.
type inputAt struct {
	at    time.Duration
	place int64
	msg   []byte
}

// each takes a TypeInput apart; what of it makes no sense ends it.
func eachInput(r record, each func(inputAt)) {
	at, place, b := r.at, r.place, r.body
	for len(b) > 0 {
		var v [3]uint64
		for i := range v {
			n := 0
			if v[i], n = binary.Uvarint(b); n <= 0 {
				return
			}
			b = b[n:]
		}
		if v[0] > 1<<53 || v[1] > 1<<53 || v[2] > uint64(len(b)) || v[2] == 0 {
			return
		}
		at += time.Duration(v[0]) * time.Microsecond
		place += int64(v[1])
		each(inputAt{at, place, b[:v[2]]})
		b = b[v[2]:]
	}
}
