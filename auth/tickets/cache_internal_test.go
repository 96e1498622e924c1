package tickets

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// counter is a look-up that counts how often it was asked.
type counter struct {
	asked atomic.Int64
	say   func(n int64) (Ticket, error)
}

func (c *counter) look(context.Context, string) (Ticket, error) { return c.say(c.asked.Add(1)) }

func numbered(n int64) (Ticket, error) { return Ticket{Address: fmt.Sprintf("host:%d", n)}, nil }

func TestCacheKeepsForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache{keep: time.Minute, keepUnknown: time.Second}
		from := counter{say: numbered}
		unknown := counter{say: func(int64) (Ticket, error) { return Ticket{}, ErrUnknown }}
		broken := counter{say: func(int64) (Ticket, error) { return Ticket{}, errors.New("on fire") }}
		ask := func() {
			_, _ = c.lookup(t.Context(), "good", from.look)
			_, _ = c.lookup(t.Context(), "unknown", unknown.look)
			_, _ = c.lookup(t.Context(), "broken", broken.look)
		}
		for range 3 {
			ask()
		}
		check := func(what string, c *counter, want int64) {
			t.Helper()
			if got := c.asked.Load(); got != want {
				t.Errorf("%s was asked for %d times, want %d", what, got, want)
			}
		}
		check("good", &from, 1)
		check("unknown", &unknown, 1)
		check("broken", &broken, 3)
		time.Sleep(2 * time.Second)
		ask()
		check("good", &from, 1)
		check("unknown", &unknown, 2)
		time.Sleep(58 * time.Second)
		ask()
		check("good", &from, 2)
	})
}

func TestCacheEndsWithTheTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache{keep: time.Hour}
		from := counter{say: func(int64) (Ticket, error) { return Ticket{Expires: time.Now().Add(time.Minute)}, nil }}
		for range 3 {
			_, _ = c.lookup(t.Context(), "token", from.look)
			time.Sleep(45 * time.Second)
		}
		if n := from.asked.Load(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
	})
}

// TestCacheCountsFromTheQuestion: an answer may be as old as the question.
func TestCacheCountsFromTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache{keep: time.Minute}
		from := counter{say: func(n int64) (Ticket, error) { time.Sleep(50 * time.Second); return numbered(n) }}
		for range 2 {
			_, _ = c.lookup(t.Context(), "token", from.look)
			time.Sleep(11 * time.Second)
		}
		if n := from.asked.Load(); n != 2 {
			t.Errorf("asked %d times, want 2", n)
		}
	})
}

func TestCacheAsksOnceForMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache{keep: time.Minute}
		from := counter{say: func(n int64) (Ticket, error) { time.Sleep(time.Second); return numbered(n) }}
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if got, err := c.lookup(t.Context(), "token", from.look); err != nil || got.Address != "host:1" {
					t.Errorf("got %v, %v", got.Address, err)
				}
			})
		}
		all.Wait()
		if n := from.asked.Load(); n != 1 {
			t.Errorf("asked %d times", n)
		}
	})
}

// TestCacheOutlivesItsFirstCaller: when the one that asks goes away, another
// of those that wait asks.
func TestCacheOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache{keep: time.Minute}
		look := func(ctx context.Context, _ string) (Ticket, error) {
			select {
			case <-ctx.Done():
				return Ticket{}, ctx.Err()
			case <-time.After(2 * time.Second):
				return numbered(7)
			}
		}
		var all sync.WaitGroup
		for i := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+10*i)*time.Second)
			defer cancel()
			all.Go(func() {
				got, err := c.lookup(ctx, "token", look)
				if i == 0 && !errors.Is(err, context.DeadlineExceeded) || i > 0 && got.Address != "host:7" {
					t.Errorf("%d: got %v, %v", i, got.Address, err)
				}
			})
			synctest.Wait()
		}
		all.Wait()
	})
}

func TestCacheWaiterGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cache{keep: time.Minute}
		var all sync.WaitGroup
		all.Go(func() {
			_, _ = c.lookup(t.Context(), "token", func(context.Context, string) (Ticket, error) {
				time.Sleep(time.Hour)
				return numbered(1)
			})
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.lookup(ctx, "token", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		all.Wait()
	})
}

func TestCacheSurvivesAPanic(t *testing.T) {
	c := cache{keep: time.Minute}
	func() {
		defer func() { _ = recover() }()
		_, _ = c.lookup(t.Context(), "token", func(context.Context, string) (Ticket, error) { panic("broken promise") })
	}()
	from := counter{say: numbered}
	if got, err := c.lookup(t.Context(), "token", from.look); err != nil || got.Address != "host:1" {
		t.Errorf("got %v, %v", got.Address, err)
	}
}

// TestCacheIsBounded: guessing neither grows it nor throws out what is good.
func TestCacheIsBounded(t *testing.T) {
	c := cache{keep: time.Hour, keepUnknown: time.Hour, limit: 8}
	good := counter{say: numbered}
	unknown := counter{say: func(int64) (Ticket, error) { return Ticket{}, ErrUnknown }}
	_, _ = c.lookup(t.Context(), "first", good.look)
	for i := range 100 {
		_, _ = c.lookup(t.Context(), fmt.Sprint("guess", i), unknown.look)
	}
	_, _ = c.lookup(t.Context(), "first", good.look)
	if n := good.asked.Load(); n != 1 {
		t.Errorf("the good answer was thrown out: asked %d times", n)
	}
	for i := range 8 {
		_, _ = c.lookup(t.Context(), fmt.Sprint("other", i), good.look)
	}
	_, _ = c.lookup(t.Context(), "first", good.look)
	if n := good.asked.Load(); n != 10 {
		t.Errorf("the oldest did not make room: asked %d times", n)
	}
	for _, r := range []remembered{c.good, c.unknown} {
		if len(r.answers) > 8 || len(r.order) != len(r.answers) {
			t.Errorf("%d answers, %d in order", len(r.answers), len(r.order))
		}
	}
	if len(c.flights) != 0 {
		t.Errorf("%d look-ups under way", len(c.flights))
	}
}

func TestCacheWithoutKeepAsksEachTime(t *testing.T) {
	c := cache{keepUnknown: time.Hour}
	from := counter{say: numbered}
	for range 3 {
		_, _ = c.lookup(t.Context(), "token", from.look)
	}
	if n := from.asked.Load(); n != 3 {
		t.Errorf("asked %d times", n)
	}
}
