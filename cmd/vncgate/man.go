//go:build packaging

package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// packagingCommands are what packages are made with. The program that is
// installed does not write its own manual, and does not carry the renderer along.
func packagingCommands() []*cobra.Command { return []*cobra.Command{newManCommand(), newSBOMCommand()} }

func newManCommand() *cobra.Command {
	var date string
	cmd := &cobra.Command{
		Use:    "man FOLDER",
		Short:  "Write the manual, a page for each command",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			on, err := time.Parse(time.DateOnly, date)
			if err != nil {
				return usagef("--date: %w", err)
			}
			cmd.Root().DisableAutoGenTag = true
			return doc.GenManTree(cmd.Root(), &doc.GenManHeader{Section: "1", Source: "vncgate", Manual: "vncgate", Date: &on}, args[0])
		},
	}
	cmd.Flags().StringVar(&date, "date", time.Now().Format(time.DateOnly), "the `DAY` that the pages bear")
	return cmd
}
