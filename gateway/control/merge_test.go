package control_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"vncgate/gateway/control"
)

// oneLine is what a client's reader of lines takes.
const oneLine = 64<<10 - 200

// walk reads a list to its end, and returns its keys. Each page has to fit.
func walk[T any](t *testing.T, ask func(after string) (page []T, next string, answer any), key func(T) string) []string {
	t.Helper()
	var keys []string
	for after := ""; ; {
		page, next, answer := ask(after)
		b, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > oneLine {
			t.Fatalf("an answer of %d entries has %d bytes", len(page), len(b))
		}
		for _, one := range page {
			keys = append(keys, key(one))
		}
		if after = next; after == "" {
			return keys
		}
		if len(page) == 0 {
			t.Fatal("a page is empty, and not the last")
		}
	}
}

func TestMergedSessionsComeInPages(t *testing.T) {
	const nodes, each = 3, 200
	begin := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var all [nodes][]control.Session
	var want []string
	for i := range nodes * each {
		id := fmt.Sprintf("%08x", i)
		want = append(want, id)
		all[i%nodes] = append(all[i%nodes], control.Session{ID: id, Since: begin.Add(time.Duration(i) * time.Second), Target: "agent/lab/desk", Node: "node"})
	}
	key := func(s control.Session) string { return s.Since.Format(time.RFC3339) + s.ID }
	for _, limit := range []int{0, 7, 500} {
		got := walk(t, func(after string) ([]control.Session, string, any) {
			var lists []control.SessionList
			for _, list := range all {
				lists = append(lists, sessionPage(t, list, after, limit))
			}
			merged := control.MergeSessions(lists, limit)
			if limit > 0 && len(merged.Sessions) > limit {
				t.Fatalf("%d sessions, and the limit is %d", len(merged.Sessions), limit)
			}
			return merged.Sessions, merged.Next, merged
		}, key)
		for i := range got {
			got[i] = got[i][len(got[i])-8:]
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %d sessions of %d, or in another order", limit, len(got), len(want))
		}
	}
}

// sessionPage is what one node answers.
func sessionPage(t *testing.T, list []control.Session, after string, limit int) control.SessionList {
	t.Helper()
	page, next, err := control.PageOf(control.Paging{After: after, Limit: limit}, slices.Clone(list), control.SessionKey)
	if err != nil {
		t.Fatal(err)
	}
	return control.SessionList{Sessions: page, Next: next}
}

func TestMergedAgentsAndStreamsComeInPages(t *testing.T) {
	const nodes, each = 3, 300
	var want []string
	var agents [nodes][]control.Agent
	var streams [nodes][]control.AgentStream
	for i := range nodes * each {
		name := fmt.Sprintf("agent-%04d", i)
		want = append(want, name)
		agents[i%nodes] = append(agents[i%nodes], control.Agent{Name: name, State: "connected", Version: "vncgate 1.0", From: "192.0.2.1:50000"})
		agents[(i+1)%nodes] = append(agents[(i+1)%nodes], control.Agent{Name: name, State: "away"})
		streams[i%nodes] = append(streams[i%nodes], control.AgentStream{Agent: name, ID: "1.1", Service: "desk"})
	}
	name := func(a control.Agent) string {
		if a.State != "connected" {
			t.Errorf("%s is %s at one node, and connected to another", a.Name, a.State)
		}
		return a.Name
	}
	got := walk(t, func(after string) ([]control.Agent, string, any) {
		var lists []control.AgentList
		for _, list := range agents {
			page, next, err := control.PageOf(control.Paging{After: after}, slices.Clone(list), func(a control.Agent) string { return a.Name })
			if err != nil {
				t.Fatal(err)
			}
			lists = append(lists, control.AgentList{Agents: page, Next: next})
		}
		merged := control.MergeAgents(lists, 0)
		return merged.Agents, merged.Next, merged
	}, name)
	if !slices.Equal(got, want) {
		t.Errorf("%d agents of %d, or in another order", len(got), len(want))
	}
	got = walk(t, func(after string) ([]control.AgentStream, string, any) {
		var lists []control.StreamList
		for _, list := range streams {
			page, next, err := control.PageOf(control.Paging{After: after}, slices.Clone(list), func(s control.AgentStream) string { return s.Agent + "/" + s.ID })
			if err != nil {
				t.Fatal(err)
			}
			lists = append(lists, control.StreamList{Streams: page, Next: next})
		}
		merged := control.MergeStreams(lists, 0)
		return merged.Streams, merged.Next, merged
	}, func(s control.AgentStream) string { return s.Agent })
	if !slices.Equal(got, want) {
		t.Errorf("%d streams of %d, or in another order", len(got), len(want))
	}
}

func TestMergedTargetsCountAllSessions(t *testing.T) {
	list := func(next string, targets ...control.Target) control.TargetList {
		return control.TargetList{Targets: targets, Next: next}
	}
	target := func(name string, sessions int) control.Target {
		return control.Target{Name: name, State: "up", Sessions: sessions}
	}
	at := func(node string, t control.Target) control.Target {
		t.Node = node
		return t
	}
	announced := control.Target{Name: "agent/lab/desk", State: "unknown", Agent: "lab", Node: "b"}
	seen := control.Target{Name: "agent/lab/desk", State: "up", Agent: "lab", Sessions: 2}
	both := at("b", seen)
	silent := list("", target("b", 1))
	silent.Silent = []string{"c: no answer"}
	for _, test := range []struct {
		name  string
		lists []control.TargetList
		limit int
		want  control.TargetList
	}{
		{"alone", []control.TargetList{list("", target("a", 1))}, 0, list("", target("a", 1))},
		{"sums", []control.TargetList{list("", target("a", 1), target("b", 0)), list("", target("a", 2), target("b", 4))}, 0, list("", target("a", 3), target("b", 4))},
		{"those of others alone are not ours", []control.TargetList{list("", target("b", 1)), list("", target("a", 2))}, 0, list("", target("b", 1))},
		{"what agents announce at others", []control.TargetList{list("", target("b", 1)), list("", at("b", announced)), list("", at("c", announced), target("d", 1))}, 0, list("", announced, target("b", 1))},
		{"an agent's display that is seen from here", []control.TargetList{list("", seen), list("", at("b", announced))}, 0, list("", both)},
		{"as far as all have told", []control.TargetList{list("", target("a", 1), target("c", 1)), list("b", target("a", 1), target("b", 1))}, 0, list("b", target("a", 2))},
		{"a limit", []control.TargetList{list("", target("a", 1), target("c", 1)), list("", target("a", 1))}, 1, list("a", target("a", 2))},
		{"one is silent", []control.TargetList{list("", target("b", 1)), silent}, 0, control.TargetList{Targets: []control.Target{target("b", 2)}, Silence: silent.Silence}},
	} {
		got, _ := json.Marshal(control.MergeTargets(test.lists, test.limit))
		if want, _ := json.Marshal(test.want); string(got) != string(want) {
			t.Errorf("%s:\n%s, and not\n%s", test.name, got, want)
		}
	}
}
