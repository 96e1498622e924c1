package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"vncgate/auth"
	"vncgate/gateway/control"
)

// What ctl writes: tables for people, JSON for scripts.

// result is what one process answered.
type result struct {
	process string
	value   json.RawMessage
}

// show writes the results of one command.
func (c *ctl) show(w io.Writer, command string, results []result) error {
	if c.json {
		return showJSON(w, command, results)
	}
	switch command {
	case "query-sessions":
		return showSessions(w, results)
	case "query-nodes":
		return showNodes(w, results)
	case "query-targets":
		return showTargets(w, results)
	case "query-listeners":
		return showListeners(w, results)
	case "query-agents":
		return showAgents(w, results)
	case "query-streams":
		return showStreams(w, results)
	case "query-recordings":
		return showRecordings(w, results)
	case "playback-status":
		return showPlaybacks(w, results)
	case "query-commands", "query-events":
		return showDocs(w, results)
	case "query-qmp-schema":
		return showJSON(w, command, results)
	}
	write := sayings[command]
	if write == nil {
		write = showMembers
	}
	for _, r := range results {
		if len(results) > 1 {
			fmt.Fprintf(w, "process %s:\n", orText(r.process, "current"))
		}
		if err := write(w, r.value); err != nil {
			return err
		}
	}
	return nil
}

// showJSON writes one value: a list is that of all processes, anything else that
// of the current one, or a list of them.
func showJSON(w io.Writer, command string, results []result) error {
	values := []any{}
	for _, r := range results {
		if listKey[command] == "" {
			values = append(values, r.value)
			continue
		}
		var list []any
		if err := json.Unmarshal(r.value, &list); err != nil {
			return fmt.Errorf("ctl: %w", err)
		}
		values = append(values, list...)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if listKey[command] == "" && len(values) == 1 {
		return e.Encode(values[0])
	}
	return e.Encode(values)
}

// table writes rows in columns. What others have chosen, such as the name of a
// user, moves no cursor.
func table(w io.Writer, head []string, rows [][]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join(head, "\t"))
	for _, row := range rows {
		for i := range row {
			row[i] = cellText(row[i])
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

// cellText is text that moves no cursor, and shows that there is none.
func cellText(text string) string { return printable(orText(text, "-")) }

// fromText is where somebody comes from, for people: a unix socket has no address
// that says anything, and of whom a proxy speaks the port may be unknown.
func fromText(from string) string {
	if from == "unix" || strings.HasPrefix(from, "@") { // the latter is that of an agent of before
		return "unix socket"
	}
	if a, err := netip.ParseAddrPort(from); err == nil && a.Port() == 0 {
		return a.Addr().String()
	}
	return from
}

// several puts the column of processes in front where there is more than one.
func several(results []result, head []string, rows [][][]string) ([]string, [][]string) {
	var all [][]string
	for i, r := range results {
		for _, row := range rows[i] {
			if len(results) > 1 {
				row = append([]string{orText(r.process, "current")}, row...)
			}
			all = append(all, row)
		}
	}
	if len(results) > 1 {
		head = append([]string{"PROCESS"}, head...)
	}
	return head, all
}

// showList writes the entries of all processes as one table.
func showList[T any](w io.Writer, results []result, none string, head []string, row func(T) []string) error {
	rows := make([][][]string, len(results))
	for i, r := range results {
		var list []T
		if err := json.Unmarshal(r.value, &list); err != nil {
			return fmt.Errorf("ctl: %w", err)
		}
		for _, one := range list {
			rows[i] = append(rows[i], row(one))
		}
	}
	head, all := several(results, head, rows)
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, none)
		return err
	}
	return table(w, head, all)
}

var sessionHead = []string{"ID", "STATE", "USER", "FROM", "TARGET", "RIGHTS", "FOR", "UP", "DOWN", "RTT"}

func sessionRow(s control.Session) []string {
	rtt := ""
	if s.RTT > 0 {
		rtt = fmt.Sprintf("%.0f ms", s.RTT)
	}
	target := s.Target
	if s.Reached != "" {
		target += " (" + s.Reached + ")"
	}
	if s.Agent != "" {
		target += " via " + s.Agent
	}
	return []string{
		s.ID, s.State, orText(s.User, "("+s.Method+")"), fromText(s.From), target, shortRights(s.Rights), since(s.Since),
		bytesText(s.BytesUp), bytesText(s.BytesDown), rtt,
	}
}

// shortRights names rights by sets of them, where they are whole.
func shortRights(names []string) string {
	rights, err := auth.ParseRights(names)
	if err != nil { // of a newer gateway
		return strings.Join(names, ",")
	}
	var short []string
	for _, set := range []struct {
		name string
		auth.Rights
	}{{"all", auth.AllRights}, {"control", auth.Control}, {"clipboard", auth.Clipboard}} {
		if rights.Has(set.Rights) {
			short, rights = append(short, set.name), rights&^set.Rights
		}
	}
	if rights != 0 {
		short = append(short, rights.String())
	}
	return strings.Join(short, ",")
}

func showSessions(w io.Writer, results []result) error {
	head, classes, nodes := slices.Clone(sessionHead), inClasses(results), atNodes(results)
	if classes {
		head = append(head, "CLASS")
	}
	if nodes {
		head = slices.Insert(head, 1, "NODE")
	}
	return showList(w, results, "Nobody is in.", head, func(s control.Session) []string {
		row := sessionRow(s)
		if classes {
			row = append(row, s.Class)
		}
		if nodes {
			row = slices.Insert(row, 1, s.Node)
		}
		return row
	})
}

func showTargets(w io.Writer, results []result) error {
	head, nodes := []string{"TARGET", "STATE", "SINCE", "SESSIONS", "ADDRESS", "WHY"}, atNodes(results)
	if nodes {
		head = slices.Insert(head, 1, "NODE")
	}
	return showList(w, results, "No display has a name here.", head, func(t control.Target) []string {
		when := ""
		if !t.Since.IsZero() {
			when = since(t.Since)
		}
		row := []string{t.Name, t.State, when, fmt.Sprint(t.Sessions), orText(t.Address, t.Starts), t.Reason}
		if nodes {
			row = slices.Insert(row, 1, t.Node)
		}
		return row
	})
}

func showListeners(w io.Writer, results []result) error {
	return showList(w, results, "There is no way in.", []string{"LISTENER", "ADDRESS", "FOR", "TARGET", "TLS", "SESSIONS", "SECURITY"}, func(l control.Listener) []string {
		tls := "no"
		if l.TLS {
			tls = "yes"
		}
		return []string{l.Name, l.Address, l.For, orText(l.Target, strings.Join(l.Sources, ",")), tls, fmt.Sprint(l.Sessions), strings.Join(l.Security, ",")}
	})
}

func showDocs(w io.Writer, results []result) error {
	return showList(w, results[:1], "", []string{"NAME", "WHAT IT IS"}, func(d control.CommandDoc) []string {
		return []string{d.Name, d.Doc}
	})
}

// showMembers writes an object, a line for each of its members.
func showMembers(w io.Writer, value json.RawMessage) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(value, &object); err != nil {
		_, err := fmt.Fprintln(w, string(value))
		return err
	}
	if len(object) == 0 {
		_, err := fmt.Fprintln(w, "done")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, name := range keys(object) {
		text := string(object[name])
		var words string
		if json.Unmarshal(object[name], &words) == nil {
			text = localTime(words)
		}
		if slices.Contains([]string{"memory", "bytes_up", "bytes_down"}, name) {
			var n int64
			if json.Unmarshal(object[name], &n) == nil {
				text = bytesText(n)
			}
		}
		fmt.Fprintf(t, "%s\t%s\n", strings.ReplaceAll(name, "_", " "), cellText(text))
	}
	return t.Flush()
}

// since is how long ago that was, short.
func since(t time.Time) string {
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(int(d.Seconds()), 0))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

// bytesText is a number of bytes for people.
func bytesText(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, exp := float64(n)/unit, 0
	for value >= unit && exp < 4 {
		value, exp = value/unit, exp+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[exp])
}
