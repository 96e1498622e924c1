package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/auth/tickets"
)

func newListCommand(s *storeFlags) *cobra.Command {
	f := &tokenFlags{storeFlags: s}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List tokens: what for, until when, how often used",
		Example: `  vncgate token list
  vncgate token list --json | jq -r '.[] | select(.user == "alice") | .id'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.list(cmd) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON: an array of id, targets, rights, expires, uses, used, maker, …")
	return cmd
}

// listedToken is what list writes as JSON; the token itself is kept nowhere.
type listedToken struct {
	ID      string    `json:"id"`
	Targets []string  `json:"targets"`
	Rights  string    `json:"rights"`
	Limits  string    `json:"limits,omitempty"`
	User    string    `json:"user,omitempty"`
	From    []string  `json:"from,omitempty"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
	Uses    int       `json:"uses,omitempty"`
	Used    int       `json:"used"`
	Running int       `json:"running"`
	Revoked bool      `json:"revoked"`
	Issuer  string    `json:"issuer,omitempty"`
	Maker   string    `json:"maker,omitempty"` // user who made the link in a session
	Note    string    `json:"note,omitempty"`
}

func listed(t capability.Issued) listedToken {
	l := listedToken{
		ID: t.ID, Targets: t.Targets, Rights: t.Rights.String(), Limits: t.Limits.String(), User: t.User,
		Issued: t.Issued.UTC(), Expires: t.Expires.UTC(), Uses: t.Uses, Used: t.Used, Running: t.Running, Revoked: t.Revoked,
		Issuer: t.Issuer, Note: t.Note,
	}
	if t.Maker != nil {
		for _, id := range t.Maker.Identities {
			l.Maker = cmp.Or(l.Maker, id.Name)
		}
	}
	for _, prefix := range t.From {
		l.From = append(l.From, prefix.String())
	}
	return l
}

func (f *tokenFlags) list(cmd *cobra.Command) error {
	all, failed, err := f.all()
	if err != nil {
		return err
	}
	out := make([]listedToken, 0, len(all))
	for _, t := range all {
		if t.Expires.After(time.Now()) {
			out = append(out, listed(t))
		}
	}
	if f.json {
		return errors.Join(writeJSON(cmd.OutOrStdout(), out), failed)
	}
	if len(out) == 0 && failed != nil {
		return failed
	}
	if len(out) == 0 {
		return say(cmd, "no token is good: 'vncgate token issue' makes one")
	}
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tTARGETS\tRIGHTS\tFOR\tMADE BY\tENDS\tUSED\tSTATE\tNOTE")
	for _, t := range out {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, strings.Join(t.Targets, ","), t.Rights, t.bearer(), orText(t.Maker, "-"),
			t.Expires.Local().Format("2006-01-02 15:04"), t.used(), t.state(), orText(t.Note, "-"))
	}
	return errors.Join(w.Flush(), failed)
}

// all are the tokens that are kept; failed is about those that cannot be read.
func (f *tokenFlags) all() (list []capability.Issued, failed, err error) {
	authority, err := f.existing()
	if errors.Is(err, errNoStore) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer authority.Store.Close()
	list, failed = authority.Store.List()
	return list, failed, nil
}

func (t listedToken) bearer() string {
	return orText(strings.TrimSpace(t.User+" "+strings.Join(t.From, ",")), "anybody")
}

func (t listedToken) used() string {
	if t.Uses == 0 {
		return strconv.Itoa(t.Used)
	}
	return fmt.Sprintf("%d of %d", t.Used, t.Uses)
}

func (t listedToken) state() string {
	switch {
	case t.Revoked:
		return "revoked"
	case t.Running > 0:
		return fmt.Sprintf("in use by %d", t.Running)
	case t.Uses > 0 && t.Used >= t.Uses:
		return "used up"
	}
	return "good"
}

func newRevokeCommand(s *storeFlags) *cobra.Command {
	f := &tokenFlags{storeFlags: s}
	cmd := &cobra.Command{
		Use:   "revoke [ID…]",
		Short: "Revoke tokens: nobody gets in by them, and who is in goes",
		Long: `revoke takes tokens back: those with the stated IDs, those of a user, or all that
were issued so far. A gateway that is running ends their sessions within a
second.`,
		Example: `  vncgate token revoke NTUQ2F6GJ3XKQW7ZP5LDM4YVRB
  vncgate token revoke --user alice --note "left the company"
  vncgate token revoke --all`,
		RunE:              func(cmd *cobra.Command, ids []string) error { return f.revoke(cmd, ids) },
		ValidArgsFunction: f.completeIDs,
	}
	cmd.Flags().StringVar(&f.user, "user", "", "`NAME` whose tokens are revoked")
	cmd.Flags().BoolVar(&f.everything, "all", false, "revoke all tokens that were issued so far")
	cmd.Flags().StringVar(&f.note, "note", "", "`TEXT` that says why")
	return cmd
}

func (f *tokenFlags) revoke(cmd *cobra.Command, ids []string) error {
	ways := 0
	for _, given := range []bool{len(ids) > 0, f.user != "", f.everything} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		return usagef("what is to be revoked? give IDs, or --user NAME, or --all\n'vncgate token list' shows the IDs")
	}
	authority, err := f.existing()
	if err != nil {
		return err
	}
	defer authority.Store.Close()
	switch {
	case f.everything:
		if err := authority.Store.Revoke(capability.Revocation{Before: time.Now(), Note: f.note}); err != nil {
			return err
		}
		return say(cmd, "revoked all tokens that were issued so far")
	case f.user != "":
		if err := knowsUser(authority.Store, f.user); err != nil {
			return err
		}
		if err := authority.Store.Revoke(capability.Revocation{User: f.user, Note: f.note}); err != nil {
			return err
		}
		return say(cmd, "revoked all tokens for %s, and the links that %[1]s made", f.user)
	}
	return f.revokeIDs(cmd, authority.Store, ids)
}

// revokeIDs revokes all that can be. A token in the place of its ID is not
// repeated: it is a secret.
func (f *tokenFlags) revokeIDs(cmd *cobra.Command, store *capability.Store, ids []string) error {
	var failed error
	for _, id := range ids {
		if strings.Contains(id, ".") {
			failed = errors.Join(failed, usagef("that is a token and not its ID: 'vncgate token list' shows the IDs"))
			continue
		}
		if _, err := store.Get(id); errors.Is(err, tickets.ErrUnknown) {
			failed = errors.Join(failed, fmt.Errorf("nothing is revoked: there is no token %q here ('vncgate token list' shows them)", id))
			continue
		}
		if err := store.Revoke(capability.Revocation{ID: id, Note: f.note}); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		failed = errors.Join(failed, say(cmd, "revoked %s", id))
	}
	return failed
}

// knowsUser refuses a name that is on no token: a slip would look like success.
func knowsUser(store *capability.Store, name string) error {
	all, failed := store.List()
	of := func(t capability.Issued) bool {
		made := func(id auth.Identity) bool { return id.Name == name }
		return t.User == name || t.Maker != nil && slices.ContainsFunc(t.Maker.Identities, made)
	}
	if failed != nil || slices.ContainsFunc(all, of) {
		return nil // what cannot be read may be of that user
	}
	return fmt.Errorf("nothing is revoked: no token is for user %q or was made by one ('vncgate token list' shows them)", name)
}

func (f *tokenFlags) completeIDs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	all, _, err := f.all()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var ids []string
	for _, t := range all {
		ids = append(ids, t.ID+"\t"+strings.Join(t.Targets, ",")+" "+t.Note)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func newKeysCommand(s *storeFlags) *cobra.Command {
	f := &tokenFlags{storeFlags: s}
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Look at the keys that sign tokens, and make new ones",
		Example: `  vncgate token keys list
  vncgate token keys rotate`,
		Args: subcommandsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	discard := false
	rotate := &cobra.Command{
		Use:   "rotate",
		Short: "Make a new key; tokens of the others stay good",
		Long: `rotate makes a new key, which signs from now on. It happens by itself every 90
days (capabilities: rotate). With --discard the old keys are forgotten, and with
them all tokens: for keys that somebody may have seen.`,
		Example: `  vncgate token keys rotate
  vncgate token keys rotate --discard`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.rotate(cmd, discard) },
	}
	rotate.Flags().BoolVar(&discard, "discard", false, "forget the old keys: all tokens so far are good for nothing")
	list := &cobra.Command{
		Use: "list", Short: "List the keys, without their secrets", Example: `  vncgate token keys list`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.listKeys(cmd) },
	}
	cmd.AddCommand(list, rotate)
	return cmd
}

func (f *tokenFlags) rotate(cmd *cobra.Command, discard bool) error {
	authority, _, err := f.open()
	if err != nil {
		return err
	}
	defer authority.Store.Close()
	if !discard {
		if err := authority.Ring.Rotate(); err != nil {
			return err
		}
		return say(cmd, "made a new key; tokens that were signed before stay good until they end")
	}
	if err := authority.Ring.Discard(); err != nil {
		return err
	}
	// Sessions that are up do not look at the keys again.
	if err := authority.Store.Revoke(capability.Revocation{Before: time.Now(), Note: "keys discarded"}); err != nil {
		return err
	}
	return say(cmd, "made a new key and forgot the others: all tokens so far are good for nothing")
}

func (f *tokenFlags) listKeys(cmd *cobra.Command) error {
	authority, _, err := f.open()
	if err != nil {
		return err
	}
	defer authority.Store.Close()
	w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tMADE\tLAST TOKEN ENDS\tSTATE")
	for _, k := range authority.Ring.Keys() {
		until, state := "-", "verifies"
		if !k.Until.IsZero() {
			until = k.Until.Local().Format("2006-01-02 15:04")
		}
		if k.Signs {
			state = "signs"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.ID, k.Made.Local().Format("2006-01-02 15:04"), until, state)
	}
	return w.Flush()
}
