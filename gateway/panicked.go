package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"

	"vncgate/layers"
)

// A fault in the program ends the session that meets it, and no other: handshakes,
// both directions of the relay, reviews and the end are each caught where they
// begin. What serves no session in particular is not caught: who would not look
// at revocations any more, say, must not go on, and is started anew by whoever
// looks after processes.

// reasonInternal is that of sessions that met a fault in the program.
const reasonInternal = "internal error"

// panicked is a panic that was caught.
type panicked struct {
	what  string // of its value, as far as it can hold no secret
	stack string
}

// Error leaves the stack to the log.
func (p *panicked) Error() string { return "gateway: fault in the program: " + p.what }

// caught is made in the deferred function that has recovered v. Only the runtime's
// own values are shown: any other may have been put together from what a viewer
// has sent. The stack has no values but numbers.
func caught(v any) *panicked {
	p := &panicked{what: fmt.Sprintf("a panic with a %T", v), stack: string(debug.Stack())}
	if fault, ok := v.(runtime.Error); ok {
		p.what = fault.Error()
	}
	return p
}

func (p *panicked) ending() ending {
	return ending{reasonInternal, wordsFault, layers.CloseServerError, p}
}

// faulted tells log and observers, who count it.
func (s *Session) faulted(p *panicked) {
	log := s.logger()
	if s.kept.quiet {
		log = s.g.log()
	}
	log.Error("fault in the program; this session alone ends", "error", p, "stack", p.stack)
	s.emit(Event{Kind: Panicked, Reason: reasonInternal, Err: p, Details: map[string]string{"stack": p.stack}})
}

// joinSafely is join, whatever it meets.
func (s *Session) joinSafely(ctx context.Context, c net.Conn) (top net.Conn, err error) {
	defer func() {
		if v := recover(); v != nil {
			p := caught(v)
			s.faulted(p)
			if s.display != nil {
				_ = s.display.Close()
			}
			top, err = c, p
		}
	}()
	return s.join(ctx, c)
}

// relaySafely is relay; whatever that meets before messages move ends the session.
func (s *Session) relaySafely(ctx context.Context) {
	defer func() {
		if v := recover(); v != nil {
			p := caught(v)
			s.faulted(p)
			s.fails(p.ending())
		}
	}()
	s.relay(ctx)
}

// fails ends a session that could not begin to relay.
func (s *Session) fails(end ending) {
	if s.traffic != nil && s.traffic.done != nil { // it was started, and ends the session
		s.traffic.cut(end)
		return
	}
	s.relayed(end)
}

// rescue is deferred where a panic ends the session from outside.
func (s *Session) rescue() {
	if v := recover(); v != nil {
		p := caught(v)
		s.faulted(p)
		s.stop(p.ending())
	}
}

// rescue is deferred where p is carried. The other direction ends by itself.
func (r *relay) rescue(p *pump) {
	v := recover()
	if v == nil {
		return
	}
	fault := caught(v)
	if r.faulted != nil {
		r.faulted(fault)
	}
	r.cut(fault.ending())
	if last, end := r.leaves(p); last {
		r.done(end)
	}
}

// guarded runs f for somebody who has no session; what is a fault in it is
// logged.
func guarded(log *slog.Logger, what string, f func()) {
	defer func() {
		if v := recover(); v != nil {
			p := caught(v)
			log.Error("fault in the program; "+what+" alone ends", "error", p, "stack", p.stack)
		}
	}()
	f()
}
