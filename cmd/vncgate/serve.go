package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// serveFlags are the simple case, without a file.
type serveFlags struct {
	config             string
	check              bool
	listen             []string
	target             string
	targetUser         string
	targetPasswordFile string
	targetCA           string
	passwordFile       string
	usersFile          string
	tlsCert, tlsKey    string
	origins            []string
	logLevel           string
	logFormat          string
}

func newServeCommand() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Let viewers in and join them to displays",
		Long: `serve runs the gateway in the foreground until it is interrupted.

For one display, flags are enough: where viewers come in (--listen, several
times if wanted) and where the display is (--target). An address is HOST:PORT,
:PORT or unix:PATH. Browsers are served there, and native viewers where the
address begins with rfb:// instead.

For more, write a file: deploy/vncgate.yaml shows every key with a comment.
--check prints what would be in force, secrets left out, and reads every file
and secret that it names, but listens nowhere.`,
		Example: `  vncgate serve --listen :6080 --target localhost:5901
  vncgate serve --listen :6080 --listen rfb://:5900 --target unix:/run/qemu/vm.vnc
  vncgate serve --listen :6443 --tls-cert tls.crt --tls-key tls.key \
      --users-file users --target localhost:5901 --target-password-file vnc.password
  vncgate serve --config /etc/vncgate/vncgate.yaml --check`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.besideFile(cmd.Flags()); err != nil {
				return err
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.config, "config", "", "`FILE` with the whole configuration, instead of the flags below")
	flags.BoolVar(&f.check, "check", false, "check everything, print the effective configuration and exit")
	flags.StringSliceVar(&f.listen, "listen", nil, "`ADDRESS` for browsers, or rfb://ADDRESS for native viewers")
	flags.StringVar(&f.target, "target", "", "`ADDRESS` of the display")
	flags.StringVar(&f.targetUser, "target-user", "", "`NAME` that the display knows us by")
	flags.StringVar(&f.targetPasswordFile, "target-password-file", "", "`FILE` with the display's password; viewers never see it")
	flags.StringVar(&f.targetCA, "target-ca", "", "`FILE` with the CA that the display's certificate must come from")
	flags.StringVar(&f.passwordFile, "password-file", "", "`FILE` with a VNC password that viewers must give")
	flags.StringVar(&f.usersFile, "users-file", "", "`FILE` of users who may come in; 'vncgate user' edits it")
	flags.StringVar(&f.tlsCert, "tls-cert", "", "`FILE` with our certificate (PEM)")
	flags.StringVar(&f.tlsKey, "tls-key", "", "`FILE` with its key (PEM)")
	flags.StringSliceVar(&f.origins, "origin", nil, "`ORIGIN` of foreign pages that may connect, such as https://portal.example")
	flags.StringVar(&f.logLevel, "log-level", "", "debug, info, warn or error (default info)")
	flags.StringVar(&f.logFormat, "log-format", "", "text or json (default text)")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

func (f *serveFlags) run(ctx context.Context, out, errOut io.Writer) error {
	cfg, err := f.configuration()
	if err != nil {
		return err
	}
	handler, err := cfg.Log.handler(errOut)
	if err != nil {
		return &usageError{err}
	}
	log := slog.New(handler)
	if f.check {
		return printConfig(ctx, out, errOut, cfg)
	}
	w, err := newWiring(ctx, cfg, log)
	if err != nil {
		return err
	}
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
		case "config", "check", "log-level", "log-format":
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
		cfg, err = loadConfig(f.config)
	case len(f.listen) == 0 || f.target == "":
		return nil, usagef("nothing to serve: give --listen ADDRESS and --target ADDRESS, or --config FILE\nfor a first look without any display, run 'vncgate demo'")
	default:
		cfg = f.fromFlags()
		if err = cfg.validate(); err != nil {
			err = &usageError{err}
		}
	}
	if err != nil {
		return nil, err
	}
	if f.logLevel != "" {
		cfg.Log.Level = f.logLevel
	}
	if f.logFormat != "" {
		cfg.Log.Format = f.logFormat
	}
	return cfg, nil
}

func (f *serveFlags) fromFlags() *config {
	display := targetConfig{Address: f.target, User: f.targetUser, Password: secretFile(f.targetPasswordFile)}
	if f.targetCA != "" {
		display.TLS = &clientTLSConfig{CA: f.targetCA}
	}
	cfg := &config{Targets: map[string]targetConfig{"display": display}}
	if f.usersFile != "" {
		cfg.Users = &usersConfig{File: f.usersFile}
	}
	for _, address := range f.listen {
		l := listenerConfig{Target: "display", Password: secretFile(f.passwordFile)}
		var native bool
		if l.Address, native = strings.CutPrefix(address, "rfb://"); !native {
			l.Web = &webConfig{Origins: f.origins}
		}
		if f.tlsCert != "" || f.tlsKey != "" {
			l.TLS = &serverTLSConfig{Certificate: f.tlsCert, Key: f.tlsKey}
		}
		cfg.Listeners = append(cfg.Listeners, l)
	}
	return cfg
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
	b, err := yaml.MarshalWithOptions(cfg, yaml.IndentSequence(true))
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
	dry.Listeners = nil
	w, err := newWiring(ctx, &dry, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer w.closeSources()
	for i := range cfg.Listeners {
		if _, err := w.prepare(&cfg.Listeners[i]); err != nil {
			return fmt.Errorf("listener %s: %w", cfg.Listeners[i].Address, err)
		}
	}
	fmt.Fprintln(errOut, "The configuration is in order.")
	return nil
}

// announce logs the listeners, and warns of those that let anyone in.
func (w *wiring) announce(ctx context.Context) {
	for i := range w.doors {
		w.doors[i].announce(w)
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
