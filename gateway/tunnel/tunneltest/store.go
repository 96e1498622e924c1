// Package tunneltest tests what others give to package tunnel.
package tunneltest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"testing"
	"time"

	"vncgate/gateway/tunnel"
)

// patience is for machines that have other things to do.
const patience = 30 * time.Second

// Store checks that a store does what tunnel.Store says. open opens it anew,
// over the same texts each time: as other processes and other gateways do.
func Store(t *testing.T, open func(t *testing.T) tunnel.Store) {
	t.Run("texts", func(t *testing.T) { testTexts(t, open(t), open(t)) })
	t.Run("changes", func(t *testing.T) { testChanges(t, open(t), open(t)) })
	t.Run("watch", func(t *testing.T) { testWatch(t, open(t), open(t)) })
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// put is a change to a text, or to none.
func put(t *testing.T, s tunnel.Store, name string, text []byte) {
	t.Helper()
	if err := s.Change(within(t), name, func([]byte) ([]byte, error) { return text, nil }); err != nil {
		t.Fatal(err)
	}
}

func testTexts(t *testing.T, one, other tunnel.Store) {
	ctx := within(t)
	for name, text := range map[string]string{"kind/a": `"1"`, "kind/b": `"2"`, "kinder/c": `"3"`, "alone": `"4"`, "kind/A-b_c.d": `"5"`} {
		put(t, one, name, []byte(text))
		if got, err := other.Read(ctx, name); string(got) != text || err != nil {
			t.Errorf("%s: %q, %v; want %s", name, got, err, text)
		}
	}
	lists := func(s tunnel.Store, prefix string, want map[string]string) {
		t.Helper()
		texts, err := s.List(ctx, prefix)
		got := map[string]string{}
		for name, text := range texts {
			got[name] = string(text)
		}
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", prefix, got, err, want)
		}
	}
	lists(other, "kind/", map[string]string{"kind/a": `"1"`, "kind/b": `"2"`, "kind/A-b_c.d": `"5"`})
	lists(other, "alone", map[string]string{"alone": `"4"`})
	lists(one, "alone/", nil)
	put(t, one, "kind/a", nil)
	put(t, one, "kind/none", nil)
	lists(other, "kind/", map[string]string{"kind/b": `"2"`, "kind/A-b_c.d": `"5"`})
	if got, err := other.Read(ctx, "kind/a"); got != nil || err != nil {
		t.Errorf("what was removed: %q, %v", got, err)
	}
	if err := one.Change(ctx, "kind/big", func([]byte) ([]byte, error) { return make([]byte, tunnel.MaxText+1), nil }); err == nil {
		t.Error("a text that is too large")
	}
	no := errors.New("no")
	if err := one.Change(ctx, "kind/b", func([]byte) ([]byte, error) { return []byte("x"), no }); !errors.Is(err, no) {
		t.Errorf("a change that fails: %v", err)
	}
	lists(other, "kind/", map[string]string{"kind/b": `"2"`, "kind/A-b_c.d": `"5"`})
}

// Of many who change a text at the same time, nobody's change is lost, and of
// those who make one only the first does.
func testChanges(t *testing.T, stores ...tunnel.Store) {
	ctx := within(t)
	const times = 10
	var all sync.WaitGroup
	made := make(chan string, len(stores)*times)
	for i, s := range stores {
		all.Go(func() {
			for n := range times {
				first := false
				err := s.Change(ctx, "change/count", func(old []byte) ([]byte, error) {
					first = old == nil
					count, _ := strconv.Atoi(string(old))
					return []byte(strconv.Itoa(count + 1)), nil
				})
				if err != nil {
					t.Error(err)
				}
				if first {
					made <- fmt.Sprint(i, " ", n)
				}
			}
		})
	}
	all.Wait()
	got, err := stores[0].Read(ctx, "change/count")
	if want := strconv.Itoa(len(stores) * times); string(got) != want || err != nil || len(made) != 1 {
		t.Errorf("%s changes, %v; want %s. It was made %d times", got, err, want, len(made))
	}
}

func testWatch(t *testing.T, one, other tunnel.Store) {
	ctx, cancel := context.WithCancel(within(t))
	changed := make(chan struct{}, 1)
	var watch sync.WaitGroup
	watch.Go(func() {
		one.Watch(ctx, "watched", func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	})
	defer watch.Wait()
	defer cancel()
	for _, text := range []string{`"1"`, `"2"`, "", `"3"`} {
		var now []byte
		if text != "" {
			now = []byte(text)
		}
		put(t, other, "watched", now)
		for got := "?"; got != text; { // what comes before is of another change
			select {
			case <-changed:
			case <-ctx.Done():
				t.Fatalf("nobody told that it is %q", text)
			}
			text, err := one.Read(ctx, "watched")
			if err != nil {
				t.Fatal(err)
			}
			got = string(text)
		}
	}
}
