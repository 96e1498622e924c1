package admin

import (
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// kept is how many events are kept for those who ask: who reads more slowly
// than that loses the oldest.
const kept = 512

// Happened is an event as the API tells it.
type Happened struct {
	ID    string            `json:"id" doc:"for Last-Event-ID; the events of one start of the gateway are in order"`
	Event string            `json:"event" doc:"its name"`
	Time  time.Time         `json:"time" doc:"when it happened"`
	Data  control.EventData `json:"data" doc:"what is known of it"`
}

// journal is what has happened last. All who follow it read from the same ring,
// so that another one costs nothing but a place in it.
type journal struct {
	epoch string // tells the events of this process from those of the one before

	mu    sync.Mutex
	next  uint64 // of the event that comes next; the first is 1
	ring  [kept]happened
	grown chan struct{} // closed when there is one more
	in    int           // how many follow
}

type happened struct {
	event  gateway.Event
	missed int
}

func newJournal() *journal {
	return &journal{epoch: strings.ToLower(rand.Text()[:8]), next: 1, grown: make(chan struct{})}
}

// enter lets one more follow, unless there are too many.
func (j *journal) enter() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.in >= maxFollowing {
		return false
	}
	j.in++
	return true
}

func (j *journal) leave() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.in--
}

// add keeps an event. It never waits.
func (j *journal) add(e gateway.Event, missed int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ring[j.next%kept] = happened{e, missed}
	j.next++
	close(j.grown)
	j.grown = make(chan struct{})
}

// since returns the events from number from on, the number to go on at, how many
// before these are lost, and what is closed when there are more.
func (j *journal) since(from uint64) (list []Happened, next uint64, lost int, more <-chan struct{}) {
	j.mu.Lock()
	events := make([]happened, 0, 16)
	oldest := j.oldest()
	if from < oldest {
		from, lost = oldest, int(oldest-from)
	}
	for n := from; n < j.next; n++ {
		events = append(events, j.ring[n%kept])
	}
	next, more = max(j.next, from), j.grown
	j.mu.Unlock()
	for i := range events {
		list = append(list, j.told(from+uint64(i), &events[i]))
	}
	return list, next, lost, more
}

// oldest is the number of the first event that is kept.
func (j *journal) oldest() uint64 {
	if j.next <= kept {
		return 1
	}
	return j.next - kept
}

// told is the event of that number in the form in which it is told.
func (j *journal) told(n uint64, h *happened) Happened {
	data := control.EventDataOf(&h.event)
	data.Missed = h.missed
	return Happened{j.id(n), string(h.event.Kind), h.event.Time.UTC(), data}
}

func (j *journal) id(n uint64) string { return fmt.Sprintf("%s-%d", j.epoch, n) }

// after is the number of the event that follows the one of that ID. Of another
// start of the gateway everything follows.
func (j *journal) after(id string) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	epoch, number, _ := strings.Cut(id, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	if err != nil || epoch != j.epoch || n >= j.next {
		return j.oldest()
	}
	return n + 1
}

// last is the number of the first of the last n events.
func (j *journal) last(n uint64) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return max(j.oldest(), j.next-min(n, j.next))
}
