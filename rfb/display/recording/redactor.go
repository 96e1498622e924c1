package recording

import (
	"errors"
	"fmt"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// A redactor takes out of what the display says what may not be written down. It
// has to understand the display for that: where it does not, nothing more is
// written. It is for the writer's goroutine.
type redactor struct {
	o     *Options
	made  *batch // of the batch under way
	f     *display.Follower
	early []inputAt
	enc   *encoder // nil: clipboards alone are taken out

	place int64   // of what the display said
	out   int64   // of what is written of it
	ends  []int64 // where messages end in what is looked at
	drop  bool    // the message under way is a clipboard
	fresh bool    // no byte of the message under way has been seen
	at    time.Duration
}

// newRedactor returns nil where nothing has to be taken out of what the display
// says.
func newRedactor(o *Options) *redactor {
	if !o.Redact.Clipboard && len(o.Redact.Regions) == 0 {
		return nil
	}
	r := &redactor{o: o, fresh: true}
	if len(o.Redact.Regions) > 0 {
		r.enc = newEncoder(o.Redact.Regions)
	}
	return r
}

// errNotRedacted is why a recording ends whose display is not understood.
var errNotRedacted = errors.New("what may not be recorded cannot be told from the rest")

// batch returns what may be written of q, and gives back what that takes.
func (r *redactor) batch(q *batch) (batch, error) {
	var out batch
	out.held, out.made = q.held, q.made
	r.made = &out
	defer func() {
		for _, b := range q.blocks {
			b.free()
		}
	}()
	if q.begin {
		if err := r.begin(q, &out); err != nil {
			return out, err
		}
	}
	inputs := splitInputs(q)
	items := q.items
	for _, b := range q.blocks {
		from := 0
		for _, s := range b.said {
			r.at = s.at
			said := b.b[from:s.end]
			from = s.end
			for len(said) > 0 {
				inputs, items = r.between(inputs, items)
				n := len(said)
				if len(inputs) > 0 {
					n = int(min(int64(n), inputs[0].place-r.place))
				}
				if len(items) > 0 {
					n = int(min(int64(n), items[0].place-r.place))
				}
				if err := r.display(said[:n]); err != nil {
					return out, err
				}
				said = said[n:]
			}
		}
	}
	r.between(inputs, items)
	return out, nil
}

// splitInputs are the viewer's messages of a batch.
func splitInputs(q *batch) []inputAt {
	var all []inputAt
	eachInput(record{at: q.input.first, place: q.input.place, body: q.input.b}, func(in inputAt) { all = append(all, in) })
	return all
}

// begin begins with the display.
func (r *redactor) begin(q, out *batch) error {
	init := r.o.Init
	init.Format = q.format
	var err error
	if r.f, err = display.NewFollower(init); err != nil {
		return fmt.Errorf("%w: %w", errNotRedacted, err)
	}
	r.f.Each = r.message
	for _, in := range r.early {
		_ = r.f.Viewer(in.msg)
	}
	out.begin, out.format = true, q.format
	if r.enc != nil {
		out.format = rfb.Format32()
	}
	return nil
}

// between takes what the viewer has said at the place, and what was made of it.
func (r *redactor) between(inputs []inputAt, items []item) ([]inputAt, []item) {
	for len(inputs) > 0 && inputs[0].place <= r.place {
		in := inputs[0]
		inputs = inputs[1:]
		if r.f != nil {
			_ = r.f.Viewer(in.msg)
		} else {
			r.early = keepLast(r.early, in)
		}
		if r.enc == nil || in.msg[0] != rfb.MsgSetPixelFormat && in.msg[0] != rfb.MsgSetEncodings && in.msg[0] != rfb.MsgEnableContinuousUpdates {
			r.made.input.add(in.msg, in.at, r.out)
		}
	}
	for len(items) > 0 && items[0].place <= r.place {
		i := items[0]
		items = items[1:]
		i.place = r.out
		r.made.items = append(r.made.items, i)
	}
	return inputs, items
}

// message is told of each message of the display's.
func (r *redactor) message(m display.Message) {
	r.ends = append(r.ends, r.f.Offset())
	if r.enc != nil {
		r.write(r.enc.message(r.f, m))
	}
}

// display takes what the display says.
func (r *redactor) display(b []byte) error {
	r.ends = r.ends[:0]
	err := r.f.Display(b)
	if err != nil {
		err = fmt.Errorf("%w: %w", errNotRedacted, err)
		b = b[:max(r.f.Offset()-r.place, 0)] // which was understood
	}
	for len(b) > 0 {
		if r.fresh {
			r.fresh, r.drop = false, b[0] == rfb.MsgServerCutText
		}
		n := int64(len(b))
		if len(r.ends) > 0 {
			n = r.ends[0] - r.place
		}
		if r.enc == nil && !r.drop {
			r.write(b[:n])
		}
		r.place += n
		b = b[n:]
		if len(r.ends) > 0 && r.ends[0] == r.place {
			r.ends = r.ends[1:]
			if r.fresh = true; r.drop && r.o.Redact.Clipboard {
				r.made.mark("clipboard", "from the display", r.at, r.out)
			}
		}
	}
	return err
}

// write has b be written.
func (r *redactor) write(b []byte) {
	r.made.display(b, r.at)
	r.made.held -= len(b) // which nobody waits for
	r.out += int64(len(b))
}

// close gives back what the redactor holds.
func (r *redactor) close() {
	if r != nil && r.f != nil {
		r.f.Close()
	}
}
