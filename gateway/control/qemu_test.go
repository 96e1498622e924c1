package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"vncgate/gateway/control"
)

// exchange is one connection of a transcript.
type exchange struct {
	name  string
	steps []step
}

// step is what is sent, and what comes back.
type step struct {
	text  string
	lines []string
}

// readTranscript reads the form that testdata/qemu.txt explains.
func readTranscript(t testing.TB, b []byte) (list []exchange) {
	t.Helper()
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "-- "); ok {
			list = append(list, exchange{name: name})
			continue
		}
		if len(list) == 0 || line == "" {
			continue
		}
		text, err := strconv.Unquote(line[2:])
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		c := &list[len(list)-1]
		switch {
		case line[0] == '>':
			c.steps = append(c.steps, step{text: text})
		case len(c.steps) == 0:
			c.steps = append(c.steps, step{lines: []string{text}})
		default:
			s := &c.steps[len(c.steps)-1]
			s.lines = append(s.lines, text)
		}
	}
	return list
}

// likeQEMU has the commands of QEMU's that the transcript speaks of.
func likeQEMU() *control.Table {
	table := control.Commands(&control.Backend{Quit: func() {}})
	table.Add(
		control.New("query-name", control.Viewer, "Nothing", func(context.Context, *control.Call, struct{}) (struct{}, error) { return struct{}{}, nil }),
		control.New("migrate-pause", control.Viewer, "Nothing either", func(context.Context, *control.Call, struct{}) (struct{}, error) {
			return struct{}{}, errors.New("there is no migration")
		}).OutOfBand(),
	)
	return table
}

// TestAsQEMU: what we answer has the form of what QEMU answers to the same: the
// same lines in the same order, with the same members, ids and classes of
// errors. The words are ours.
func TestAsQEMU(t *testing.T) {
	b, err := os.ReadFile("testdata/qemu.txt")
	if err != nil {
		t.Fatal(err)
	}
	all := readTranscript(t, b)
	if len(all) < 35 {
		t.Fatalf("only %d cases", len(all))
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			peer := connect(t, serve(t, &control.Server{Table: likeQEMU(), Version: control.Version{Major: 1, Package: "vncgate 1.0"}}))
			greeting := peer.next(t)
			if c.name == "greeting" {
				same(t, c.steps[0].lines[0], greeting)
				return
			}
			for _, s := range c.steps {
				peer.send(t, s.text)
				for _, want := range s.lines {
					if !strings.Contains(want, `"event"`) {
						same(t, want, peer.next(t))
					}
				}
			}
		})
	}
}

// same compares the forms of two lines.
func same(t *testing.T, want, got string) {
	t.Helper()
	a, b := form(t, want), form(t, got)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("QEMU says %s\nand we     %s", want, got)
	}
}

// form is a line with its words and numbers left out.
func form(t *testing.T, line string) any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	if e, ok := v["error"].(map[string]any); ok {
		e["desc"] = reflect.TypeOf(e["desc"]).String()
	}
	if q, ok := v["QMP"].(map[string]any); ok {
		version := q["version"].(map[string]any)
		version["package"] = reflect.TypeOf(version["package"]).String()
		numbers := version["qemu"].(map[string]any)
		names := []string{}
		for name := range numbers {
			names = append(names, name)
		}
		slices.Sort(names)
		version["qemu"] = names
	}
	return v
}
