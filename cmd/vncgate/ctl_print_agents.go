package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"vncgate/gateway/control"
)

// What ctl writes of agents.

func showAgents(w io.Writer, results []result) error {
	head, nodes := []string{"AGENT", "STATE", "FOR", "FROM", "SERVICES", "SESSIONS", "TUNNELS", "IN", "OUT", "RTT", "VERSION"}, atNodes(results)
	if nodes {
		head = slices.Insert(head, 1, "NODE")
	}
	return showList(w, results, "No agent is connected.", head, func(a control.Agent) []string {
		when := ""
		switch {
		case !a.Since.IsZero():
			when = since(a.Since)
		case !a.Seen.IsZero():
			when = since(a.Seen)
		}
		row := []string{
			a.Name, a.State, when, fromText(a.From), strings.Join(a.Services, ","), fmt.Sprint(a.Sessions), fmt.Sprint(len(a.Tunnels)),
			bytesText(a.Bytes.In), bytesText(a.Bytes.Out), millis(a.RTT), a.Version,
		}
		if nodes {
			row = slices.Insert(row, 1, a.Node)
		}
		return row
	})
}

func showStreams(w io.Writer, results []result) error {
	head := []string{"AGENT", "ID", "SERVICE", "FOR", "IN", "OUT", "WINDOW", "WAITED"}
	return showList(w, results, "Nothing passes through a tunnel.", head, func(s control.AgentStream) []string {
		when := ""
		if !s.Since.IsZero() {
			when = since(s.Since)
		}
		return []string{s.Agent, s.ID, s.Service, when, bytesText(s.Bytes.In), bytesText(s.Bytes.Out), bytesText(s.Window), fmt.Sprintf("%.1f s", s.Waited)}
	})
}

// millis is a time in milliseconds, "" where it is not known.
func millis(ms float64) string {
	if ms <= 0 {
		return ""
	}
	return fmt.Sprintf("%.1f ms", ms)
}
