package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// keptHistory is how many lines of the shell are remembered.
const keptHistory = 500

func (c *ctl) shellCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "shell",
		Short: "Take commands line by line, with history and completion",
		Long: `shell takes the commands of ctl line by line: "sessions", "kill 3f09a1c2". Tab
completes commands, sessions and targets; the arrow keys bring back what was
typed before. "exit" or Ctrl-D ends it. From a pipe it reads a command a line;
one that fails is named, the others are run, and the shell fails in the end.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, _ := cmd.InOrStdin().(*os.File)
			if in == nil || !term.IsTerminal(int(in.Fd())) {
				return c.script(cmd, cmd.InOrStdin())
			}
			return c.interactive(cmd, in)
		},
	}
}

// script runs a command a line. As at a terminal, one that fails does not keep the
// others from being run.
func (c *ctl) script(cmd *cobra.Command, in io.Reader) error {
	lines := bufio.NewScanner(in)
	failed := 0
	for n := 1; lines.Scan(); n++ {
		end, err := c.line(cmd, lines.Text(), cmd.OutOrStdout())
		if err != nil {
			failed++
			fmt.Fprintf(cmd.ErrOrStderr(), "line %d: %v\n", n, err)
		}
		if end {
			break
		}
	}
	if err := lines.Err(); err != nil || failed == 0 {
		return err
	}
	return fmt.Errorf("ctl: shell: %d of the commands failed, which are named above", failed)
}

// interactive edits lines in a terminal.
func (c *ctl) interactive(cmd *cobra.Command, in *os.File) error {
	fd := int(in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("ctl: shell: %w", err)
	}
	defer func() { _ = term.Restore(fd, before) }()
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, cmd.OutOrStdout()}, "vncgate> ")
	if width, height, err := term.GetSize(fd); err == nil {
		_ = t.SetSize(width, height)
	}
	history := openHistory()
	t.History = history
	t.AutoCompleteCallback = func(line string, pos int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		return c.complete(cmd, t, line, pos)
	}
	for {
		line, err := t.ReadLine()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
			return fmt.Errorf("ctl: shell: %w", err)
		}
		var out bytes.Buffer
		end, err := c.line(cmd, line, &out)
		_, _ = t.Write(out.Bytes()) // with the line ends of a raw terminal
		if err != nil {
			fmt.Fprintln(t, err)
		}
		if end {
			return nil
		}
	}
}

// line runs one line, and reports whether it was the last.
func (c *ctl) line(cmd *cobra.Command, line string, out io.Writer) (end bool, err error) {
	words, err := splitWords(line)
	switch {
	case err != nil:
		return false, err
	case len(words) == 0 || strings.HasPrefix(words[0], "#"):
		return false, nil
	case words[0] == "exit":
		return true, nil
	case slices.Contains([]string{"watch", "top", "events", "shell"}, words[0]):
		return false, fmt.Errorf("%s goes on until it is interrupted: run 'vncgate ctl %s' in another terminal", words[0], words[0])
	}
	root := c.again()
	root.SetArgs(words)
	root.SetOut(out)
	root.SetErr(out)
	return false, root.ExecuteContext(cmd.Context())
}

// again is a tree of commands of its own, whose flags nobody has set.
func (c *ctl) again() *cobra.Command {
	root := newCtlCommand()
	root.Use, root.SilenceErrors, root.SilenceUsage = "ctl", true, true
	root.CompletionOptions.DisableDefaultCmd = true
	_ = root.PersistentFlags().Set("socket", c.find())
	if c.json {
		_ = root.PersistentFlags().Set("json", "true")
	}
	return root
}

// splitWords takes a line apart as a shell does: quotes keep blanks.
func splitWords(line string) (words []string, err error) {
	var word strings.Builder
	var quote rune
	begun := false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '"' || r == '\''):
			quote, begun = r, true
		case quote == 0 && (r == ' ' || r == '\t'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

// complete completes the word before the cursor as a login shell would, by
// cobra's own answers; more than one are shown.
func (c *ctl) complete(cmd *cobra.Command, t io.Writer, line string, pos int) (string, int, bool) {
	head, tail := line[:pos], line[pos:]
	words, err := splitWords(head)
	if err != nil {
		return "", 0, false
	}
	last := ""
	if len(words) > 0 && !strings.HasSuffix(head, " ") {
		last, words = words[len(words)-1], words[:len(words)-1]
	}
	found := c.completions(cmd, append(words, last))
	found = slices.DeleteFunc(found, func(f string) bool { return !strings.HasPrefix(f, last) })
	if len(found) == 0 {
		return "", 0, false
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i], _, _ = strings.Cut(f, "\t")
	}
	more := commonStart(names)
	if len(names) == 1 {
		more += " "
	} else if more == last {
		var list strings.Builder
		for _, f := range found {
			list.WriteString("  " + cellText(strings.ReplaceAll(f, "\t", "  ")) + "\n")
		}
		_, _ = io.WriteString(t, list.String())
	}
	head = head[:len(head)-len(last)] + more
	return head + tail, len(head), true
}

func (c *ctl) completions(cmd *cobra.Command, words []string) (found []string) {
	root := c.again()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(append([]string{cobra.ShellCompRequestCmd}, words...))
	if root.ExecuteContext(cmd.Context()) != nil {
		return nil
	}
	for line := range strings.Lines(out.String()) {
		if line = strings.TrimRight(line, "\n"); line != "" && line[0] != ':' {
			found = append(found, line)
		}
	}
	return found
}

// commonStart is what all names begin with.
func commonStart(names []string) string {
	start := names[0]
	for _, name := range names[1:] {
		for !strings.HasPrefix(name, start) {
			start = start[:len(start)-1]
		}
	}
	return start
}

// history is the shell's, kept in a file of the user's.
type history struct {
	path  string // "": it is not kept
	lines []string
}

// openHistory reads what was typed before; without a home nothing is kept.
func openHistory() *history {
	h := &history{}
	dir := os.Getenv("XDG_STATE_HOME")
	if home, err := os.UserHomeDir(); dir == "" && err == nil {
		dir = filepath.Join(home, ".local", "state")
	}
	if dir == "" {
		return h
	}
	h.path = filepath.Join(dir, "vncgate", "ctl_history")
	if b, err := os.ReadFile(h.path); err == nil {
		h.lines = strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
		h.lines = h.lines[max(len(h.lines)-keptHistory, 0):]
	}
	return h
}

// Add appends a line, and writes all down. One that cannot be written is
// remembered as long as the shell runs.
func (h *history) Add(line string) {
	if strings.TrimSpace(line) == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	h.lines = h.lines[max(len(h.lines)-keptHistory, 0):]
	if h.path == "" {
		return
	}
	if os.MkdirAll(filepath.Dir(h.path), 0o700) == nil {
		_ = os.WriteFile(h.path, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600)
	}
}

// Len is the number of lines.
func (h *history) Len() int { return len(h.lines) }

// At is the line so many before the last.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
