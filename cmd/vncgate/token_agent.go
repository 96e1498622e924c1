package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vncgate/certs"
	"vncgate/gateway/tunnel"
)

// agentTokenFlags are those of the commands about agents.
type agentTokenFlags struct {
	*storeFlags
	certificates string
	services     []string
	expires      string
	gateway      string
	note         string
	json         bool
	serials, ids []string
}

func newAgentTokenCommand(s *storeFlags) *cobra.Command {
	f := &agentTokenFlags{storeFlags: s}
	cmd := &cobra.Command{
		Use:   "agent NAME --service PATTERN…",
		Short: "Make a one-time token by which an agent gets its certificate",
		Long: `agent prints a token that is good for one agent, once. 'vncgate agent --token',
at the display, makes a key, proves by the token who it is, knows by it that the
gateway is the right one, and gets a certificate, which it renews by itself. The
agent is NAME, and may announce the services that match a PATTERN: viewers see
them as agent/NAME/SERVICE.

The token is a secret until it is used. Whoever used it first has it: should the
agent say that it was used already, somebody else did ('vncgate token agents
revoke NAME').`,
		Example: `  vncgate token agent lab --service desk
  vncgate token agent lab --service 'desk-*' --service console --expires 1d --gateway wss://vnc.example/agent
  vncgate token agent lab --service desk --certificates /var/lib/vncgate/agents`,
		Args: oneNameOf("the agent"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.make(cmd, args[0]) },
	}
	flags := cmd.Flags()
	f.place(cmd)
	flags.StringSliceVar(&f.services, "service", nil, "`PATTERN` of the services that it may announce (may be repeated)")
	flags.StringVar(&f.expires, "expires", "1h", "how `LONG` the token may be used (30m, 2d), or until when")
	flags.StringVar(&f.gateway, "gateway", "", "`URL` by which the agent reaches the gateway, for the command line to copy")
	flags.StringVar(&f.note, "note", "", "`TEXT` for the list: what it is for")
	flags.BoolVar(&f.json, "json", false, "write JSON: id, token, agent, services, expires, command")
	return cmd
}

// place are the flags that say where what is known of agents is kept.
func (f *agentTokenFlags) place(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.certificates, "certificates", "", "`FOLDER` of the agents' authority, instead of agents: certificates in --config")
	_ = cmd.MarkFlagDirname("certificates")
}

// open opens what is known of agents; cfg is nil where the folder was given.
func (f *agentTokenFlags) open(cmd *cobra.Command) (dir string, registry *tunnel.Registry, cfg *config, err error) {
	var store tunnel.Store
	if f.certificates != "" {
		dir = f.certificates
		store, err = openAgentFolder(dir)
	} else {
		if cfg, err = loadConfig(f.config); errors.Is(err, os.ErrNotExist) {
			return "", nil, nil, usagef("%w\nname the configuration with --config, or the folder of the agents' authority with --certificates", err)
		} else if err != nil {
			return "", nil, nil, err
		}
		if cfg.Agents == nil || cfg.Agents.Certificates == "" {
			return "", nil, nil, usagef("%s has no agents, so no token would be good for anything; add\n\n  agents: {certificates: /var/lib/vncgate/agents}\n\nand a listener for them, such as {address: \":7000\", agents: {}}", f.config)
		}
		dir = cfg.Agents.Certificates
		store, err = cfg.openAgentStore(cmd.Context())
	}
	if errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("%w\nrun it as the gateway's user or as root (sudo vncgate token …)", err)
	}
	if err != nil {
		return "", nil, nil, err
	}
	return dir, tunnel.OpenRegistry(cmd.Context(), store, tunnel.RegistryConfig{}), cfg, nil
}

func (f *agentTokenFlags) make(cmd *cobra.Command, name string) error {
	if len(f.services) == 0 {
		return usagef("what may it announce? give --service NAME, or a pattern\nrun '%s --help' for examples", cmd.CommandPath())
	}
	if err := errors.Join(certs.CheckWord(name), certs.CheckServices(f.services)); err != nil {
		return usageOf(err)
	}
	expires, err := instant(f.expires, time.Now())
	if err != nil {
		return usagef("--expires: %w", err)
	}
	if err := checkTokenGateway(f.gateway); err != nil {
		return err
	}
	dir, registry, cfg, err := f.open(cmd)
	if err != nil {
		return err
	}
	defer registry.Close()
	ca, err := openAgentCA(dir)
	if err != nil {
		return explainDir(err)
	}
	secret, made, err := registry.AddToken(cmd.Context(), tunnel.Token{Agent: name, Services: f.services, Expires: expires, Maker: whoRuns(), Note: f.note})
	if err != nil {
		return err
	}
	token := tunnel.FormatToken(certs.KeyFingerprint(ca.Certificate()), secret)
	command := fmt.Sprintf("vncgate agent --gateway %s --token %s%s", cfg.agentURL(f.gateway), token, exampleServices(f.services))
	if f.json {
		return writeJSON(cmd.OutOrStdout(), agentToken{made.ID, token, name, f.services, made.Expires.UTC(), command})
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "good once, until %s, for agent %s with services %s; 'vncgate token agents revoke%s --id %s' takes it back\nat the display:\n\n  %s\n\n",
		made.Expires.Format(time.RFC3339), name, strings.Join(f.services, ", "), f.given(cmd), made.ID, command)
	return say(cmd, "%s", token)
}

// checkTokenGateway keeps out of the command line what the agent would refuse.
func checkTokenGateway(text string) error {
	if text == "" {
		return nil
	}
	way, err := parseGateway(text, "none")
	if err != nil {
		return usagef("--gateway: %w", err)
	}
	if way.local() {
		return usagef("--gateway: agents on a unix socket need no token: they have --name, among the names in agents: local")
	}
	return nil
}

// agentToken is what agent writes as JSON.
type agentToken struct {
	ID       string    `json:"id"`
	Token    string    `json:"token"`
	Agent    string    `json:"agent"`
	Services []string  `json:"services"`
	Expires  time.Time `json:"expires"`
	Command  string    `json:"command"`
}

// given are the flags that say where what is known of agents is kept.
func (f *agentTokenFlags) given(cmd *cobra.Command) string {
	if f.certificates != "" {
		return " --certificates " + f.certificates
	}
	return f.storeFlags.given(cmd)
}

// agentURL is where agents reach the gateway: as was said, or as far as the
// configuration tells. c may be nil.
func (c *config) agentURL(said string) string {
	if said != "" || c == nil {
		return orText(said, "tls://GATEWAY:PORT")
	}
	host, err := os.Hostname()
	if err != nil {
		host = "GATEWAY"
	}
	for _, l := range c.Listeners {
		at, port, err := net.SplitHostPort(l.Address)
		if err != nil || l.takesAgents() == "" {
			continue
		}
		if at == "" || net.ParseIP(at).IsUnspecified() {
			at = host
		}
		switch {
		case l.Agents != nil:
			return "tls://" + net.JoinHostPort(at, port)
		case l.TLS == nil:
			return "ws://" + net.JoinHostPort(at, port) + l.Web.Agents
		}
		return "wss://" + net.JoinHostPort(at, port) + l.Web.Agents
	}
	return "tls://GATEWAY:PORT"
}
