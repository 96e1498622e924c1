package main

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"
)

// A measurement goes on until there is something to measure, or an end to it.
func TestWindowWaitsForSomething(t *testing.T) {
	var count atomic.Int64
	j := &job{Seconds: 0.001}
	late := time.AfterFunc(100*time.Millisecond, func() { count.Add(5) })
	defer late.Stop()
	s, err := j.window(&count, nil)
	if err != nil || s.passed != 5 {
		t.Errorf("%+v, %v", s, err)
	}
	failed := make(chan error, 1)
	broken := errors.New("broken")
	time.AfterFunc(20*time.Millisecond, func() { failed <- broken })
	if _, err := j.window(&count, failed); !errors.Is(err, broken) {
		t.Errorf("a failure: %v", err)
	}
}
