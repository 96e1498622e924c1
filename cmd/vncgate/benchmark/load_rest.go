package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// restlessCrowd is how many sessions keep the loops of a class busy, and
	// restlessPause how long each of them rests: longer than its class waits before
	// a loop takes it.
	restlessCrowd = 100
	restlessPause = 5 * time.Millisecond
)

// restless asks, waits for the answer, and leaves the session alone for a moment,
// in many sessions at once.
func restless(j *job, o *outcome) error {
	d := newDialer(j.At, 4<<10)
	var answers atomic.Int64
	var over atomic.Bool
	var mu sync.Mutex
	var took []time.Duration
	failed := make(chan error, j.Sessions)
	for range j.Sessions {
		v, err := d.dial()
		if err != nil {
			return err
		}
		defer v.close()
		o.saw(v)
		go func() {
			for n := 0; !over.Load(); n++ {
				sent := time.Now()
				if err := v.ask(n); err != nil {
					failed <- err
					return
				}
				answers.Add(1)
				mu.Lock()
				took = append(took, time.Since(sent))
				mu.Unlock()
				time.Sleep(restlessPause)
			}
		}()
	}
	s, err := j.window(&answers, failed)
	if err != nil {
		return err
	}
	over.Store(true)
	mu.Lock()
	defer mu.Unlock()
	o.quantiles("", took)
	o.Values[inAnswers] = float64(s.passed) / s.took.Seconds()
	return nil
}

// classes is a session that rests after every message, in a class with a loop of
// its own, beside a crowd of such in another class; and then in the crowd's class.
func (st *stage) classes() (outcome, error) {
	crowd := *st
	crowd.at.Address = st.busy
	c, err := crowd.begin(job{Kind: jobRest, Seconds: 2*st.r.o.seconds + 2*st.r.o.warmUp})
	if err != nil {
		return outcome{}, err
	}
	defer c.stop()
	time.Sleep(time.Duration(st.r.o.warmUp * float64(time.Second)))
	o, err := st.load(job{Kind: jobRest, Sessions: 1})
	if err != nil {
		return o, err
	}
	same, err := crowd.load(job{Kind: jobRest, Sessions: 1})
	if err != nil {
		return o, err
	}
	told, err := c.told()
	if err != nil {
		return o, fmt.Errorf("the crowd: %w", err)
	}
	o.Values[inSameP99], o.Values[inAnswers] = same.Values[inP99], told.Values[inAnswers]
	return o, nil
}
