package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"vncgate/gateway/control"
)

// ctlSpec is what the command line adds to a command of the table.
type ctlSpec struct {
	name  string   // short
	args  []string // the fields that stand without a flag, in order; the last takes the rest
	every bool     // all processes are asked, not the current one alone
}

// ctlSpecs are the commands that have something added. The others have the name
// of the protocol, and flags.
var ctlSpecs = map[string]ctlSpec{
	"query-sessions":     {"sessions", nil, true},
	"query-targets":      {"targets", []string{"name"}, false},
	"query-listeners":    {"listeners", nil, false},
	"query-agents":       {"agents", []string{"name"}, true},
	"query-streams":      {"streams", []string{"agent"}, true},
	"agent-kick":         {"agent-kick", []string{"name"}, true},
	"agent-revoke":       {"agent-revoke", []string{"name"}, false},
	"query-stats":        {"stats", nil, true},
	"query-nodes":        {"nodes", nil, false},
	"query-commands":     {"commands", nil, false},
	"query-version":      {"version", nil, true},
	"query-qmp-schema":   {"schema", nil, false},
	"session-kill":       {"kill", []string{"id"}, true},
	"session-pause":      {"pause", []string{"id"}, true},
	"session-resume":     {"resume", []string{"id"}, true},
	"session-message":    {"message", []string{"id", "words"}, true},
	"session-mark":       {"session-mark", []string{"id", "what"}, true},
	"session-set-rights": {"set-rights", []string{"id", "rights"}, true},
	"set-class":          {"set-class", []string{"id", "class"}, true},
	"target-probe":       {"probe", []string{"target"}, false},
	"revoke":             {"revoke", nil, true},
	"drain":              {"drain", nil, true},
	"undrain":            {"undrain", nil, true},
	"log-level":          {"log-level", []string{"level"}, false},
	"quit":               {"quit", nil, false},
	"query-recordings":   {"recordings", nil, false},
	"recording-link":     {"recording-link", []string{"name"}, false},
	"session-watch":      {"session-watch", []string{"id"}, false},
	"playback-status":    {"playbacks", nil, false},
	"playback-play":      {"play", []string{"id"}, false},
	"playback-pause":     {"playback-pause", []string{"id"}, false},
	"playback-seek":      {"seek", []string{"id", "position"}, false},
	"playback-speed":     {"speed", []string{"id", "speed"}, false},
}

// notOnCommandLine are the commands that make no sense by themselves there.
var notOnCommandLine = []string{"getfd", "closefd", "listener-add", "display-add", "profile"}

// ctlCommand is one command of the table on the command line.
type ctlCommand struct {
	*ctl
	command control.Command
	spec    ctlSpec
	fields  []control.Field
	given   map[string]any // by flags, pointers
}

// addCommands makes a subcommand of every command of the table.
func (c *ctl) addCommands(to *cobra.Command) {
	table := control.Commands(&control.Backend{})
	table.Add(watchCommands(nil)...)
	table.Add(nodesCommand(nil))
	for _, command := range table.Commands(control.Admin) {
		if slices.Contains(notOnCommandLine, command.Name) {
			continue
		}
		spec, ok := ctlSpecs[command.Name]
		if !ok {
			spec.name = command.Name
		}
		one := &ctlCommand{ctl: c, command: command, spec: spec, fields: control.Fields(command.Args), given: map[string]any{}}
		to.AddCommand(one.build())
	}
}

func (c *ctlCommand) build() *cobra.Command {
	use := c.spec.name
	for _, name := range c.spec.args {
		use += " [" + strings.ToUpper(name) + "]"
	}
	cmd := &cobra.Command{
		Use: use, Short: c.command.Doc, Long: c.command.Doc + ".\n\nIt needs the role " + c.command.Role.String() + ".",
		Example: ctlExamples[c.command.Name], Args: c.positional, RunE: c.run, ValidArgsFunction: c.completeArgs,
	}
	if c.spec.name != c.command.Name {
		cmd.Aliases = []string{c.command.Name}
	}
	flags := cmd.Flags()
	for _, f := range c.fields {
		if f.Name == "after" || f.Name == "limit" || flags.Lookup(flagOf(f.Name)) != nil {
			continue
		}
		name := flagOf(f.Name)
		usage := f.Doc
		if f.Enum != nil {
			usage += ": " + strings.Join(f.Enum, ", ")
		}
		switch f.Kind {
		case "boolean":
			c.given[f.Name] = flags.Bool(name, false, usage)
		case "array":
			c.given[f.Name] = flags.StringSlice(name, nil, usage)
		case "int":
			c.given[f.Name] = flags.Int(name, 0, usage)
		case "number":
			c.given[f.Name] = flags.Float64(name, 0, usage)
		default:
			c.given[f.Name] = flags.String(name, "", usage)
		}
		_ = cmd.RegisterFlagCompletionFunc(name, c.completer(f))
		notFromEnvironment(flags, name) // whom a command ends is said by whoever runs it
	}
	return cmd
}

// flagOf is the flag of a parameter: skip-idle for skip_idle.
func flagOf(parameter string) string { return strings.ReplaceAll(parameter, "_", "-") }

// positional refuses words that would be left out.
func (c *ctlCommand) positional(cmd *cobra.Command, args []string) error {
	if len(c.spec.args) == 0 {
		return noArguments(cmd, args)
	}
	return nil
}

// arguments are what flags and words say.
func (c *ctlCommand) arguments(cmd *cobra.Command, words []string) (args map[string]any, ids []string) {
	args = map[string]any{}
	for name, value := range c.given {
		if !cmd.Flags().Changed(flagOf(name)) {
			continue
		}
		switch v := value.(type) {
		case *bool:
			args[name] = *v
		case *string:
			args[name] = *v
		case *int:
			args[name] = *v
		case *float64:
			args[name] = *v
		case *[]string:
			args[name] = *v
		}
	}
	wanted := slices.DeleteFunc(slices.Clone(c.spec.args), func(name string) bool {
		_, given := args[name]
		return given || name == "id" && c.chosenOtherwise(args) || name == "rights" && (args["without"] != nil || args["restore"] != nil)
	})
	for i, name := range wanted {
		switch {
		case len(words) == 0:
		case i < len(wanted)-1:
			args[name], words = words[0], words[1:]
		case name == "id":
			return args, words
		case c.kindOf(name) == "array":
			args[name] = strings.FieldsFunc(strings.Join(words, ","), func(r rune) bool { return r == ',' || r == ' ' })
		default:
			args[name] = c.valueOf(name, spaced(words))
		}
	}
	return args, nil
}

// valueOf is a word as the parameter wants it. The gateway says what is wrong
// with one that is no number.
func (c *ctlCommand) valueOf(name, word string) any {
	if c.kindOf(name) == "number" {
		if n, err := strconv.ParseFloat(word, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			return n
		}
	}
	return word
}

// chosenOtherwise reports whether flags say which sessions are meant.
func (c *ctlCommand) chosenOtherwise(args map[string]any) bool {
	for _, name := range []string{"target", "user", "listener", "class", "agent", "all"} {
		if _, ok := args[name]; ok && c.command.Name != "set-class" {
			return true
		}
	}
	return false
}

func (c *ctlCommand) kindOf(name string) string {
	for _, f := range c.fields {
		if f.Name == name {
			return f.Kind
		}
	}
	return ""
}

func (c *ctlCommand) run(cmd *cobra.Command, words []string) error {
	args, ids := c.arguments(cmd, words)
	return c.with(cmd, func(ctx context.Context, list []process) error {
		if !c.spec.every {
			list = list[:1]
		}
		if len(ids) == 0 {
			return c.runOn(ctx, cmd, list, args)
		}
		for _, id := range ids {
			args["id"] = id
			if err := c.runOn(ctx, cmd, list, args); err != nil {
				return err
			}
		}
		return nil
	})
}

// runOn runs the command on every process and shows what came of it. What one
// does not know another may.
func (c *ctlCommand) runOn(ctx context.Context, cmd *cobra.Command, list []process, args map[string]any) error {
	var unknown error
	var results []result
	for _, p := range c.concerned(ctx, list, args) {
		got, err := c.ask(ctx, p, args)
		switch {
		case err == nil:
			results = append(results, result{p.name, got})
		case isNotFound(err):
			unknown = err
		default:
			return inOurWords(err)
		}
	}
	if len(results) == 0 {
		return inOurWords(unknown)
	}
	if err := c.show(cmd.OutOrStdout(), c.command.Name, results); err != nil {
		return err
	}
	for _, node := range c.silent {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: not heard of node "+printable(node)+"\nwhat it has is left out above")
	}
	return probed(c.command.Name, results)
}

// probed makes the outcome of a probe that of the program, for scripts.
func probed(command string, results []result) error {
	var p control.Probe
	if command != "target-probe" || json.Unmarshal(results[0].value, &p) != nil || p.OK {
		return nil
	}
	return fmt.Errorf("no viewer would see %s now; 'vncgate doctor' looks closer", p.Target)
}

// ask runs the command, and for a list all of its pages.
func (c *ctlCommand) ask(ctx context.Context, p process, args map[string]any) (json.RawMessage, error) {
	run := p.Run
	if c.command.OOB {
		run = p.RunOOB
	}
	got, err := run(ctx, c.command.Name, args)
	if err != nil {
		return nil, err
	}
	c.heardNothing(got)
	key := listKey[c.command.Name]
	if key == "" {
		return got, nil
	}
	var all []json.RawMessage
	for {
		var page map[string]json.RawMessage
		var part []json.RawMessage
		if err := json.Unmarshal(got, &page); err != nil {
			return nil, fmt.Errorf("ctl: %w", err)
		}
		if err := json.Unmarshal(page[key], &part); err != nil {
			return nil, fmt.Errorf("ctl: %w", err)
		}
		all = append(all, part...)
		next, err := strconv.Unquote(string(page["next"]))
		if err != nil || next == "" {
			return json.Marshal(all)
		}
		args["after"] = next
		got, err = run(ctx, c.command.Name, args)
		delete(args, "after")
		if err != nil {
			return nil, err
		}
	}
}

// listKey is the member of an answer that holds a list.
var listKey = map[string]string{
	"query-sessions": "sessions", "query-targets": "targets", "query-listeners": "listeners",
	"query-agents": "agents", "query-streams": "streams", "query-recordings": "recordings", "playback-status": "playbacks",
}

// viewOnlyCommand is the change of rights that is wanted most.
func (c *ctl) viewOnlyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "view-only ID…",
		Short: "Let viewers look on and do no more; 'set-rights ID --restore' gives it back",
		Args: func(_ *cobra.Command, ids []string) error {
			if len(ids) == 0 {
				return usagef("which sessions? give their IDs; 'vncgate ctl sessions' lists them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, ids []string) error {
			one := &ctlCommand{ctl: c, spec: ctlSpecs["session-set-rights"]}
			one.command, _ = control.Commands(&control.Backend{}).Find("session-set-rights")
			return c.with(cmd, func(ctx context.Context, list []process) error {
				for _, id := range ids {
					args := map[string]any{"id": id, "without": []string{"keyboard", "pointer", "clipboard-in", "resize", "power", "file-transfer"}}
					if err := one.runOn(ctx, cmd, list, args); err != nil {
						return err
					}
				}
				return nil
			})
		},
		ValidArgsFunction: func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			return c.values(cmd, "session"), cobra.ShellCompDirectiveNoFileComp
		},
	}
}
