package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vncgate/auth"
)

// defaultConfig is where the packages' service has its configuration.
const defaultConfig = "/etc/vncgate/vncgate.yaml"

// policyFlags say which policy is asked, and what.
type policyFlags struct {
	config, policy string
	as, method     string
	groups         []string
	from, at       string
	target         string
	may            []string
	claims         string
	table          string

	cfg       *config // nil where --policy names the rules
	decisions *auth.Policy
	notes     []string // what whoever asks may not have meant
}

func newPolicyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Ask the policy: may X do Y on Z, and by which rule",
		Long: `policy asks the rules of a configuration, without a gateway: test answers one
question or a table of them, explain says what somebody could do and why.

Whoever comes in is a name, groups and a method of proof: alice, alice[ops,dev],
alice[ops]/x509-plain, or /vnc for a proof that names nobody. Without brackets
the groups are those of the users file. Several proofs (a client certificate and
a password) are joined by " + ".`,
		Example: `  vncgate policy test --config vncgate.yaml --as alice --target build-vm
  vncgate policy test --config vncgate.yaml --as alice[ops] --target build-vm --may keyboard
  vncgate policy explain --config vncgate.yaml --as bob`,
		Args: subcommandsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyTestCommand(), newPolicyExplainCommand())
	return cmd
}

func newPolicyTestCommand() *cobra.Command {
	f := &policyFlags{}
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Say what somebody may do on a target, and by which rule",
		Long: `test prints what the policy decides, and ends with 0 where the viewer gets in
(and may do all of --may), with 1 where not.

--table FILE checks a table of decisions instead and ends with 0 if all are as
expected. Rules stand above the line "-- decisions --", or the file has only
decisions about the rules of --config or --policy:

  who              target    at                               | rights  rule
  alice[ops]/plain build-vm  2026-03-02T09:00[Europe/Berlin]  | all     1
  /none            desk      -                                | view    2
  bob              build-vm  -                                | nothing -

Columns in front: who, target, from, at, claims; behind: rights, may, maynot,
rule, limits, until.`,
		Example: `  vncgate policy test --config vncgate.yaml --as alice --target build-vm
  vncgate policy test --policy rules.txt --as bob[ops]/x509-plain --from 10.0.0.7 --at 2026-03-02T22:00 --target lab-1 --may power
  vncgate policy test --config vncgate.yaml --table decisions.txt`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.table != "" {
				return f.checkTable(cmd.OutOrStdout())
			}
			return f.test(cmd.OutOrStdout())
		},
	}
	f.register(cmd)
	cmd.Flags().StringSliceVar(&f.may, "may", nil, "`RIGHTS` that it is about: 0 only if all of them are there")
	cmd.Flags().StringVar(&f.table, "table", "", "`FILE` with a table of decisions")
	_ = cmd.RegisterFlagCompletionFunc("may", completeRights)
	return cmd
}

func newPolicyExplainCommand() *cobra.Command {
	f := &policyFlags{}
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say what somebody could do, and why",
		Long: `explain lists what the policy decides on each target of the configuration. With
--target it goes through the rules instead: which decides, which would fit, and
what keeps the others from fitting.`,
		Example: `  vncgate policy explain --config vncgate.yaml --as alice
  vncgate policy explain --config vncgate.yaml --as alice --target build-vm --at 2026-03-02T22:00`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.explain(cmd.OutOrStdout()) },
	}
	f.register(cmd)
	return cmd
}

func (f *policyFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", defaultConfig, "`FILE` with the configuration")
	flags.StringVar(&f.policy, "policy", "", "`FILE` of rules alone, as decisionsfile has it")
	flags.StringVar(&f.as, "as", "", "`WHO` comes in: NAME, NAME[GROUPS]/METHOD, /METHOD (default: somebody who proves nothing)")
	flags.StringVar(&f.method, "method", "", "`METHOD` of proof, such as x509-plain or vnc")
	flags.StringSliceVar(&f.groups, "group", nil, "`GROUPS`, instead of those of the users file")
	flags.StringVar(&f.from, "from", "", "`ADDRESS` of the viewer (default: one without an address)")
	flags.StringVar(&f.at, "at", "", "`TIME`, such as 2026-03-02T09:00[Europe/Berlin] (default: now)")
	flags.StringVar(&f.target, "target", "", "`NAME` of the target")
	flags.StringVar(&f.claims, "claims", "", "what the viewer's token says, as a JSON `OBJECT`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	notFromEnvironment(flags, "target")
	_ = cmd.RegisterFlagCompletionFunc("target", completeTargets)
}

// load reads the rules, and the configuration that they are in.
func (f *policyFlags) load() error {
	if f.policy != "" {
		return f.loadRules()
	}
	cfg, err := loadConfig(f.config)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w\nname the configuration with --config, or a file of rules with --policy", err)
	}
	if err != nil {
		return err
	}
	f.cfg = cfg
	f.decisions, err = cfg.loadPolicy()
	return err
}

func (f *policyFlags) loadRules() error {
	watched, err := watchPolicy(f.policy, nil)
	if err != nil {
		return usageOf(err)
	}
	f.decisions, err = watched.Current()
	return err
}

// request is what is asked.
func (f *policyFlags) request() (auth.Request, error) {
	req := auth.Request{Target: f.target, Now: time.Now()}
	var err error
	if req.Identities, err = f.identities(); err != nil {
		return req, err
	}
	if f.from != "" && f.from != "unix" {
		if req.Address, err = netip.ParseAddr(f.from); err != nil {
			return req, fmt.Errorf("--from: %q is no address, such as 10.0.0.7", f.from)
		}
	}
	if f.at != "" {
		if req.Now, err = auth.ParseMoment(f.at); err != nil {
			return req, fmt.Errorf("--at: %w", err)
		}
	}
	if f.claims != "" {
		if json.Unmarshal([]byte(f.claims), &req.Claims) != nil {
			return req, errors.New(`--claims: not an object in JSON, such as {"level": 3}`)
		}
	}
	return req, nil
}

// identities reads --as. Who has no groups in it has those of the users file.
func (f *policyFlags) identities() ([]auth.Identity, error) {
	if f.as == "" {
		return []auth.Identity{{Method: orText(f.method, "none"), Groups: f.groups}}, nil
	}
	ids, err := auth.ParseIdentities(f.as)
	if err != nil {
		return nil, fmt.Errorf("--as: %w", err)
	}
	for i := range ids {
		if ids[i].Method == "" {
			ids[i].Method = f.method
		}
		if len(f.groups) > 0 {
			ids[i].Groups = f.groups
		}
		if !strings.Contains(f.as, "[") && len(f.groups) == 0 {
			if err := f.lookUp(&ids[i]); err != nil {
				return nil, err
			}
		}
	}
	return ids, nil
}

func (f *policyFlags) lookUp(id *auth.Identity) error {
	if f.cfg == nil || f.cfg.Users == nil || id.Name == "" {
		return nil
	}
	users, err := auth.OpenUsers(f.cfg.Users.File)
	if err != nil {
		return fmt.Errorf("users: %w\ngive the groups yourself: --as '%s[GROUP,…]'", err, id.Name)
	}
	known, ok := users.Identity(id.Name)
	if !ok {
		f.notes = append(f.notes, fmt.Sprintf("note: there is no user %q in %s, so no groups were looked up", id.Name, f.cfg.Users.File))
		return nil
	}
	id.Groups = known.Groups
	return nil
}

func orText(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func (f *policyFlags) ask() (auth.Request, error) {
	if err := f.load(); err != nil {
		return auth.Request{}, err
	}
	req, err := f.request()
	if err != nil {
		return req, usageOf(err)
	}
	return req, nil
}

func (f *policyFlags) test(out io.Writer) error {
	if f.target == "" {
		return usagef("on which target? give --target NAME, or --table FILE\nrun 'vncgate policy test --help' for examples")
	}
	may, err := parseRights(f.may)
	if err != nil {
		return usagef("--may: %w", err)
	}
	req, err := f.ask()
	if err != nil {
		return err
	}
	f.hint(out, req.Target)
	d := f.decisions.Decide(req)
	allowed := d.Allowed() && d.Rights.Has(may)
	f.print(out, req, d, allowed)
	if !allowed {
		return &exitStatus{exitFailed}
	}
	return nil
}

// print says what was decided.
func (f *policyFlags) print(out io.Writer, req auth.Request, d auth.Decision, allowed bool) {
	verdict := "yes"
	if !allowed {
		verdict = "no"
	}
	fmt.Fprintf(out, "%s: %s on %s gets %s\n", verdict, names(req.Identities), req.Target, f.decided(d))
	if missing := missingRights(d.Rights, f.may); missing != "" && d.Allowed() {
		fmt.Fprintf(out, "missing: %s\n", missing)
	}
	if limits := d.Limits.String(); limits != "" && d.Allowed() {
		fmt.Fprintf(out, "limits: %s\n", limits)
	}
	if !d.Until.IsZero() {
		fmt.Fprintf(out, "asked again at: %s\n", d.Until.Format(time.RFC3339))
	}
	if !allowed && f.decisions != nil {
		fmt.Fprintln(out, "'vncgate policy explain' with the same flags says why.")
	}
}

// decided is a decision in words.
func (f *policyFlags) decided(d auth.Decision) string {
	if f.decisions == nil {
		return d.Rights.String() + ", since there is no policy"
	}
	if d.Rule == 0 && d.Err == nil {
		return "nothing, since no rule fits"
	}
	return d.String()
}

func missingRights(have auth.Rights, want []string) string {
	var missing []string
	for _, name := range want {
		if set, err := parseRights([]string{name}); err == nil && !have.Has(set) {
			missing = append(missing, name)
		}
	}
	return strings.Join(missing, ", ")
}

func names(ids []auth.Identity) string {
	var all []string
	for _, id := range ids {
		all = append(all, id.String())
	}
	return strings.Join(all, " + ")
}

// hint says that a target is not in the configuration, which may be right where
// sources name others.
func (f *policyFlags) hint(out io.Writer, target string) {
	f.say(out)
	if f.cfg == nil || f.cfg.Targets[target].known() || len(f.cfg.Sources) > 0 || f.cfg.Free != nil || f.cfg.Agents != nil && isAgentTarget(target) {
		return
	}
	fmt.Fprintf(out, "note: there is no target %q%s\n", target, didYouMean(target, keys(f.cfg.Targets)))
}

// say writes the notes, once.
func (f *policyFlags) say(out io.Writer) {
	for _, note := range f.notes {
		fmt.Fprintln(out, note)
	}
	f.notes = nil
}

// known tells a target from the zero value.
func (t targetConfig) known() bool {
	return t.Address != "" || len(t.Command) > 0 || t.URL != "" || t.Arrives != nil || t.Agent != ""
}

func (f *policyFlags) explain(out io.Writer) error {
	req, err := f.ask()
	if err != nil {
		return err
	}
	if f.decisions == nil {
		_, err := fmt.Fprintf(out, "There is no policy: whoever comes in may %s on every target.\n", auth.AllRights)
		return err
	}
	if f.target == "" {
		return f.explainAll(out, req)
	}
	f.hint(out, req.Target)
	for _, v := range f.decisions.Explain(req) {
		fmt.Fprintln(out, v)
	}
	_, err = fmt.Fprintf(out, "so %s on %s gets %s\n", names(req.Identities), req.Target, f.decided(f.decisions.Decide(req)))
	return err
}

func (f *policyFlags) explainAll(out io.Writer, req auth.Request) error {
	if f.cfg == nil {
		return usagef("which target? a file of rules does not list them; give --target NAME")
	}
	f.say(out)
	for _, name := range keys(f.cfg.Targets) {
		req.Target = name
		fmt.Fprintf(out, "%s: %s\n", name, f.decided(f.decisions.Decide(req)))
	}
	if len(f.cfg.Sources) > 0 || f.cfg.Free != nil || f.cfg.Agents != nil {
		fmt.Fprintln(out, "Sources, agents and addresses lead to other targets: ask about one with --target NAME.")
	}
	return nil
}

// checkTable compares a table of decisions with the rules.
func (f *policyFlags) checkTable(out io.Writer) error {
	text, err := os.ReadFile(f.table)
	if err != nil {
		return usageOf(err)
	}
	table, err := f.readTable(string(text))
	if err != nil {
		return usagef("%s: %w", f.table, err)
	}
	wrong := table.Check(f.decisions)
	for _, err := range wrong {
		fmt.Fprintf(out, "%s: %v\n", f.table, err)
	}
	fmt.Fprintf(out, "%d of %d decisions are as expected\n", len(table.Cases)-len(wrong), len(table.Cases))
	if len(wrong) > 0 {
		return &exitStatus{exitFailed}
	}
	return nil
}

// readTable takes the rules from the table itself, if there are some.
func (f *policyFlags) readTable(text string) (*auth.Table, error) {
	if slices.Contains(strings.Split(text, "\n"), "-- decisions --") {
		table, err := auth.ParseTable(text)
		if err != nil {
			return nil, err
		}
		if len(table.Rules) > 0 {
			f.decisions, err = auth.NewPolicy(table.Rules)
			return table, err
		}
		return table, f.load()
	}
	cases, err := auth.ParseCases(text)
	if err != nil {
		return nil, err
	}
	return &auth.Table{Cases: cases}, f.load()
}

// completeRights and completeTargets are for the shell.
func completeRights(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return auth.RightNames(), cobra.ShellCompDirectiveNoFileComp
}

func completeTargets(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	cfg, err := loadConfig(cmd.Flag("config").Value.String())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return keys(cfg.Targets), cobra.ShellCompDirectiveNoFileComp
}
