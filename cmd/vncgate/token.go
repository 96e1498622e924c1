package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vncgate/auth"
	"vncgate/auth/capability"
)

// storeFlags say where tokens are kept.
type storeFlags struct {
	config, store, keys string
}

// tokenFlags are those of one command of token.
type tokenFlags struct {
	*storeFlags
	targets, rights, from []string
	limits                []string
	expires, renew        string
	renewUntil            string
	uses                  int
	user, note, link      string
	json, everything      bool
}

func newTokenCommand() *cobra.Command {
	s := &storeFlags{}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Issue, list and revoke tokens: who has one may see a display, or become an agent",
		Long: `token makes signed tokens whose bearer may do something on a display until some
time, and takes them back. A gateway whose configuration has capabilities, and a
listener with sources: [capabilities], takes them; a revocation ends sessions
within a second, and nothing has to be restarted.

A token is a secret. A share link (--link) has it behind the #, which no browser
sends and no server logs. 'token agent' makes another kind, by which an agent
beside a display gets its certificate.`,
		Example: `  vncgate token issue --target desk --expires 8h --link https://vnc.example/
  vncgate token list
  vncgate token revoke --user alice`,
		Args: subcommandsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&s.config, "config", defaultConfig, "`FILE` with the configuration, whose capabilities say where tokens are kept")
	flags.StringVar(&s.store, "store", "", "`FOLDER` in which tokens are kept, instead of --config")
	flags.StringVar(&s.keys, "keys", "", "`FILE` of the keys (default: keys.json in --store)")
	cmd.AddCommand(newIssueCommand(s), newListCommand(s), newRevokeCommand(s), newKeysCommand(s), newAgentTokenCommand(s), newAgentsCommand(s))
	return cmd
}

func newIssueCommand(s *storeFlags) *cobra.Command {
	f := &tokenFlags{storeFlags: s}
	cmd := &cobra.Command{
		Use:   "issue",
		Short: "Issue a token, or a share link",
		Long: `issue prints a new token, or with --link a link that opens the viewer page with
it. It may look and no more, unless --rights says otherwise, and ends after
--expires at the latest; policy and listener may allow less than it says.

--uses 1 makes it good for one session; the browser that opened its link may
come back within the grace period without another use (so may, by a token in an
address, whoever comes from where it was used). --user binds it to somebody who
must log in as well, --from to networks.`,
		Example: `  vncgate token issue --target desk --expires 8h
  vncgate token issue --target desk --expires 1d --uses 1 --link https://vnc.example/ --note "for the auditor"
  vncgate token issue --target 'lab-*' --rights control,clipboard --user alice --from 10.0.0.0/8 --expires 30d
  vncgate token issue --target desk --expires 1h --renew 1h --renew-until 12h --limit idle=15m`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.issue(cmd) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.targets, "target", nil, "`NAME` of a display, or a pattern; may be repeated")
	flags.StringSliceVar(&f.rights, "rights", nil, "`RIGHTS` that it gives at most (default view)")
	flags.StringArrayVar(&f.limits, "limit", nil, "`NAME=VALUE`, such as idle=15m or down=5MB/s; may be repeated")
	flags.StringVar(&f.expires, "expires", "", "how `LONG` it lasts (8h, 30d), or until when (2026-03-02T18:00[Europe/Berlin])")
	flags.IntVar(&f.uses, "uses", 0, "`NUMBER` of sessions that it is good for (default: any)")
	flags.StringVar(&f.user, "user", "", "`NAME` of the user who must log in beside it")
	flags.StringSliceVar(&f.from, "from", nil, "`NETWORK` that it must be used from; may be repeated")
	flags.StringVar(&f.note, "note", "", "`TEXT` for the list: what it is for")
	flags.StringVar(&f.renew, "renew", "", "how `LONG` the page can make it last again …")
	flags.StringVar(&f.renewUntil, "renew-until", "", "… and for how `LONG` in all")
	flags.StringVar(&f.link, "link", "", "`URL` of the gateway: print a share link")
	flags.BoolVar(&f.json, "json", false, "write JSON: id, token, link, expires")
	notFromEnvironment(flags, "target")
	_ = cmd.RegisterFlagCompletionFunc("target", completeTargets)
	_ = cmd.RegisterFlagCompletionFunc("rights", completeRights)
	_ = cmd.RegisterFlagCompletionFunc("limit", completeLimits)
	return cmd
}

func completeLimits(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	for _, name := range auth.LimitNames() {
		names = append(names, name+"=")
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// errNoStore says that no token has been issued yet.
var errNoStore = errors.New("there are no tokens yet")

// existing is open for those who have nothing to put into a store: errNoStore
// where there is none, which is not made then.
func (s *storeFlags) existing() (*capability.Authority, error) {
	settings, _, err := s.settings()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(settings.Store); settings.Redis == nil && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist; 'vncgate token issue' makes it", errNoStore, settings.Store)
	}
	authority, _, err := s.open()
	return authority, err
}

// open opens what the configuration, or --store, says; cfg is nil for the
// latter.
func (s *storeFlags) open() (*capability.Authority, *config, error) {
	settings, cfg, err := s.settings()
	if err != nil {
		return nil, nil, err
	}
	var among *clusterConfig
	if cfg != nil {
		among = cfg.Cluster
	}
	authority, err := settings.open(context.Background(), among, nil, func(string, string) func(error) { return nil })
	if errors.Is(err, os.ErrPermission) {
		return nil, nil, fmt.Errorf("%w\nrun it as the gateway's user or as root (sudo vncgate token …)", err)
	}
	return authority, cfg, err
}

func (s *storeFlags) settings() (*capabilitiesConfig, *config, error) {
	settings := &capabilitiesConfig{Store: s.store, Keys: s.keys}
	var cfg *config
	if s.store == "" {
		var err error
		if cfg, err = loadConfig(s.config); errors.Is(err, os.ErrNotExist) {
			return nil, nil, usagef("%w\nname the configuration with --config, or the folder of the tokens with --store", err)
		} else if err != nil {
			return nil, nil, err
		}
		if cfg.Capabilities == nil {
			return nil, nil, usagef("%s has no capabilities, so no token would be good for anything; add\n\n  capabilities: {store: /var/lib/vncgate/tokens}\n\nand sources: [%s] to a listener", s.config, capabilitySource)
		}
		settings = cfg.Capabilities
	}
	return settings, cfg, nil
}

// given are the flags that say where tokens are kept, for a hint.
func (s *storeFlags) given(cmd *cobra.Command) string {
	text := ""
	for _, name := range []string{"config", "store", "keys"} {
		if flag := cmd.Flag(name); flag != nil && flag.Changed {
			text += " --" + name + " " + flag.Value.String()
		}
	}
	return text
}

func (f *tokenFlags) issue(cmd *cobra.Command) error {
	if cmd.Flags().Changed("uses") && f.uses < 1 {
		return usagef("--uses: is a number from 1 to %d; leave it out for any number", capability.MaxUses)
	}
	token, err := f.token()
	if err != nil {
		return usageOf(err)
	}
	link, err := f.shareLink()
	if err != nil {
		return usageOf(err)
	}
	authority, cfg, err := f.open()
	if err != nil {
		return err
	}
	defer authority.Store.Close()
	for _, warning := range cfg.tokenWarnings(token) {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning: "+warning)
	}
	text, issued, err := authority.Issue(token)
	if err != nil {
		return fmt.Errorf("%w\nrun 'vncgate token issue --help' for examples", err)
	}
	result := issuedToken{ID: issued.ID, Token: text, Expires: issued.Expires.UTC()}
	if link != nil {
		link.Fragment = "token=" + text
		result.Link = link.String()
	}
	if f.json {
		return writeJSON(cmd.OutOrStdout(), result)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s may %s on %s until %s; 'vncgate token revoke%s %s' takes it back\n",
		orText(issued.User, "whoever has this"), issued.Rights, strings.Join(issued.Targets, ", "), issued.Expires.Format(time.RFC3339), f.given(cmd), issued.ID)
	if link != nil && issued.Ticket().Target == "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "the link is for several displays: put ?target=NAME before its # to say which")
	}
	return say(cmd, "%s", orText(result.Link, text))
}

// issuedToken is what issue writes as JSON.
type issuedToken struct {
	ID      string    `json:"id"`
	Token   string    `json:"token"`
	Link    string    `json:"link,omitempty"`
	Expires time.Time `json:"expires"`
}

// token is what the flags say.
func (f *tokenFlags) token() (capability.Token, error) {
	t := capability.Token{Targets: f.targets, Uses: f.uses, User: f.user, Note: f.note, Issuer: whoRuns()}
	if len(f.targets) == 0 {
		return t, errors.New("for which display? give --target NAME, or a pattern\nrun 'vncgate token issue --help' for examples")
	}
	if f.expires == "" {
		return t, errors.New("until when? give --expires, such as 8h or 30d")
	}
	now := time.Now()
	var err error
	if t.Rights, err = parseRights(f.rights); err != nil {
		return t, fmt.Errorf("--rights: %w", err)
	}
	if t.Limits, err = auth.ParseLimits(strings.Join(f.limits, " ")); err != nil {
		return t, fmt.Errorf("--limit: %w", err)
	}
	if t.Expires, err = instant(f.expires, now); err != nil {
		return t, fmt.Errorf("--expires: %w", err)
	}
	for _, text := range f.from {
		prefix, err := network(text)
		if err != nil {
			return t, fmt.Errorf("--from: %w", err)
		}
		t.From = append(t.From, prefix)
	}
	return t, f.renewal(&t, now)
}

func (f *tokenFlags) renewal(t *capability.Token, now time.Time) (err error) {
	if (f.renew == "") != (f.renewUntil == "") {
		return errors.New("--renew and --renew-until go together: for how long each time, and in all")
	}
	if f.renew == "" {
		return nil
	}
	if t.Renew, err = parseDays(f.renew); err != nil {
		return fmt.Errorf("--renew: %w", err)
	}
	if t.RenewUntil, err = instant(f.renewUntil, now); err != nil {
		return fmt.Errorf("--renew-until: %w", err)
	}
	return nil
}

// instant is a moment, or a duration from now.
func instant(text string, now time.Time) (time.Time, error) {
	if d, err := parseDays(text); err == nil {
		return now.Add(d), nil
	}
	t, err := auth.ParseMoment(text)
	if err != nil {
		return t, fmt.Errorf("%q is neither a duration (8h, 30d) nor a moment (2026-03-02T18:00[Europe/Berlin])", text)
	}
	return t, nil
}

// network is an address or a CIDR range.
func network(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		a, addrErr := netip.ParseAddr(text)
		if addrErr != nil {
			return p, fmt.Errorf("%q is neither an address nor a CIDR range, such as 10.0.0.0/8", text)
		}
		p = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
	}
	return p.Masked(), nil
}

// shareLink is the page that a link leads to; nil without one.
func (f *tokenFlags) shareLink() (*url.URL, error) {
	if f.link == "" {
		return nil, nil
	}
	u, err := pageURL(f.link)
	if err != nil {
		return nil, fmt.Errorf("--link: %w", err)
	}
	return u, nil
}

// pageURL is where a page of a gateway is.
func pageURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the URL of a gateway, such as https://vnc.example/", text)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	return u, nil
}

// tokenWarnings are about what a token says and the configuration does not know.
func (c *config) tokenWarnings(t capability.Token) []string {
	if c == nil {
		return nil
	}
	var list []string
	for _, pattern := range t.Targets {
		if text := c.missesTargets(pattern); text != "" {
			list = append(list, text)
		}
	}
	policy, err := c.loadPolicy()
	if err != nil || policy == nil || strings.ContainsAny(strings.Join(t.Targets, ""), `*?[\`) {
		return list
	}
	for _, target := range t.Targets {
		d := policy.Decide(auth.Request{Target: target, Identities: []auth.Identity{{Name: t.User, Method: capabilityMethod}}})
		if !d.Allowed() {
			list = append(list, fmt.Sprintf("the policy lets nobody in by a token on %s: add a rule for who: method:%s", target, capabilityMethod))
		}
	}
	return list
}

// whoRuns names the person at the terminal, for the list.
func whoRuns() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}
