package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vncgate/auth"
)

// defaultUsersFile is where the packages' service looks for its users.
const defaultUsersFile = "/etc/vncgate/users"

// userFlags are the flags of the user commands. A command has those it uses.
type userFlags struct {
	file       string
	groups     []string
	stdin      bool
	noPassword bool
	json       bool
}

func newUserCommand() *cobra.Command {
	f := &userFlags{}
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Keep the users file: who may come in",
		Long: `user edits the file of users that 'vncgate serve' lets in. The file holds no
password, only what proves one: an argon2id hash for viewers that send it over
TLS, and SCRAM keys (SHA-256 and SHA-512) for viewers that do not. A server that
is running sees each edit within a second, and ends the sessions of a user who
is removed; nothing has to be restarted.

What users may do on which target is the policy's to say: give them groups
here, and rights to the groups there.

A password is asked for at the terminal, or read from a pipe with
--password-stdin. It is never an argument, where every process could see it.`,
		Example: `  vncgate user add alice --group ops --group dev
  vncgate user list
  vncgate user passwd alice
  vncgate user groups alice ops night
  pwgen 20 1 | tee build.password | vncgate user add build --password-stdin
  vncgate user remove alice`,
		Args: subcommandsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.file, "users-file", defaultUsersFile, "`FILE` of the users")
	cmd.AddCommand(f.addCommand(), f.passwdCommand(), f.groupsCommand(), f.removeCommand(), f.listCommand())
	return cmd
}

func (f *userFlags) addCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Long: `add adds a user and makes the file if there is none (mode 0600). A name has
letters, digits and . _ - @ + and begins with a letter or digit.

--no-password adds somebody who proves to be NAME by other means, a client
certificate say, and whose groups are looked up here.`,
		Example: `  vncgate user add alice --group ops
  vncgate user add alice --users-file ./users
  vncgate user add carol --group ops --no-password`,
		Args: oneName,
		RunE: func(cmd *cobra.Command, args []string) error { return f.add(cmd, args[0]) },
	}
	cmd.Flags().StringArrayVarP(&f.groups, "group", "g", nil, "`GROUP` that the user is in (may be repeated)")
	cmd.Flags().BoolVar(&f.noPassword, "no-password", false, "give the user no password")
	f.passwordFlag(cmd)
	cmd.MarkFlagsMutuallyExclusive("no-password", "password-stdin")
	return cmd
}

func (f *userFlags) passwdCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "passwd NAME",
		Short:   "Give a user a new password",
		Example: `  vncgate user passwd alice`,
		Args:    oneName,
		RunE:    func(cmd *cobra.Command, args []string) error { return f.passwd(cmd, args[0]) },
	}
	f.passwordFlag(cmd)
	return cmd
}

func (f *userFlags) passwordFlag(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.stdin, "password-stdin", false, "read the password, one line, from standard input")
}

func (f *userFlags) groupsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "groups NAME [GROUP…]",
		Short: "Put a user into groups, and out of all others",
		Long: `groups puts a user into the stated groups and out of all others; without any, the
user is in none. A gateway that is running holds the sessions of the user to what
the policy says of the new groups within a second.`,
		Example: `  vncgate user groups alice ops night
  vncgate user groups alice ops,night
  vncgate user groups alice`,
		Args: func(cmd *cobra.Command, args []string) error { return oneName(cmd, args[:min(1, len(args))]) },
		RunE: func(cmd *cobra.Command, args []string) error { return f.setGroups(cmd, args[0], args[1:]) },
	}
}

func (f *userFlags) setGroups(cmd *cobra.Command, name string, lists []string) error {
	var groups []string
	for _, list := range lists {
		for _, group := range strings.Split(list, ",") {
			if group = strings.TrimSpace(group); group != "" && !slices.Contains(groups, group) {
				groups = append(groups, group)
			}
		}
	}
	if err := f.users().SetGroups(name, groups...); err != nil {
		return f.explain(err, name)
	}
	return say(cmd, "%s in %s is in: %s", name, f.file, orText(strings.Join(groups, ", "), "no group"))
}

func (f *userFlags) removeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a user",
		Long: `remove removes a user, who cannot log in again. A gateway that is running ends
the sessions of the user within a second.`,
		Example: `  vncgate user remove alice`,
		Args:    oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.users().Remove(args[0]); err != nil {
				return f.explain(err, args[0])
			}
			return say(cmd, "removed %s from %s", args[0], f.file)
		},
	}
}

func (f *userFlags) listCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users, their groups and how they can prove who they are",
		Example: `  vncgate user list
  vncgate user list --json | jq -r '.[] | select(.groups | index("ops")) | .name'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.list(cmd.OutOrStdout()) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON: an array of name, groups, plain, scram, scram_sha_512")
	return cmd
}

func (f *userFlags) users() *auth.UsersFile { return &auth.UsersFile{Path: f.file} }

func (f *userFlags) add(cmd *cobra.Command, name string) error {
	// Before the password is asked for: a typing error costs nothing then.
	if err := auth.CheckName(name); err != nil {
		return usageOf(err)
	}
	if users, err := f.users().List(); err == nil {
		for _, u := range users {
			if u.Name == name {
				return f.explain(auth.ErrUserExists, name)
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return f.explain(err, name)
	}
	password := ""
	if !f.noPassword {
		var err error
		if password, err = f.password(cmd, name); err != nil {
			return err
		}
	}
	if err := f.users().Add(name, password, f.groups...); err != nil {
		return f.explain(err, name)
	}
	if len(f.groups) == 0 {
		return say(cmd, "added %s to %s", name, f.file)
	}
	return say(cmd, "added %s to %s (groups: %s)", name, f.file, strings.Join(f.groups, ", "))
}

func (f *userFlags) passwd(cmd *cobra.Command, name string) error {
	users, err := f.users().List()
	if err != nil {
		return f.explain(err, name)
	}
	known := false
	for _, u := range users {
		known = known || u.Name == name
	}
	if !known {
		return f.explain(auth.ErrNoUser, name)
	}
	password, err := f.password(cmd, name)
	if err != nil {
		return err
	}
	if err := f.users().SetPassword(name, password); err != nil {
		return f.explain(err, name)
	}
	return say(cmd, "%s has a new password in %s", name, f.file)
}

func (f *userFlags) password(cmd *cobra.Command, name string) (string, error) {
	if f.stdin {
		return readPassword(cmd.InOrStdin())
	}
	return askPassword(cmd.Context(), cmd.InOrStdin(), cmd.ErrOrStderr(), name)
}

func (f *userFlags) list(out io.Writer) error {
	users, err := f.users().List()
	if err != nil {
		return f.explain(err, "")
	}
	if f.json {
		return writeJSON(out, users)
	}
	if len(users) == 0 {
		_, err := fmt.Fprintf(out, "%s holds no users: 'vncgate user add NAME' adds one\n", f.file)
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tGROUPS\tPROOF")
	for _, u := range users {
		groups := strings.Join(u.Groups, ",")
		if groups == "" {
			groups = "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", u.Name, groups, proofOf(u))
	}
	return w.Flush()
}

func proofOf(u auth.User) string {
	switch {
	case u.Plain && u.SCRAM512:
		return "password"
	case u.Plain && u.SCRAM:
		return "password, without SCRAM-SHA-512 until it is set anew"
	case u.SCRAM:
		return "password by SCRAM only"
	case u.Plain:
		return "password by PLAIN only"
	}
	return "no password"
}

// explain adds to an error what to do next.
func (f *userFlags) explain(err error, name string) error {
	switch {
	case errors.Is(err, auth.ErrUserExists):
		return fmt.Errorf("user %q is in %s already: 'vncgate user passwd %s' gives a new password", name, f.file, name)
	case errors.Is(err, auth.ErrNoUser):
		return fmt.Errorf("there is no user %q in %s: 'vncgate user list' shows who there is", name, f.file)
	case errors.Is(err, fs.ErrNotExist):
		if _, dirErr := os.Stat(filepath.Dir(f.file)); dirErr != nil {
			return fmt.Errorf("%w\nmake the folder first (mkdir -p %s), or name another file with --users-file", err, filepath.Dir(f.file))
		}
		return fmt.Errorf("%w\n'vncgate user add NAME' makes the file; --users-file names another", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w\nrun it as the file's owner (sudo vncgate user …), or name another file with --users-file", err)
	}
	return err
}

// oneName is cobra.ExactArgs(1) with an error that says what is missing.
func oneName(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 1:
		return nil
	case 0:
		return usagef("%s: which user? give a NAME\nrun '%s --help' for examples", cmd.CommandPath(), cmd.CommandPath())
	}
	return usagef("%s takes one NAME, not %d (a password is never an argument)\nrun '%s --help' for examples", cmd.CommandPath(), len(args), cmd.CommandPath())
}

// subcommandsOnly is the Args of a command that can but show its help.
func subcommandsOnly(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return usagef("%s has no command %q (there are: %s)", cmd.CommandPath(), args[0], strings.Join(names, ", "))
}

// usageOf marks err as one of what the program was told.
func usageOf(err error) error { return &usageError{err} }

// say writes a line of result.
func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format+"\n", args...)
	return err
}

// writeJSON writes v for people and programs.
func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
