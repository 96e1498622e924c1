package recording

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"sync/atomic"
	"time"

	"vncgate/rfb/display"
)

const (
	// sealAfter is how much of the display's file is sealed at once at most, and
	// what a reader has to read to get anywhere within.
	sealAfter = 1 << 20
	// sealEvery is how long a part is left unsealed while there is something in it.
	sealEvery = 10 * time.Second
	// activityEvery is how often the index says how much has happened.
	activityEvery = time.Second
)

// An output is the two files. It is for the writer's goroutine alone.
type output struct {
	o       *Options
	screen  *file // the display's
	index   *file
	written atomic.Int64 // bytes of both

	fbs      *display.FBSWriter // nil: nothing has been said yet
	length   int64              // of the FBS
	chain    hash.Hash          // of the index
	number   uint32
	buf      []byte
	at       time.Duration // of what was written last
	place    int64
	sealed   int64         // length at the last seal
	sealedAt time.Duration // and its time
	unsealed bool          // there is something behind it
	active   activity
}

// activity is what a TypeActivity counts.
type activity struct {
	at                   time.Duration // of the last
	bytes, keys, pointer uint32
}

func newOutput(to Destination, o *Options, start time.Time) (*output, error) {
	out := &output{o: o, chain: sha256.New()}
	var err error
	compress := o.Compress || len(o.Recipients) > 0
	if out.screen, err = create(to, o.Name+suffixDisplay, compress, o.Recipients, &out.written); err != nil {
		return nil, err
	}
	out.screen.hash = sha256.New()
	if out.index, err = create(to, o.Name+suffixIndex, false, o.Recipients, &out.written); err != nil {
		_ = out.screen.below.Close()
		return nil, err
	}
	if err := out.beginIndex(start); err != nil {
		_, _ = out.screen.below.Close(), out.index.below.Close()
		return nil, fmt.Errorf("recording: %w", err)
	}
	return out, nil
}

func (w *output) names() (screen, index string) { return w.screen.name, w.index.name }

func (w *output) beginIndex(start time.Time) error {
	m := w.o.Meta
	m.Version, m.Since = metaVersion, start.UTC()
	m.Name, m.Width, m.Height = w.o.Init.Name, int(w.o.Init.Width), int(w.o.Init.Height)
	m.Redact = w.o.Redact
	if w.o.Signer != nil {
		m.Key = PublicKey(w.o.Signer.Public().(ed25519.PublicKey))
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	w.chain.Write([]byte(indexMagic))
	if _, err := w.index.Write([]byte(indexMagic)); err != nil {
		return err
	}
	if err := w.record(item{kind: TypeMeta, body: body}); err != nil {
		return err
	}
	return w.index.flush()
}

// record numbers an item and writes it.
func (w *output) record(i item) error {
	r := record{kind: i.kind, number: w.number, at: i.at, place: i.place, body: i.body}
	w.number++
	w.buf = r.append(w.buf[:0])
	w.chain.Write(w.buf)
	_, err := w.index.Write(w.buf)
	return err
}

// batch writes what has been said.
func (w *output) batch(q *batch) error {
	if q.begin {
		if err := w.begin(q); err != nil {
			return err
		}
	}
	for _, b := range q.blocks {
		if err := w.block(b); err != nil {
			return err
		}
	}
	if in := &q.input; len(in.b) > 0 {
		w.active.keys += uint32(in.keys)
		w.active.pointer += uint32(in.moves)
		w.at, w.unsealed = max(w.at, in.last), true
		if err := w.record(item{TypeInput, in.first, in.place, in.b}); err != nil {
			return err
		}
	}
	for _, i := range append(q.items, q.made...) {
		w.at, w.unsealed = max(w.at, i.at), true
		if err := w.record(i); err != nil {
			return err
		}
	}
	return w.tidy()
}

// begin begins the display's file.
func (w *output) begin(q *batch) error {
	init := w.o.Init
	init.Format = q.format
	var err error
	w.fbs, err = display.NewFBSWriter(measured{w}, init)
	return err
}

// measured is the display's file as FBS.
type measured struct{ w *output }

func (m measured) Write(b []byte) (int, error) {
	m.w.length += int64(len(b))
	m.w.unsealed = true
	return m.w.screen.Write(b)
}

// block writes what the display has said.
func (w *output) block(b *block) error {
	from := 0
	for _, s := range b.said {
		if err := w.fbs.Block(s.at, b.b[from:s.end]); err != nil {
			return err
		}
		w.at = max(w.at, s.at)
		w.place += int64(s.end - from)
		from = s.end
	}
	w.active.bytes += uint32(len(b.b))
	if w.length-w.sealed >= sealAfter {
		return w.seal(false)
	}
	return nil
}

// tidy ends a batch: with what has to be said from time to time, and with both
// files where they can be read.
func (w *output) tidy() error {
	if w.at-w.active.at >= activityEvery {
		if err := w.tellActivity(); err != nil {
			return err
		}
	}
	if w.unsealed && w.at-w.sealedAt >= sealEvery {
		if err := w.seal(false); err != nil {
			return err
		}
	}
	return w.flush()
}

func (w *output) tellActivity() error {
	a := &w.active
	if a.bytes == 0 && a.keys == 0 && a.pointer == 0 {
		return nil
	}
	body := be.AppendUint32(be.AppendUint32(be.AppendUint32(nil, a.bytes), a.keys), a.pointer)
	*a = activity{at: w.at}
	return w.record(item{TypeActivity, w.at, w.place, body})
}

// seal closes a part.
func (w *output) seal(last bool) error {
	if err := w.screen.frame(); err != nil {
		return err
	}
	s := seal{last: last, fbs: w.length, disk: w.screen.plain, hash: sum(w.screen.hash)}
	w.screen.hash.Reset()
	r := record{kind: TypeSeal, number: w.number, at: w.at, place: w.place, body: s.append(nil)}
	w.number++
	w.buf = r.append(w.buf[:0])
	w.chain.Write(w.buf[:recordHead+sealChainAt])
	s.chain = sum(w.chain)
	s.sign(w.o.Signer)
	r.body = s.append(nil)
	w.buf = r.append(w.buf[:0])
	w.chain.Write(w.buf[recordHead+sealChainAt:])
	w.sealed, w.sealedAt, w.unsealed = w.length, w.at, false
	_, err := w.index.Write(w.buf)
	return err
}

// flush has both files be read up to here; the index says nothing that is not in
// the other.
func (w *output) flush() error {
	if err := w.screen.flush(); err != nil {
		return err
	}
	return w.index.flush()
}

// stale says when fill is due; none: it is not.
func (w *output) stale() (due time.Duration, none bool) {
	a, noA := w.screen.stale()
	b, noB := w.index.stale()
	switch {
	case noA:
		return b, noB
	case noB:
		return a, false
	}
	return min(a, b), false
}

// fill fills the chunks of age that have been open for long, so that they are
// written.
func (w *output) fill() error {
	if left, none := w.screen.stale(); !none && left == 0 {
		if err := w.seal(false); err != nil {
			return err
		}
		// Between frames, where another can stand that says nothing.
		if _, err := (bottom{w.screen}).Write(skippable(w.screen.missing())); err != nil {
			return err
		}
	}
	if left, none := w.index.stale(); !none && left == 0 {
		n := w.index.missing() - recordHead - 4
		if err := w.record(item{TypePad, w.at, w.place, make([]byte, max(n, 0))}); err != nil {
			return err
		}
	}
	return w.flush()
}

// end ends both files.
func (w *output) end(reason string, at time.Duration) error {
	w.at = max(w.at, at)
	if w.fbs == nil { // nothing was said
		if err := w.begin(&batch{format: w.o.Init.Format}); err != nil {
			return err
		}
	}
	if err := w.tellActivity(); err != nil {
		return err
	}
	if err := w.record(item{TypeReason, w.at, w.place, []byte(reason)}); err != nil {
		return err
	}
	if err := w.seal(true); err != nil {
		return err
	}
	if err := w.screen.end(); err != nil {
		return err
	}
	return w.index.end()
}

// abandon closes both files as they are.
func (w *output) abandon() {
	_ = w.screen.below.Close()
	_ = w.index.below.Close()
}
