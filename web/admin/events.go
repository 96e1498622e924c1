package admin

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vncgate/gateway/control"
)

const (
	// keepAlive is how often those who hear nothing are told that nothing has
	// happened; proxies end what is silent for a minute.
	keepAlive = 15 * time.Second
	// unread is how long a client may take nothing of what is written to it.
	unread = 30 * time.Second
	// followTime is how long one request may follow. Who follows on asks again,
	// and is looked at again: a token that was taken back is good no longer.
	followTime = 10 * time.Minute
	// maxFollowing is how many may follow at a time.
	maxFollowing = 64
)

// HappenedList are the last events, for those who do not follow.
type HappenedList struct {
	Events []Happened `json:"events" doc:"the oldest first"`
	Next   string     `json:"next,omitempty" doc:"after, for those that come later"`
}

// events tells what happens: as a stream, or to those who accept JSON alone what
// has happened.
func (s *Server) events(rw http.ResponseWriter, r *http.Request) {
	if _, ok := s.Allow(rw, r, control.Viewer); !ok {
		return
	}
	from, err := s.from(r)
	if err != nil {
		fail(rw, err)
		return
	}
	if accept := r.Header.Get("Accept"); strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/event-stream") {
		s.listed(rw, from)
		return
	}
	if !s.journal.enter() {
		rw.Header().Set("Retry-After", "10")
		refuse(rw, http.StatusServiceUnavailable, control.ClassGeneric, "Too many follow the events; ask for them with Accept: application/json.")
		return
	}
	defer s.journal.leave()
	s.follow(rw, r, from)
}

// from is the number of the event at which a request wants to begin.
func (s *Server) from(r *http.Request) (uint64, error) {
	q := r.URL.Query()
	id := r.Header.Get("Last-Event-ID")
	if id == "" {
		id = q.Get("after")
	}
	if id != "" {
		return s.journal.after(id), nil
	}
	text := q.Get("last")
	if text == "" {
		text = "0"
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, control.Wrong("Parameter 'last' says how many of the last events are wanted, at most %d", kept)
	}
	return s.journal.last(n), nil
}

func (s *Server) listed(rw http.ResponseWriter, from uint64) {
	list, next, _, _ := s.journal.since(from)
	if list == nil {
		list = []Happened{}
	}
	answer(rw, HappenedList{list, s.journal.id(next - 1)})
}

// follow writes events until the client leaves, does not read, or has followed
// for long enough.
func (s *Server) follow(rw http.ResponseWriter, r *http.Request, from uint64) {
	h := rw.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would keep them for itself
	out := http.NewResponseController(rw)
	end, quiet := time.NewTimer(followTime), time.NewTicker(keepAlive)
	defer end.Stop()
	defer quiet.Stop()
	text := []byte("retry: 2000\n\n")
	for {
		list, next, lost, more := s.journal.since(from)
		if text = append(text, stream(list, lost)...); len(text) > 0 {
			_ = out.SetWriteDeadline(time.Now().Add(unread))
			if _, err := rw.Write(text); err != nil || out.Flush() != nil {
				return
			}
			quiet.Reset(keepAlive)
		}
		from, text = next, nil
		select {
		case <-more:
		case <-quiet.C:
			text = []byte(":\n\n")
		case <-end.C:
			return
		case <-r.Context().Done():
			return
		}
	}
}

// stream writes events as server-sent events (HTML Living Standard, 9.2). JSON
// has no line ends within.
func stream(list []Happened, lost int) []byte {
	var b bytes.Buffer
	if lost > 0 {
		fmt.Fprintf(&b, "event: EVENTS_LOST\ndata: {\"event\":\"EVENTS_LOST\",\"time\":%q,\"data\":{\"missed\":%d}}\n\n",
			time.Now().UTC().Format(time.RFC3339), lost)
	}
	for _, e := range list {
		body, err := encode(e)
		if err != nil {
			continue
		}
		fmt.Fprintf(&b, "id: %s\nevent: %s\ndata: %s\n", e.ID, e.Event, body) // encode ends the line
	}
	return b.Bytes()
}
