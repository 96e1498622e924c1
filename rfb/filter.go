package rfb

import (
	"io"
	"sync/atomic"
)

// DefaultClipboardMax is the longest ClientCutText a Filter lets through
// unless its Policy says otherwise: what QEMU and libvncserver take.
const DefaultClipboardMax = 1 << 20

// Policy is what a Filter lets through of a viewer's messages. The zero Policy
// is view-only: everything that changes nothing but what the viewer itself is
// sent, and no more.
type Policy struct {
	Keyboard     bool // KeyEvent, QEMU's extended key event, TextChat
	Pointer      bool // PointerEvent
	ClipboardIn  bool // ClientCutText
	Resize       bool // SetDesktopSize
	Power        bool // xvp: shutdown, reboot, reset
	FileTransfer bool // Tight's file messages; UltraVNC's cannot be delimited

	// ClipboardMax is the most bytes of a ClientCutText: longer ones are
	// dropped whole. 0 is DefaultClipboardMax.
	ClipboardMax int

	// Encodings tells which entries of SetEncodings to keep; nil keeps all
	// that the fields above do not rule out.
	Encodings func(Encoding) bool

	// Opaque has everything from the first message that cannot be delimited
	// on forwarded as it comes, instead of an error. Since nothing can be
	// withheld from there on, it counts only where all of the rights above
	// are granted.
	Opaque bool
}

// control reports whether p grants all that a display does for a viewer, file
// transfer aside.
func (p *Policy) control() bool {
	return p.Keyboard && p.Pointer && p.ClipboardIn && p.Resize && p.Power
}

// allows decides on a message of length n whose head is there.
func (p *Policy) allows(head []byte, n int) bool {
	switch head[0] {
	case MsgKeyEvent, MsgTextChat:
		return p.Keyboard
	case MsgPointerEvent:
		return p.Pointer
	case MsgClientCutText:
		most := p.ClipboardMax
		if most == 0 {
			most = DefaultClipboardMax
		}
		return p.ClipboardIn && n-8 <= most
	case MsgXvp:
		return p.Power
	case MsgSetDesktopSize:
		return p.Resize
	case MsgQEMU:
		return head[1] != QEMUKeyEvent || p.Keyboard
	case MsgGii:
		// Sub-type 0 carries keys and valuators alike.
		return head[1]&0x7f != 0 || p.Keyboard && p.Pointer
	case MsgSetServerInput, MsgSetSW, MsgRequestSession, MsgSetSession:
		// These change what the display does for everyone.
		return p.Keyboard && p.Pointer
	case MsgFileListRequest, MsgFileDownloadRequest, MsgFileUploadRequest, MsgFileUploadData,
		MsgFileDownloadCancel, MsgFileUploadFailed, MsgFileCreateDir:
		return p.FileTransfer
	}
	return true
}

// keeps decides on an entry of SetEncodings.
func (p *Policy) keeps(e Encoding) bool {
	switch {
	case e == EncodingExtendedClipboard && !p.ClipboardIn:
		// The display then falls back to plain ServerCutText.
		return false
	case e == EncodingExtendedMouseButtons && !p.control():
		// A display that does not know it reads 6 bytes where we would read
		// 7, and takes the seventh for the type of a message we have not
		// seen. Unless it is told, nobody uses it.
		return false
	}
	return p.Encodings == nil || p.Encodings(e)
}

// Filter is a writer that takes a viewer's bytes in any pieces and writes to a
// display those of the messages that a Policy allows, in order. They are
// written straight out of the caller's slice in runs as long as can be; only a
// SetEncodings may be rewritten. It is for one goroutine, its counts aside.
type Filter struct {
	display io.Writer
	policy  Policy
	framing ClientFraming

	head    [maxHead]byte // the start of a message, cut off before its length was known
	headLen int
	body    int    // bytes to come of the message under way
	drop    bool   // it is denied
	list    []byte // what has come of it, if it is a SetEncodings
	opaque  bool   // forward the rest unread
	instead []byte // what to write for the bytes just taken, if not themselves
	err     error  // ends all further Writes

	forwarded, withheld uint64 // messages; published when a Write ends
	passed, dropped     atomic.Uint64
}

// NewFilter returns a Filter for the messages behind ClientInit.
func NewFilter(display io.Writer, p Policy) *Filter {
	return &Filter{display: display, policy: p, framing: ClientFraming{Tight: true}}
}

// Passed returns how many messages have been let through.
func (f *Filter) Passed() uint64 { return f.passed.Load() }

// Dropped returns how many messages have been withheld.
func (f *Filter) Dropped() uint64 { return f.dropped.Load() }

// Write filters b. It fails with an *UnknownMessage or *MessageTooLongError
// when the rest of the stream cannot be understood, after the messages before
// have been written, or with the display's error; then it stays failed.
func (f *Filter) Write(b []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err := f.filter(b)
	f.err = err
	f.passed.Store(f.forwarded)
	f.dropped.Store(f.withheld)
	return n, err
}

// filter walks over b and keeps b[start:pos], what is allowed and not written
// yet, as long as it can.
func (f *Filter) filter(b []byte) (int, error) {
	start, pos := 0, 0
	for pos < len(b) {
		n, pass, err := f.take(b[pos:])
		if pass {
			pos += n
			continue
		}
		if err := f.flush(b[start:pos]); err != nil {
			return start, err
		}
		if err != nil {
			return pos, err
		}
		if err := f.flush(f.instead); err != nil {
			return pos, err
		}
		f.instead = nil
		pos += n
		start = pos
	}
	return pos, f.flush(b[start:pos])
}

func (f *Filter) flush(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := f.display.Write(b)
	return err
}

// take consumes the first n bytes of b and tells whether they pass as they
// are; if not, f.instead is to be written in their place.
func (f *Filter) take(b []byte) (n int, pass bool, err error) {
	switch {
	case f.opaque:
		return len(b), true, nil
	case f.headLen > 0:
		return f.takeHead(b)
	case f.body > 0:
		return f.takeBody(b)
	}
	return f.takeMessage(b)
}

// takeMessage begins a message with b and ends it, if b reaches so far.
func (f *Filter) takeMessage(b []byte) (n int, pass bool, err error) {
	size, known, err := f.framing.size(b)
	switch {
	case err != nil:
		return f.takeUnknown(b, err)
	case !known:
		f.headLen = copy(f.head[:], b)
		return len(b), false, nil
	case b[0] == MsgSetEncodings:
		return f.takeEncodings(b, size)
	}
	n = min(size, len(b))
	f.body = size - n
	return n, f.decide(b, size), nil
}

// decide applies the policy to a message of length n whose head is there.
func (f *Filter) decide(head []byte, n int) (pass bool) {
	pass = f.policy.allows(head, n)
	f.drop = !pass
	if pass {
		f.forwarded++
	} else {
		f.withheld++
	}
	return pass
}

// takeUnknown ends the session, or the filtering.
func (f *Filter) takeUnknown(b []byte, err error) (int, bool, error) {
	if f.policy.Opaque && f.policy.control() && f.policy.FileTransfer {
		f.opaque = true
		return len(b), true, nil
	}
	return 0, false, err
}

// takeBody goes on with the message under way.
func (f *Filter) takeBody(b []byte) (n int, pass bool, err error) {
	n = min(f.body, len(b))
	if f.list != nil {
		f.collect(b[:n], f.body)
		return n, false, nil
	}
	f.body -= n
	return n, !f.drop, nil
}

// takeHead goes on with a head that the Write before broke off in.
func (f *Filter) takeHead(b []byte) (n int, pass bool, err error) {
	for n < len(b) {
		f.head[f.headLen] = b[n]
		f.headLen++
		n++
		head := f.head[:f.headLen]
		size, known, err := f.framing.size(head)
		if err != nil {
			_, _, err = f.takeUnknown(head, err)
			f.headLen, f.instead = 0, head
			return n, false, err
		}
		if known {
			f.headLen = 0
			f.finishHead(head, size)
			break
		}
	}
	return n, false, nil
}

// finishHead begins a message of length n with a head of its own.
func (f *Filter) finishHead(head []byte, n int) {
	if head[0] == MsgSetEncodings {
		f.collect(head, n)
		return
	}
	f.body = n - len(head)
	if f.decide(head, n) {
		f.instead = head
	}
}

// takeEncodings begins a SetEncodings of length n, which has to be seen whole:
// in b if possible.
func (f *Filter) takeEncodings(b []byte, n int) (int, bool, error) {
	if len(b) < n {
		f.collect(b, n)
		return len(b), false, nil
	}
	rewritten := f.encodings(b[:n])
	f.instead = rewritten
	return n, rewritten == nil, nil
}

// collect adds b to a SetEncodings of which n bytes were missing.
func (f *Filter) collect(b []byte, n int) {
	if f.list == nil {
		f.list = make([]byte, 0, n)
	}
	f.list = append(f.list, b...)
	f.body = n - len(b)
	if f.body > 0 {
		return
	}
	f.instead = f.list
	if rewritten := f.encodings(f.list); rewritten != nil {
		f.instead = rewritten
	}
	f.list = nil
}

// encodings applies the policy to a whole SetEncodings and remembers what the
// display will go by. It returns nil if all of it is kept.
func (f *Filter) encodings(msg []byte) (rewritten []byte) {
	f.forwarded++
	for at := 4; at < len(msg); at += 4 {
		entry := msg[at : at+4]
		switch keep := f.policy.keeps(Encoding(be.Uint32(entry))); {
		case !keep && rewritten == nil:
			rewritten = append(make([]byte, 0, len(msg)), msg[:at]...)
		case keep && rewritten != nil:
			rewritten = append(rewritten, entry...)
		}
	}
	if rewritten == nil {
		f.framing.Saw(msg)
		return nil
	}
	be.PutUint16(rewritten[2:], uint16(len(rewritten)/4-1))
	f.framing.Saw(rewritten)
	return rewritten
}
