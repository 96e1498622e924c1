package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"vncgate/gateway/control"
	"vncgate/layers"
)

// controlConfig is the socket on which 'vncgate ctl' and clients of QMP steer
// the gateway.
type controlConfig struct {
	Socket string   `yaml:"socket,omitempty"` // path; default: control.sock in $RUNTIME_DIRECTORY
	Mode   fileMode `yaml:"mode,omitempty"`   // default: 0600, with a group 0660
	Group  string   `yaml:"group,omitempty"`  // a name or number: who may connect
	// Who may do what, of those who may connect: names of users, group:NAME, or
	// * for all. Root and our own user may do all.
	Admins    []string `yaml:"admins,omitempty"`
	Operators []string `yaml:"operators,omitempty"`
	Viewers   []string `yaml:"viewers,omitempty"`
}

// controlName is what the socket is called in its folder.
const controlName = "control.sock"

func (c *controlConfig) validate() error {
	if c == nil {
		return nil
	}
	if c.Socket == "" {
		dir, _, _ := strings.Cut(os.Getenv("RUNTIME_DIRECTORY"), ":")
		if dir == "" {
			return errors.New("socket: is missing: a path such as /run/vncgate/control.sock (systemd's RuntimeDirectory= would be the default)")
		}
		c.Socket = filepath.Join(dir, controlName)
	}
	c.Socket = strings.TrimPrefix(c.Socket, "unix:")
	if strings.HasPrefix(c.Socket, "@") || strings.Contains(c.Socket, "://") {
		return errors.New("socket: is a path; whoever is in the same network namespace could connect to an abstract socket")
	}
	if err := c.listening().Check(); err != nil {
		return err
	}
	if unknown := c.permits().Unknown(); len(unknown) > 0 {
		return fmt.Errorf("this system does not know %s; write names of users, or group:NAME", strings.Join(unknown, ", "))
	}
	return nil
}

// folderThere says what to do where the folder that a file of ours goes into is
// missing.
func folderThere(what, path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: the folder of %s is missing\n'install -d -m 750 %s' makes it, or in a systemd unit RuntimeDirectory= or LogsDirectory=", what, path, dir)
	case err != nil:
		return fmt.Errorf("%s: %w", what, err)
	case !info.IsDir():
		return fmt.Errorf("%s: %s is no folder", what, dir)
	}
	return nil
}

func (c *controlConfig) listening() layers.ListenConfig {
	mode := c.Mode
	if mode == 0 && c.Group == "" {
		mode = 0o600
	}
	return layers.ListenConfig{Mode: fs.FileMode(mode), Group: c.Group}
}

func (c *controlConfig) permits() control.Permits {
	return control.Permits{Admins: c.Admins, Operators: c.Operators, Viewers: c.Viewers}
}

// controlled has --control add the socket, or put it elsewhere than the file
// says.
func (f *serveFlags) controlled(cfg *config) error {
	if f.control == "" {
		return nil
	}
	if cfg.Control == nil {
		cfg.Control = &controlConfig{}
	}
	cfg.Control.Socket = f.control
	if err := cfg.Control.validate(); err != nil {
		return usagef("--control: %w", err)
	}
	return nil
}
