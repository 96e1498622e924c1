package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vncgate/layers"
)

// doctorFlags say what to examine. Those of the display are named as serve's.
type doctorFlags struct {
	config string
	front  bool
	displayFlags
	screenshot string
	json       bool
	timeout    time.Duration
}

func newDoctorCommand() *cobra.Command {
	f := &doctorFlags{}
	cmd := &cobra.Command{
		Use:   "doctor TARGET|ADDRESS",
		Short: "Find out why a display or a gateway cannot be reached",
		Long: `doctor connects to a display as the gateway would and tells, step by step, what it
found, how long it took, and what to change where when a step fails: name and
address, TLS and WebSocket, the RFB version, the security types on offer and
which of them would be used and why, the certificate, the log-in, the screen.

TARGET is a name among the targets of --config. Without a configuration, give the
ADDRESS of the display: HOST:PORT, unix:PATH, ws://… or wss://…, and what it
demands by the flags --target-…, whose names may be shortened: --user,
--password-file, --ca, --name, --pin, --rsa-key, --insecure, --tls, --cert, --key,
--security.

With --front it looks at a gateway, or any VNC server, as a viewer sees it: at
HOST:PORT or unix:PATH as a native viewer, at http://…, https://…, ws://… or wss://…
as a browser: the page, the WebSocket, which pages may connect, and which viewers
could get in. The WebSocket is at /websockify, unless the URL is one's own
(https://HOST/websockify?target=NAME, ws://HOST/PATH: no page is looked at then)
or a page's that names another (?path=…, as noVNC has it). It logs in if it is
told how or where nothing is asked for, and never sends a password to a server
whose certificate is not in order.

--json prints one object: kind ("display" or "front"), address, target, ok, ms
(all of it), steps. A step has name, ok, skipped, ms, summary, and where there are
any notes and advice (lists of sentences) and details (an object). The steps, as
far as they apply, and their details:
  settings
  address         addresses
  connect         peer
  tls             version, cipher
  certificate     certificates (as 'cert show --json' has them), problems
  page            status, type, server
  websocket
  origin          own, foreign: whether pages of that origin may connect
  greeting        version
  security        offered, subtypes (of VeNCrypt), tight, chosen, server (a guess)
  viewers         viewers: the type that each would use, "" for none
  authentication  type, method, channel
  screen          width, height, name, format, server
  screenshot      file, width, height

The exit code is 0 if nothing is wrong in what was looked at, 1 if a step failed,
2 if it was told something that cannot be.`,
		Example: `  vncgate doctor localhost:5901
  vncgate doctor desk --config /etc/vncgate/vncgate.yaml --screenshot desk.png
  vncgate doctor vm.example:5900 --user alice --password-file vm.password --ca ca.pem
  vncgate doctor --front https://gate.example:6443
  vncgate doctor --front gate.example:5900 --json`,
		Args: oneArgument("a target of the configuration or the address of a display"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.run(cmd.Context(), args[0], cmd.OutOrStdout())
		},
	}
	f.register(cmd.Flags())
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

func (f *doctorFlags) register(flags *pflag.FlagSet) {
	shortNames(flags)
	flags.StringVar(&f.config, "config", "", "`FILE` that names the target")
	flags.BoolVar(&f.front, "front", false, "look at a gateway or VNC server as a viewer sees it")
	f.displayFlags.register(flags)
	flags.StringVar(&f.screenshot, "screenshot", "", "write a picture of the screen to `FILE` (PNG)")
	flags.BoolVar(&f.json, "json", false, "print one JSON object")
	flags.DurationVar(&f.timeout, "timeout", 10*time.Second, "how long a step may take")
}

// oneArgument is cobra.ExactArgs(1) with an error that says what is missing.
func oneArgument(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return usagef("%s needs %s\nrun '%s --help' for what there is", cmd.CommandPath(), what, cmd.CommandPath())
	}
}

func (f *doctorFlags) run(ctx context.Context, subject string, out io.Writer) error {
	d, err := f.doctor(subject)
	if err != nil {
		return err
	}
	p := newPrinter(out)
	if !f.json {
		p.title(d.report.title())
		d.finished = p.step
	}
	d.examine(ctx)
	if f.json {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		err = enc.Encode(d.report)
	} else {
		err = p.end(d.report)
	}
	return errors.Join(err, d.report.failed())
}

// doctor finds out what the subject is.
func (f *doctorFlags) doctor(subject string) (*doctor, error) {
	switch {
	case f.front && f.config != "":
		return nil, usagef("--config names displays; --front takes the address that viewers come to")
	case f.timeout <= 0:
		return nil, usagef("--timeout: %v is no time at all", f.timeout)
	}
	d := &doctor{timeout: f.timeout, patience: min(3*time.Second, f.timeout/2), screenshot: f.screenshot}
	d.report = &report{Kind: "display", Address: subject, OK: true, Steps: []*step{}}
	var err error
	switch {
	case f.front:
		d.front, d.report.Kind = true, "front"
		d.page, d.t, err = f.asViewer(subject)
	case f.config != "":
		d.t, err = f.configured(subject, d.report)
	default:
		d.t, err = f.display(subject)
	}
	if err == nil {
		err = d.t.validate()
	}
	if err != nil {
		return nil, &usageError{err}
	}
	return d, nil
}

// configured finds a target of the configuration. An address is taken as such.
func (f *doctorFlags) configured(subject string, r *report) (targetConfig, error) {
	cfg, err := loadConfig(f.config)
	if err != nil {
		return targetConfig{}, err
	}
	t, ok := cfg.Targets[subject]
	switch {
	case !ok && strings.Contains(subject, ":"):
		return f.display(subject)
	case !ok:
		return t, notOneOf("target", subject, keys(cfg.Targets))
	case t.Arrives != nil:
		return t, fmt.Errorf("%s dials in by itself, so nothing can be asked of it; the gateway's log says whether it has come", subject)
	case t.Agent != "":
		return t, fmt.Errorf("%s is reached through the tunnel of an agent, which the gateway has; 'vncgate ctl probe %s' asks it to look", subject, subject)
	case f.described():
		return t, errors.New("the flags --target-… are for an address; what is so of a target stands in the configuration")
	}
	r.Target, r.Address = subject, t.whereabouts()
	return t, nil
}

// display makes a target of an address and flags.
func (f *doctorFlags) display(subject string) (targetConfig, error) {
	t, err := f.at(subject)
	if err != nil && strings.HasPrefix(subject, "http") {
		return t, fmt.Errorf("%w; --front looks at pages", err)
	}
	if err != nil {
		return t, err
	}
	if _, _, err := layers.ParseAddress(t.Address); t.Address != "" && err != nil && f.config == "" && !strings.ContainsAny(subject, ":/") {
		return t, fmt.Errorf("%w (the name of a target needs --config)", err)
	}
	return t, nil
}

// whereabouts is where a target is, in a word.
func (t *targetConfig) whereabouts() string {
	switch {
	case t.URL != "":
		return t.URL
	case len(t.Command) > 0:
		return "command " + t.Command[0]
	}
	return t.Address
}
