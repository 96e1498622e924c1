package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vncgate/layers"
)

// healthFlags are those of vncgate health.
type healthFlags struct {
	admin, config, target, tokenFile string
	told                             bool // admin is a flag's, not a variable's
	ready                            bool
	timeout                          time.Duration
}

func newHealthCommand() *cobra.Command {
	f := &healthFlags{}
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Ask a gateway that runs whether it is in order",
		Long: `health asks the admin listener of a gateway on this machine, and succeeds if the
answer is good: for containers, which need a command for that. Without a flag it
asks whether the process works (/livez), by --ready whether a viewer would be let
in (/readyz), by --target whether a viewer would see that display (/healthz).

Where the admin listener is, is said by --admin or by --config; default:
127.0.0.1:6081. In a container VNCGATE_CONFIG and VNCGATE_ADMIN say it as they do to
the gateway: the file, and the variable where the file has no admin. Its certificate
is not checked: the gateway is on this machine.`,
		Example: `  vncgate health
  vncgate health --ready --config /etc/vncgate/vncgate.yaml
  vncgate health --target desk --admin unix:/run/vncgate/admin.sock`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.told = f.admin != "" && !fromVariable(cmd.Flag("admin"))
			if f.told && f.config != "" && !fromVariable(cmd.Flag("config")) {
				return usagef("--admin and --config exclude each other: both say where the admin listener is")
			}
			return f.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.admin, "admin", "", "`ADDRESS` of the admin listener; https://HOST:PORT for one with TLS")
	flags.StringVar(&f.config, "config", "", "the gateway's configuration `FILE`, for the address")
	flags.StringVar(&f.target, "target", "", "`NAME` of a display that has to be reachable")
	flags.StringVar(&f.tokenFile, "token-file", "", "`FILE` with a token of the admin listener, which --target needs unless health is open")
	flags.BoolVar(&f.ready, "ready", false, "a viewer would be let in")
	flags.DurationVar(&f.timeout, "timeout", 20*time.Second, "how long to wait for the answer")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	notFromEnvironment(flags, "target", "token-file")
	cmd.MarkFlagsMutuallyExclusive("ready", "target")
	return cmd
}

// page is what to ask for.
func (f *healthFlags) page() string {
	switch {
	case f.target != "":
		return "/healthz?target=" + url.QueryEscape(f.target)
	case f.ready:
		return "/readyz"
	}
	return "/livez"
}

// address is where, and whether by TLS.
func (f *healthFlags) address() (address string, overTLS bool, err error) {
	if f.config != "" && !f.told {
		cfg, err := loadConfig(f.config)
		switch {
		case err != nil:
			return "", false, err
		case cfg.Admin != nil:
			return cfg.Admin.Address, cfg.Admin.TLS != nil, nil
		case f.admin == "":
			return "", false, usagef("%s has no admin listener; add admin: {address: 127.0.0.1:6081}", f.config)
		}
	}
	if f.admin == "" {
		return "127.0.0.1:6081", false, nil
	}
	if address, ok := strings.CutPrefix(f.admin, "https://"); ok {
		return strings.TrimSuffix(address, "/"), true, nil
	}
	return strings.TrimSuffix(strings.TrimPrefix(f.admin, "http://"), "/"), false, nil
}

func (f *healthFlags) run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	address, overTLS, err := f.address()
	if err != nil {
		return err
	}
	scheme := "http"
	if overTLS {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://localhost"+f.page(), nil)
	if err != nil {
		return err
	}
	if f.tokenFile != "" {
		token, err := os.ReadFile(f.tokenFile)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dialAdmin(ctx, address) },
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // as --help says
		DisableKeepAlives: true,
	}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("no answer from the admin listener at %s: %w%s", address, err, f.elsewhere())
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode == http.StatusUnauthorized {
		return errors.New(f.unknown())
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	}
	_, err = out.Write(text)
	return err
}

// elsewhere is what to do where nothing answers at an address that nobody gave.
func (f *healthFlags) elsewhere() string {
	if f.admin != "" || f.config != "" {
		return ""
	}
	return "\nsay where it is with --admin ADDRESS or --config FILE; without admin: in its configuration, a gateway has none"
}

// unknown is what to do where it asks who we are.
func (f *healthFlags) unknown() string {
	if f.tokenFile != "" {
		return "the token in " + f.tokenFile + " is wrong: it is to be one of the configuration's admin: tokens"
	}
	return "the gateway tells this only to whoever has a token of its admin: tokens: give --token-file FILE, or set admin: {open: [health]}"
}

// dialAdmin reaches the address that a gateway listens on, which may be all of
// this machine's.
func dialAdmin(ctx context.Context, address string) (net.Conn, error) {
	if host, port, err := net.SplitHostPort(address); err == nil && (host == "" || host == "0.0.0.0" || host == "::") {
		address = net.JoinHostPort("localhost", port)
	}
	return layers.Dial(ctx, address)
}
