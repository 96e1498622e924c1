package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"vncgate/gateway"
)

// stream is a client that follows.
type follower struct {
	t     *testing.T
	lines *bufio.Scanner
	stop  context.CancelFunc
}

func (b *bench) follow(query string, headers ...string) *follower {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	b.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", b.url+"/api/v1/events"+query, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer eye")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = res.Body.Close() })
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		b.t.Fatalf("%d %s", res.StatusCode, kind)
	}
	return &follower{b.t, bufio.NewScanner(res.Body), cancel}
}

// next is the next event, with its id.
func (f *follower) next() (id, name string, told Happened) {
	f.t.Helper()
	for f.lines.Scan() {
		key, value, _ := strings.Cut(f.lines.Text(), ": ")
		switch key {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &told); err != nil {
				f.t.Fatalf("%s: %v", value, err)
			}
		case "":
			if name != "" {
				return id, name, told
			}
		}
	}
	f.t.Fatalf("no more events: %v", f.lines.Err())
	return "", "", Happened{}
}

func happen(b *bench, n int) {
	b.Observe(gateway.Event{Kind: gateway.SessionClosed, Target: fmt.Sprint(n), Reason: "viewer\nleft", Err: errors.New("<eof>")})
}

func TestEventsAreFollowed(t *testing.T) {
	b := newBench(t)
	happen(b, 1)
	happen(b, 2)
	f := b.follow("?last=1")
	id, name, told := f.next()
	if name != "SESSION_CLOSED" || told.Event != name || told.ID != id || told.Data.Target != "2" || told.Data.Reason != "viewer\nleft" || told.Data.Error != "<eof>" {
		t.Fatalf("the last one: %s %+v", name, told)
	}
	happen(b, 3)
	if _, _, told = f.next(); told.Data.Target != "3" {
		t.Fatalf("what came next: %+v", told)
	}
	f.stop()
	happen(b, 4)
	again := b.follow("", "Last-Event-ID", id)
	for _, want := range []string{"3", "4"} {
		if _, _, told = again.next(); told.Data.Target != want {
			t.Fatalf("after %s: %s, want %s", id, told.Data.Target, want)
		}
	}
	for _, other := range []string{"other-2", "-", "x", b.journal.epoch + "-99", b.journal.epoch + "-18446744073709551615"} {
		if _, _, told = b.follow("", "Last-Event-ID", other).next(); told.Data.Target != "1" {
			t.Errorf("after %q of another start: %s", other, told.Data.Target)
		}
	}
}

func TestEventsAsAList(t *testing.T) {
	b := newBench(t)
	var list HappenedList
	get := func(query string) {
		t.Helper()
		_, body := b.ask("eye", "GET", "/api/v1/events"+query, "", "Accept", "application/json")
		list = HappenedList{}
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
	}
	get("?last=10")
	if len(list.Events) != 0 || list.Next == "" {
		t.Errorf("before anything: %+v", list)
	}
	for n := range 3 {
		happen(b, n)
	}
	get("?after=" + list.Next)
	if len(list.Events) != 3 || list.Next != list.Events[2].ID {
		t.Errorf("after that: %+v", list)
	}
	get("?after=" + list.Next)
	if len(list.Events) != 0 {
		t.Errorf("after all: %+v", list)
	}
	if res, body := b.ask("eye", "GET", "/api/v1/events?last=-1", ""); res.StatusCode != 400 {
		t.Errorf("fewer than none: %d %s", res.StatusCode, body)
	}
}

// Who reads too slowly is told how much is lost, and others are not held up.
func TestEventsAreLostAndTold(t *testing.T) {
	b := newBench(t)
	for n := range kept + 10 {
		happen(b, n)
	}
	list, next, lost, _ := b.journal.since(1)
	if len(list) != kept || lost != 10 || next != kept+11 || list[0].Data.Target != "10" {
		t.Fatalf("%d events, %d lost, next %d, first %+v", len(list), lost, next, list[0])
	}
	if text := string(stream(list[:1], lost)); !strings.HasPrefix(text, "event: EVENTS_LOST\ndata: {") || !strings.Contains(text, `"missed":10`) {
		t.Error(text)
	}
}

func TestTooManyFollow(t *testing.T) {
	b := newBench(t)
	for range maxFollowing {
		if !b.journal.enter() {
			t.Fatal("turned away too early")
		}
	}
	if res, body := b.ask("eye", "GET", "/api/v1/events", ""); res.StatusCode != 503 || !strings.Contains(body, "Accept: application/json") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	b.journal.leave()
	happen(b, 7)
	b.follow("?last=1").next()
}
