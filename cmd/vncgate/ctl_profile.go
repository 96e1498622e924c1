package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vncgate/gateway/control"
)

// profileCommand has the gateway write into a file of ours.
func (c *ctl) profileCommand() *cobra.Command {
	var output string
	var length time.Duration
	var text bool
	kinds := control.Fields(control.ProfileArgs{})[0].Enum
	cmd := &cobra.Command{
		Use:   "profile KIND",
		Short: "Write where the process spends its time or memory to a file, for 'go tool pprof'",
		Long: `profile has the gateway write a profile into a file that ctl opens, so that it
needs no rights of its own there: cpu and trace look for a while, heap, allocs,
goroutine, block, mutex and threadcreate at this moment.

It needs the role admin.`,
		Example: `  vncgate ctl profile cpu --time 30s -o cpu.pprof
  vncgate ctl profile goroutine --text -o goroutines.txt`,
		Args: cobra.ExactArgs(1), ValidArgs: kinds,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.with(cmd, func(ctx context.Context, list []process) error {
				path := cmp.Or(output, args[0]+".pprof")
				file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
				if err != nil {
					return fmt.Errorf("ctl: %w", err)
				}
				defer file.Close()
				if err := list[0].Pass(ctx, "profile", file); err != nil {
					return err
				}
				want := control.ProfileArgs{Kind: args[0], Name: "profile", Time: control.Duration(length), Text: text}
				if _, err := list[0].Run(ctx, "profile", want); err != nil {
					return err
				}
				return say(cmd, "written: go tool pprof %s", path)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&output, "output", "o", "", "`FILE` to write; default: KIND.pprof")
	flags.DurationVar(&length, "time", 10*time.Second, "for which cpu and trace look")
	flags.BoolVar(&text, "text", false, "write text for people")
	return cmd
}
