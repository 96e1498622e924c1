package display

import (
	"errors"
	"image"
	"iter"

	"vncgate/rfb"
)

// A Follower draws what a session shows. It is given what both ends say behind
// ServerInit, in pieces of any size, in the order in which it passed: of the
// viewer's messages it knows which pixel format holds from which update on.
//
//	f, err := display.NewFollower(init)
//	defer f.Close()
//	err = f.Viewer(bytesForTheDisplay)
//	err = f.Display(bytesForTheViewer)
//	…                                    // f.Image() is the screen as it is now
//
// It is for one goroutine at a time.
type Follower struct {
	// Each, if set, is called at the end of each message of the display, between
	// it and the next: the picture is whole then, and Keyframe may be called.
	Each func(Message)

	d      *Decoder
	from   *pieces
	next   func() (Message, bool)
	stop   func()
	viewer viewerSide
	offset int64 // where the display's last message ended
	err    error
}

// errClosed is what a Follower says once it is closed.
var errClosed = errors.New("display: follower is closed")

// NewFollower returns a Follower of a session whose viewer had init. Its error is
// that init has no picture. Close it.
func NewFollower(init rfb.ServerInit) (*Follower, error) {
	from := &pieces{}
	d, err := NewDecoder(from, init)
	if err != nil {
		return nil, err
	}
	return follow(d, from), nil
}

func follow(d *Decoder, from *pieces) *Follower {
	f := &Follower{d: d, from: from}
	d.keep = true
	f.next, f.stop = iter.Pull(f.messages)
	return f
}

// pieces are what a Decoder reads: when all is read it waits for more, in the
// middle of whatever it is about.
type pieces struct {
	left []byte
	read int64
	more func() bool // waits; false: there will be no more
}

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.left) == 0 {
		if !p.more() {
			return 0, errClosed
		}
	}
	n := copy(b, p.left)
	p.left = p.left[n:]
	p.read += int64(n)
	return n, nil
}

// hungry is the type of a Message that says that there is nothing left to read.
const hungry = 0xff

// messages runs the Decoder. It goes on when the next Message is asked for,
// which may be in the middle of a read.
func (f *Follower) messages(yield func(Message) bool) {
	f.from.more = func() bool { return yield(Message{Type: hungry}) }
	for {
		m, err := f.d.Next()
		if err != nil {
			f.err = err
			return
		}
		if !yield(m) {
			return
		}
	}
}

// Display draws what the viewer was sent. b is lent for the call. An error says
// from where on the display is not understood, and stays: the picture is the one
// of before, or part of the way to the next.
func (f *Follower) Display(b []byte) error {
	if f.err != nil {
		return f.err
	}
	f.from.left = b
	for {
		m, ok := f.next()
		switch {
		case !ok:
			f.from.left = nil
			return f.err
		case m.Type == hungry:
			return nil
		}
		f.offset = f.from.read - int64(f.d.in.Buffered())
		f.ended(m)
		if f.Each != nil {
			f.Each(m)
		}
	}
}

// Close gives back what the Follower holds; its picture stays.
func (f *Follower) Close() {
	f.stop()
	if f.err == nil {
		f.err = errClosed
	}
}

// Image is the screen as it is known now; what has not arrived yet is
// transparent. Display draws into it, or leaves it behind when the screen has
// another size then.
func (f *Follower) Image() *image.RGBA { return f.d.Image() }

// Cursor is the pointer as it is now: its place is the one that the viewer or the
// display has told last. Its Shape is not drawn into later.
func (f *Follower) Cursor() Cursor { return f.d.Cursor() }

// Name is that of the desktop.
func (f *Follower) Name() string { return f.d.Name() }

// Format is the one that pixels arrive in.
func (f *Follower) Format() rfb.PixelFormat { return f.d.Format() }

// Encodings are those that the viewer has listed last; not to be changed.
func (f *Follower) Encodings() []rfb.Encoding { return f.viewer.encodings }

// Offset is how many bytes of the display, of all that Display was given, make up
// its whole messages.
func (f *Follower) Offset() int64 { return f.offset }

// Between reports whether Display was given whole messages, and no part of one
// behind them.
func (f *Follower) Between() bool {
	return f.offset == f.from.read && len(f.from.left) == 0 && f.err == nil
}
