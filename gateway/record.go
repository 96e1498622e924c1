package gateway

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"

	"vncgate/layers"
	"vncgate/rfb"
)

// Recorder takes what passes in one session once it is open, after policy: a
// recording, somebody who looks on. Calls of one direction come one after the
// other, the two directions at the same time, and b is lent for the call. They
// must return at once (whoever writes to a disk queues, with a bound): as long as
// they take, the session stands still. An error ends the session; words for its
// viewer are those of a *rfb.Refusal.
type Recorder interface {
	// Display is given what the viewer gets of the display, right before it does.
	Display(b []byte) error
	// Viewer is given what the display gets of the viewer, right before it does,
	// with the keys and buttons that are released for it.
	Viewer(b []byte) error
	// Close comes once and last: the session is over, for this reason.
	Close(reason string)
}

// Marker is a Recorder that is told what else happens in the session:
// SessionPaused, SessionResumed, and GrantChanged with the rights that are left.
// Mark comes as if it were of the viewer's direction.
type Marker interface {
	Mark(kind EventKind, words string)
}

// Namer is a Recorder that says what the viewer is told to be the desktop's
// name: it may say there that the session is recorded.
type Namer interface {
	DesktopName(name string) string
}

// Announcer is a Recorder that has words for the viewer's page, which shows them
// when the session opens; "" are none.
type Announcer interface {
	Notice() string
}

// wordsNotRecorded are for viewers whose session has to be recorded and cannot be.
const wordsNotRecorded = "Your session cannot be recorded, as it has to be. Tell the gateway's administrator."

// tap hands what passes to a Recorder.
type tap struct {
	rec   Recorder
	relay *relay    // nil until there is one
	to    io.Writer // the display

	failed    atomic.Bool // nothing passes any more
	releasing atomic.Bool // but what releases keys at the end

	turn   sync.Mutex // of Viewer, Mark and Close
	closed bool
}

// startRecording asks whether the session is recorded, and returns what its
// viewer is told of the display.
func (s *Session) startRecording(ctx context.Context) (rfb.ServerInit, error) {
	if s.g.Record == nil || s.kept.quiet {
		return s.init, nil
	}
	rec, err := s.g.Record(ctx, s.described(), s.init)
	if err != nil {
		return s.init, recordingFailed(err)
	}
	if rec == nil {
		return s.init, nil
	}
	s.mu.Lock()
	s.tap = &tap{rec: rec}
	s.mu.Unlock()
	shown := s.init
	if n, ok := rec.(Namer); ok {
		shown.Name = n.DesktopName(shown.Name)
	}
	return shown, nil
}

// recordingFailed is err with words for a viewer.
func recordingFailed(err error) *rfb.Refusal {
	if told, ok := errors.AsType[*rfb.Refusal](err); ok {
		return &rfb.Refusal{Reason: told.Reason, Err: err}
	}
	return &rfb.Refusal{Reason: wordsNotRecorded, Err: err}
}

// stopRecording tells the Recorder that the session is over.
func (s *Session) stopRecording(end ending) {
	defer s.rescue()
	if s.tap != nil {
		s.tap.close(end.reason)
	}
}

// announce shows the Recorder's words to the viewer, where its page listens.
func (s *Session) announce() {
	if s.tap == nil || s.board == nil {
		return
	}
	if a, ok := s.tap.rec.(Announcer); ok {
		if words := a.Notice(); words != "" {
			s.board.post(Notice{Kind: NoticeMessage, Words: words})
		}
	}
}

// mark tells the Recorder, if it wants to know.
func (s *Session) mark(kind EventKind, words string) {
	s.mu.Lock()
	t := s.tap
	s.mu.Unlock()
	if t == nil {
		return
	}
	if m, ok := t.rec.(Marker); ok {
		if err := t.inTurn(func() error { m.Mark(kind, words); return nil }); err != nil {
			t.fail(err)
		}
	}
}

// join makes t part of a relay that has not started, and returns where its filter
// writes to. A nil t is nobody's.
func (t *tap) join(r *relay) io.Writer {
	display := layers.Raw(r.display)
	if t == nil {
		return display
	}
	t.relay, t.to = r, display
	return t
}

// display is given what is about to go to the viewer.
func (t *tap) display(b []byte) error {
	err := t.rec.Display(b)
	if err != nil {
		t.fail(err)
	}
	return err
}

// Write is where the filter writes to the display. What cannot be recorded does
// not get there, and it is not told: keys that are down must be released yet.
func (t *tap) Write(b []byte) (int, error) {
	if t.failed.Load() && !t.releasing.Load() {
		return len(b), nil
	}
	if !t.failed.Load() {
		if err := t.inTurn(func() error { return t.rec.Viewer(b) }); err != nil {
			t.fail(err)
			return len(b), nil
		}
	}
	return t.to.Write(b)
}

// inTurn calls the Recorder until it is closed. What it panics with is its error:
// the filter's own goroutines have nobody to catch it.
func (t *tap) inTurn(f func() error) (err error) {
	t.turn.Lock()
	defer t.turn.Unlock()
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
	}()
	if t.closed {
		return nil
	}
	return f()
}

// fail ends the session; the first end is the one that counts.
func (t *tap) fail(err error) {
	t.failed.Store(true)
	if p, ok := errors.AsType[*panicked](err); ok {
		if t.relay.faulted != nil {
			t.relay.faulted(p)
		}
		t.relay.cut(p.ending())
		return
	}
	told := recordingFailed(err)
	t.relay.cut(ending{"recording failed", told.Reason, layers.CloseServerError, told.Err})
}

func (t *tap) close(reason string) {
	t.turn.Lock()
	defer t.turn.Unlock()
	if !t.closed {
		t.closed = true
		t.rec.Close(reason)
	}
}
