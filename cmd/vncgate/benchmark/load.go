package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// job is what one load client does, in a process of its own.
type job struct {
	Kind     string // of jobs
	At       entrance
	Sessions int
	Seconds  float64
	Gateway  int  // process whose family is measured; 0: none
	Resume   bool // TLS sessions
	Stall    float64
	WarmUp   float64
	Source   int // first loopback address that connections come from: 127.0.0.Source
}

// outcome is what it has found; every line that a load client prints is one.
type outcome struct {
	Event  string             `json:"event,omitempty"` // not the last one: something has been reached
	Values map[string]float64 `json:"values,omitempty"`
	Cipher string             `json:"cipher,omitempty"`
	Error  string             `json:"error,omitempty"`
}

// Kinds of jobs.
const (
	jobDown  = "down"  // floods from the display
	jobUp    = "up"    // clipboard texts to it
	jobPing  = "ping"  // PointerEvents, each answered
	jobChurn = "churn" // whole sessions
	jobCrowd = "crowd" // TLS handshakes that are begun, and no more
	jobIdle  = "idle"  // sessions without traffic
	jobRest  = "rest"  // PointerEvents with pauses in which a session may rest
	jobStall = "stall" // a flood that is not read for a while
)

// What is measured, by its unit.
const (
	inMBs      = "MB/s"
	inCPU      = "cpu s/GB"
	inShare    = "least share" // of the session that got least, of what would be even
	inP50      = "p50 us"
	inP99      = "p99 us"
	inSessions = "sessions/s"
	inCPUEach  = "cpu ms/session"
	inResumed  = "resumed" // share of the sessions
	inKB       = "kB/session"
	inGrowth   = "growth MB"
	inSameP99  = "p99 us in their class"
	inAnswers  = "their answers/s"
)

const (
	floodBuffer = 512 << 10
	clipboardMB = 1000000
	framePiece  = 10 << 10 // what noVNC sends in one frame at most
	inFlight    = 4        // texts
	churners    = 8
	openers     = 16
)

// runLoad does the job that it reads and prints what comes of it.
func runLoad(in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(in), json.NewEncoder(out)
	var j job
	if err := dec.Decode(&j); err != nil {
		return err
	}
	var mu sync.Mutex
	tell := func(o outcome) { mu.Lock(); defer mu.Unlock(); _ = enc.Encode(o) }
	run := map[string]func(*job, *outcome) error{
		jobDown: down, jobUp: up, jobPing: ping, jobChurn: churn, jobCrowd: crowd, jobRest: restless,
		jobIdle:  func(j *job, o *outcome) error { return idle(j, o, dec, tell) },
		jobStall: func(j *job, o *outcome) error { return stall(j, o, tell) },
	}[j.Kind]
	if run == nil {
		return fmt.Errorf("no job %q", j.Kind)
	}
	o := outcome{Values: map[string]float64{}}
	if err := run(&j, &o); err != nil {
		o.Error = err.Error()
	}
	tell(o)
	return nil
}

func (j *job) warmUp() time.Duration   { return time.Duration(j.WarmUp * float64(time.Second)) }
func (j *job) duration() time.Duration { return time.Duration(j.Seconds * float64(time.Second)) }

// span is what passed between warm-up and end, and what the gateway spent on it.
type span struct {
	passed int64
	took   time.Duration
	cpu    time.Duration
}

// firstTime bounds the wait for anything at all to be counted.
const firstTime = time.Minute

// window lets the warm-up pass and measures what is counted from then on. Where
// nothing was in the time for it, as on a machine that is busy otherwise, it goes
// on until something is.
func (j *job) window(count *atomic.Int64, failed <-chan error) (span, error) {
	wait := func(d time.Duration) error {
		select {
		case err := <-failed:
			return err
		case <-time.After(d):
			return nil
		}
	}
	if err := wait(j.warmUp()); err != nil {
		return span{}, err
	}
	begun, before, cpu := time.Now(), count.Load(), cpuOf(j.Gateway)
	if err := wait(j.duration()); err != nil {
		return span{}, err
	}
	for count.Load() == before && time.Since(begun) < firstTime {
		if err := wait(time.Millisecond); err != nil {
			return span{}, err
		}
	}
	s := span{count.Load() - before, time.Since(begun), cpuOf(j.Gateway) - cpu}
	if s.passed == 0 {
		return s, fmt.Errorf("nothing arrived in %v", s.took)
	}
	return s, nil
}

// bytes states a span in which bytes were counted.
func (o *outcome) bytes(j *job, s span) {
	o.Values[inMBs] = float64(s.passed) / 1e6 / s.took.Seconds()
	if j.Gateway != 0 {
		o.Values[inCPU] = s.cpu.Seconds() / (float64(s.passed) / 1e9)
	}
}

// down reads floods.
func down(j *job, o *outcome) error {
	d := newDialer(j.At, floodBuffer)
	d.block = true
	var passed atomic.Int64
	each := make([]atomic.Int64, j.Sessions)
	failed := make(chan error, j.Sessions)
	for i := range j.Sessions {
		v, err := d.dial()
		if err != nil {
			return err
		}
		o.saw(v)
		if err := v.askFlood(); err != nil {
			return err
		}
		go func() { failed <- v.drain(newCheck(false), &passed, &each[i]) }()
	}
	s, err := j.window(&passed, failed)
	if err != nil {
		return err
	}
	o.bytes(j, s)
	if j.Sessions > 1 {
		least := each[0].Load()
		for i := range each {
			least = min(least, each[i].Load())
		}
		o.Values[inShare] = float64(least) * float64(j.Sessions) / float64(passed.Load())
	}
	return nil
}

// drain reads a flood until something is wrong with it.
func (v *viewer) drain(c *check, counts ...*atomic.Int64) error {
	for {
		b, err := v.next()
		if err == nil {
			err = c.see(b)
		}
		if err != nil {
			return err
		}
		for _, n := range counts {
			n.Add(int64(len(b)))
		}
	}
}

// up sends clipboard texts, some of them under way at a time.
func up(j *job, o *outcome) error {
	d := newDialer(j.At, 4<<10)
	d.block = true
	v, err := d.dial()
	if err != nil {
		return err
	}
	o.saw(v)
	text := v.packed(clipboard(clipboardMB), framePiece)
	var passed atomic.Int64
	failed := make(chan error, 2)
	places := make(chan struct{}, inFlight)
	go func() {
		for {
			places <- struct{}{}
			if err := v.raw(text); err != nil {
				failed <- err
				return
			}
		}
	}()
	go func() {
		for {
			if err := v.skip(updateLen); err != nil {
				failed <- err
				return
			}
			passed.Add(clipboardMB)
			<-places
		}
	}()
	s, err := j.window(&passed, failed)
	if err != nil {
		return err
	}
	o.bytes(j, s)
	return nil
}

// ping asks, waits, and asks again.
func ping(j *job, o *outcome) error {
	d := newDialer(j.At, 4<<10)
	d.block = true
	v, err := d.dial()
	if err != nil {
		return err
	}
	defer v.close()
	o.saw(v)
	var took []time.Duration
	begun := time.Now()
	for n := 0; ; n++ {
		sent := time.Now()
		if err := v.ask(n); err != nil {
			return err
		}
		got := time.Now()
		since := got.Sub(begun)
		if since > j.warmUp() {
			took = append(took, got.Sub(sent))
		}
		if since > j.warmUp()+j.duration() {
			break
		}
	}
	o.quantiles("", took)
	return nil
}

func (o *outcome) quantiles(prefix string, took []time.Duration) {
	slices.Sort(took)
	at := func(q float64) float64 {
		return float64(took[min(int(q*float64(len(took))), len(took)-1)]) / float64(time.Microsecond)
	}
	o.Values[prefix+inP50], o.Values[prefix+inP99] = at(0.5), at(0.99)
	o.Values[prefix+"asked"] = float64(len(took))
}

// churn opens sessions and leaves, as often as it can.
func churn(j *job, o *outcome) error {
	var passed, resumed atomic.Int64
	var over atomic.Bool
	failed := make(chan error, churners)
	for i := range churners {
		d := newDialer(j.At, 4<<10)
		d.source = uint8(j.Source + i)
		if j.Resume {
			d.tls.ClientSessionCache = tls.NewLRUClientSessionCache(4)
		}
		go func() {
			for !over.Load() {
				v, err := d.dial()
				if err != nil {
					failed <- err
					return
				}
				v.close()
				passed.Add(1)
				if v.resumed {
					resumed.Add(1)
				}
			}
		}()
	}
	s, err := j.window(&passed, failed)
	if err != nil {
		return err
	}
	over.Store(true)
	o.Values[inSessions] = float64(s.passed) / s.took.Seconds()
	if j.Gateway != 0 {
		o.Values[inCPUEach] = s.cpu.Seconds() * 1000 / float64(s.passed)
	}
	if j.Resume {
		o.Values[inResumed] = float64(resumed.Load()) / float64(passed.Load())
	}
	return nil
}

func (o *outcome) saw(v *viewer) {
	if v.cipher != 0 {
		o.Cipher = tls.CipherSuiteName(v.cipher)
	}
}
