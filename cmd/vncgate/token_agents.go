package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vncgate/gateway/tunnel"
)

func newAgentsCommand(s *storeFlags) *cobra.Command {
	f := &agentTokenFlags{storeFlags: s}
	cmd := &cobra.Command{
		Use:   "agents",
		Short: "List agents and the tokens for them, and take them back",
		Long: `agents lists the tokens that have not expired and the agents that have a
certificate: which services each may announce, until when, and when it was seen
last. 'vncgate ctl agents' tells which are connected now.`,
		Example: `  vncgate token agents
  vncgate token agents revoke lab --note "laptop stolen"`,
		Args: subcommandsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.list(cmd) },
	}
	f.place(cmd)
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON: tokens and agents")
	cmd.AddCommand(newRevokeAgentsCommand(s))
	return cmd
}

// listedAgents is what agents writes as JSON.
type listedAgents struct {
	Tokens []listedAgentToken `json:"tokens"`
	Agents []listedAgent      `json:"agents"`
}

type listedAgentToken struct {
	ID       string     `json:"id"`
	Agent    string     `json:"agent"`
	Services []string   `json:"services"`
	Expires  time.Time  `json:"expires"`
	Used     *time.Time `json:"used,omitempty"`
	Maker    string     `json:"maker,omitempty"`
	Note     string     `json:"note,omitempty"`
}

// listedAgent is a certificate of an agent.
type listedAgent struct {
	Name     string     `json:"name"`
	Serial   string     `json:"serial"`
	Services []string   `json:"services"`
	Issued   time.Time  `json:"issued"`
	Expires  time.Time  `json:"expires"`
	Revoked  bool       `json:"revoked"`
	Seen     *time.Time `json:"seen,omitempty"` // the agent, by whichever certificate
	From     string     `json:"from,omitempty"`
}

// maybe is nil for what never was.
func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (f *agentTokenFlags) list(cmd *cobra.Command) error {
	_, registry, _, err := f.open(cmd)
	if err != nil {
		return err
	}
	defer registry.Close()
	tokens, failedTokens := registry.Tokens(cmd.Context())
	agents, failedAgents := registry.Agents(cmd.Context())
	failed := errors.Join(failedTokens, failedAgents)
	if failed != nil && len(tokens)+len(agents) == 0 {
		return cmp.Or(failedTokens, failedAgents) // of nobody it can be said that he is not known
	}
	out := listedAgents{Tokens: []listedAgentToken{}, Agents: []listedAgent{}}
	for _, t := range tokens {
		out.Tokens = append(out.Tokens, listedAgentToken{t.ID, t.Agent, t.Services, t.Expires.UTC(), maybe(t.Used), t.Maker, t.Note})
	}
	for _, a := range agents {
		for _, c := range a.Certificates {
			out.Agents = append(out.Agents, listedAgent{a.Name, c.Serial, c.Services, c.Issued.UTC(), c.Expires.UTC(), c.Revoked, maybe(a.Last), a.From})
		}
	}
	if f.json {
		return errors.Join(writeJSON(cmd.OutOrStdout(), out), failed)
	}
	return errors.Join(out.print(cmd), failed)
}

func (l listedAgents) print(cmd *cobra.Command) error {
	if len(l.Tokens)+len(l.Agents) == 0 {
		return say(cmd, "no agent is known, and there is no token for one: 'vncgate token agent NAME --service …' makes one")
	}
	local := func(t time.Time) string { return t.Local().Format("2006-01-02 15:04") }
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	if len(l.Agents) > 0 {
		fmt.Fprintln(w, "AGENT\tSERVICES\tSERIAL\tENDS\tSTATE\tSEEN\tFROM")
	}
	for _, a := range l.Agents {
		state, seen := "good", "never"
		if a.Revoked {
			state = "revoked"
		}
		if a.Seen != nil {
			seen = local(*a.Seen)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", a.Name, strings.Join(a.Services, ","), a.Serial, local(a.Expires), state, seen, orText(fromText(a.From), "-"))
	}
	if len(l.Tokens) > 0 {
		if len(l.Agents) > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, "TOKEN\tFOR AGENT\tSERVICES\tENDS\tSTATE\tMADE BY\tNOTE")
	}
	for _, t := range l.Tokens {
		state := "unused"
		if t.Used != nil {
			state = "used " + local(*t.Used)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Agent, strings.Join(t.Services, ","), local(t.Expires), state, orText(t.Maker, "-"), orText(t.Note, "-"))
	}
	return w.Flush()
}

func newRevokeAgentsCommand(s *storeFlags) *cobra.Command {
	f := &agentTokenFlags{storeFlags: s}
	cmd := &cobra.Command{
		Use:   "revoke [NAME…]",
		Short: "Revoke agents, single certificates, or tokens for agents",
		Long: `revoke takes back all certificates that agents of these names have so far, and
the tokens for them: a gateway that is running ends their tunnels, and with them
the sessions, within a second. A new token lets an agent of that name in again.

--serial takes one certificate back, --id one token that was not used yet.`,
		Example: `  vncgate token agents revoke lab --note "laptop stolen"
  vncgate token agents revoke --serial 5D:0A:…
  vncgate token agents revoke --id Q6ZLTX2C`,
		RunE:              func(cmd *cobra.Command, names []string) error { return f.revoke(cmd, names) },
		ValidArgsFunction: f.completeAgents,
	}
	f.place(cmd)
	cmd.Flags().StringSliceVar(&f.serials, "serial", nil, "`NUMBER` of a certificate, in hex (may be repeated)")
	cmd.Flags().StringSliceVar(&f.ids, "id", nil, "`ID` of a token (may be repeated)")
	cmd.Flags().StringVar(&f.note, "note", "", "`TEXT` that says why")
	return cmd
}

func (f *agentTokenFlags) revoke(cmd *cobra.Command, names []string) error {
	if len(names)+len(f.serials)+len(f.ids) == 0 {
		return usagef("what is to be revoked? give the names of agents, or --serial, or --id\n'vncgate token agents' shows them")
	}
	_, registry, _, err := f.open(cmd)
	if err != nil {
		return err
	}
	defer registry.Close()
	agents, failed := registry.Agents(cmd.Context())
	known := map[string]bool{}
	for _, a := range agents {
		known[a.Name] = true
	}
	for _, name := range names {
		if err := registry.Revoke(cmd.Context(), tunnel.Revocation{Agent: name, Maker: whoRuns(), Note: f.note}); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if !known[name] {
			fmt.Fprintf(cmd.ErrOrStderr(), "no agent %s has been seen: is the name right? What it has got so far is revoked all the same\n", name)
		}
		failed = errors.Join(failed, say(cmd, "revoked agent %s", name))
	}
	for _, serial := range f.serials {
		err := registry.Revoke(cmd.Context(), tunnel.Revocation{Serial: serial, Maker: whoRuns(), Note: f.note})
		if err == nil {
			err = say(cmd, "revoked certificate %s", serial)
		}
		failed = errors.Join(failed, err)
	}
	for _, id := range f.ids {
		failed = errors.Join(failed, f.removeToken(cmd, registry, id))
	}
	return failed
}

// removeToken does not repeat a token in the place of its ID: it is a secret.
func (f *agentTokenFlags) removeToken(cmd *cobra.Command, registry *tunnel.Registry, id string) error {
	if strings.Contains(id, ".") {
		return usagef("that is a token and not its ID: 'vncgate token agents' shows the IDs")
	}
	switch err := registry.RemoveToken(cmd.Context(), id); {
	case errors.Is(err, tunnel.ErrTokenUnknown):
		return fmt.Errorf("there is no token %.20q ('vncgate token agents' shows them)", id)
	case err != nil:
		return err
	}
	return say(cmd, "took token %s back", id)
}

func (f *agentTokenFlags) completeAgents(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	_, registry, _, err := f.open(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer registry.Close()
	agents, _ := registry.Agents(cmd.Context())
	var names []string
	for _, a := range agents {
		names = append(names, a.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
