package main

import (
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// Names that the program may be called by, through a link, to be that program.
const (
	websockifyName = "websockify"
	novncProxyName = "novnc_proxy"
)

// argumentsByName are the arguments that mean the same to vncgate.
func argumentsByName(args []string) []string {
	if len(args) == 0 {
		return nil
	}
	switch name := strings.TrimSuffix(filepath.Base(args[0]), ".exe"); name {
	case websockifyName, novncProxyName:
		return append([]string{name}, args[1:]...)
	}
	return args[1:]
}

func newWebsockifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "websockify [options] [ADDRESS:]PORT HOST:PORT",
		Short:              "Take websockify's place, with its command line",
		DisableFlagParsing: true, // cobra's reader of flags is not optparse
		ValidArgsFunction:  completeOptions(websockifyTable()),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := parseWebsockify(args)
			if err == nil && o.help {
				printWebsockifyHelp(cmd.OutOrStdout())
				return nil
			}
			return startBridge(cmd, o, err)
		},
	}
}

// newNoVNCProxyCommand is hidden: it exists for the name's sake.
func newNoVNCProxyCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "novnc_proxy [options]",
		Short:              "Take the place of noVNC's novnc_proxy, with its command line",
		Hidden:             true,
		DisableFlagParsing: true,
		ValidArgsFunction:  completeOptions(novncProxyTable()),
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := parseNoVNCProxy(args)
			if err == nil && o.help {
				printNoVNCProxyHelp(cmd.OutOrStdout())
				return nil
			}
			return startBridge(cmd, o, err)
		},
	}
}

// startBridge runs what the command line says, unless it could not be read.
func startBridge(cmd *cobra.Command, o *websockifyOptions, err error) error {
	if err != nil {
		return usagef("%w\nrun 'vncgate %s --help' for what there is", err, cmd.Name())
	}
	if o.daemon && !inBackground() {
		return startInBackground()
	}
	return runBridge(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
}

// completeOptions lets the shell complete the options' names.
func completeOptions(options []longOption) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if !strings.HasPrefix(typed, "-") {
			return nil, cobra.ShellCompDirectiveDefault // files
		}
		var names []cobra.Completion
		for _, o := range options {
			if name := "--" + o.name; strings.HasPrefix(name, typed) {
				names = append(names, cobra.CompletionWithDesc(name, o.help))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// newUnderRebindCommand is hidden: a wrapped command is started through it.
func newUnderRebindCommand() *cobra.Command {
	return &cobra.Command{
		Use:                rebindCommand + " PATH NAME ARGS...",
		Hidden:             true,
		DisableFlagParsing: true,
		Args:               cobra.MinimumNArgs(2),
		RunE:               func(_ *cobra.Command, args []string) error { return becomeRebound(args) },
	}
}
