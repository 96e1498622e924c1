package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"

	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
)

// Peers are the other gateways of several. A command that is about sessions or
// agents is run at all of them, from whichever it is given to; each runs it as its
// own API would, with the role of whoever has given it, and writes it down.

// peers are the other nodes, the youngest process of each. One that has handed
// over to another process leaves them to that one.
func (w *wiring) peers() []cluster.Node {
	c := w.cluster
	if c == nil || c.hops == nil || w.successor() != nil {
		return nil
	}
	var list []cluster.Node
	for _, n := range c.Nodes() {
		known := slices.ContainsFunc(list, func(other cluster.Node) bool { return other.Name == n.Name })
		if n.Name != c.node && !known {
			list = append(list, n)
		}
	}
	return list
}

// nodeName is the name of this gateway among several, "" where it is the only one.
func (w *wiring) nodeName() string {
	if w.cluster == nil {
		return ""
	}
	return w.cluster.node
}

// announcedElsewhere reports whether a name is that of what an agent announces at
// another node.
func (w *wiring) announcedElsewhere(ctx context.Context, name string) bool {
	if !isAgentTarget(name) || len(w.peers()) == 0 {
		return false
	}
	args, err := json.Marshal(control.TargetQuery{Name: name})
	if err != nil {
		return false
	}
	result, err := w.controls.server.Table.Run(ctx, &control.Call{Role: control.Viewer}, "query-targets", args)
	list, ok := result.(control.TargetList)
	return err == nil && ok && len(list.Targets) > 0
}

// atAllNodes reports whether a command is about what nodes have each.
func atAllNodes(name string) bool {
	switch name {
	case "query-sessions", "query-targets", "query-agents", "query-streams", "revoke", "set-class", "agent-kick", "agent-revoke":
		return true
	}
	return strings.HasPrefix(name, "session-") || strings.HasPrefix(name, "playback-")
}

// atOneNode reports whether a command may name the node that it is for.
func atOneNode(name string) bool { return name == "drain" || name == "undrain" }

// withPeers is the table, whose commands reach the other nodes as well.
func (w *wiring) withPeers(t *control.Table) *control.Table {
	if w.cluster == nil {
		return t
	}
	all := &control.Table{Done: t.Done}
	for _, c := range t.Commands(control.Admin) {
		switch {
		case atAllNodes(c.Name):
			c.Run = w.atNodes(c)
		case atOneNode(c.Name):
			c.Run = w.atNode(c)
		}
		all.Add(c)
	}
	return all
}

// atNode runs c at the node that its arguments name, or here.
func (w *wiring) atNode(c control.Command) func(context.Context, *control.Call, any) (any, error) {
	return func(ctx context.Context, call *control.Call, args any) (any, error) {
		given, err := asMap(args)
		if err != nil {
			return nil, err
		}
		name, _ := given["node"].(string)
		if name == "" || name == w.cluster.node {
			return c.Run(ctx, call, args)
		}
		peers := w.peers()
		i := slices.IndexFunc(peers, func(n cluster.Node) bool { return n.Name == name })
		if i < 0 {
			return nil, control.NotFound("no node %q; query-nodes lists those there are", name)
		}
		delete(given, "node")
		return w.askPeer(ctx, peers[i], call, c, given)
	}
}

// peerAnswer is what one peer has answered.
type peerAnswer struct {
	node   string
	answer any
	err    error
}

// atNodes runs c here and, unless that was the one that is meant, at all others.
func (w *wiring) atNodes(c control.Command) func(context.Context, *control.Call, any) (any, error) {
	return func(ctx context.Context, call *control.Call, args any) (any, error) {
		here, err := c.Run(ctx, call, args)
		peers := w.peers()
		if err != nil && !isNotFound(err) || len(peers) == 0 {
			return here, err
		}
		given, failed := asMap(args)
		if failed != nil {
			return nil, failed
		}
		id, _ := given["id"].(string)
		one := id != "" && c.Name != "query-sessions" // no two nodes have it
		if err == nil && one {
			return here, nil
		}
		var answers []any
		if err == nil {
			answers = append(answers, here)
		}
		var silent []string
		for _, h := range w.askPeers(ctx, peers, call, c, given) {
			switch {
			case h.err == nil:
				answers = append(answers, h.answer)
			case isNotFound(h.err): // it has none that is meant
			case one && refusedThere(h.err):
				return nil, h.err
			default:
				silent = append(silent, h.node+": "+h.err.Error())
			}
		}
		if len(answers) == 0 {
			return nil, notFoundSoFar(err, silent)
		}
		return withSilent(together(answers, args), silent), nil
	}
}

// askPeers asks all at once. One that does not answer is waited for a while the
// first time.
func (w *wiring) askPeers(ctx context.Context, peers []cluster.Node, call *control.Call, c control.Command, given map[string]any) []peerAnswer {
	wait, lists := elderTime, strings.HasPrefix(c.Name, "query-") || c.Name == "playback-status"
	if lists {
		wait = listTime
	}
	list := make([]peerAnswer, len(peers))
	var asking sync.WaitGroup
	for i, n := range peers {
		asking.Go(func() {
			answer, err := patiently(ctx, w.cluster.hops, n, wait, lists, func(ctx context.Context) (any, error) {
				return w.askPeer(ctx, n, call, c, given)
			})
			list[i] = peerAnswer{n.Name, answer, err}
		})
	}
	asking.Wait()
	return list
}

// askPeer has one run c, and returns what c returns.
func (w *wiring) askPeer(ctx context.Context, to cluster.Node, call *control.Call, c control.Command, given map[string]any) (any, error) {
	args, err := json.Marshal(given)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	got, err := w.cluster.hops.command(ctx, to, call, c.Name, args)
	if err != nil {
		return nil, err
	}
	answer := reflect.New(reflect.TypeOf(c.Returns))
	if err := json.Unmarshal(got, answer.Interface()); err != nil {
		return nil, fmt.Errorf("node %s: its answer is malformed: %w", to.Name, err)
	}
	return fromNode(answer.Elem().Interface(), to), nil
}

// fromNode is an answer as it is understood elsewhere: a link to a node leads to the
// name by which nodes know it, not to that of whoever passes it on.
func fromNode(answer any, node cluster.Node) any {
	link, ok := answer.(sharedLink)
	host, _, err := net.SplitHostPort(node.Address)
	if !ok || err != nil {
		return answer
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	link.Link = strings.Replace(link.Link, hostMark, host, 1)
	return link
}

// refusedThere reports whether a node has what is meant, and will not do it. One
// that does not know the command is older than this.
func refusedThere(err error) bool {
	told, ok := errors.AsType[*control.Error](err)
	return ok && told.Class != control.ClassCommand
}

// notFoundSoFar is the error of what was found nowhere: who did not answer may
// have it.
func notFoundSoFar(err error, silent []string) error {
	if len(silent) == 0 {
		return err
	}
	told, ok := errors.AsType[*control.Error](err)
	if !ok {
		return err
	}
	return &control.Error{Class: told.Class, Desc: told.Desc + "; not answered by " + strings.Join(silent, "; "), Err: told.Err}
}

// withSilent names in an answer those who have not given any, where it has room
// for them.
func withSilent(answer any, silent []string) any {
	if len(silent) == 0 {
		return answer
	}
	v := reflect.New(reflect.TypeOf(answer)).Elem()
	v.Set(reflect.ValueOf(answer))
	if v.Kind() == reflect.Struct {
		if field := v.FieldByName("Silent"); field.IsValid() && field.Type() == reflect.TypeFor[[]string]() {
			field.Set(reflect.AppendSlice(field, reflect.ValueOf(silent)))
		}
	}
	return v.Interface()
}

// runForPeer is what the others may have run here: what the API may, at this node
// alone.
func (w *wiring) runForPeer(table *control.Table) {
	if w.cluster == nil || w.cluster.hops == nil {
		return
	}
	w.cluster.hops.run = func(ctx context.Context, call *control.Call, command string, args json.RawMessage) (any, error) {
		if !atAllNodes(command) && !atOneNode(command) && command != "query-version" {
			return nil, &control.Error{Class: control.ClassCommand, Desc: "the command " + command + " is not for other nodes"}
		}
		return table.Run(ctx, call, command, args)
	}
}
