package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"vncgate/gateway/audit"
)

func newAuditCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Check and read the audit log",
		Long: `audit reads what the gateway writes down with audit: in its configuration: one line
of JSON for each event, each with a hash over the one before.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	cmd.AddCommand(newAuditVerifyCommand(), newAuditShowCommand())
	return cmd
}

func newAuditVerifyCommand() *cobra.Command {
	var end string
	var all bool
	cmd := &cobra.Command{
		Use:   "verify FILE…",
		Short: "Say whether anything in the log was changed or removed",
		Long: `verify goes through the files of a log, oldest first, and says which line is the
first that is not what was written: changed, put in, moved, or behind one that was
removed. With --all one FILE stands for the log with all its finished files.

That the end of the newest file was cut off at a line cannot be seen in it: compare
the hash that verify prints with one that was noted elsewhere (--end), or with the
lines that were sent to syslog or the journal.`,
		Example: `  vncgate audit verify --all /var/log/vncgate/audit.log
  vncgate audit verify audit.log-20260501T000000.000000Z audit.log --end 9f86d0…`,
		Args: someFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := auditFiles(args, all)
			if err != nil {
				return err
			}
			return verifyAudit(cmd.OutOrStdout(), files, end)
		},
	}
	cmd.Flags().StringVar(&end, "end", "", "the `HASH` that the log has to hold, such as the last that an earlier look printed")
	cmd.Flags().BoolVar(&all, "all", false, "FILE and all that were finished before it")
	return cmd
}

func someFiles(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("which file? write %s /var/log/vncgate/audit.log", cmd.CommandPath())
	}
	return nil
}

// auditFiles are those that were named, or all of a log.
func auditFiles(args []string, all bool) ([]string, error) {
	if !all {
		return args, nil
	}
	if len(args) > 1 {
		return nil, usagef("--all takes one FILE, and finds the others")
	}
	files, err := audit.Files(args[0])
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("there is no log at %s", args[0])
	}
	return files, err
}

// verifyAudit prints what the log tells of itself, and fails where it is not what
// was written.
func verifyAudit(out io.Writer, files []string, end string) error {
	var v audit.Verifier
	held := end == ""
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		err = v.File(path, f, func(audit.Record) { held = held || v.Hash() == strings.ToLower(end) })
		_ = f.Close()
		if err != nil {
			if sum := v.Summary(); sum.Records > 0 {
				fmt.Fprintf(out, "%d records before that are in order, up to number %d\n", sum.Records, sum.Seq)
			}
			return err
		}
	}
	sum := v.Summary()
	fmt.Fprintf(out, "in order: %d records, up to number %d\nhash of the last: %s\n", sum.Records, sum.Seq, sum.Hash)
	if sum.Torn > 0 {
		fmt.Fprintf(out, "%d times the end of a file was damaged by a crash, and was mended (AUDIT_TORN)\n", sum.Torn)
	}
	if sum.Lost > 0 {
		fmt.Fprintf(out, "%d events could not be written when they happened (AUDIT_LOST)\n", sum.Lost)
	}
	if !sum.Ended {
		fmt.Fprintln(out, "the last file was not finished: it is being written to, its gateway crashed, or its end was cut off")
	}
	if !held {
		return errors.New("the hash of --end is not in it: lines were cut off at the end, or the log is another")
	}
	return nil
}

func newAuditShowCommand() *cobra.Command {
	var all bool
	var of []string
	cmd := &cobra.Command{
		Use:   "show FILE…",
		Short: "Print the log for people",
		Long: `show prints the events of a log, one a line. It does not check anything: verify does.
--of picks those that hold a word, such as a user, a session or a kind of event.`,
		Example: `  vncgate audit show /var/log/vncgate/audit.log
  vncgate audit show --all --of alice /var/log/vncgate/audit.log`,
		Args: someFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			files, err := auditFiles(args, all)
			if err != nil {
				return err
			}
			return showAudit(cmd.OutOrStdout(), files, of)
		},
	}
	cmd.Flags().StringSliceVar(&of, "of", nil, "only lines that hold this `WORD`; several have all to be there")
	cmd.Flags().BoolVar(&all, "all", false, "FILE and all that were finished before it")
	return cmd
}

func showAudit(out io.Writer, files []string, of []string) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	others := 0
	for _, path := range files {
		n, err := showAuditFile(table, path, of)
		if err != nil {
			_ = table.Flush()
			return err
		}
		others += n
	}
	if err := table.Flush(); err != nil || others == 0 {
		return err
	}
	_, err := fmt.Fprintf(out, "%s no record; 'vncgate audit verify' says where\n", linesAre(others))
	return err
}

func linesAre(n int) string {
	if n == 1 {
		return "1 line is"
	}
	return fmt.Sprintf("%d lines are", n)
}

// showAuditFile returns how many lines are no records. A file in which all are is
// no audit log.
func showAuditFile(out io.Writer, path string, of []string) (others int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	records := 0
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		r, err := audit.Parse(lines.Bytes())
		if err != nil {
			others++
			continue
		}
		records++
		if text := auditText(&r); holdsAll(text, of) {
			fmt.Fprintln(out, text)
		}
	}
	err = lines.Err()
	if records == 0 && (others > 0 || errors.Is(err, bufio.ErrTooLong)) {
		return 0, fmt.Errorf("%s is no audit log: not one line of it is a record", path)
	}
	if err != nil {
		return others, fmt.Errorf("%s: %w", path, err)
	}
	return others, nil
}

func holdsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// auditText is a record for people: what comes from others is quoted where it
// could move the cursor.
func auditText(r *audit.Record) string {
	parts := []string{}
	add := func(name, value string) {
		if value != "" {
			if quoted := fmt.Sprintf("%q", value); len(quoted) != len(value)+2 || strings.Contains(value, " ") {
				value = quoted
			}
			parts = append(parts, name+value)
		}
	}
	add("by ", r.Actor)
	add("user ", r.User)
	add("method ", r.Method)
	add("from ", r.From)
	add("at ", r.Target)
	add("session ", r.Session)
	add("rights ", strings.Join(r.Rights, ","))
	add("reason ", r.Reason)
	add("error ", r.Error)
	if r.Count > 0 {
		add("count ", fmt.Sprint(r.Count))
	}
	if r.BytesUp+r.BytesDown > 0 {
		add("bytes ", fmt.Sprintf("%d/%d", r.BytesUp, r.BytesDown))
	}
	if r.Seconds > 0 {
		add("took ", fmt.Sprintf("%.3gs", r.Seconds))
	}
	for _, name := range keys(r.Details) {
		add(name+"=", r.Details[name])
	}
	kind := strings.Trim(fmt.Sprintf("%.40q", r.Event), `"`)
	return r.Time.Format("2006-01-02 15:04:05.000") + "\t" + kind + "\t" + strings.Join(parts, "  ")
}
