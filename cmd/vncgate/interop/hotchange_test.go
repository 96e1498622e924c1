package interop

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// hotSessions are how many viewers go on while sources change.
const hotSessions = 24

// TestHotChanges changes every source again and again while viewers of the
// displays move pictures. No change is late, and no session ends.
func TestHotChanges(t *testing.T) {
	t.Parallel()
	all := theDesks(t)
	g := serveSources(t)
	h := &hot{sourced: g, all: all, token: newToken(), fileToken: newToken()}
	for _, change := range h.changes() {
		if err := change.to(0); err != nil {
			t.Fatal(err)
		}
	}
	stop := h.load(t)
	for _, change := range h.changes() {
		t.Run(change.name, func(t *testing.T) {
			for i := range change.times {
				if err := change.to(i); err != nil {
					t.Fatal(err)
				}
				if err := reaches(g.url(change.query), deskNames[i%3]); err != nil {
					t.Fatalf("after change %d: %v", i, err)
				}
			}
		})
	}
	stop()
}

// hot is a gateway whose sources change.
type hot struct {
	*sourced
	all              desks
	token, fileToken string
}

// A hotChange has a source name another display, by turns.
type hotChange struct {
	name  string
	query string // of who asks for it
	times int
	to    func(turn int) error
}

func (h *hot) changes() []hotChange {
	address := func(turn int) string { return h.all[turn%3].at.address() }
	path := func(name string) string { return filepath.Join(h.dir, name) }
	line := func(turn int) string { return fmt.Sprintf("%s: %s\n", h.fileToken, address(turn)) }
	return []hotChange{
		{"token file", "token=" + h.fileToken, 100, func(turn int) error {
			if turn%2 == 0 {
				return os.WriteFile(path("tokens"), []byte(line(turn)), 0o600) // as it stands, of the same size
			}
			return writeFile(path("tokens"), line(turn))
		}},
		{"redis", "token=" + h.token, 20, func(turn int) error {
			return h.redis.do("SET", "vnc:"+h.token, fmt.Sprintf(`{"host": %q}`, address(turn)))
		}},
		{"named file", "target=corner", 50, func(turn int) error { return writeFile(path("desks/corner"), address(turn)) }},
		{"socket", "target=vm", 50, func(turn int) error { return h.link("vm", h.all[turn%3]) }},
		{"service", "token=svc" + h.token, 50, func(turn int) error {
			h.service.set("svc"+h.token, address(turn))
			return nil
		}},
	}
}

// load opens sessions by all sources, which look at their displays without
// end. The function that it returns lets them look once more, and fails the
// test for each that cannot.
func (h *hot) load(t *testing.T) (stop func()) {
	t.Helper()
	var over atomic.Bool
	var looks atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, hotSessions)
	for i := range hotSessions {
		change := h.changes()[i%len(h.changes())]
		v, err := openRawWeb(h.url(change.query), nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { v.Close() })
		if err := errors.Join(v.isAt(deskNames[0]), v.SetDeadline(time.Now().Add(4*patience))); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() { errs <- v.lookUntil(&over, &looks) })
	}
	return func() {
		over.Store(true)
		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Error(err)
			}
		}
		t.Logf("%d pictures were seen by %d sessions", looks.Load(), hotSessions)
	}
}

// lookUntil looks again and again, and once more when it is over.
func (r *rawViewer) lookUntil(over *atomic.Bool, looks *atomic.Int64) error {
	for last := false; !last; {
		last = over.Load()
		if err := r.look(); err != nil {
			return fmt.Errorf("a session is lost: %w", err)
		}
		looks.Add(1)
		time.Sleep(150 * time.Millisecond)
	}
	return nil
}
