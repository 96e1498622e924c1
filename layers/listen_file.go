package layers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"
)

// unix listens on a unix socket.
func (config ListenConfig) unix(ctx context.Context, path string) (net.Listener, error) {
	if strings.HasPrefix(path, "@") {
		var lc net.ListenConfig
		return lc.Listen(ctx, "unix", path)
	}
	access, err := config.access()
	if err != nil {
		return nil, fmt.Errorf("listen unix %s: %w", path, err)
	}
	ln, err := access.listen(ctx, path)
	if errors.Is(err, syscall.EADDRINUSE) {
		if err = removeStale(ctx, path); err == nil {
			ln, err = access.listen(ctx, path)
		}
	}
	return ln, err
}

// access is who may connect to a unix socket: -1 and 0 leave things alone.
type access struct {
	mode     fs.FileMode
	uid, gid int
}

func (config ListenConfig) access() (a access, err error) {
	a = access{mode: config.Mode.Perm(), uid: -1, gid: -1}
	if config.Owner != "" {
		if a.uid, err = numberOf(config.Owner, userNumber); err != nil {
			return a, fmt.Errorf("owner: %w", err)
		}
	}
	if config.Group != "" {
		if a.gid, err = numberOf(config.Group, groupNumber); err != nil {
			return a, fmt.Errorf("group: %w", err)
		}
	}
	if a.uid >= 0 || a.gid >= 0 {
		a.mode = cmp.Or(a.mode, 0o660)
	}
	return a, nil
}

// numberOf reads a number, or looks a name up.
func numberOf(s string, lookup func(string) (string, error)) (int, error) {
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return int(n), nil
	}
	id, err := lookup(s)
	if err != nil {
		return -1, err
	}
	n, err := strconv.ParseUint(id, 10, 31)
	if err != nil {
		return -1, fmt.Errorf("%s has no number on this system", s)
	}
	return int(n), nil
}

func userNumber(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func groupNumber(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// listen binds the socket and gives it away. Its file is born without any
// permission where the system allows that, so that nobody connects in between.
func (a access) listen(ctx context.Context, path string) (net.Listener, error) {
	var lc net.ListenConfig
	if a.mode != 0 {
		lc.Control = func(_, _ string, raw syscall.RawConn) error { return closeToAll(raw) }
	}
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil || a.mode == 0 {
		return ln, err
	}
	if a.uid >= 0 || a.gid >= 0 {
		err = os.Lchown(path, a.uid, a.gid)
	}
	if err == nil {
		err = os.Chmod(path, a.mode)
	}
	if err != nil {
		_ = ln.Close()
		return nil, fmt.Errorf("listen unix: %w", err)
	}
	return ln, nil
}

// removeStale removes the socket at path if the system says that no process
// listens on it.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return fmt.Errorf("listen unix %s: the file exists and is not a socket; remove it or choose another path", path)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
		return fmt.Errorf("listen unix %s: another process listens there already", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("listen unix %s: in use, and cannot tell by whom: %w", path, err)
	}
	return os.Remove(path)
}
