package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"vncgate/gateway/control"
)

// What ctl says of commands whose answers are more than numbers, in the words of
// its own command line.

// sayings write the answers that showMembers would leave people alone with.
var sayings = map[string]func(w io.Writer, value json.RawMessage) error{
	"query-stats":   showStats,
	"query-version": showVersion,
	"reload":        showReloaded,
	"upgrade":       showUpgraded,
	"drain":         showDrained,
	"agent-revoke":  showAgentRevoked,
}

// ctlExamples are for the commands that end something.
var ctlExamples = map[string]string{
	"session-kill": `  vncgate ctl kill 3f09a1c2
  vncgate ctl kill --user alice --words "Maintenance." --kick
  vncgate ctl kill --target desk`,
	"agent-revoke": `  vncgate ctl agent-revoke lab-7 --note "stolen"
  vncgate ctl agent-revoke --serial 4D2F...`,
	"drain": `  vncgate ctl drain
  vncgate ctl drain --timeout 10m --words "Back at noon."
  vncgate ctl drain --timeout 10m --quit`,
	"revoke": `  vncgate ctl revoke --token NTUQ2F6GJ3XKQW7ZP5LDM4YVRB
  vncgate ctl revoke --user alice --note "left the company"
  vncgate ctl revoke --session 3f09a1c2`,
}

// localTime is text, or a time in it for whoever looks at his clock.
func localTime(text string) string {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return text
	}
	return t.Local().Format(time.DateTime)
}

// endsAt is when something ends: today by the clock alone.
func endsAt(t time.Time) string {
	t = t.Local()
	if time.Until(t) < 12*time.Hour {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

func showVersion(w io.Writer, value json.RawMessage) error {
	var v control.VersionInfo
	if err := json.Unmarshal(value, &v); err != nil {
		return fmt.Errorf("ctl: %w", err)
	}
	_, err := fmt.Fprintln(w, cellText(v.Package))
	return err
}

func showReloaded(w io.Writer, value json.RawMessage) error {
	var r control.Reloaded
	if err := json.Unmarshal(value, &r); err != nil {
		return fmt.Errorf("ctl: %w", err)
	}
	if len(r.Changes)+len(r.Later)+len(r.Warnings) == 0 {
		_, err := fmt.Fprintln(w, "The file says nothing new.")
		return err
	}
	for _, part := range []struct {
		head  string
		lines []string
	}{
		{"In force now:", r.Changes},
		{"In force at the next start or by 'vncgate ctl upgrade':", r.Later},
		{"Allowed, but think of it:", r.Warnings},
	} {
		if len(part.lines) == 0 {
			continue
		}
		fmt.Fprintln(w, part.head)
		for _, line := range part.lines {
			fmt.Fprintln(w, "  "+cellText(line))
		}
	}
	return nil
}

func showUpgraded(w io.Writer, value json.RawMessage) error {
	var u control.Upgraded
	if err := json.Unmarshal(value, &u); err != nil {
		return fmt.Errorf("ctl: %w", err)
	}
	fmt.Fprintf(w, "Process %d lets viewers in now.\n", u.Process)
	if u.Left == 0 {
		return nil
	}
	end := ""
	if !u.Ends.IsZero() {
		end = ", at the latest at " + endsAt(u.Ends)
	}
	_, err := fmt.Fprintf(w, "%s left in the one before, until the viewers leave%s; 'vncgate ctl sessions' lists both.\n", sessions(u.Left), end)
	return err
}

func showDrained(w io.Writer, value json.RawMessage) error {
	var d control.Drained
	if err := json.Unmarshal(value, &d); err != nil {
		return fmt.Errorf("ctl: %w", err)
	}
	text := "Nobody is let in any more, and nobody is in."
	switch {
	case d.Sessions > 0 && d.Ends.IsZero():
		text = "Nobody is let in any more. " + sessions(d.Sessions) + " left, for as long as the viewers stay ('drain --timeout 10m' ends them)."
	case d.Sessions > 0:
		text = "Nobody is let in any more. " + sessions(d.Sessions) + " left, to be ended at " + endsAt(d.Ends) + " ('vncgate ctl sessions' lists them)."
	}
	_, err := fmt.Fprintln(w, text)
	return err
}

// protocolWords finds the names of commands that are called otherwise here.
var protocolWords = regexp.MustCompile(`\b(query|session|target|agent)-[a-z-]+[a-z]\b`)

// inOurWords names commands in what the gateway has said as ctl does.
func inOurWords(err error) error {
	told, ok := errors.AsType[*control.Error](err)
	if !ok {
		return err
	}
	desc := protocolWords.ReplaceAllStringFunc(told.Desc, func(name string) string {
		spec, ok := ctlSpecs[name]
		if !ok || spec.name == name {
			return name
		}
		return "'vncgate ctl " + spec.name + "'"
	})
	return &control.Error{Class: told.Class, Desc: desc, Err: told.Err}
}

// concerned are the processes that have a session which args choose, where there
// are several: the others would note that they were told to do what they cannot.
// If none has, the first says so.
func (c *ctlCommand) concerned(ctx context.Context, list []process, args map[string]any) []process {
	if len(list) < 2 {
		return list
	}
	have := slices.DeleteFunc(slices.Clone(list), func(p process) bool { return !concerns(ctx, p, c.command.Name, args) })
	if len(have) == 0 {
		return list[:1]
	}
	return have
}

// concerns reports whether a process has a session that args choose, where a
// command is about some.
func concerns(ctx context.Context, p process, command string, args map[string]any) bool {
	if !strings.HasPrefix(command, "session-") {
		return true
	}
	which := map[string]any{}
	for _, name := range []string{"id", "target", "user", "listener", "class", "agent"} {
		if value, ok := args[name]; ok {
			which[name] = value
		}
	}
	if len(which) == 0 && args["all"] != true {
		return false // the command says what is missing
	}
	which["limit"] = 1
	var page control.SessionList
	got, err := p.Run(ctx, "query-sessions", which)
	return err != nil || json.Unmarshal(got, &page) != nil || len(page.Sessions) > 0
}

func showAgentRevoked(w io.Writer, value json.RawMessage) error {
	var done control.AgentKicked
	if err := json.Unmarshal(value, &done); err != nil {
		return fmt.Errorf("ctl: %w", err)
	}
	text := fmt.Sprintf("revoked; tunnels that were cut: %d", done.Tunnels)
	if done.Unknown {
		text = "revoked, but no such agent or certificate was ever seen: is the name right? 'vncgate ctl agents --all' lists those that were; the revocation holds should this one come"
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
