package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"vncgate/rfb/display/recording"
)

func newRecordingKeyCommand() *cobra.Command {
	var sign, encrypt string
	cmd := &cobra.Command{
		Use:   "key --sign FILE | --encrypt FILE",
		Short: "Make keys that recordings are signed and encrypted with",
		Long: `key makes a key in FILE if there is none (mode 0600), and prints the part of it that
others need.

--sign is for the gateway, which signs recordings with it: 'key: FILE' under
'recordings:'. What is printed goes to those who verify recordings.
--encrypt is for those who may watch recordings: what is printed goes under
'recipients:'. The gateway never has FILE and cannot read what it has recorded.
It is an age identity, which the programs of age know too: keep it well, without
it the recordings are lost.`,
		Example: `  vncgate recording key --sign /etc/vncgate/recordings.key > recordings.pub
  vncgate recording key --encrypt me.key`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case sign != "":
				return signingKey(cmd, sign)
			case encrypt != "":
				return encryptionKey(cmd, encrypt)
			}
			return usagef("%s: what is the key for? give --sign FILE or --encrypt FILE", cmd.CommandPath())
		},
	}
	cmd.Flags().StringVar(&sign, "sign", "", "`FILE` of the key that recordings are signed with")
	cmd.Flags().StringVar(&encrypt, "encrypt", "", "`FILE` of the key of somebody who may watch recordings")
	_ = cmd.MarkFlagFilename("sign")
	_ = cmd.MarkFlagFilename("encrypt")
	cmd.MarkFlagsMutuallyExclusive("sign", "encrypt")
	return cmd
}

// signingKey prints the public key of the one in a file, which it makes.
func signingKey(cmd *cobra.Command, path string) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		if b, err = recording.FormatSigner(key); err != nil {
			return err
		}
		if err := writeSecret(path, b); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	key, err := recording.ParseSigner(b)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return say(cmd, "%s", recording.PublicKey(key.Public().(ed25519.PublicKey)))
}

// encryptionKey prints the recipients of the identities in a file, which it makes.
func encryptionKey(cmd *cobra.Command, path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := age.GenerateX25519Identity()
		if err != nil {
			return err
		}
		text := fmt.Sprintf("# created: %s\n# public key: %s\n%s\n", time.Now().Format(time.RFC3339), key.Recipient(), key)
		if err := writeSecret(path, []byte(text)); err != nil {
			return err
		}
		return say(cmd, "%s", key.Recipient())
	}
	if err != nil {
		return err
	}
	defer file.Close()
	return printRecipients(cmd, path, file)
}

func printRecipients(cmd *cobra.Command, path string, in io.Reader) error {
	keys, err := age.ParseIdentities(in)
	if err != nil { // whose words may have the key in them
		return fmt.Errorf("%s is not a file of age identities", path)
	}
	for _, k := range keys {
		switch k := k.(type) {
		case *age.X25519Identity:
			err = say(cmd, "%s", k.Recipient())
		case *age.HybridIdentity:
			err = say(cmd, "%s", k.Recipient())
		default:
			err = fmt.Errorf("%s: a key of a kind that has no public part", path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// writeSecret writes a file that is not there yet, for our eyes alone.
func writeSecret(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

func newRecordingCatCommand() *cobra.Command {
	f := &recordingFlags{}
	var output string
	cmd := &cobra.Command{
		Use:     "cat FILE",
		Aliases: []string{"decrypt"},
		Short:   "Write a recording as plain FBS, for other players",
		Long: `cat writes what the display said as FBS 001.000, without compression and
encryption, to the standard output or to a file. Players of it are vnc2video,
rfbproxy and others; they know nothing of the index.

A recording that is cut is written up to the cut: with the exit code 1 where it is
compressed or encrypted. A plain one shows it to 'recording verify' alone.`,
		Example: `  vncgate recording cat NAME.fbs.zst > NAME.fbs
  vncgate recording cat NAME.fbs.zst.age --identity me.key --output NAME.fbs`,
		Args:              oneRecording,
		ValidArgsFunction: completeRecordings,
		RunE:              func(cmd *cobra.Command, args []string) error { return f.cat(cmd, args[0], output) },
	}
	cmd.Flags().StringVarP(&output, "output", "o", "", "`FILE` that is written, and that is not there yet")
	_ = cmd.MarkFlagFilename("output", "fbs")
	f.identityFlag(cmd)
	return cmd
}

func (f *recordingFlags) cat(cmd *cobra.Command, name, output string) error {
	r, err := f.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	in, err := r.FBS()
	if err != nil {
		return recordingAdvice(name, err)
	}
	defer in.Close()
	if output == "" {
		_, err = io.Copy(cmd.OutOrStdout(), in)
		return recordingAdvice(name, err)
	}
	out, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(recordingAdvice(name, err), out.Close())
}
