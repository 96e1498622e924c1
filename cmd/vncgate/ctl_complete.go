package main

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"vncgate/auth"
	"vncgate/gateway/control"
)

// completeTime is how long a shell waits for what a gateway knows.
const completeTime = 2 * time.Second

// completer completes the values of a field.
func (c *ctlCommand) completer(f control.Field) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if f.Enum != nil {
			return f.Enum, cobra.ShellCompDirectiveNoFileComp
		}
		return c.values(cmd, f.Of), cobra.ShellCompDirectiveNoFileComp
	}
}

// completeArgs completes what stands without a flag.
func (c *ctlCommand) completeArgs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(c.spec.args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	name := c.spec.args[min(len(args), len(c.spec.args)-1)]
	for _, f := range c.fields {
		if f.Name == name {
			return c.completer(f)(cmd, nil, "")
		}
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// values are those that a gateway knows of a kind, each with a few words behind
// a tab.
func (c *ctl) values(cmd *cobra.Command, of string) (list []string) {
	if of == "right" {
		return auth.RightNames()
	}
	if of == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completeTime)
	defer cancel()
	all, err := c.processes(ctx)
	if err != nil {
		return nil
	}
	for _, p := range all {
		list = append(list, valuesOf(ctx, p, of)...)
		_ = p.Close()
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func valuesOf(ctx context.Context, p process, of string) (list []string) {
	if of == "target" {
		var got control.TargetList
		for _, t := range fetch(ctx, p, "query-targets", &got).Targets {
			list = append(list, t.Name+"\t"+t.State+" "+t.Address)
		}
		return list
	}
	if of == "listener" {
		var got control.ListenerList
		for _, l := range fetch(ctx, p, "query-listeners", &got).Listeners {
			list = append(list, l.Name+"\t"+l.For)
		}
		return list
	}
	if of == "agent" {
		var got control.AgentList
		for _, a := range fetch(ctx, p, "query-agents", &got).Agents {
			list = append(list, a.Name+"\t"+spaced(append([]string{a.State}, a.Services...)))
		}
		return list
	}
	if of == "class" {
		var got control.Stats
		for _, class := range fetch(ctx, p, "query-stats", &got).Classes {
			list = append(list, class.Name)
		}
		return list
	}
	var got control.SessionList
	for _, s := range fetch(ctx, p, "query-sessions", &got).Sessions {
		switch {
		case of == "session":
			list = append(list, s.ID+"\t"+spaced([]string{s.User, s.Target, fromText(s.From)}))
		case of == "user" && s.User != "":
			list = append(list, s.User)
		case of == "token" && s.Ticket != "":
			list = append(list, s.Ticket+"\t"+spaced([]string{s.User, s.Target}))
		}
	}
	return list
}

// fetch asks for something, and returns nothing of it where there is no answer.
func fetch[T any](ctx context.Context, p process, name string, into *T) *T {
	if got, err := p.Run(ctx, name, nil); err == nil {
		_ = json.Unmarshal(got, into)
	}
	return into
}
