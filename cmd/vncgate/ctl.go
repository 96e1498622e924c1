package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"vncgate/gateway/control"
)

// Where the control socket is looked for when nobody says.
const (
	usualConfig = "/etc/vncgate/vncgate.yaml"
	usualSocket = "/run/vncgate/control.sock"
)

// ctl is what all of its subcommands share.
type ctl struct {
	socket string
	json   bool
	find   func() string // where the socket is
	silent []string      // nodes that have not answered
}

func newCtlCommand() *cobra.Command {
	c := &ctl{}
	c.find = c.found
	cmd := &cobra.Command{
		Use:   "ctl",
		Short: "See and steer a gateway that runs: sessions, targets, reload, drain",
		Long: `ctl asks a gateway that runs and has it do things, through its control socket:
control: in the configuration, or 'vncgate serve --control PATH'.

The socket is that of --socket, else of VNCGATE_CONTROL, else the one that
` + usualConfig + ` names, else ` + usualSocket + `. While an older
process still serves its sessions after an upgrade, both are asked.

Root and the gateway's own user may do everything; control: in the configuration
says who else may. Every command has its name in the protocol as well
(session-kill is kill), which is QEMU's QMP: its clients work, too.`,
		Example: `  vncgate ctl sessions
  vncgate ctl kill 3f09a1c2 --words "Maintenance." --kick
  vncgate ctl message --all "Back at noon."
  vncgate ctl watch
  vncgate ctl shell`,
		Args: subcommandsOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&c.socket, "socket", "", "`PATH` of the control socket")
	flags.BoolVar(&c.json, "json", false, "write JSON, for scripts")
	_ = cmd.MarkPersistentFlagFilename("socket", "sock")
	c.addCommands(cmd)
	cmd.AddCommand(c.viewOnlyCommand(), c.profileCommand(), c.eventsCommand(), c.watchCommand(), c.topCommand(), c.shellCommand())
	return cmd
}

// found is where the socket is.
func (c *ctl) found() string {
	if c.socket != "" {
		return c.socket
	}
	if path := os.Getenv("VNCGATE_CONTROL"); path != "" {
		return path
	}
	var cfg struct {
		Control struct {
			Socket string `yaml:"socket"`
		} `yaml:"control"`
	}
	if b, err := os.ReadFile(usualConfig); err == nil && yaml.Unmarshal(b, &cfg) == nil && cfg.Control.Socket != "" {
		return cfg.Control.Socket
	}
	return usualSocket
}

// process is one gateway that was reached.
type process struct {
	*control.Client
	name string // "" for the one that is current, else its number
}

// processes connects to the gateway, and to those that an upgrade has left
// behind: their sockets have the number of the process at the end.
func (c *ctl) processes(ctx context.Context) (list []process, err error) {
	path := c.find()
	current, err := control.Dial(ctx, path)
	if err == nil {
		list = append(list, process{current, ""})
	}
	if list = append(list, olderProcesses(ctx, path)...); len(list) > 0 {
		return list, nil
	}
	return nil, unreachable(path, err)
}

// olderProcesses connects to those that an upgrade has left behind.
func olderProcesses(ctx context.Context, path string) (list []process) {
	older, _ := filepath.Glob(path + ".*")
	for _, old := range older {
		number := strings.TrimPrefix(old, path+".")
		if strings.Trim(number, "0123456789") != "" {
			continue
		}
		if client, err := control.Dial(ctx, old); err == nil { // else it has ended
			list = append(list, process{client, number})
		}
	}
	return list
}

// unreachable says what to do about a gateway that does not answer.
func unreachable(path string, err error) error {
	if told, ok := errors.AsType[*control.Error](err); ok {
		return fmt.Errorf("the gateway at %s turns you away: %w", path, told)
	}
	err = fmt.Errorf("no gateway answers at %s: %w", path, err)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w\nstart it with control: in its configuration, or 'vncgate serve --control %s'; --socket says where else the socket is", err, path)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w\nthe socket is there, but its gateway has ended: start it again", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w\nrun this as root or as the gateway's user, or as a member of the group that control: in its configuration names", err)
	}
	return err
}

// with runs f with all processes that there are.
func (c *ctl) with(cmd *cobra.Command, f func(ctx context.Context, list []process) error) error {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	list, err := c.processes(ctx)
	if err != nil {
		return err
	}
	defer func() {
		for _, p := range list {
			_ = p.Close()
		}
	}()
	return f(ctx, list)
}

// isNotFound tells that another process may know what this one does not.
func isNotFound(err error) bool {
	told, ok := errors.AsType[*control.Error](err)
	return ok && told.Class == control.ClassNotFound
}

// spaced are the words of a list as one text.
func spaced(words []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(words), func(w string) bool { return w == "" }), " ")
}
