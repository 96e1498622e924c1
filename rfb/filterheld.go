package rfb

import "sync"

const (
	// keptHeld is how much memory for a message that came in pieces stays for
	// the next.
	keptHeld = 2 << 10
	// heldMost is the longest message for which memory is lent: a clipboard of
	// the default length.
	heldMost = DefaultClipboardMax + 2*deflateSlack
)

// heldSizes are those of the memory that is lent for longer messages. It grows
// as they come, so that a length alone costs little, and each step is so much
// larger than the last that what is copied hardly counts.
var heldSizes = [...]int{16 << 10, 128 << 10, heldMost}

// heldBuffers hold *[]byte of the sizes above: without them each message would
// leave several times its length to the garbage collector.
var heldBuffers [len(heldSizes)]sync.Pool

// hold keeps b, the next bytes of a message that is not whole.
func (f *Filter) hold(b []byte) {
	if need := len(f.held) + len(b); need > cap(f.held) && need > keptHeld {
		if larger := lendHeld(need); larger != nil {
			before := f.held
			f.held = append(larger, before...)
			returnHeld(before)
		}
	}
	f.held = append(f.held, b...)
}

// letGo forgets the message held, not yet its bytes: f.instead may be them, until
// this Write ends.
func (f *Filter) letGo() {
	if cap(f.held) > keptHeld {
		f.done, f.held = f.held, nil
		return
	}
	f.held = f.held[:0]
}

// lendHeld returns empty memory for n bytes; nil if that is more than is lent.
func lendHeld(n int) []byte {
	for i, size := range heldSizes {
		if n > size {
			continue
		}
		if b, ok := heldBuffers[i].Get().(*[]byte); ok {
			return (*b)[:0]
		}
		return make([]byte, 0, size)
	}
	return nil
}

// returnHeld takes memory back, if it was lent; any other is left to the garbage
// collector.
func returnHeld(b []byte) {
	for i, size := range heldSizes {
		if cap(b) == size {
			lent := b // escapes; b, in every Write, does not
			heldBuffers[i].Put(&lent)
		}
	}
}
