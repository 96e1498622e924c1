package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestReadmeCommands parses every command of ours that the README shows: a
// flag that is gone makes the README a liar.
func TestReadmeCommands(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^    vncgate (.*)$`).FindAllStringSubmatch(string(b), -1)
	if len(lines) < 10 {
		t.Fatalf("only %d commands found in the README", len(lines))
	}
	for _, line := range lines {
		if err := parses(strings.Fields(line[1])); err != nil {
			t.Errorf("vncgate %s: %v", line[1], err)
		}
	}
}

func TestExamplesInHelpParse(t *testing.T) {
	root := newRootCommand()
	for _, cmd := range append(root.Commands(), root) {
		text := strings.ReplaceAll(cmd.Example, "\\\n", " ")
		for _, line := range strings.Split(text, "\n") {
			line, _, _ = strings.Cut(line, "#")
			args := strings.Fields(line)
			if len(args) < 2 || args[0] != "vncgate" {
				continue
			}
			if err := parses(args[1:]); err != nil {
				t.Errorf("%s: %q: %v", cmd.CommandPath(), line, err)
			}
		}
	}
}

// parses finds the command and its flags without running it.
func parses(args []string) error {
	cmd, rest, err := newRootCommand().Find(args)
	if err != nil {
		return err
	}
	return cmd.ParseFlags(rest)
}
