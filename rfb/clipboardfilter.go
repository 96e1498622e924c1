package rfb

import (
	"bytes"
	"compress/zlib"
	"io"
	"sync"
)

const (
	// allFormats are the bits of an extended clipboard message that stand for
	// formats, the reserved ones among them.
	allFormats uint32 = 0xffff
	// asks and gives are the actions that fetch the other side's clipboard and
	// that hand over the sender's. Bits that mean nothing yet are both.
	asks  = ClipboardRequest | ClipboardPeek | unknownActions
	gives = ClipboardNotify | ClipboardProvide | unknownActions

	unknownActions uint32 = 0xe0ff0000

	// deflateSlack is how much longer than its data a provide may be.
	deflateSlack = 8 << 10
	// maxInflated is how many bytes a provide may come to unless a Policy
	// says otherwise.
	maxInflated = 4 << 20
)

// extendedFlags decides on an extended clipboard message by its flags. give
// says whether the sender's clipboard may go to the receiver, ask whether the
// receiver's may come to the sender. It returns the flags to send in place of
// those that came: without the formats that may not pass.
//
// Caps pass if either may: it speaks of what can be done, and each thing that
// is done is decided on again. Several actions in one message, which no
// specification forbids, need the rights for all.
func extendedFlags(flags, formats uint32, give, ask bool) (instead uint32, ok bool) {
	switch {
	case flags&ClipboardCaps != 0:
		return flags, give || ask
	case flags&(asks|gives) == 0:
		return 0, false
	case flags&gives != 0 && !give, flags&asks != 0 && !ask:
		return 0, false
	}
	instead = flags &^ (allFormats &^ formats)
	switch {
	case flags&ClipboardProvide != 0 && instead != flags:
		// Its body would have to be packed anew.
		return 0, false
	case flags&ClipboardRequest != 0 && instead&allFormats == 0:
		return 0, false
	}
	return instead, true
}

// inflaters are lent for the time that a provide is looked at.
var inflaters = sync.Pool{New: func() any { return new(inflater) }}

type inflater struct {
	src bytes.Reader
	z   io.ReadCloser
}

// reset has i inflate b.
func (i *inflater) reset(b []byte) (err error) {
	i.src.Reset(b)
	if i.z != nil {
		return i.z.(zlib.Resetter).Reset(&i.src, nil)
	}
	i.z, err = zlib.NewReader(&i.src)
	return err
}

// provideFits reports whether a whole extended message that provides is what it
// should be, and comes to at most most bytes: those are what a receiver has to
// find room for, however few were sent. No more than that is ever inflated.
func provideFits(msg []byte, most int) bool {
	i := inflaters.Get().(*inflater)
	defer inflaters.Put(i)
	defer i.src.Reset(nil)
	if i.reset(msg[12:]) != nil {
		return false
	}
	left := int64(most)
	for flags := be.Uint32(msg[8:]) & allFormats; flags != 0; flags &= flags - 1 {
		var head [4]byte
		if _, err := io.ReadFull(i.z, head[:]); err != nil {
			return false
		}
		n := int64(be.Uint32(head[:]))
		if left -= n; left < 0 {
			return false
		}
		if _, err := io.CopyN(io.Discard, i.z, n); err != nil {
			return false
		}
	}
	// Viewers end by a flush, not by an end of the stream, so an error is no
	// fault; more is.
	more, _ := i.z.Read(make([]byte, 1))
	return more == 0
}

// inflatedMax is what a provide towards the display may come to.
func (p *Policy) inflatedMax() int {
	if p.ClipboardMax == 0 {
		return maxInflated
	}
	return p.ClipboardMax
}
