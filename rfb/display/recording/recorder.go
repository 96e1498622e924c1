package recording

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"filippo.io/age"

	"vncgate/rfb"
)

// Options say how a session is recorded.
type Options struct {
	// Name is that of the files, without what their kind adds to it.
	Name string
	Meta Meta // Version, Since, Name, Width, Height, Key and Redact are filled in
	// Init is what the viewer had of the display.
	Init rfb.ServerInit
	// Queue bounds, in bytes, what has been said and has not been written; 0 is
	// 8 MiB.
	Queue int
	// Compress writes both files with zstd. What is encrypted is compressed too,
	// whatever Compress says.
	Compress bool
	// Recipients are those who may read the recording; none: it is not encrypted.
	Recipients []age.Recipient
	// Signer signs the recording; nil: nobody does.
	Signer ed25519.PrivateKey
	Redact Redact
	// Workers make keyframes; nil: there are none, and who opens the recording
	// makes them then.
	Workers *Workers
	// KeyframeEvery is how much the display may draw between two keyframes: pixels,
	// and eight for each byte that it says. 0 is what takes about a tenth of a second
	// to play.
	KeyframeEvery int64
	// OnError is told once why the recording cannot go on: ErrSlow, or what the
	// destination says. It has ended then.
	OnError func(error)
	// MayStop has Display and Viewer say nothing when the recording cannot go on:
	// the session does, unrecorded. Otherwise they return the error.
	MayStop bool
	// Clock says how long the session has run; nil: since New. It never goes back.
	Clock func() time.Duration
}

// defaultQueue is Options.Queue where it is 0.
const defaultQueue = 8 << 20

// soon is how much is not gathered any further, in bytes: as much as stays in a
// processor's cache until it is written.
const soon = 256 << 10

// gather is how long what is said is gathered before it is written: what a crash
// loses where nothing is encrypted.
const gather = 100 * time.Millisecond

// A Recorder writes a recording. Display and Viewer may be called at the same
// time; they copy what they are given and return. One goroutine writes, and ends
// behind Close.
type Recorder struct {
	o     Options
	clock func() time.Duration
	out   *output
	cut   *redactor     // nil: all that the display says is written
	track *track        // makes keyframes; nil: nobody does
	wake  chan struct{} // something is to be written
	full  chan struct{} // much is
	done  chan struct{}

	mu     sync.Mutex
	input  input
	queue  batch
	place  int64 // bytes of the display so far
	queued int   // bytes that have not been written
	begun  bool  // the format of the file is settled
	ended  bool
	reason string
	err    error
}

// New begins a recording. Its error is the destination's, or that there is nothing
// to record.
func New(to Destination, o Options) (*Recorder, error) {
	if o.Queue == 0 {
		o.Queue = defaultQueue
	}
	if o.KeyframeEvery == 0 {
		o.KeyframeEvery = keyframeCost
	}
	if o.Name == "" {
		return nil, errors.New("recording: it has no name")
	}
	r := &Recorder{
		o: o, clock: o.Clock,
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1), done: make(chan struct{}),
	}
	start := time.Now()
	if r.clock == nil {
		r.clock = func() time.Duration { return time.Since(start) }
	}
	r.input.redact = o.Redact
	r.input.format = o.Init.Format
	out, err := newOutput(to, &r.o, start)
	if err != nil {
		return nil, err
	}
	r.out, r.cut = out, newRedactor(&r.o)
	if o.Workers != nil {
		r.track = newTrack(o.Workers, o.KeyframeEvery, r.post)
	}
	go r.write()
	return r, nil
}

// Display is given what the viewer gets of the display; b is lent for the call.
// The error is why the session is not recorded any more.
func (r *Recorder) Display(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.room(len(b)); err != nil || r.err != nil {
		return err
	}
	r.begin()
	r.queue.display(b, r.clock())
	r.place += int64(len(b))
	r.queued += len(b)
	r.signal()
	return nil
}

// Viewer is given what the display gets of the viewer; b is lent for the call.
// The error is as with Display.
func (r *Recorder) Viewer(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.room(len(b)); err != nil || r.err != nil {
		return err
	}
	before := len(r.queue.input.b)
	r.input.take(b, func(msg []byte) {
		if msg[0] == rfb.MsgFramebufferUpdateRequest {
			r.begin() // and requests are not written down: nothing depends on them
			return
		}
		r.queue.input.add(msg, r.clock(), r.place)
	})
	for _, m := range r.input.marks {
		r.mark(m.kind, m.words)
	}
	r.input.marks = r.input.marks[:0]
	if n := len(r.queue.input.b) - before; n > 0 {
		r.queue.held += n
		r.queued += n
		r.signal()
	}
	return nil
}

// post adds what the workers have made to the index, where there is room.
func (r *Recorder) post(i item) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil || r.queued+len(i.body) > r.o.Queue/2 && r.queued > 0 {
		return false
	}
	r.queue.made = append(r.queue.made, i)
	r.queue.held += len(i.body)
	r.queued += len(i.body)
	r.signal()
	return true
}

// begin settles the format that the display's file says it has.
func (r *Recorder) begin() {
	if !r.begun {
		r.begun = true
		r.queue.begin, r.queue.format = true, r.input.format
	}
}

// room sees to it that n bytes more may be queued.
func (r *Recorder) room(n int) error {
	switch {
	case r.ended:
		return ErrEnded
	case r.err == nil && r.queued+n > r.o.Queue && r.queued > 0:
		r.fail(fmt.Errorf("%w: %d bytes wait to be written", ErrSlow, r.queued))
	}
	if r.o.MayStop {
		return nil
	}
	return r.err
}

// fail ends the recording for good. r.mu is held.
func (r *Recorder) fail(err error) {
	if r.err != nil {
		return
	}
	r.err = err
	r.signal()
	if r.o.OnError != nil {
		go r.o.OnError(err)
	}
}

// signal has the writer write. r.mu is held.
func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
	if r.queued > min(r.o.Queue/4, soon) || r.ended || r.err != nil {
		select {
		case r.full <- struct{}{}:
		default:
		}
	}
}

// Mark writes down that something has happened in the session: a kind in a few
// letters, and words.
func (r *Recorder) Mark(kind, words string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || r.err != nil {
		return
	}
	r.mark(kind, words)
}

// markSize is about what a mark takes in memory, beside its words.
const markSize = 128

// mark queues a mark, which counts like all that waits: a viewer can bring about
// as many as it likes. r.mu is held.
func (r *Recorder) mark(kind, words string) {
	r.queue.mark(kind, words, r.clock(), r.place)
	n := markSize + len(words)
	r.queue.held += n
	r.queued += n
	r.signal()
}

// Secret says that what is typed from here on is a password, or no longer is one:
// with KeysMarked it is not written down.
func (r *Recorder) Secret(on bool) {
	r.mu.Lock()
	r.input.secret = on
	r.mu.Unlock()
	if on {
		r.Mark("secret", "keys are not recorded")
	} else {
		r.Mark("secret-end", "what is typed is no password any more")
	}
}

// Close ends the recording: the session is over for this reason. It does not wait
// until everything is written; Wait does.
func (r *Recorder) Close(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.ended, r.reason = true, reason
	r.signal()
}

// Done is closed when everything is written, behind Close.
func (r *Recorder) Done() <-chan struct{} { return r.done }

// Err is why the recording has not gone on to its end; nil: it has, or does yet.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Stats are figures of a Recorder.
type Stats struct {
	Display int64 // bytes that the display has said
	Written int64 // bytes of both files
	Queued  int   // bytes that wait
}

// Stats says how far the recording is.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{Display: r.place, Written: r.out.written.Load(), Queued: r.queued}
}

// Files are the names of the recording's files in its destination.
func (r *Recorder) Files() (display, index string) { return r.out.names() }
