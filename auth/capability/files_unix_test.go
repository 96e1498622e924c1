//go:build unix

package capability

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestRootWritesForTheService: what root's command leaves behind, the service
// can read.
func TestRootWritesForTheService(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const service = 12345
	dir := filepath.Join(t.TempDir(), "state")
	must(t, os.Mkdir(dir, 0o700))
	must(t, os.Chown(dir, service, service))
	a := open(t, dir, time.Now)
	_, tok := issue(t, a, token(time.Now()))
	must(t, a.Store.Use(tok.ID, "x", time.Now()))
	must(t, a.Store.Revoke(Revocation{ID: tok.ID}))
	must(t, a.Ring.Rotate())
	files := 0
	must(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		files++
		if owner := info.Sys().(*syscall.Stat_t).Uid; owner != service {
			t.Errorf("%s is user %d's", path, owner)
		}
		return nil
	}))
	if files < 9 {
		t.Errorf("only %d files", files)
	}
}
