package auth

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	office = netip.MustParseAddr("192.0.2.1")
	home   = netip.MustParseAddr("198.51.100.7")
)

func fails(g *Guard, n int, addr netip.Addr, user string) {
	for range n {
		g.Failed(addr, user)
	}
}

func wantWait(t *testing.T, g *Guard, addr netip.Addr, user string, want time.Duration) {
	t.Helper()
	if wait, ok := g.Allow(addr, user); wait != want || ok != (want == 0) {
		t.Errorf("%s %q: %s to wait, %v; want %s", addr, user, wait, ok, want)
	}
}

func TestGuardBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		fails(g, freePerAddress-1, office, "")
		wantWait(t, g, office, "", 0)
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 128} {
			g.Failed(office, "")
			wantWait(t, g, office, "", want*time.Second)
			wantWait(t, g, home, "", 0)
			wantWait(t, g, netip.Addr{}, "", 0)
			time.Sleep(want*time.Second - time.Nanosecond)
			wantWait(t, g, office, "", time.Nanosecond)
			time.Sleep(time.Nanosecond)
			wantWait(t, g, office, "", 0)
		}
	})
}

func TestGuardForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		fails(g, 1000, office, "alice") // far more than can be remembered
		wantWait(t, g, office, "", longestWait)
		time.Sleep(forgetEvery)
		wantWait(t, g, office, "", 0)
		g.Failed(office, "alice") // one was forgotten, one came
		wantWait(t, g, office, "", longestWait)
		time.Sleep(3*forgetEvery + longestWait)
		g.Failed(office, "alice")
		wantWait(t, g, office, "", 128*time.Second)
		time.Sleep(24 * forgetEvery)
		for _, table := range []int{len(g.addresses.byKey), len(g.users.byKey)} {
			if table != 1 {
				t.Errorf("%d entries", table)
			}
		}
		wantWait(t, g, office, "alice", 0)
		if len(g.addresses.byKey)+len(g.users.byKey)+g.addresses.order.Len()+g.users.order.Len() != 0 {
			t.Error("what is forgotten keeps its place")
		}
	})
}

func TestGuardAddresses(t *testing.T) {
	for _, c := range []struct {
		failed, other string
		same          bool
	}{
		{"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},
		{"2001:db8::1", "2001:db8::ffff:1:2:3", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"fe80::1", "0.0.0.0", false},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := &Guard{}
			fails(g, freePerAddress, netip.MustParseAddr(c.failed), "")
			if _, ok := g.Allow(netip.MustParseAddr(c.other), ""); ok == c.same {
				t.Errorf("%s failed; %s allowed: %v", c.failed, c.other, ok)
			}
		})
	}
}

func TestGuardUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		for i := range freePerUser { // from many addresses
			g.Failed(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), "alice")
		}
		wantWait(t, g, home, "alice", time.Second)
		wantWait(t, g, netip.Addr{}, "alice", time.Second)
		wantWait(t, g, home, "a\u00adlice", time.Second) // another spelling (SASLprep)
		wantWait(t, g, home, "bob", 0)
		wantWait(t, g, home, "", 0)
		time.Sleep(time.Second)
		wantWait(t, g, home, "alice", 0)

		nobody := strings.Repeat("x", MaxNameLen+1)
		for _, name := range []string{nobody, strings.Repeat("x", 1<<16), "\xff", "\x00"} {
			fails(g, 2*freePerUser, netip.Addr{}, name)
			wantWait(t, g, home, name, 0)
		}
		if n := len(g.users.byKey); n != 1 {
			t.Errorf("%d names are remembered", n)
		}
	})
}

// An attacker cannot shut out a user where that user has been.
func TestGuardKnowsPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		g.Succeeded(home, "alice")
		fails(g, 2*freePerUser, office, "alice")
		fails(g, 2*freePerAddress, home, "bob") // a neighbour's viewer that knows no better
		wantWait(t, g, home, "alice", 0)
		if _, ok := g.Allow(netip.MustParseAddr("203.0.113.9"), "alice"); ok {
			t.Error("the name is not guarded elsewhere")
		}
		if _, ok := g.Allow(netip.Addr{}, "alice"); ok {
			t.Error("no address counts as a known one")
		}
		// What fails in her name there counts by itself.
		time.Sleep(knownFor / 2)
		fails(g, freePerUser-1, home, "alice")
		wantWait(t, g, home, "alice", 0)
		fails(g, freePerAddress, home, "alice")
		if wait, _ := g.Allow(home, "alice"); wait < time.Minute {
			t.Errorf("guesses from the same place: %s to wait", wait)
		}
		wantWait(t, g, home, "bob", 0)
		wantWait(t, g, office, "alice", 0)
		g.Succeeded(home, "alice")
		g.Succeeded(netip.Addr{}, "alice")
		g.Succeeded(home, "")
		if n := len(g.visitors.byKey); n != 1 {
			t.Errorf("%d places are known", n)
		}
		time.Sleep(knownFor - time.Nanosecond)
		fails(g, 2*freePerUser, office, "alice")
		wantWait(t, g, home, "alice", 0)
		time.Sleep(time.Nanosecond)
		if _, ok := g.Allow(home, "alice"); ok {
			t.Error("a place stays known for ever")
		}
	})
}

// One good password must not buy tries at others'.
func TestGuardSuccessForgivesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		for i := range freePerAddress {
			g.Failed(office, fmt.Sprintf("user%d", i))
			g.Succeeded(office, "mallory")
		}
		wantWait(t, g, office, "alice", time.Second)
		wantWait(t, g, office, "", time.Second)
	})
}

func TestGuardTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		calls := 0
		try := func(result error) error {
			return g.Try(office, "alice", func() error { calls++; return result })
		}
		for range 2 * freePerAddress {
			if err := try(io.ErrUnexpectedEOF); err != io.ErrUnexpectedEOF {
				t.Fatalf("error %v", err)
			}
		}
		if n := len(g.users.byKey) + len(g.addresses.byKey); n != 0 {
			t.Errorf("%d entries after nothing has failed", n)
		}
		for range freePerUser {
			if err := try(denied{"wrong"}); err != error(denied{"wrong"}) {
				t.Fatalf("error %v", err)
			}
		}
		calls = 0
		err := try(nil)
		if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "1s to wait") || calls != 0 {
			t.Fatalf("error %v, %d calls", err, calls)
		}
		time.Sleep(time.Second)
		if err := try(nil); err != nil || calls != 1 {
			t.Fatalf("error %v, %d calls", err, calls)
		}
		fails(g, 1, home, "alice")
		wantWait(t, g, office, "alice", 0) // known by now
	})
}

// Guesses that run side by side are no more than those one after the other.
func TestGuardTryAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		g.Failed(office, "alice")
		release := make(chan struct{})
		var mu sync.Mutex
		looked, refused := 0, 0
		clean := make(chan int)
		go func() { clean <- atOnceFrom(g, home, release) }()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				err := g.Try(office, "alice", func() error {
					mu.Lock()
					looked++
					mu.Unlock()
					<-release
					return denied{"wrong"}
				})
				if errors.As(err, new(errWait)) {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if n := <-clean; n != atOnce {
			t.Errorf("from a clean address %d were looked at, want %d", n, atOnce)
		}
		if looked != freePerUser-1 || refused != 100-looked {
			t.Errorf("%d were looked at, %d refused; want %d", looked, refused, freePerUser-1)
		}
		wantWait(t, g, office, "alice", time.Second)
	})
}

// atOnceFrom tries more proofs than places, each until release, and counts those
// that were looked at.
func atOnceFrom(g *Guard, addr netip.Addr, release <-chan struct{}) int {
	var looked atomic.Int32
	var wg sync.WaitGroup
	for range atOnce + 10 {
		wg.Go(func() {
			g.Try(addr, "", func() error {
				looked.Add(1)
				<-release
				return nil
			})
		})
	}
	wg.Wait()
	return int(looked.Load())
}

func TestGuardNil(t *testing.T) {
	var g *Guard
	g.Failed(office, "alice")
	g.Succeeded(office, "alice")
	wantWait(t, g, office, "alice", 0)
	if err := g.Try(office, "alice", func() error { return io.EOF }); err != io.EOF {
		t.Errorf("error %v", err)
	}
}

// The table is bounded, and who goes is who failed longest ago.
func TestGuardBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Guard{}
		addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
		fails(g, freePerAddress, addr(0), "")
		fails(g, freePerAddress, addr(1), "")
		for i := 2; i < guardEntries; i++ {
			g.Failed(addr(i), "")
		}
		g.Failed(addr(0), "")
		g.Failed(addr(guardEntries), "")
		if n := len(g.addresses.byKey); n != guardEntries || g.addresses.order.Len() != n {
			t.Errorf("%d entries, %d in order", n, g.addresses.order.Len())
		}
		wantWait(t, g, addr(0), "", 2*time.Second)
		wantWait(t, g, addr(1), "", 0)
		leave, err := g.enter(addr(2), "")
		must(t, err)
		for i := range guardEntries {
			g.Failed(addr(guardEntries+i+1), "")
		}
		leave() // its entry is gone
	})
}

// Whatever happens: nobody waits longer than the longest wait, who has not
// failed does not wait, and all is forgotten in the end.
func FuzzGuard(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte("failfailfailwaitokfail"))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 500 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			g := &Guard{}
			for _, b := range script {
				addr, user := []netip.Addr{office, home, {}}[b>>3%3], []string{"alice", "bob", ""}[b>>5%3]
				switch b % 8 {
				case 0, 1, 2:
					g.Failed(addr, user)
				case 3:
					g.Succeeded(addr, user)
				case 4, 5:
					g.Try(addr, user, func() error { return ErrDenied })
				case 6:
					time.Sleep(time.Duration(b) * time.Minute)
				case 7:
					time.Sleep(time.Duration(b) * time.Millisecond)
				}
				if wait, ok := g.Allow(addr, user); wait < 0 || wait > longestWait || ok != (wait == 0) {
					t.Fatalf("%s to wait, %v", wait, ok)
				}
				wantWait(t, g, netip.MustParseAddr("203.0.113.9"), "carol", 0)
			}
			time.Sleep(knownFor)
			for _, addr := range []netip.Addr{office, home} {
				for _, user := range []string{"alice", "bob"} {
					wantWait(t, g, addr, user, 0)
				}
			}
			if n := len(g.addresses.byKey) + len(g.users.byKey); n != 0 {
				t.Fatalf("%d entries are left after a day", n)
			}
		})
	})
}
