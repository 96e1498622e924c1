//go:build unix

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// What root's commands make for agents, the gateway's user can read.
func TestTokenAgentByRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const service = 12345
	state := t.TempDir()
	must(t, os.Chown(state, service, service))
	dir := filepath.Join(state, "agents")
	_, _, err := runTokens(t, "agent", "lab", "--service", "desk", "--certificates", dir)
	must(t, err)
	files := 0
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		must(t, err)
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != service {
			t.Errorf("%s is user %d's", path, owner)
		}
		files++
		return nil
	}))
	if files < 6 {
		t.Errorf("only %d files", files)
	}
}
