package main

import (
	"encoding/json"
	"fmt"
	"io"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// inClasses reports whether a session runs in another class than the default.
func inClasses(results []result) bool {
	for _, r := range results {
		var list []control.Session
		if json.Unmarshal(r.value, &list) != nil {
			continue
		}
		for i := range list {
			if inClass(&list[i]) {
				return true
			}
		}
	}
	return false
}

func inClass(s *control.Session) bool { return s.Class != "" && s.Class != gateway.DefaultClass }

// showStats writes the classes as a table behind the rest.
func showStats(w io.Writer, value json.RawMessage) error {
	var object map[string]json.RawMessage
	var classes []control.Class
	if json.Unmarshal(value, &object) == nil && json.Unmarshal(object["classes"], &classes) == nil {
		delete(object, "classes")
		value, _ = json.Marshal(object)
	}
	if err := showMembers(w, value); err != nil || len(classes) == 0 {
		return err
	}
	var rows [][]string
	for _, c := range classes {
		most := ""
		if c.Max > 0 {
			most = fmt.Sprint(c.Max)
		}
		rows = append(rows, []string{
			c.Name, fmt.Sprint(c.Sessions), most, fmt.Sprint(c.Handshakes), fmt.Sprintf("%d of %d", c.Resting, 2*c.Sessions), bytesText(c.Buffers),
		})
	}
	fmt.Fprintln(w)
	return table(w, []string{"CLASS", "SESSIONS", "MOST", "HANDSHAKES", "RESTING", "BUFFERS"}, rows)
}
