package cluster

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"vncgate/auth"
	"vncgate/gateway"
)

// full is an event with everything in it.
func full(t testing.TB) gateway.Event {
	t.Helper()
	limits, err := auth.ParseLimits("session=8h per_target=2 busy=queue encodings=tight,raw")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)
	id := auth.Identity{Name: "alice", Method: "plain", Groups: []string{"staff"}, Expires: at}
	return gateway.Event{
		Kind: gateway.SessionClosed, Time: at, Target: "desk", Listener: "front", From: "192.0.2.1:5", Actor: "uid:1", Method: "plain",
		Reason: "kicked", Words: "Enough.", Err: errors.New("a cause"), BytesUp: 1, BytesDown: 2, Duration: time.Second, Count: 3,
		Stages: []gateway.Stage{{Name: "accept", Begun: at, Duration: 4}}, Details: map[string]string{"a": "b"},
		Session: &gateway.SessionInfo{
			ID: "a1b2c3d4", Listener: "front", Target: "desk", Ticket: "17", From: "192.0.2.1:5", Identity: id, Identities: []auth.Identity{id},
			Since: at, Expires: at, Open: true, Paused: true, Recorded: true, Class: "c", Stack: "tcp", DisplayStack: "tls", Agent: "lab",
			Security: "none", DisplaySecurity: "vnc", Reached: "other", Rule: "rule 1", BytesUp: 5, BytesDown: 6, Messages: 7, Filtered: 8,
			RTT: 9, DisplayRTT: 10, Rights: auth.AllRights, Withheld: auth.Exclusive, Limits: limits,
		},
	}
}

func TestEventsArriveAsTheyWere(t *testing.T) {
	e := full(t)
	m, err := decodeMessage(encode(message{Kind: sayEvent, Instance: "i1", Node: "a", Event: eventOf(&e)}))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Event.event(); !reflect.DeepEqual(got, e) {
		t.Errorf("got  %+v\n%+v\nwant %+v\n%+v", got, got.Session, e, e.Session)
	}
}

// What is too long is made shorter before it is sent: others would not take it.
func TestRecordsFit(t *testing.T) {
	e := full(t)
	long := strings.Repeat("é\"\x00\xff", 5000)
	s := e.Session
	for _, text := range []*string{&e.Target, &e.Listener, &e.From, &e.Actor, &e.Method, &e.Reason, &e.Words, &s.Target, &s.Listener, &s.Stack, &s.Rule, &s.Ticket, &s.Identity.Name} {
		*text = long
	}
	s.Identity.Claims = map[string]any{"secret": long}
	for range 100 {
		s.Identities = append(s.Identities, s.Identity)
		s.Identity.Groups = append(s.Identity.Groups, long)
		e.Stages = append(e.Stages, gateway.Stage{Name: "accept"})
		e.Details[long+string(rune('a'+len(e.Details)))] = long
	}
	e.Err = errors.New(long)
	text := encode(message{Kind: sayEvent, Instance: "i1", Node: "a", Event: eventOf(&e)})
	if m, err := decodeMessage(text); err != nil || m.Event.Session.ID != s.ID {
		t.Errorf("%d bytes of an event: %v", len(text), err)
	}
	r := encode(recordOf(s))
	if _, err := decodeSession(s.ID, r); err != nil {
		t.Errorf("%d bytes of a session: %v", len(r), err)
	}
	if strings.Contains(r, "secret") {
		t.Error("claims are sent about")
	}
}

func TestForeignRecords(t *testing.T) {
	for _, text := range []string{
		"", "null", "[]", "{}", `{"name":"a"}`, `{"name":"","life":"l"}`, `{"name":"a","life":"a/b"}`, `{"name":"a","life":"l","sessions":-1}`,
		`{"name":"a","life":"l"} x`, `{"name":"` + strings.Repeat("a", maxName+1) + `","life":"l"}`, `{"name":"a","life":"l","since":"x"}`,
		strings.Repeat("[", maxNode+1), "{\"name\":\"\xff\",\"life\":\"l\"}",
	} {
		if r, err := decodeNode(text); err == nil {
			t.Errorf("a node from %.40q: %+v", text, r)
		}
	}
	for _, text := range []string{`{"ID":"y"}`, `{"ID":"x","BytesUp":-1}`, `{"ID":"x","Identity":{"Claims":{"a":1}}}`, `{"ID":7}`} {
		if r, err := decodeSession("x", text); err == nil {
			t.Errorf("a session from %q: %+v", text, r)
		}
	}
	r, err := decodeSession("x", `{"ID":"x","Rights":"view,fly,keyboard","Limits":"wings=2","New":1}`)
	if got := r.info(); err != nil || got.Rights != auth.Viewing|auth.Keyboard || !got.Limits.IsZero() {
		t.Errorf("of a newer version: %+v, %v", got, err)
	}
	for _, text := range []string{`{"kind":"event","event":{}}`, `{"from":"a b"}`, `{"kind":"agent","agent":"` + strings.Repeat("a", maxName+1) + `"}`} {
		if m, err := decodeMessage(text); err == nil {
			t.Errorf("a message from %.40q: %+v", text, m)
		}
	}
	if _, err := decodeAgent(`{"services":["` + strings.Repeat("a", maxName+1) + `"]}`); err == nil {
		t.Error("an agent with a long service")
	}
}

func TestCut(t *testing.T) {
	for _, text := range []string{"", "short", "\xff", strings.Repeat("é", 40), strings.Repeat("\xff", 40)} {
		if got := cut(text, 20); !utf8.ValidString(got) || len(got) > 20 {
			t.Errorf("%q: %q", text, got)
		}
	}
	if a, b := subject(strings.Repeat("a", 300)), subject(strings.Repeat("a", 301)); a == b || len(a) > maxSubject || subject("a") != "a" {
		t.Error("long names in keys")
	}
}

func TestReplies(t *testing.T) {
	r := reply{"text", int64(7), []any{"a", nil, "b"}, nil, "x9"}
	if r.text(0) != "text" || r.number(1) != 7 || r.number(4) != 0 || r.text(3) != "" || r.text(9) != "" || r.number(9) != 0 {
		t.Error("texts and numbers")
	}
	if l := r.list(2); len(l) != 3 || l.text(2) != "b" || len(r.list(0)) != 0 || len(r.list(9)) != 0 || len(r.texts(9)) != 0 {
		t.Error("lists")
	}
}

// FuzzRecords: whatever stands in Redis, reading it does not fail but by an
// error, what is taken is within its bounds, and is read the same when it is
// written again.
func FuzzRecords(f *testing.F) {
	e := full(f)
	f.Add(encode(nodeRecord{Name: "a", Life: "l.1", Since: e.Time, Left: true}))
	f.Add(encode(agentRecord{Services: []string{"desk"}, Since: e.Time}))
	f.Add(encode(recordOf(e.Session)))
	f.Add(encode(message{Kind: sayEvent, Instance: "i1", Node: "a", Event: eventOf(&e)}))
	f.Add(`{"kind":"end","seat":"l.1/a1","taken":true}`)
	f.Add(`{"ID":"x","Identities":[{"Groups":[""]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := decodeNode(text); err == nil {
			again, err := decodeNode(encode(n))
			if err != nil || !reflect.DeepEqual(normal(again), normal(n)) || len(n.Name) > maxName || n.Sessions > maxSessions {
				t.Errorf("node %+v, again %+v, %v", n, again, err)
			}
		}
		if a, err := decodeAgent(text); err == nil && len(a.Services) > maxServices {
			t.Errorf("an agent with %d services", len(a.Services))
		}
		var id struct{ ID string }
		_ = decode(text, maxSession, &id)
		if s, err := decodeSession(id.ID, text); err == nil {
			info := s.info()
			again := recordOf(&info)
			if _, err := decodeSession(id.ID, encode(again)); err != nil {
				t.Errorf("session %+v: %v", info, err)
			}
		}
		if m, err := decodeMessage(text); err == nil && m.Event != nil {
			e := m.Event.event()
			if sent := encode(message{Kind: sayEvent, Event: eventOf(&e)}); len(sent) <= maxMessage {
				if _, err := decodeMessage(sent); err != nil {
					t.Errorf("event %+v: %v", e, err)
				}
			}
		}
	})
}

// normal is r with times that can be compared.
func normal(r nodeRecord) string { return encode(r) }
