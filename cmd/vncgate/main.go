// Command vncgate is a gateway for VNC: it lets viewers in, browsers and
// native ones, proves them, and joins them to displays under a policy.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"vncgate/auth/tickets"
	"vncgate/rfb/display/video"
)

// Exit codes that scripts may rely on.
const (
	exitFailed = 1 // it ran and failed: a port in use, a display that is gone
	exitUsage  = 2 // it was told something that cannot be: a flag, the configuration
)

func main() { os.Exit(run()) }

func run() int {
	if code, mine := video.Worker(); mine {
		return code
	}
	quietInetd()
	tickets.QuietRedis() // what it meets is in our log
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends us at once
	root := newRootCommand()
	root.SetArgs(argumentsByName(os.Args))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if told, ok := errors.AsType[*exitStatus](err); ok {
		return told.code
	}
	fmt.Fprintln(os.Stderr, "vncgate: "+strings.TrimPrefix(err.Error(), "vncgate: "))
	if ended, ok := errors.AsType[*endedWith](err); ok {
		return ended.code
	}
	var usage *usageError
	if errors.As(err, &usage) || isFlagGroup(err) {
		return exitUsage
	}
	return exitFailed
}

// isFlagGroup knows cobra's errors about flags that exclude each other, which
// have no type of their own.
func isFlagGroup(err error) bool {
	return strings.HasPrefix(err.Error(), "if any flags in the group")
}

// usageError is an error of what the program was told, not of what it did.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:     "vncgate",
		Version: versionText(),
		Short:   "A gateway for VNC: any viewer, through stacked layers, to any display",
		Long: `vncgate lets VNC viewers in - browsers with noVNC, and native viewers over TCP,
TLS, VeNCrypt and SASL - and joins them to displays: QEMU, Xvnc, x11vnc and
others. It proves the viewers with their own security, the gateway to the
displays with theirs, and enforces on every message what a viewer may do.

Every flag of a command can be given as an environment variable, too:
--target-password-file is VNCGATE_TARGET_PASSWORD_FILE.`,
		Example: `  vncgate demo                                      # see it work, nothing to set up
  vncgate serve --listen :6080 --target localhost:5901
  vncgate serve --config /etc/vncgate/vncgate.yaml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		SilenceUsage:      true,
		SilenceErrors:     true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return bindEnvironment(cmd.Flags()) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("%w%s\nrun '%s --help' for what there is", err, flagMeant(cmd, err), cmd.CommandPath())
	})
	root.AddCommand(newDemoCommand(), newServeCommand(), newAgentCommand(), newDoctorCommand(), newScreenshotCommand(), newRecordingCommand(), newCertCommand(), newUserCommand(), newPolicyCommand(), newTokenCommand(), newAuditCommand(), newHealthCommand(), newCtlCommand(), newVersionCommand(),
		newWebsockifyCommand(), newNoVNCProxyCommand(), newUnderRebindCommand())
	root.AddCommand(packagingCommands()...)
	return root
}

// fromEnvironment marks a flag that a variable has set.
const fromEnvironment = "environment"

// ownMeaning marks a flag whose variable is that of another one: VNCGATE_TARGET is
// the address that serve reaches, also in a container whose health is asked for.
const ownMeaning = "own meaning"

// notFromEnvironment keeps variables that are meant for serve from flags of
// another command.
func notFromEnvironment(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		_ = flags.SetAnnotation(name, ownMeaning, []string{})
	}
}

func hasOwnMeaning(f *pflag.Flag) bool {
	_, own := f.Annotations[ownMeaning]
	return own
}

// fromVariable reports whether a flag has its value from the environment.
func fromVariable(f *pflag.Flag) bool { return len(f.Annotations[fromEnvironment]) == 1 }

// givenBy is how the user gave a flag: "--target" or "VNCGATE_TARGET".
func givenBy(f *pflag.Flag) string {
	if fromVariable(f) {
		return f.Annotations[fromEnvironment][0]
	}
	return "--" + f.Name
}

// bindEnvironment gives flags that were not set their VNCGATE_* values.
func bindEnvironment(flags *pflag.FlagSet) error { return bindVariables(flags, variablePrefix) }

// bindVariables gives flags that were not set the values of variables whose names
// begin so.
func bindVariables(flags *pflag.FlagSet, prefix string) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		name := variableOf(prefix, f.Name)
		value := os.Getenv(name) // empty is as good as unset, for templates that leave it so
		if f.Changed || value == "" || f.Name == "help" || hasOwnMeaning(f) || first != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			first = usagef("%s: %w", name, err)
		}
		f.Annotations = map[string][]string{fromEnvironment: {name}}
	})
	return first
}

// unknownCommand guesses what was meant.
func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			known = append(known, c.Name())
		}
	}
	return &usageError{notOneOf("command", name, known)}
}

// flagMeant guesses which flag an unknown one was meant to be.
func flagMeant(cmd *cobra.Command, err error) string {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return ""
	}
	var known []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	if near := nearest(unknown.GetSpecifiedName(), known); near != "" && len(unknown.GetSpecifiedName()) > 1 {
		return fmt.Sprintf("; did you mean --%s?", near)
	}
	return ""
}

// noArguments is cobra.NoArgs with an error that says what to do.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usagef("%s takes no argument %q\nrun '%s --help' for what there is", cmd.CommandPath(), args[0], cmd.CommandPath())
}
