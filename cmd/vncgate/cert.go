package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"vncgate/certs"
)

// certFlags are the flags of the cert commands. A command has those it uses.
type certFlags struct {
	dir    string
	hosts  []string
	client string
	json   bool
	ca     bool
	format string
	output string
	force  bool
}

func newCertCommand() *cobra.Command {
	f := &certFlags{}
	cmd := &cobra.Command{
		Use:   "cert",
		Short: "Make, show and export certificates for TLS",
		Long: `cert keeps a development certificate authority (CA) and the certificates that it
issued, all in one folder: ca.crt, server.crt and their keys. They are made when
first needed and kept. Whoever is to trust them trusts ca.crt, once.

For a public server take a public authority's certificate instead; 'cert show'
tells what is wrong with it, if anything.`,
		Example: `  vncgate cert make --host gate.example.org --host 192.0.2.7
  vncgate cert show
  vncgate cert show /etc/vncgate/tls.crt
  vncgate cert agent lab --service desk --dir /var/lib/vncgate/agents
  vncgate cert export --ca -o vncgate-ca.crt      # and how to trust it`,
		Args: subcommandsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.dir, "dir", defaultCertificateDir(), "`FOLDER` of the development certificates")
	cmd.AddCommand(f.makeCommand(), f.agentCommand(), f.nodeCommand(), f.showCommand(), f.exportCommand())
	return cmd
}

func (f *certFlags) makeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "make",
		Short: "Make what is missing: the CA, the server's certificate, a client's",
		Long: `make makes the CA if there is none, and the server's certificate: for localhost,
127.0.0.1, ::1, this machine's name and every --host, of this run or an earlier
one. What is good already is left alone; the CA and the keys stay the same.

With --client it makes a certificate by which a viewer proves to be NAME.`,
		Example: `  vncgate cert make
  vncgate cert make --host gate.example.org --host 192.0.2.7
  vncgate cert make --client alice
  vncgate cert make --dir ./tls`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.make(cmd) },
	}
	cmd.Flags().StringArrayVar(&f.hosts, "host", nil, "`HOST`: a name or address that viewers use for this machine (may be repeated)")
	cmd.Flags().StringVar(&f.client, "client", "", "make a client's certificate for `NAME`")
	cmd.MarkFlagsMutuallyExclusive("host", "client")
	return cmd
}

func (f *certFlags) make(cmd *cobra.Command) error {
	for _, h := range f.hosts {
		if err := certs.CheckHost(h); err != nil {
			return usageOf(err)
		}
	}
	ca, err := certs.OpenCA(f.dir)
	if err != nil {
		return explainDir(err)
	}
	var pair *certs.KeyPair
	if cmd.Flags().Changed("client") {
		pair, err = ca.Client(f.client)
	} else {
		pair, err = ca.Server(f.hosts)
	}
	if err != nil {
		return explainDir(err)
	}
	certFile, keyFile := pair.Files()
	names := "client " + f.client
	if f.client == "" {
		names = strings.Join(certs.Names(pair.Leaf()), ", ")
	}
	return say(cmd, "certificate  %s (%s; until %s)\nkey          %s (keep it secret)\nauthority    %s ('vncgate cert export --ca' says how to trust it)",
		certFile, names, pair.Leaf().NotAfter.UTC().Format(time.DateOnly), keyFile, ca.CertFile())
}

func (f *certFlags) showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show certificates, and what viewers will not like about them",
		Long: `show prints the certificates in FILE (PEM or DER; the server's development
certificate if none is named): for whom they are, from when to when, their
fingerprints. Below stands what viewers will refuse: dates, names, a chain that
is incomplete or out of order, an issuer nobody knows.`,
		Example: `  vncgate cert show
  vncgate cert show /etc/letsencrypt/live/gate.example.org/fullchain.pem
  vncgate cert show --json tls.crt | jq -r .problems[]`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef("%s takes one FILE, not %d", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.show(cmd.OutOrStdout(), args) },
	}
	cmd.Flags().BoolVar(&f.json, "json", false, "write JSON")
	return cmd
}

func (f *certFlags) show(out io.Writer, args []string) error {
	file := filepath.Join(f.dir, "server.crt")
	if len(args) == 1 {
		file = args[0]
	}
	chain, err := certs.ReadCertificates(file)
	if err != nil {
		return f.explainFile(err, len(args) == 0)
	}
	d := describe(file, chain, f.authority(len(args) == 0), time.Now())
	if f.json {
		return writeJSON(out, d)
	}
	_, err = io.WriteString(out, d.text())
	return err
}

// authority returns the development CA's certificate to judge its own by.
func (f *certFlags) authority(ours bool) []*x509.Certificate {
	if !ours {
		return nil
	}
	chain, err := certs.ReadCertificates(filepath.Join(f.dir, "ca.crt"))
	if err != nil {
		return nil // then the chain is incomplete, and that is a problem to show
	}
	return chain
}

func (f *certFlags) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a development certificate to a file, and say how to trust it",
		Long: `export writes the server's development certificate or, with --ca, the authority's,
which viewers are to trust, and says how. No key is ever exported.`,
		Example: `  vncgate cert export --ca -o vncgate-ca.crt
  vncgate cert export --ca --format der -o vncgate-ca.der
  vncgate cert export --ca -o - | ssh gate.example.org 'cat > ca.crt'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.export(cmd) },
	}
	cmd.Flags().BoolVar(&f.ca, "ca", false, "export the authority's certificate")
	cmd.Flags().StringVar(&f.format, "format", "pem", "pem or der")
	cmd.Flags().StringVarP(&f.output, "output", "o", "", "`FILE` to write, - for standard output")
	cmd.Flags().BoolVar(&f.force, "force", false, "write over a file that is there")
	return cmd
}

func (f *certFlags) export(cmd *cobra.Command) error {
	if f.output == "" {
		return usagef("where to? give -o FILE, or -o - for standard output")
	}
	if f.format != "pem" && f.format != "der" {
		return usagef("unknown format %q (there are: pem, der)", f.format)
	}
	name := "server.crt"
	if f.ca {
		name = "ca.crt"
	}
	chain, err := certs.ReadCertificates(filepath.Join(f.dir, name))
	if err != nil {
		return f.explainFile(err, true)
	}
	data := certs.EncodePEM(chain...)
	if f.format == "der" {
		data = chain[0].Raw
	}
	if err := f.write(cmd.OutOrStdout(), data); err != nil {
		return err
	}
	hint := ""
	if f.ca {
		hint = trustHint(f.output)
	}
	if f.output != "-" {
		hint = "wrote " + f.output + "\n" + hint
	}
	_, err = io.WriteString(cmd.ErrOrStderr(), hint)
	return err
}

func (f *certFlags) write(out io.Writer, data []byte) error {
	if f.output == "-" {
		if file, ok := out.(*os.File); ok && f.format == "der" && term.IsTerminal(int(file.Fd())) {
			return usagef("der is binary and standard output is a terminal: give -o FILE")
		}
		_, err := out.Write(data)
		return err
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if f.force {
		mode = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	file, err := os.OpenFile(f.output, mode, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already: --force writes over it", f.output)
	}
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	return errors.Join(err, file.Close())
}

// explainFile adds to an error what to do next; ours says that the file is one
// that 'cert make' makes.
func (f *certFlags) explainFile(err error, ours bool) error {
	if ours && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w\n'vncgate cert make' makes it; --dir names another folder", err)
	}
	return err
}

func explainDir(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w\nname a folder that is yours with --dir", err)
	}
	return err
}
