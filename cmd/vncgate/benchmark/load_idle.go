package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// woken is how many idle sessions are asked something in the end.
const woken = 200

// perSource is how many connections come from one loopback address: there are
// some 28000 ports.
const perSource = 5000

// sleeper is an idle session, whose reader answers pings of the gateway.
type sleeper struct {
	*viewer
	heard chan int // bytes
}

// idle opens sessions, says so, holds them until in ends, and finds out how long
// those that are woken take for an answer.
func idle(j *job, o *outcome, in *json.Decoder, tell func(outcome)) error {
	all := make([]*sleeper, j.Sessions)
	var next atomic.Int64
	failed := make(chan error, openers)
	for range openers {
		go func() { failed <- openIdle(j, all, &next) }()
	}
	for range openers {
		if err := <-failed; err != nil {
			return fmt.Errorf("after %d sessions: %w", next.Load(), err)
		}
	}
	tell(outcome{Event: "open"})
	var rest any
	if err := in.Decode(&rest); err != io.EOF {
		return err
	}
	return o.wake(all)
}

func openIdle(j *job, all []*sleeper, next *atomic.Int64) error {
	d := newDialer(j.At, 512)
	for {
		i := int(next.Add(1)) - 1
		if i >= len(all) {
			return nil
		}
		d.source = uint8(j.Source + i/perSource)
		v, err := d.dial()
		if err != nil {
			return err
		}
		all[i] = &sleeper{v, make(chan int, 16)}
		go all[i].listen()
	}
}

func (s *sleeper) listen() {
	for {
		b, err := s.next()
		if err != nil {
			close(s.heard)
			return
		}
		s.heard <- len(b)
	}
}

// wake asks some of them, spread over all.
func (o *outcome) wake(all []*sleeper) error {
	var took []time.Duration
	for i := 0; i < len(all); i += max(len(all)/woken, 1) {
		sent := time.Now()
		if err := all[i].write([]byte{msgPointerEvent, 0, 0, 1, 0, 1}); err != nil {
			return err
		}
		for n := 0; n < updateLen; {
			select {
			case heard, ok := <-all[i].heard:
				if !ok {
					return fmt.Errorf("session %d ended while it was idle", i)
				}
				n += heard
			case <-time.After(dialTimeout):
				return fmt.Errorf("session %d does not answer", i)
			}
		}
		took = append(took, time.Since(sent))
	}
	o.quantiles("wake ", took)
	return nil
}

// stall reads a flood, does not read it for a while, and goes on reading, every
// byte of it.
func stall(j *job, o *outcome, tell func(outcome)) error {
	d := newDialer(j.At, floodBuffer)
	d.block = true
	v, err := d.dial()
	if err != nil {
		return err
	}
	o.saw(v)
	if err := v.askFlood(); err != nil {
		return err
	}
	c := newCheck(true)
	readFor := func(d time.Duration) error {
		for end, begun := time.Now().Add(d), c.next; ; { // something, however late it is
			b, err := v.next()
			if err == nil {
				err = c.see(b)
			}
			if err != nil || c.next != begun && !time.Now().Before(end) {
				return err
			}
		}
	}
	if err := readFor(j.duration()); err != nil {
		return err
	}
	before := c.next
	tell(outcome{Event: "stalled"})
	time.Sleep(time.Duration(j.Stall * float64(time.Second)))
	tell(outcome{Event: "resumed"})
	if err := readFor(j.duration()); err != nil {
		return fmt.Errorf("after the pause: %w", err)
	}
	if c.next == before {
		return fmt.Errorf("nothing came after the pause")
	}
	o.Values["messages intact"] = float64(c.next)
	return nil
}
