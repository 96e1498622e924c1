package recording

import (
	"errors"
	"fmt"
	"time"
)

// write is the writer's goroutine.
func (r *Recorder) write() {
	defer close(r.done)
	defer r.cut.close()
	for {
		r.sleep()
		q, state := r.take()
		err := r.put(&q)
		if r.track != nil && (state.last || err != nil) {
			r.track.close()
		}
		switch {
		case errors.Is(err, errNotRedacted):
			r.refuse(err)
			return
		case err != nil:
			r.stop(fmt.Errorf("recording: %w", err))
			return
		case state.last:
			r.finish(state)
			return
		}
		if due, none := r.out.stale(); !none && due == 0 {
			if err := r.out.fill(); err != nil {
				r.stop(fmt.Errorf("recording: %w", err))
				return
			}
		}
	}
}

// stall is how long a destination may take before the index says so.
const stall = time.Second

// put writes a batch.
func (r *Recorder) put(q *batch) error {
	var refused error
	if r.cut != nil {
		*q, refused = r.cut.batch(q)
	}
	from := time.Now()
	err := r.out.batch(q)
	if took := time.Since(from); took > stall {
		r.Mark("stall", fmt.Sprintf("the destination took %s for what was said until here", took.Round(time.Millisecond)))
	}
	r.written(q)
	if err == nil {
		err = refused
	}
	return err
}

// sleep returns when there is something to write and some time has gone by, in
// which more of it comes.
func (r *Recorder) sleep() {
	var stale <-chan time.Time
	if due, none := r.out.stale(); !none {
		timer := time.NewTimer(due)
		defer timer.Stop()
		stale = timer.C
	}
	select {
	case <-stale:
		return
	case <-r.wake:
	}
	timer := time.NewTimer(gather)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.full:
	}
}

// state is what the writer is told with a batch.
type state struct {
	last   bool // nothing comes behind it
	reason string
	at     time.Duration
}

// take takes what there is.
func (r *Recorder) take() (batch, state) {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := r.queue
	r.queue = batch{}
	s := state{at: r.clock()}
	switch {
	case r.err != nil:
		s.last, s.reason = true, "the recording was ended: "+r.err.Error()
	case r.ended:
		s.last, s.reason = true, r.reason
	}
	return q, s
}

// written hands a batch on to the workers, or gives back what it took.
func (r *Recorder) written(q *batch) {
	r.mu.Lock()
	r.queued -= q.held
	r.mu.Unlock()
	if r.track != nil && (q.begin || len(q.blocks) > 0 || len(q.input.b) > 0) && r.track.add(r.piece(q)) {
		return
	}
	for _, b := range q.blocks {
		b.free()
	}
}

// piece is what a batch means to the workers.
func (r *Recorder) piece(q *batch) piece {
	p := piece{blocks: q.blocks, n: int64(len(q.input.b)), at: r.out.at, place: r.out.place}
	for _, b := range q.blocks {
		p.n += int64(len(b.b))
	}
	if q.begin {
		init := r.o.Init
		init.Format = q.format
		p.begin = &init
	}
	eachInput(record{at: q.input.first, place: q.input.place, body: q.input.b}, func(in inputAt) { p.input = append(p.input, in) })
	return p
}

// finish ends the files.
func (r *Recorder) finish(s state) {
	q, _ := r.take() // of the workers, who know places as they were written
	err := r.out.batch(&q)
	r.written(&q)
	if err != nil {
		r.stop(fmt.Errorf("recording: %w", err))
		return
	}
	if err := r.out.end(s.reason, s.at); err != nil {
		r.stop(fmt.Errorf("recording: %w", err))
	}
}

// refuse ends a recording that could have in it what may not be recorded.
func (r *Recorder) refuse(err error) {
	r.mu.Lock()
	r.fail(fmt.Errorf("recording: %w", err))
	for _, b := range r.queue.blocks {
		b.free()
	}
	r.queue = batch{made: r.queue.made}
	r.queued = 0
	r.mu.Unlock()
	r.finish(state{reason: "the recording was ended: " + errNotRedacted.Error(), at: r.clock()})
}

// stop gives the recording up.
func (r *Recorder) stop(err error) {
	r.mu.Lock()
	r.fail(err)
	for _, b := range r.queue.blocks {
		b.free()
	}
	r.queue, r.queued = batch{}, 0
	r.mu.Unlock()
	r.out.abandon()
}
