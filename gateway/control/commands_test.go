package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// ask runs a command as an administrator, and returns its answer as JSON.
func ask(t *testing.T, table *control.Table, name, args string) (string, error) {
	t.Helper()
	c, _ := table.Find(name)
	got, err := table.Run(t.Context(), &control.Call{Role: control.Admin, Actor: "uid:0", OOB: c.OOB, Files: &control.Files{}}, name, json.RawMessage(args))
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), nil
}

// TestCommandsOnAGateway goes through what can be done with one session.
func TestCommandsOnAGateway(t *testing.T) {
	gate, _ := newDesk(t)
	id := gate.List()[0].ID
	table := control.Commands(&control.Backend{
		Gateway:   gate,
		Targets:   func() []control.Target { return []control.Target{{Name: "desk"}, {Name: "other"}} },
		Listeners: func() []control.Listener { return []control.Listener{{Name: "front"}, {Name: "back"}} },
		SetClass:  func(session, class string) error { return fmt.Errorf("%s to %s", session, class) },
		Classes:   func() []control.Class { return []control.Class{{Name: "bulk"}} },
	})
	for _, tt := range []struct{ name, args, want, fails string }{
		{"query-sessions", `{"user":"nobody"}`, `{"sessions":[]}`, ""},
		{"query-sessions", `{"limit":501}`, "", "from 1 to 500"},
		{"query-targets", `{"name":"desk"}`, `"sessions":1`, ""},
		{"query-targets", `{}`, `{"name":"other","state":"","sessions":0}`, ""},
		{"query-targets", `{"name":"none"}`, "", `no target "none"`},
		{"query-listeners", ``, `{"name":"front","address":"","for":"","tls":false,"sessions":1}`, ""},
		{"query-stats", ``, `"open":1,"paused":0`, ""},
		{"query-stats", ``, `"classes":[{"name":"bulk","sessions":0,"resting":0}]`, ""},
		{"session-pause", `{}`, "", "which session?"},
		{"session-pause", `{"target":"other"}`, "", "no session fits"},
		{"session-pause", `{"id":"none"}`, "", `no session "none"`},
		{"session-resume", `{"all":true}`, "", "no session that fits is paused"},
		{"session-pause", `{"listener":"front"}`, `{"sessions":1}`, ""},
		{"query-stats", ``, `"open":1,"paused":1`, ""},
		{"session-resume", `{"all":true}`, `{"sessions":1}`, ""},
		{"session-message", `{"all":true,"words":""}`, "", "'words' has from 1 to 1000"},
		{"session-message", `{"words":"x"}`, "", "which session?"},
		{"session-message", `{"all":true,"words":"x"}`, "", "none has a page"},
		{"session-set-rights", `{"all":true,"without":["keyboard","pointer"]}`, `{"sessions":1}`, ""},
		{"session-set-rights", `{"all":true,"without":["clipboard-out"]}`, "", "cannot be taken in the middle"},
		{"session-set-rights", `{"target":"other","restore":true}`, "", "no session fits"},
		{"session-set-rights", `{"restore":true}`, "", "which session?"},
		{"session-set-rights", `{"all":true,"restore":true,"rights":["view"]}`, "", "by one of rights, without and restore"},
		{"session-set-rights", `{"all":true,"rights":["dance"]}`, "", "unknown right"},
		{"set-class", `{"id":"1","class":"bulk"}`, "", "1 to bulk"},
		{"session-kill", `{"class":"bulk"}`, "", "no session fits"},
		{"session-kill", `{"id":"` + id + `","words":"Enough."}`, `{"sessions":1}`, ""},
	} {
		got, err := ask(t, table, tt.name, tt.args)
		switch {
		case tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)):
			t.Errorf("%s %s: %s, %v", tt.name, tt.args, got, err)
		case tt.fails == "" && (err != nil || !strings.Contains(got, tt.want)):
			t.Errorf("%s %s: %s, %v", tt.name, tt.args, got, err)
		}
	}
}

// TestCommandsReachTheBackend: each with its arguments, and its answer back.
func TestCommandsReachTheBackend(t *testing.T) {
	var did []string
	note := func(format string, args ...any) { did = append(did, fmt.Sprintf(format, args...)) }
	level := "info"
	var events []gateway.Event
	table := control.Commands(&control.Backend{
		Gateway: &gateway.Gateway{Observe: func(e gateway.Event) { events = append(events, e) }},
		Version: control.Version{Major: 1, Minor: 2, Micro: 3, Package: "vncgate 1.2.3"},
		Probe: func(ctx context.Context, target string) (control.Probe, error) {
			end, limited := ctx.Deadline()
			note("probe %s %t", target, limited && time.Until(end) <= 5*time.Second)
			return control.Probe{OK: true}, nil
		},
		Revoke: func(_ context.Context, r control.Revocation) (int, error) { note("revoke %+v", r); return 2, nil },
		Reload: func(context.Context) (control.Reloaded, error) {
			return control.Reloaded{Changes: []string{"policy: changed"}}, nil
		},
		Drain: func(d control.Draining) error {
			note("drain %v %s %t", time.Duration(d.Timeout), d.Words, d.Quit)
			return nil
		},
		Undrain:     func() error { return errors.New("it does not drain") },
		LogLevel:    func() string { return level },
		SetLogLevel: func(to string) error { level = to; return nil },
		Quit:        func() { note("quit") },
		AddListener: func(string, *os.File) (string, error) { return "", nil },
		AddDisplay:  func(string, *os.File) error { return nil },
	})
	for _, tt := range []struct{ name, args, want, fails string }{
		{"target-probe", `{"target":"desk","timeout":"5s"}`, `"ok":true`, ""},
		{"revoke", `{"user":"alice","note":"left"}`, `{"sessions":2}`, ""},
		{"revoke", `{"user":"alice","token":"x"}`, "", "one of token, user and session"},
		{"reload", ``, `{"changes":["policy: changed"]}`, ""},
		{"drain", `{"timeout":"1m","words":"Bye.","quit":true}`, `{"sessions":0}`, ""},
		{"drain", `{"timeout":"-1m"}`, "", "not negative"},
		{"undrain", ``, "", "it does not drain"},
		{"log-level", `{"level":"debug"}`, `{"level":"debug","was":"info"}`, ""},
		{"log-level", ``, `{"level":"debug"}`, ""},
		{"quit", ``, `{}`, ""},
		{"listener-add", `{"fdname":"none","like":"front"}`, "", "descriptor named 'none' not found"},
		{"display-add", `{"fdname":"none","target":"desk"}`, "", "descriptor named 'none' not found"},
		{"query-version", ``, `{"qemu":{"micro":3,"minor":2,"major":1},"package":"vncgate 1.2.3"}`, ""},
		{"query-events", ``, `"SESSION_OPENED"`, ""},
		{"query-commands", ``, `{"name":"session-kill","doc":"End sessions at once","role":"operator","allow-oob":true}`, ""},
	} {
		got, err := ask(t, table, tt.name, tt.args)
		if tt.fails != "" && (err == nil || !strings.Contains(err.Error(), tt.fails)) || tt.fails == "" && (err != nil || !strings.Contains(got, tt.want)) {
			t.Errorf("%s %s: %s, %v", tt.name, tt.args, got, err)
		}
	}
	want := []string{"probe desk true", "revoke {Token: User:alice Session: Note:left}", "drain 1m0s Bye. true", "quit"}
	if !slices.Equal(did, want) {
		t.Errorf("%q", did)
	}
	if len(events) == 0 {
		t.Fatal("nobody was told")
	}
	for _, e := range events {
		if e.Kind != gateway.Commanded || e.Actor != "uid:0" || e.Details["command"] == "" || strings.HasPrefix(e.Details["command"], "query-") {
			t.Errorf("%+v", e)
		}
	}
}

// TestCommandsThatAreNotAvailable say what is missing.
func TestCommandsThatAreNotAvailable(t *testing.T) {
	table := control.Commands(&control.Backend{Gateway: &gateway.Gateway{}})
	for name, args := range map[string]string{
		"set-class": `{"id":"1","class":"x"}`, "target-probe": `{"target":"x"}`, "revoke": `{"user":"x"}`, "reload": ``, "drain": ``, "undrain": ``,
		"log-level": ``, "quit": ``, "listener-add": `{"fdname":"x","like":"y"}`, "display-add": `{"fdname":"x","target":"y"}`,
	} {
		if _, err := ask(t, table, name, args); !errors.Is(err, control.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"getfd", "closefd"} { // by HTTP
		if _, err := table.Run(t.Context(), &control.Call{Role: control.Admin}, name, json.RawMessage(`{"fdname":"x"}`)); !errors.Is(err, control.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPages: all entries come, each once, in lines that have a bound.
func TestPages(t *testing.T) {
	var all []control.Target
	for i := range 3000 {
		all = append(all, control.Target{Name: fmt.Sprintf("display-%04d", (i*7)%3000), Address: strings.Repeat("é", i%90)})
	}
	table := control.Commands(&control.Backend{Gateway: &gateway.Gateway{}, Targets: func() []control.Target { return slices.Clone(all) }})
	p := connect(t, serve(t, &control.Server{Table: table}))
	p.begin(t, false)
	for _, limit := range []string{"", `,"limit":7`} {
		var names []string
		for after, pages := "", 0; ; pages++ {
			p.send(t, fmt.Sprintf(`{"execute":"query-targets","arguments":{"after":%q%s}}`, after, limit))
			line := p.next(t)
			var got struct{ Return control.TargetList }
			if err := json.Unmarshal([]byte(line), &got); err != nil || len(line)+2 > control.MaxLine {
				t.Fatalf("%.100s: %v", line, err)
			}
			for _, target := range got.Return.Targets {
				names = append(names, target.Name)
			}
			if after = got.Return.Next; after == "" {
				break
			}
		}
		if len(names) != 3000 || !slices.IsSorted(names) || len(slices.Compact(names)) != 3000 {
			t.Errorf("limit %q: %d names", limit, len(names))
		}
	}
}

// TestSchema: every type that is spoken of is there, everything has words, and
// it all fits a line.
func TestSchema(t *testing.T) {
	table := control.Commands(&control.Backend{})
	p := connect(t, serve(t, &control.Server{Table: table}))
	p.begin(t, false)
	p.send(t, `{"execute":"query-qmp-schema"}`)
	var got struct{ Return []control.SchemaInfo }
	if err := json.Unmarshal([]byte(p.next(t)), &got); err != nil {
		t.Fatal(err)
	}
	names, kinds := map[string]bool{}, map[string]int{}
	for _, info := range got.Return {
		if names[info.Name] {
			t.Errorf("%s is there twice", info.Name)
		}
		names[info.Name] = true
		kinds[info.Meta]++
	}
	for _, info := range got.Return {
		spoken := []string{info.Arg, info.Ret, info.Element}
		for _, m := range info.Members {
			spoken = append(spoken, m.Type)
		}
		for _, name := range spoken {
			if name != "" && !names[name] {
				t.Errorf("%s speaks of %s, which is not there", info.Name, name)
			}
		}
	}
	for _, kind := range []string{"command", "event", "object", "array", "enum", "builtin"} {
		if kinds[kind] == 0 {
			t.Errorf("no %s", kind)
		}
	}
	for _, c := range table.Commands(control.Admin) {
		if c.Doc == "" || strings.HasSuffix(c.Doc, ".") || c.OOB && c.Role > control.Operator {
			t.Errorf("%+v", c)
		}
		for _, f := range control.Fields(c.Args) {
			if f.Doc == "" {
				t.Errorf("%s: %+v", c.Name, f)
			}
		}
	}
}

func TestUnknownNames(t *testing.T) {
	p := control.Permits{Admins: []string{"root", "0", "*"}, Operators: []string{"group:0", "nosuchuser"}, Viewers: []string{"group:nosuchgroup"}}
	if got := p.Unknown(); !slices.Equal(got, []string{"nosuchuser", "group:nosuchgroup"}) {
		t.Errorf("%q", got)
	}
}
