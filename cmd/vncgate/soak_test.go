//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vncgate/gateway/control"
	"vncgate/layers"
)

// soak is how many viewers come and go, for how long, in how many rounds: after
// each of them nobody is left, and nothing may be. VNCGATE_SOAK="500 30m 6" is the
// long form.
type soak struct {
	viewers int
	time    time.Duration
	rounds  int
}

func soakOf(t *testing.T) soak {
	s := soak{viewers: 16, time: 6 * time.Second, rounds: 3}
	text := os.Getenv("VNCGATE_SOAK")
	if text == "" {
		return s
	}
	fields := strings.Fields(text)
	if len(fields) != 3 {
		t.Fatalf(`VNCGATE_SOAK=%q: write VIEWERS TIME ROUNDS, as in "500 30m 6"`, text)
	}
	var err error
	s.viewers, err = strconv.Atoi(fields[0])
	must(t, err)
	s.time, err = time.ParseDuration(fields[1])
	must(t, err)
	s.rounds, err = strconv.Atoi(fields[2])
	must(t, err)
	return s
}

// slower has many viewers move no more together than a few.
func (s soak) slower() int64 { return int64(s.viewers / 16) }

// soaked is the program under it.
type soaked struct {
	*ran
	sessions, cut, refused, bytes atomic.Int64
	faults                        map[string]int
}

// idle is what the newest process holds while nobody is in.
type idle struct {
	goroutines, files int
	memory            uint64
}

// TestSoak has viewers come and go, and faults among them; nobody is sent a wrong
// byte, and nothing is left behind.
func TestSoak(t *testing.T) {
	plan := soakOf(t)
	s := &soaked{ran: newRan(t, ""), faults: map[string]int{}}
	s.display.slower.Store(plan.slower())
	var before idle
	for round := range plan.rounds {
		s.round(plan)
		now := s.idle()
		t.Logf("round %d: %d sessions, %d cut by faults, %d refused, %d MB, faults %v; idle: %d goroutines, %d files, %d MB",
			round+1, s.sessions.Load(), s.cut.Load(), s.refused.Load(), s.bytes.Load()>>20, s.faults, now.goroutines, now.files, now.memory>>20)
		if round > 0 && (now.goroutines > before.goroutines+8 || now.files > before.files+8) {
			t.Errorf("more is left than after the round before: %+v, %+v", now, before)
		}
		if round > 0 && now.memory > 2*before.memory+64<<20 {
			t.Errorf("memory grows: %d, %d", now.memory, before.memory)
		}
		before = now
	}
	if s.sessions.Load() == 0 || s.bytes.Load() == 0 {
		t.Error("nobody has seen anything")
	}
	if c := s.display.complaints(); len(c) > 0 {
		t.Error(c)
	}
}

// round is one time of coming and going.
func (s *soaked) round(plan soak) {
	ctx, cancel := context.WithTimeout(s.t.Context(), plan.time/time.Duration(plan.rounds))
	defer cancel()
	var running sync.WaitGroup
	for i := range plan.viewers {
		running.Go(func() {
			for ctx.Err() == nil {
				s.visit(s.ways[(i+rand.IntN(2))%len(s.ways)], plan)
			}
		})
	}
	running.Go(func() { s.trouble(ctx, plan) })
	running.Wait()
}

// visit is one session: it looks for a while and leaves, kindly or not.
func (s *soaked) visit(w way, plan soak) {
	time.Sleep(time.Duration(rand.IntN(100*plan.viewers/16)) * time.Millisecond)
	v, err := watchStream(context.WithoutCancel(s.t.Context()), w.name, w.address, plan.slower(), w.stack...)
	if err != nil {
		if s.refused.Add(1); errors.Is(err, syscall.ECONNREFUSED) {
			s.t.Errorf("%s: %v", w.name, err)
		}
		return
	}
	s.sessions.Add(1)
	select {
	case <-v.ended:
		s.cut.Add(1)
	case <-time.After(time.Duration(50+rand.IntN(1000)) * time.Millisecond):
		if tcp, ok := layers.As[*net.TCPConn](v.c); ok && rand.IntN(3) == 0 {
			_ = tcp.SetLinger(0) // it dies
			_ = tcp.Close()
		}
	}
	v.leave()
	s.bytes.Add(v.read.Load())
	if errors.Is(v.err, errWrongByte) {
		s.t.Error(v.err)
	}
}

// trouble is one fault after another.
func (s *soaked) trouble(ctx context.Context, plan soak) {
	kinds := []string{"display dies", "kill", "reload", "pause", "upgrade"}
	pause := min(2*time.Second, plan.time/time.Duration(plan.rounds*2*len(kinds)))
	for i := 0; ctx.Err() == nil; i++ {
		kind := kinds[i%len(kinds)]
		s.faults[kind]++
		switch kind {
		case "display dies":
			s.display.die(4)
		case "reload":
			_ = syscall.Kill(s.pids[len(s.pids)-1], syscall.SIGHUP)
		case "upgrade":
			s.upgrade()
		default:
			s.steer(kind)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// ask has the newest process do something.
func (s *soaked) ask(name string, args, into any) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	c, err := control.Dial(ctx, s.path("control"))
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := c.Run(ctx, name, args)
	if err != nil || into == nil {
		return err
	}
	return json.Unmarshal(answer, into)
}

// steer ends a session, or holds it up for a moment. One that has just ended is no
// fault.
func (s *soaked) steer(kind string) {
	var list control.SessionList
	if err := s.ask("query-sessions", nil, &list); err != nil {
		s.t.Errorf("query-sessions: %v", err)
		return
	}
	for i, session := range list.Sessions {
		which := map[string]any{"id": session.ID}
		switch {
		case i%5 != 0:
		case kind == "kill":
			_ = s.ask("session-kill", which, nil)
		default:
			_ = s.ask("session-pause", which, nil)
			_ = s.ask("session-resume", which, nil)
		}
	}
}

// idle waits until all but the newest process have gone, and for that to come to
// rest.
func (s *soaked) idle() (now idle) {
	s.t.Helper()
	for _, pid := range s.pids[:len(s.pids)-1] {
		s.awaits("processes without sessions end", func() bool { return gone(pid) })
	}
	s.pids = s.pids[len(s.pids)-1:]
	least := idle{goroutines: 1 << 30, files: 1 << 30}
	looked := 0
	s.awaits("nobody is left", func() bool {
		var stats control.Stats
		if err := s.ask("query-stats", nil, &stats); err != nil {
			s.t.Fatal(err)
		}
		if stats.Open == 0 && stats.Handshakes == 0 {
			looked++
			least = idle{min(least.goroutines, stats.Goroutines), min(least.files, stats.Files), stats.Memory}
		}
		return looked > 20
	})
	return least
}
