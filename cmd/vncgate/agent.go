package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vncgate/certs"
	"vncgate/gateway/tunnel"
)

// exitUnwanted is how an agent ends that the gateway does not want any more: to
// start it again is of no use.
const exitUnwanted = 3

// agentVariables is what the names of an agent's variables begin with.
const agentVariables = "VNCGATE_AGENT_"

// agentFlags are those of vncgate agent.
type agentFlags struct {
	gateway, proxy   string
	ca, fingerprint  string
	certificate, key string
	token, tokenFile string
	state            string
	name             string
	connections      int
	services         agentServices
	check            bool
	log              logConfig
}

func newAgentCommand() *cobra.Command {
	f := &agentFlags{}
	cmd := &cobra.Command{
		Use:   "agent --gateway URL --service NAME=ADDRESS... [-- COMMAND [ARG...]]",
		Short: "Connect displays that a gateway cannot reach",
		Long: `agent runs beside displays that the gateway cannot reach: behind NAT, in a pod
without inbound network, on a laptop. It dials out to the gateway and keeps that
connection; the gateway opens sessions through it, to the services named here and
to nothing else. It listens nowhere.

The gateway is tls://HOST:PORT (default port 7000), wss://HOST/PATH, which passes
through reverse proxies, or unix:PATH on the same machine. HTTP proxies on the way
out are those of HTTPS_PROXY and NO_PROXY, or of --proxy. Whatever is on the way, the
agent and the gateway speak TLS 1.3 with each other and prove to each other who they
are, so the certificate of a wss:// server in front is not looked at.

A service is HOST:PORT, unix:PATH, or command:WORDS for a display that is started for
each session and speaks on its standard input and output, as Xvnc -inetd does
(--service 'desk=command:Xvnc -inetd -SecurityTypes None'; no shell is involved). Viewers
reach it as the target agent/NAME/SERVICE, or under a name that the gateway's
configuration gives it. The display's own password and TLS are between the gateway
and the display: the agent passes bytes on.

Who the agent is says a certificate. A one-time token ('vncgate token agent' on the
gateway prints one) gets it, once; it is kept in --state and renewed by itself, so later
starts need no token. --certificate and --key name one that was made with 'vncgate
cert agent'; then --ca or --ca-fingerprint says by whom the gateway has to be known. On
a unix socket there is only --name.

With COMMAND the agent starts it, passes signals on, and ends with its exit code: for
containers whose one program is the display. As their process 1 it also buries what
loses its parent there, and runs itself as a child for that; no other init is needed.

Variables instead of flags: --gateway is VNCGATE_AGENT_GATEWAY. Several services in one
variable are separated by commas or lines. Exit codes: 2 what was asked cannot be, 3 the
gateway has revoked this agent (do not start it again; with a new token it is let in),
else 1. One whose certificate has run out is refused by TLS, as one whose clock is wrong
would be, so it says so and goes on trying.`,
		Example: `  vncgate agent --gateway tls://gw.example --token vga1.XXXX --service desk=localhost:5901
  vncgate agent --gateway wss://gw.example/agent --service vm1=unix:/run/qemu/vm1.vnc --service vm2=unix:/run/qemu/vm2.vnc
  vncgate agent --gateway wss://gw.example/agent --proxy http://proxy:3128 --service desk=localhost:5901
  vncgate agent --gateway tls://gw.example --service desk=command:/usr/local/bin/desk
  vncgate agent --gateway unix:/run/vncgate/agents.sock --name lab --service desk=localhost:5901
  vncgate agent --gateway tls://gw.example --service desk=localhost:5901 --check     # what is wrong?
  vncgate agent --gateway tls://gw.example --service desk=localhost:5901 -- Xvnc :1 -rfbport 5901`,
		Args:              argumentsBehindDash,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return bindVariables(cmd.Flags(), agentVariables) },
		RunE: func(cmd *cobra.Command, command []string) error {
			return f.run(cmd.Context(), command, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd.Flags())
	cmd.MarkFlagsMutuallyExclusive("token", "token-file")
	cmd.MarkFlagsMutuallyExclusive("ca", "ca-fingerprint")
	cmd.MarkFlagsRequiredTogether("certificate", "key")
	return cmd
}

func (f *agentFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.gateway, "gateway", "", "`URL` of the gateway: tls://HOST:PORT, wss://HOST/PATH, ws://HOST/PATH or unix:PATH")
	flags.Var(&f.services, "service", "what is served: `NAME=ADDRESS`, with HOST:PORT, unix:PATH or command:WORDS; several times if wanted")
	flags.StringVar(&f.token, "token", "", "one-time `TOKEN` of 'vncgate token agent', for the first start")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` with that token, which other users then do not see in the list of processes")
	flags.StringVar(&f.state, "state", "", "`FOLDER` for the certificate that a token brings (default $STATE_DIRECTORY, else ~/.local/state/vncgate-agent)")
	flags.StringVar(&f.certificate, "certificate", "", "`FILE` with the agent's certificate (PEM), instead of a token")
	flags.StringVar(&f.key, "key", "", "`FILE` with its key (PEM)")
	flags.StringVar(&f.ca, "ca", "", "`FILE` with the certificate of the CA that the gateway's agents have (PEM)")
	flags.StringVar(&f.fingerprint, "ca-fingerprint", "", "`FINGERPRINT` of that CA's key, as 'vncgate cert agent' prints it, instead of the file")
	flags.StringVar(&f.name, "name", "", "`NAME` of this agent, on unix sockets; elsewhere its certificate says it")
	flags.StringVar(&f.proxy, "proxy", "", "`URL` of an HTTP proxy on the way out, http:// or https://; none for none (default: HTTPS_PROXY and NO_PROXY)")
	flags.IntVar(&f.connections, "connections", 1, "how many connections to keep in parallel, `N`; the gateway may allow fewer")
	flags.BoolVar(&f.check, "check", false, "try the gateway and each service once, say what is wrong and exit")
	flags.StringVar(&f.log.Level, "log-level", "", "debug, info, warn or error (default info)")
	flags.StringVar(&f.log.Format, "log-format", "", "text, json or journal (default text; journal where systemd's reads it)")
}

// argumentsBehindDash wants a command only behind "--", so that a flag without
// its dashes is not taken for one.
func argumentsBehindDash(cmd *cobra.Command, args []string) error {
	dash := cmd.ArgsLenAtDash()
	if len(args) == 0 && dash != 0 || dash == 0 && len(args) > 0 {
		return nil
	}
	if dash == 0 {
		return usagef("there is no command behind --")
	}
	return usagef("%s takes no argument %q; a command to run goes behind --\nrun '%s --help' for what there is", cmd.CommandPath(), args[0], cmd.CommandPath())
}

// run is the whole life of the program.
func (f *agentFlags) run(ctx context.Context, command []string, out, errOut io.Writer) error {
	way, err := f.way()
	if err != nil {
		return err
	}
	if len(f.services.list) == 0 {
		return usagef("nothing to serve: give --service NAME=ADDRESS, such as --service desk=localhost:5901")
	}
	handler, err := f.log.handler(errOut)
	if err != nil {
		return &usageError{err}
	}
	log := slog.New(handler)
	if !f.check && (len(command) > 0 || f.services.commands()) {
		if ended, ours := underFirst(log); ours {
			return ended
		}
	}
	id, err := f.identity(ctx, way, log)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		log.Info("agent ends, and is not enrolled yet")
		return nil
	}
	if err != nil {
		return err
	}
	a := f.agent(way, id, log)
	if f.check {
		return f.tryAll(ctx, a, way, out)
	}
	r := &agentRun{agent: a, id: id, way: way, log: log}
	return r.serve(ctx, command)
}

// way is how the gateway is reached.
func (f *agentFlags) way() (*gatewayWay, error) {
	if f.gateway == "" {
		return nil, usagef("no gateway: give --gateway URL, such as tls://gateway.example:7000 or wss://gateway.example/agent")
	}
	way, err := parseGateway(f.gateway, f.proxy)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--gateway: %w", err)}
	}
	switch {
	case way.local() && f.name == "":
		return nil, usagef("--name is missing: on a unix socket nothing else says who this agent is")
	case way.local() && (f.certificate != "" || f.token != "" || f.tokenFile != ""):
		return nil, usagef("a unix socket needs no certificate and no token: whoever may open it is let in")
	case f.name != "" && certs.CheckWord(f.name) != nil:
		return nil, usagef("--name: %w", certs.CheckWord(f.name))
	}
	return way, nil
}

// agent is the one that the flags describe.
func (f *agentFlags) agent(way *gatewayWay, id *agentIdentity, log *slog.Logger) *tunnel.Agent {
	a := &tunnel.Agent{
		Name: f.name, Connections: f.connections, Software: "vncgate " + versionText(), Log: log,
		Connect: func(ctx context.Context) (net.Conn, error) { return way.connect(ctx, id.config()) },
	}
	for _, s := range f.services.list {
		a.Services = append(a.Services, s.service(log))
	}
	return a
}

// secretToken is the one-time token, or "".
func (f *agentFlags) secretToken() (string, error) {
	if f.tokenFile == "" {
		return strings.TrimSpace(f.token), nil
	}
	text, err := os.ReadFile(f.tokenFile)
	if err != nil {
		return "", fmt.Errorf("--token-file: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// agentError is what Run's end means to whoever reads it.
func agentError(err error) error {
	unwanted, ok := errors.AsType[*tunnel.Unwanted](err)
	if !ok {
		return err
	}
	return &endedWith{exitUnwanted, fmt.Errorf("the gateway does not want this agent any more: %s\nstarting it again is of no use; on the gateway, 'vncgate token agent NAME' makes a token that lets it in anew, once with --token", unwanted.Reason)}
}

// endedWith is an error with an exit code of its own.
type endedWith struct {
	code int
	err  error
}

func (e *endedWith) Error() string { return e.err.Error() }
func (e *endedWith) Unwrap() error { return e.err }
