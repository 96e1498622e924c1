//go:build unix

package bridge_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"vncgate/web/bridge"
)

// TestNamedPipe would block whoever opens it.
func TestNamedPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Skip(err)
	}
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}, Dir: dir})
	if res, _ := get(t, "GET", "http://"+address+"/fifo", nil); res.StatusCode != 404 {
		t.Errorf("fifo: %d", res.StatusCode)
	}
}
