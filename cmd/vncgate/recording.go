package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"vncgate/rfb/display/recording"
)

// recordingFlags are those that several commands about recordings have.
type recordingFlags struct {
	identities []string
	json       bool
}

func newRecordingCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recording",
		Short: "Look at recordings of sessions: verify, list, decrypt, make videos",
		Long: `recording is for recordings that 'vncgate serve' has made (see 'recordings:' in the
configuration). A recording is two files: NAME.fbs, which is what the display said
and which other players of FBS 001.000 play too, and NAME.index, with what the
viewer did, what it takes to find one's way, and the seals that 'recording verify'
looks at. Compressed they end in .zst, encrypted in .age: 'zstd -d' and 'age -d'
open them, or 'recording cat'.

All commands take the name of either file, or what both have in common.`,
		Example: `  vncgate recording list /var/lib/vncgate/recordings
  vncgate recording info NAME.fbs
  vncgate recording verify NAME.fbs --key recordings.pub
  vncgate recording cat NAME.fbs.zst.age --identity me.key > NAME.fbs`,
		Args: subcommandsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRecordingInfoCommand(), newRecordingListCommand(), newRecordingVerifyCommand(),
		newRecordingCatCommand(), newRecordingKeyCommand(), newRecordingExportCommand(), newRecordingPlayCommand())
	return cmd
}

// identityFlag adds the flag of keys for recordings that are encrypted.
func (f *recordingFlags) identityFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&f.identities, "identity", "i", nil, "`FILE` of age identities, for recordings that are encrypted (may be repeated)")
	_ = cmd.MarkFlagFilename("identity")
}

func (f *recordingFlags) jsonFlag(cmd *cobra.Command, what string) {
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON: "+what)
}

// keys are the age identities in the files that the flag names.
func (f *recordingFlags) keys() ([]age.Identity, error) {
	var keys []age.Identity
	for _, name := range f.identities {
		file, err := os.Open(name)
		if err != nil {
			return nil, usagef("--identity: %w", err)
		}
		more, err := age.ParseIdentities(file)
		file.Close()
		if err != nil { // whose words may have the key in them
			return nil, usagef("--identity: %s is not a file of age identities: 'vncgate recording key --encrypt FILE' makes one", name)
		}
		keys = append(keys, more...)
	}
	return keys, nil
}

// open opens a recording, and says what to do where it cannot.
func (f *recordingFlags) open(name string) (*recording.Recording, error) {
	keys, err := f.keys()
	if err != nil {
		return nil, err
	}
	r, err := recording.Open(name, recording.OpenOptions{Identities: keys})
	return r, recordingAdvice(name, err)
}

// recordingAdvice adds to an error what to do about it.
func recordingAdvice(name string, err error) error {
	switch {
	case errors.Is(err, recording.ErrEncrypted):
		return fmt.Errorf("%s: %w: give the file of yours with --identity FILE", name, err)
	case errors.Is(err, recording.ErrNoIndex):
		return fmt.Errorf("%s: %w: its seals are in NAME.index, beside it", name, err)
	case err != nil:
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// oneRecording is the Args of a command about one.
func oneRecording(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		return nil
	}
	return usagef("%s takes one FILE, not %d\nrun '%s --help' for examples", cmd.CommandPath(), len(args), cmd.CommandPath())
}

// someRecordings is the Args of a command about one or more.
func someRecordings(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return nil
	}
	return usagef("%s needs a FILE\nrun '%s --help' for examples", cmd.CommandPath(), cmd.CommandPath())
}

// completeRecordings completes names of recordings' files.
func completeRecordings(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"fbs", "zst", "age"}, cobra.ShellCompDirectiveFilterFileExt
}

// isRecording reports whether a file's name is that of a recording's display.
func isRecording(name string) bool {
	for _, suffix := range []string{".fbs", ".fbs.zst", ".fbs.age", ".fbs.zst.age"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}
