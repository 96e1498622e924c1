package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// serveFlags are the simple case, without a file.
type serveFlags struct {
	config          string
	check           bool
	listen          []string
	inetd           bool
	target          string
	display         displayFlags
	tokenFile       string
	passwordFile    string
	usersFile       string
	tlsCert, tlsKey string
	origins         []string
	logLevel        string
	logFormat       string
	control         string
	pidFile         string
	service         serviceFlags
	misspelt        map[string]string // variables that mean nothing, and what they look like
}

func newServeCommand() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Let viewers in and join them to displays",
		Long: `serve runs the gateway in the foreground until it is interrupted.

For one display, flags are enough: where viewers come in (--listen, several
times if wanted) and where the display is (--target). An address is HOST:PORT,
:PORT or unix:PATH; sockets that are open already are fd:N or systemd:NAME.
Browsers are served there, native viewers where the address begins with rfb://,
and both on one port where it begins with any://.

Several displays without a configuration: --token-file names them by tokens, one
"TOKEN: HOST:PORT" a line, read again when it changes. Browsers then connect
to /websockify?token=TOKEN.

For more, write a file: deploy/vncgate.yaml shows every key with a comment. Files that
it names without a leading / are looked for in the folder that serve was started in,
wherever the file itself lies.
--check prints what would be in force, secrets left out, and reads every file
and secret that it names, but listens nowhere. Run it as the user who serves: what
only root may read passes for root, and keys of tokens are made where there are none.

While it serves, the file is read again when it changes and on SIGHUP: targets and
policy count at once, for sessions that are up the policy; the log names what else
has changed, which takes effect at the next start. A mistake changes nothing.

SIGUSR2 exchanges the program without ending a session: it is started anew, as its
file and its configuration are then, and takes the listening sockets over, while
this process serves those it has (limits.upgrade_timeout). If that fails, all is as
it was, and the log says why. SIGTERM lets sessions go on for limits.shutdown_timeout;
a second one ends at once.`,
		Example: `  vncgate serve --listen :6080 --target localhost:5901
  vncgate serve --listen :6080 --listen rfb://:5900 --target unix:/run/qemu/vm.vnc
  vncgate serve --listen :6443 --tls-cert tls.crt --tls-key tls.key \
      --users-file users --target localhost:5901 --target-password-file vnc.password
  vncgate serve --listen any://:5900 --target localhost:5901
  vncgate serve --listen :6080 --token-file tokens
  vncgate serve --config /etc/vncgate/vncgate.yaml --check`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.besideFile(cmd.Flags()); err != nil {
				return err
			}
			f.misspelt = misspelt(os.Environ(), cmd.Flags())
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "`FILE` with the whole configuration, instead of the flags below")
	flags.BoolVar(&f.check, "check", false, "check everything, print the effective configuration and exit")
	flags.StringSliceVar(&f.listen, "listen", nil, "`ADDRESS` for browsers, rfb://ADDRESS for native viewers, or any://ADDRESS for both")
	flags.BoolVar(&f.inetd, "inetd", false, "standard input is the listening socket (wait) or the viewer's connection (nowait): --listen any://fd:0")
	flags.StringVar(&f.target, "target", "", "`ADDRESS` of the display")
	f.display.register(flags)
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` of lines TOKEN: HOST:PORT; browsers must bring a token (?token=), instead of --target")
	flags.StringVar(&f.passwordFile, "password-file", "", "`FILE` with a VNC password that viewers must give")
	flags.StringVar(&f.usersFile, "users-file", "", "`FILE` of users who may come in; 'vncgate user' edits it")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "`FILE` with our certificate (PEM)")
	flags.StringVar(&f.tlsKey, "tls-key", "", "`FILE` with its key (PEM)")
	flags.StringSliceVar(&f.origins, "origin", nil, "`ORIGIN` of foreign pages that may connect, such as https://portal.example")
	f.service.register(flags)
	flags.StringVar(&f.control, "control", "", "`PATH` of the socket for 'vncgate ctl'")
	flags.StringVar(&f.logLevel, "log-level", "", "debug, info, warn or error (default info)")
	flags.StringVar(&f.logFormat, "log-format", "", "text, json or journal (default text; journal where systemd's reads it)")
	flags.StringVar(&f.pidFile, "pid-file", "", "`FILE` to keep the number of the process in that lets viewers in")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

func (f *serveFlags) run(ctx context.Context, out, errOut io.Writer) error {
	before, err := newHeir()
	if err != nil {
		return err
	}
	err = f.serve(ctx, out, errOut, before)
	before.failed(err)
	return err
}

// serve is run beside the process before, if there is one.
func (f *serveFlags) serve(ctx context.Context, out, errOut io.Writer, before *heir) error {
	hangUps := make(chan os.Signal, 1)
	signal.Notify(hangUps, syscall.SIGHUP)
	defer signal.Stop(hangUps)
	file := newConfigFile(f.config, f.configuration, hangUps)
	cfg, err := f.configuration()
	if err != nil {
		return err
	}
	handler, err := cfg.Log.handler(errOut)
	if err != nil {
		return &usageError{err}
	}
	log := slog.New(newAdjustable(handler))
	warnOfMisspelt(log, f.misspelt, cfg)
	if f.check {
		if err = printConfig(ctx, out, errOut, cfg); err != nil {
			fmt.Fprintln(errOut, "The configuration is not in order:")
		}
		return err
	}
	w, err := newWiring(ctx, cfg, log, func(w *wiring) { w.lives.heir = before })
	if err != nil {
		return err
	}
	w.file, w.pidFile = file, pidFile(f.pidFile)
	w.notify = &notifier{log: log, figures: w.figures, healthy: w.selfSession}
	defer w.upgradeOnSignal()()
	w.announce(ctx)
	return w.serve(ctx)
}

// besideFile refuses flags that a file leaves without effect: somebody who adds
// --users-file to a configuration believes that it is locked.
func (f *serveFlags) besideFile(flags *pflag.FlagSet) error {
	if f.config == "" {
		return nil
	}
	var extra []string
	flags.Visit(func(fl *pflag.Flag) {
		switch fl.Name {
		case "config", "check", "log-level", "log-format", "control", "pid-file":
		case "admin":
			if !fromVariable(fl) { // an image may have it for those who bring no file, or one without admin
				extra = append(extra, givenBy(fl))
			}
		default:
			extra = append(extra, givenBy(fl))
		}
	})
	if len(extra) == 0 {
		return nil
	}
	return usagef("--config and %s exclude each other; put it into the file", strings.Join(extra, ", "))
}

// configuration comes from the file or from the flags; only the log's settings
// may be given beside a file.
func (f *serveFlags) configuration() (*config, error) {
	var cfg *config
	var err error
	switch {
	case f.config != "":
		if cfg, err = loadConfig(f.config); err == nil && cfg.Admin == nil {
			f.service.administered(cfg)
		}
	case f.inetd && len(f.listen) > 0:
		return nil, usagef("--inetd and --listen exclude each other: inetd has opened the one socket there is")
	case f.target != "" && f.tokenFile != "":
		return nil, usagef("--target and --token-file exclude each other: the token says which display it is for")
	case f.tokenFile != "" && f.anyAmong():
		return nil, usagef("--listen any:// and --token-file exclude each other: native viewers bring no token; leave any:// out, which leaves browsers")
	case len(f.listen) == 0 && !f.inetd || f.target == "" && f.tokenFile == "":
		return nil, usagef("nothing to serve: give --listen ADDRESS and --target ADDRESS, or --config FILE\nfor a first look without any display, run 'vncgate demo'")
	default:
		if cfg, err = f.fromFlags(); err == nil {
			err = cfg.validate()
		}
		if err != nil {
			err = &usageError{err}
		}
	}
	if err != nil {
		return nil, err
	}
	if f.logLevel != "" {
		cfg.Log.Level = f.logLevel
	}
	if err := f.controlled(cfg); err != nil {
		return nil, err
	}
	if f.logFormat != "" {
		cfg.Log.Format = f.logFormat
	}
	return cfg, nil
}

// anyAmong reports whether native viewers are asked in beside browsers.
func (f *serveFlags) anyAmong() bool {
	return slices.ContainsFunc(f.listen, func(address string) bool { return strings.HasPrefix(address, "any://") })
}

func (f *serveFlags) fromFlags() (*config, error) {
	cfg := &config{}
	if f.target != "" {
		display, err := f.display.at(f.target)
		if err != nil {
			return nil, err
		}
		cfg.Targets = map[string]targetConfig{"display": display}
	}
	if f.tokenFile != "" {
		source := sourceConfig{Name: "tokens", File: f.tokenFile}
		if f.display.described() {
			display, err := f.display.at("")
			if err != nil {
				return nil, err
			}
			source.Display = &display
		}
		cfg.Sources = []sourceConfig{source}
	}
	if f.usersFile != "" {
		cfg.Users = &usersConfig{File: f.usersFile}
	}
	listen := f.listen
	if f.inetd {
		listen = []string{"any://fd:0"}
	}
	for _, address := range listen {
		cfg.Listeners = append(cfg.Listeners, f.listener(address))
	}
	f.service.complete(cfg)
	return cfg, nil
}

// listener is one --listen.
func (f *serveFlags) listener(text string) listenerConfig {
	l := listenerConfig{Address: text, Password: secretFile(f.passwordFile)}
	scheme, address, ok := strings.Cut(text, "://")
	switch {
	case ok && scheme == "rfb":
		l.Address = address
	case ok && scheme == "any" && f.tokenFile == "": // inetd's one socket is for those who bring a token
		l.Address, l.Protocols = address, []string{protocolRFB, protocolWeb}
	case ok && scheme == "any":
		l.Address = address
	}
	if scheme != "rfb" || !ok {
		l.Web = &webConfig{Origins: f.origins}
	}
	if f.tlsCert != "" || f.tlsKey != "" {
		l.TLS = &serverTLSConfig{Certificate: f.tlsCert, Key: f.tlsKey}
	}
	if f.tokenFile != "" && l.Web != nil {
		l.Sources = []string{"tokens"}
	} else {
		l.Target = "display"
	}
	return l
}

func secretFile(path string) *secret {
	if path == "" {
		return nil
	}
	return &secret{File: path}
}

// printConfig shows what would be in force, and fails where the files it names
// would.
func printConfig(ctx context.Context, out, errOut io.Writer, cfg *config) error {
	shown := *cfg
	shown.Limits = cfg.Limits.inForce()
	b, err := yaml.MarshalWithOptions(&shown, yaml.IndentSequence(true))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s", b); err != nil {
		return err
	}
	if err := cfg.secretsReadable(ctx); err != nil {
		return err
	}
	dry := *cfg
	dry.Listeners, dry.Control, dry.Admin, dry.Audit, dry.Tracing, dry.Cluster = nil, nil, nil, nil, nil, nil
	dry.Capabilities = cfg.Capabilities.apart(cfg.Cluster)
	if err := cfg.Cluster.usable(); err != nil {
		return err
	}
	if err := cfg.Audit.writable(); err != nil {
		return err
	}
	if c := cfg.Control; c != nil {
		if err := folderThere("control", c.Socket); err != nil {
			return err
		}
	}
	w, err := newWiring(ctx, &dry, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer w.closeSources()
	if a := cfg.Admin; a != nil && a.TLS != nil {
		if _, err := w.adminTLS(a.TLS); err != nil {
			return fmt.Errorf("admin: %w", err)
		}
	}
	for i := range cfg.Listeners {
		if _, err := w.prepare(&cfg.Listeners[i]); err != nil {
			return fmt.Errorf("listener %s: %w", cfg.Listeners[i].Address, err)
		}
	}
	for _, warning := range cfg.warnings() {
		fmt.Fprintln(errOut, "warning: "+warning)
	}
	fmt.Fprintln(errOut, "The configuration is in order.")
	return nil
}

// announce logs the listeners, and warns of those that let anyone in.
func (w *wiring) announce(ctx context.Context) {
	for i := range w.doors {
		w.doors[i].announce(w)
	}
	w.warnOfOpen()
	w.announceLimits()
	for _, warning := range w.cfg.warnings() {
		w.log.Warn("configuration: " + warning)
	}
	w.warnOfLongPasswords(ctx)
	for _, pair := range w.pairs {
		if warning := pair.Warning(); warning != "" {
			w.log.Warn("certificate: " + warning)
		}
	}
}

// warnOfLongPasswords says what VNC authentication leaves of them.
func (w *wiring) warnOfLongPasswords(ctx context.Context) {
	for i := range w.cfg.Listeners {
		s := w.cfg.Listeners[i].Password
		if s == nil {
			continue
		}
		if text, err := s.read(ctx); err == nil && len(text) > 8 {
			w.log.Warn("only the first 8 characters of a VNC password count; users have no such limit", "listener", w.cfg.Listeners[i].Address)
		}
	}
}

// loopback reports whether only this machine reaches the address.
func loopback(address string) bool {
	return strings.HasPrefix(address, "127.") || strings.HasPrefix(address, "[::1]") || strings.HasPrefix(address, "/") || strings.HasPrefix(address, "@")
}
