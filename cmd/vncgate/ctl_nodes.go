package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"vncgate/gateway/control"
)

// atNodes reports whether a session says at which of several gateways it is.
func atNodes(results []result) bool {
	for _, r := range results {
		var list []control.Session
		if json.Unmarshal(r.value, &list) == nil && slices.ContainsFunc(list, func(s control.Session) bool { return s.Node != "" }) {
			return true
		}
	}
	return false
}

// heardNothing notes which nodes have not answered.
func (c *ctl) heardNothing(answer json.RawMessage) {
	var s control.Silence
	if json.Unmarshal(answer, &s) == nil {
		c.silent = append(c.silent, s.Silent...)
	}
}

// showNodes lists the gateways that are one, and says how Redis is.
func showNodes(w io.Writer, results []result) error {
	var list nodeList
	if err := json.Unmarshal(results[0].value, &list); err != nil {
		return fmt.Errorf("ctl: %w", err)
	}
	var rows [][]string
	for _, n := range list.Nodes {
		state := "answers"
		switch {
		case n.Self:
			state = "this one"
		case !n.Answers:
			state = n.Error
		}
		rows = append(rows, []string{n.Name, n.Address, n.Version, since(n.Since), fmt.Sprint(n.Sessions), fmt.Sprint(n.Agents), state})
	}
	if err := table(w, []string{"NODE", "ADDRESS", "VERSION", "UP FOR", "SESSIONS", "AGENTS", "STATE"}, rows); err != nil {
		return err
	}
	if list.Redis == "up" {
		return nil
	}
	_, err := fmt.Fprintf(w, "Redis is away for %s (%s): what is above is what was known then. Who comes in meanwhile: %s\n", since(list.Since), printable(list.Error), aloneWords[list.Alone])
	return err
}

// aloneWords say what cluster.alone means.
var aloneWords = map[string]string{
	"closed": "nobody (alone: closed)", "local": "by the sessions of each node alone (alone: local)",
}
