package control_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

func TestEvents(t *testing.T) {
	s := &control.Server{Table: &control.Table{}}
	path := serve(t, s)
	p := connect(t, path)
	p.next(t)
	eventually(t, "it is there", func() bool { return s.Clients() == 1 })
	s.Observe(gateway.Event{Kind: gateway.Draining, Time: time.Now()}) // nobody listens yet
	p.send(t, `{"execute":"qmp_capabilities"}`)
	p.next(t)
	at := time.Unix(1700000000, 123456000)
	s.Observe(gateway.Event{
		Kind: gateway.SessionClosed, Time: at, Reason: "viewer left", Err: errors.New("é"), Duration: 90 * time.Second,
		Session: &gateway.SessionInfo{ID: "17", Target: "desk", Since: at},
	})
	var e struct {
		Event     string
		Timestamp struct{ Seconds, Microseconds int64 }
		Data      control.EventData
	}
	if err := json.Unmarshal([]byte(p.next(t)), &e); err != nil {
		t.Fatal(err)
	}
	if e.Event != "SESSION_CLOSED" || e.Timestamp.Seconds != 1700000000 || e.Timestamp.Microseconds != 123456 ||
		e.Data.Session.ID != "17" || e.Data.Reason != "viewer left" || e.Data.Error != "é" || e.Data.Seconds != 90 {
		t.Errorf("%+v", e)
	}
}

// TestEventsAreLimited: of what strangers can cause, the first comes at once,
// then the last, with the number of those left out.
func TestEventsAreLimited(t *testing.T) {
	s := &control.Server{Table: &control.Table{}}
	p := connect(t, serve(t, s))
	p.begin(t, false)
	for i := range 500 {
		s.Observe(gateway.Event{Kind: gateway.AuthFailed, Target: "desk", From: fmt.Sprint(i)})
	}
	s.Observe(gateway.Event{Kind: gateway.AuthFailed, Target: "other", From: "x"})
	var got []control.EventData
	for range 3 {
		var e struct{ Data control.EventData }
		if err := json.Unmarshal([]byte(p.next(t)), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Data)
	}
	if got[0].From != "0" || got[1].From != "x" || got[2].From != "499" || got[2].Missed != 498 {
		t.Errorf("%+v", got)
	}
}

// TestSlowClientLosesEvents: it has a queue with a bound, is told of what it
// lost, and still gets its answers.
func TestSlowClientLosesEvents(t *testing.T) {
	s := &control.Server{Table: echoTable()}
	p := connect(t, serve(t, s))
	p.begin(t, true)
	const many = 20000
	words := strings.Repeat("x", 1000)
	for range many {
		s.Observe(gateway.Event{Kind: gateway.SessionMessage, Words: words})
	}
	p.send(t, `{"execute":"echo","arguments":{"name":"a"},"id":1}`)
	seen, lost := 0, 0
	for answered := false; !answered || seen+lost < many; {
		var e struct {
			Event string
			ID    int
			Data  struct{ Count int }
		}
		if err := json.Unmarshal([]byte(p.next(t)), &e); err != nil {
			t.Fatal(err)
		}
		switch e.Event {
		case "":
			answered = e.ID == 1
		case "EVENTS_LOST":
			lost += e.Data.Count
		default:
			seen++
		}
	}
	if seen+lost != many || lost == 0 || seen < control.MaxEvents {
		t.Errorf("%d seen, %d lost", seen, lost)
	}
}
