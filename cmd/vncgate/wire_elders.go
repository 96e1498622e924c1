package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"vncgate/gateway/control"
)

// Elders are processes that an upgrade has left with the sessions they had. Their
// control sockets have the number of the process at the end, and by these the API
// of the new process shows and steers their sessions as if they were its own.
// Without a control socket nobody finds them.

// elderTime bounds what one of them is waited for.
const elderTime = 5 * time.Second

// elders connects to those there are, until close.
func (w *wiring) elders(ctx context.Context) (list []process, closeAll func()) {
	if w.cfg.Control != nil {
		list = olderProcesses(ctx, w.cfg.Control.Socket)
	}
	own := strconv.Itoa(os.Getpid())
	kept := list[:0]
	for _, p := range list {
		if p.name == own { // our own socket, since another one has taken over
			_ = p.Close()
			continue
		}
		kept = append(kept, p)
	}
	return kept, func() {
		for _, p := range kept {
			_ = p.Close()
		}
	}
}

// hasElders reports whether sessions of theirs may go on.
func (w *wiring) hasElders() bool {
	ctx, cancel := context.WithTimeout(context.Background(), elderTime)
	defer cancel()
	list, closeAll := w.elders(ctx)
	defer closeAll()
	return len(list) > 0
}

// withElders is the table, whose commands on sessions and on the whole gateway
// reach the elders as well. For the control socket it is not: ctl asks each.
func (w *wiring) withElders(t *control.Table) *control.Table {
	all := &control.Table{Done: t.Done}
	for _, c := range t.Commands(control.Admin) {
		switch {
		case c.Name == "query-sessions", c.Name == "query-stats", c.Name == "drain", c.Name == "undrain",
			c.Name == "revoke", c.Name == "set-class", c.Name == "agent-kick", strings.HasPrefix(c.Name, "session-"):
			c.Run = w.everywhere(c)
		}
		all.Add(c)
	}
	return all
}

// everywhere runs c here, and then in every elder that it concerns.
func (w *wiring) everywhere(c control.Command) func(context.Context, *control.Call, any) (any, error) {
	return func(ctx context.Context, call *control.Call, args any) (any, error) {
		here, err := c.Run(ctx, call, args)
		if err != nil && !isNotFound(err) {
			return here, err
		}
		ctx, cancel := context.WithTimeout(ctx, elderTime)
		defer cancel()
		list, closeAll := w.elders(ctx)
		defer closeAll()
		if len(list) == 0 {
			return here, err
		}
		given, failed := asMap(args)
		if failed != nil {
			return nil, failed
		}
		var answers []any
		if err == nil {
			answers = append(answers, here)
		}
		for _, p := range list {
			if !concerns(ctx, p, c.Name, given) {
				continue
			}
			answer, failed := askElder(ctx, p, c, given)
			told, ok := errors.AsType[*control.Error](failed)
			switch {
			case failed == nil:
				answers = append(answers, answer)
			case ok && told.Class != control.ClassNotFound:
				return nil, fmt.Errorf("process %s: %w", p.name, told)
			} // else it does not know that session, or has ended meanwhile
		}
		if len(answers) == 0 {
			return nil, err
		}
		return together(answers, args), nil
	}
}

// asMap are arguments as a client sends them.
func asMap(args any) (given map[string]any, err error) {
	b, err := json.Marshal(args)
	if err == nil {
		err = json.Unmarshal(b, &given)
	}
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return given, nil
}

// askElder has p run c, and returns what c returns.
func askElder(ctx context.Context, p process, c control.Command, given map[string]any) (any, error) {
	got, err := p.Run(ctx, c.Name, given)
	if err != nil {
		return nil, err
	}
	answer := reflect.New(reflect.TypeOf(c.Returns))
	if err := json.Unmarshal(got, answer.Interface()); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return answer.Elem().Interface(), nil
}

// together makes one answer of those of several processes.
func together(answers []any, args any) any {
	switch first := answers[0].(type) {
	case control.SessionList:
		return control.MergeSessions(alike(first, answers), args.(*control.SessionQuery).Limit)
	case control.Stats:
		for _, a := range answers[1:] {
			s := a.(control.Stats)
			first.OlderProcesses++
			first.OlderSessions += s.Open + s.Waiting + s.Handshakes
		}
		return first
	case control.Met:
		for _, a := range answers[1:] {
			first.Sessions += a.(control.Met).Sessions
		}
		return first
	case control.AgentKicked:
		for _, a := range answers[1:] {
			other := a.(control.AgentKicked)
			first.Tunnels += other.Tunnels
			first.Unknown = first.Unknown && other.Unknown
		}
		return first
	case control.RightsSet:
		for _, a := range answers[1:] {
			first.Sessions += a.(control.RightsSet).Sessions
			first.Cannot += a.(control.RightsSet).Cannot
		}
		return first
	case control.TargetList:
		return control.MergeTargets(alike(first, answers), args.(*control.TargetQuery).Limit)
	case control.AgentList:
		return control.MergeAgents(alike(first, answers), args.(*control.AgentQuery).Limit)
	case control.StreamList:
		return control.MergeStreams(alike(first, answers), args.(*control.StreamQuery).Limit)
	case playbackList:
		return mergePlaybacks(alike(first, answers), args.(*control.Paging).Limit)
	case control.Drained:
		for _, a := range answers[1:] {
			first.Sessions += a.(control.Drained).Sessions
		}
		return first
	}
	return answers[0]
}

// alike are answers that are all of the type of the first.
func alike[T any](_ T, answers []any) []T {
	var list []T
	for _, a := range answers {
		list = append(list, a.(T))
	}
	return list
}
