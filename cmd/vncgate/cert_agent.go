package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vncgate/auth/folder"
	"vncgate/certs"
)

func (f *certFlags) agentCommand() *cobra.Command {
	var services []string
	days := ""
	cmd := &cobra.Command{
		Use:   "agent NAME --service PATTERN…",
		Short: "Make a certificate by which an agent proves its name and services",
		Long: `agent makes the pair agent-NAME.crt and agent-NAME.key for 'vncgate agent'. It
says the agent's name and which services it may announce: names, or patterns such
as desk-*. --dir is the folder that the gateway's configuration names with
agents: certificates. Who has the key is the agent, so 'vncgate token agent' is the
better way where it can be used: the key never leaves the agent's machine then.

Said again with other services it issues another certificate for the same key;
the one before stays good until it ends or is revoked by its serial number
('vncgate token agents revoke --serial').`,
		Example: `  vncgate cert agent lab --service desk --dir /var/lib/vncgate/agents
  vncgate cert agent lab --service 'desk-*' --service console --days 30`,
		Args: oneNameOf("the agent"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.agent(cmd, args[0], services, days) },
	}
	cmd.Flags().StringSliceVar(&services, "service", nil, "`PATTERN` of the services that it may announce (may be repeated)")
	cmd.Flags().StringVar(&days, "days", "397", "`NUMBER` of days that the certificate lasts")
	return cmd
}

// oneNameOf asks for the one argument of a command.
func oneNameOf(whose string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usagef("give one name, that of %s\nrun '%s --help' for examples", whose, cmd.CommandPath())
		}
		return nil
	}
}

func (f *certFlags) agent(cmd *cobra.Command, name string, services []string, days string) error {
	life, err := parseDays(days + "d")
	if err != nil || life <= 0 {
		return usagef("--days: %q is not a number of days", days)
	}
	if len(services) == 0 {
		return usagef("what may it announce? give --service NAME, or a pattern\nrun '%s --help' for examples", cmd.CommandPath())
	}
	if err := certs.CheckWord(name); err != nil {
		return usageOf(err)
	}
	if err := certs.CheckServices(services); err != nil {
		return usageOf(err)
	}
	ca, err := openAgentCA(f.dir)
	if err != nil {
		return explainDir(err)
	}
	pair, err := ca.Agent(name, services, life)
	if err != nil {
		return explainDir(err)
	}
	certFile, keyFile := pair.Files()
	return say(cmd, "certificate  %s (agent %s, services %s; until %s; serial %s)\nkey          %s (keep it secret)\nauthority    %s (fingerprint of its key %s)\n\nAt the display, with these three files:\n  vncgate agent --gateway tls://GATEWAY:PORT --certificate agent-%s.crt --key agent-%s.key --ca ca.crt%s",
		certFile, name, strings.Join(services, ", "), pair.Leaf().NotAfter.UTC().Format(time.DateOnly), certs.Serial(pair.Leaf()), keyFile, ca.CertFile(), certs.KeyFingerprint(ca.Certificate()), name, name, exampleServices(services))
}

// openAgentCA opens the authority of agents. Root, who runs the command, leaves it
// to the gateway that owns the folder, or the one above.
func openAgentCA(dir string) (*certs.CA, error) {
	if err := folder.MakeDir(dir); err != nil {
		return nil, err
	}
	ca, err := certs.OpenCA(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"ca.key", "ca.crt"} {
		if err := folder.GiveAway(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	return ca, nil
}

// exampleServices are those of 'vncgate agent', to be filled in where they cannot be
// known.
func exampleServices(patterns []string) string {
	text := ""
	for _, p := range patterns {
		if certs.CheckWord(p) != nil {
			p = "NAME" // one that the pattern matches
		}
		text += fmt.Sprintf(" --service %s=localhost:5900", p)
	}
	return text
}

func (f *certFlags) nodeCommand() *cobra.Command {
	var hosts []string
	cmd := &cobra.Command{
		Use:   "node NAME --host HOST…",
		Short: "Make a certificate for one gateway among several",
		Long: `node makes the pair node-NAME.crt and node-NAME.key by which gateways that serve
as one prove themselves to each other. NAME is the gateway's in its configuration
(cluster: node), --host what the others reach it by, of this run or an earlier
one. All gateways trust the one authority in --dir: copy ca.crt and its own pair to
each, and keep ca.key where certificates are made.`,
		Example: `  vncgate cert node a --host a.internal --dir /var/lib/vncgate/nodes
  vncgate cert node b --host b.internal --host 10.0.0.2 --dir /var/lib/vncgate/nodes`,
		Args: oneNameOf("the gateway"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.node(cmd, args[0], hosts) },
	}
	cmd.Flags().StringArrayVar(&hosts, "host", nil, "`HOST`: a name or address that the other gateways use for it (may be repeated)")
	return cmd
}

func (f *certFlags) node(cmd *cobra.Command, name string, hosts []string) error {
	if len(hosts) == 0 {
		return usagef("where do the others reach it? give --host NAME or an address\nrun '%s --help' for examples", cmd.CommandPath())
	}
	if err := certs.CheckWord(name); err != nil {
		return usageOf(err)
	}
	for _, h := range hosts {
		if err := certs.CheckHost(h); err != nil {
			return usageOf(err)
		}
	}
	ca, err := certs.OpenCA(f.dir)
	if err != nil {
		return explainDir(err)
	}
	pair, err := ca.Node(name, hosts)
	if err != nil {
		return explainDir(err)
	}
	certFile, keyFile := pair.Files()
	return say(cmd, "certificate  %s (node %s at %s; until %s)\nkey          %s (keep it secret)\nauthority    %s",
		certFile, name, strings.Join(certs.Names(pair.Leaf()), ", "), pair.Leaf().NotAfter.UTC().Format(time.DateOnly), keyFile, ca.CertFile())
}
