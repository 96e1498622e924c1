package tunnel_test

import (
	"os"
	"path/filepath"
	"testing"

	"vncgate/gateway/tunnel"
	"vncgate/gateway/tunnel/tunneltest"
)

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "registry")
	tunneltest.Store(t, func(t *testing.T) tunnel.Store {
		f, err := tunnel.OpenFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

func TestFolderRefuses(t *testing.T) {
	dir := t.TempDir()
	f, err := tunnel.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, name := range []string{"", "/", "token/", "../x", "token/../x", "token/a/b", `token/a\b`, ".x", "token/.x"} {
		if _, err := f.Read(t.Context(), name); err == nil {
			t.Errorf("%q was read", name)
		}
		if err := f.Change(t.Context(), name, func([]byte) ([]byte, error) { return []byte("x"), nil }); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tunnel.OpenFolder(filepath.Join(dir, "file")); err == nil {
		t.Error("a folder that is a file")
	}
}
