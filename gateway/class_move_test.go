package gateway

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vncgate/auth"
)

// Moves of one session follow one another, so that its relay is in the class in
// which it is counted.
func TestMovesFollowOneAnother(t *testing.T) {
	r := newRelayed(t, auth.Grant{Rights: auth.AllRights})
	defer r.close()
	ended := make(chan struct{})
	r.done = func(error) { close(ended) }
	r.relay(context.Background())
	first, second := newClass(Class{Name: "first"}), newClass(Class{Name: "second"})
	var asked atomic.Bool
	var moving sync.WaitGroup
	r.traffic.mu.Lock() // the first stops half-way
	moving.Go(func() { r.moveTo(func(*class) *class { return first }) })
	eventuallyTrue(t, "the first has begun", func() bool { return waitingForLock("(*Session).moveTo", "(*relay).moveTo") == 1 })
	moving.Go(func() { r.moveTo(func(*class) *class { asked.Store(true); return second }) })
	eventuallyTrue(t, "the second waits", func() bool { return asked.Load() || waitingForLock("(*Session).moveTo") == 2 })
	if asked.Load() {
		t.Error("the second does not wait for the first")
	}
	r.traffic.mu.Unlock()
	moving.Wait()
	if counted, moves := r.class.Load(), r.traffic.class.Load(); counted != second || moves != second {
		t.Errorf("it is counted in %s, and its relay is in %s", counted.Name, moves.Name)
	}
	if first.sessions != 0 || second.sessions != 1 {
		t.Errorf("%d and %d are counted", first.sessions, second.sessions)
	}
	r.stop(endShutdown)
	<-ended
}

// The gateway's lock is taken before a session's, as it is where a newcomer ends
// a stranger: who waits for it may hold no session's.
func TestClassesLockTheGatewayFirst(t *testing.T) {
	for name, f := range map[string]func(*Session){
		"joinClass":       func(s *Session) { _ = s.joinClass(&Target{}) },
		"(*Session).move": func(s *Session) { s.moveTo(func(c *class) *class { return s.g.classOf(c.Name) }) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRelayed(t, auth.Grant{Rights: auth.AllRights})
			defer r.close()
			if err := r.joinClass(&Target{}); err != nil {
				t.Fatal(err)
			}
			r.g.mu.Lock()
			done := make(chan struct{})
			go func() { defer close(done); f(r.Session) }()
			eventuallyTrue(t, name+" waits for the gateway", func() bool { return waitingForLock("classOf", name) == 1 })
			if r.mu.TryLock() {
				r.mu.Unlock()
			} else {
				t.Error("the session is locked meanwhile")
			}
			r.g.mu.Unlock()
			<-done
		})
	}
}

// waitingForLock counts the goroutines that wait for a mutex in all of these functions.
func waitingForLock(functions ...string) (n int) {
	stacks := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		met := strings.Contains(stack, "[sync.Mutex.Lock")
		for _, f := range functions {
			met = met && strings.Contains(stack, f)
		}
		n += count(met)
	}
	return n
}

// A session that comes in while its class is taken away is moved, too.
func TestClassIsTakenAwayFromWhoComesIn(t *testing.T) {
	g := &Gateway{}
	for i := range 50 {
		if err := g.SetClasses([]Class{{Name: "a", Sessions: i + 1}}); err != nil {
			t.Fatal(err)
		}
		s, err := g.Admit(Front{Class: "a"})
		if err != nil {
			t.Fatal(err)
		}
		s.first(auth.Grant{Rights: auth.AllRights})
		var both sync.WaitGroup
		both.Go(func() {
			if err := s.joinClass(&Target{}); err != nil {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := g.SetClasses([]Class{{Name: "a", Sessions: 1000 + i}}); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if c := s.class.Load(); c != g.classOf("a") {
			t.Errorf("it is in a class that is gone: of %d sessions", c.Sessions)
		}
		s.Release()
	}
}
