package tickets_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"vncgate/auth/tickets"
)

// escapes are tokens that must lead nowhere in any directory.
var escapes = []string{
	"", ".", "..", "../outside", "../../outside", "./inside", "inside/", "/inside", "sub/inside", "..\\outside", "sub\\inside",
	".hidden", "inside\x00", "inside\n", "nowhere", "out", "outdir", "loop", "sub", "dangling", strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("../", 1000) + "etc/passwd",
}

// maze makes a directory in which only "inside" and "link" are good.
func maze(t *testing.T, entry func(path string)) string {
	t.Helper()
	base, err := os.MkdirTemp("", "t") // short enough for a socket's path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	dir := filepath.Join(base, "d")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"outside", "d/inside", "d/.hidden", "d/sub/inside"} {
		entry(filepath.Join(base, path))
	}
	for name, to := range map[string]string{
		"link": "inside", "deep": "sub/inside", "out": "../outside", "outdir": "..", "loop": "loop", "dangling": "gone",
		"absolute": filepath.Join(base, "outside"),
	} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkMaze looks up all that is good and all that is not.
func checkMaze(t *testing.T, s tickets.Source, address func(name string) string) {
	t.Helper()
	for _, token := range append(escapes, "absolute", "pipe") {
		expect(t, s, token, "")
	}
	good := []string{"deep", "inside", "link"}
	for _, token := range good {
		expect(t, s, token, address(token))
	}
	names, err := s.(tickets.Lister).Names(context.Background())
	if err != nil || !slices.Equal(names, good) {
		t.Errorf("names: %q, %v; want %q", names, err, good)
	}
}

func TestNamedFiles(t *testing.T) {
	dir := maze(t, func(path string) { write(t, path, " ::1:5901\n") })
	s := &tickets.NamedFiles{Dir: dir}
	checkMaze(t, s, func(string) string { return "[::1]:5901" })
	write(t, filepath.Join(dir, "inside"), "unix_socket:/run/x.sock")
	expect(t, s, "link", "unix:/run/x.sock")
	write(t, filepath.Join(dir, "inside"), "")
	expectFailure(t, s, "inside", "port is missing")
	expectFailure(t, &tickets.NamedFiles{Dir: filepath.Join(dir, "gone")}, "inside", "no such file")
	if _, err := (&tickets.NamedFiles{Dir: filepath.Join(dir, "gone")}).Names(context.Background()); err == nil {
		t.Error("names of a directory that is not there")
	}
}

func TestNamedFilesUnderChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	var written atomic.Int64
	replace := func(n int64) {
		write(t, path, "host:"+itoa(n))
		written.Store(n)
	}
	replace(1)
	hammer(t, &tickets.NamedFiles{Dir: filepath.Dir(path)}, written.Load, func() {
		for n := int64(2); n < 60; n++ {
			replace(n)
		}
	})
}

func listen(t *testing.T, path string) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
}

func TestSockets(t *testing.T) {
	dir := maze(t, func(path string) { listen(t, path) })
	write(t, filepath.Join(dir, "file"), "host:1")
	s := &tickets.Sockets{Dir: dir + "/"}
	checkMaze(t, s, func(name string) string { return "unix:" + filepath.Join(dir, name) })
	expect(t, s, "file", "")
	listen(t, filepath.Join(dir, "new"))
	expect(t, s, "new", "unix:"+filepath.Join(dir, "new"))
	if err := os.Remove(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	expect(t, s, "new", "")
	expectFailure(t, &tickets.Sockets{Dir: filepath.Join(dir, "gone")}, "inside", "no such file")
}

func TestSocketsWithALongPath(t *testing.T) {
	dir := maze(t, func(path string) { listen(t, path) })
	long := filepath.Join(dir, strings.Repeat("l", 120))
	if err := os.Mkdir(long, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "inside"), filepath.Join(long, "inside")); err != nil {
		t.Fatal(err)
	}
	expectFailure(t, &tickets.Sockets{Dir: long}, "inside", "107 bytes")
}

// FuzzNamedFiles: whatever the token, what is outside the directory stays
// there, and only a name that is listed is known.
func FuzzNamedFiles(f *testing.F) {
	for _, s := range append(escapes, "inside", "INSIDE", "inside.", "inside::$DATA") {
		f.Add(s)
	}
	base := f.TempDir()
	dir := filepath.Join(base, "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		f.Fatal(err)
	}
	write(f, filepath.Join(base, "outside"), "outside:1")
	write(f, filepath.Join(dir, "inside"), "inside:1")
	s := &tickets.NamedFiles{Dir: dir}
	f.Fuzz(func(t *testing.T, token string) {
		got, err := s.Lookup(context.Background(), token)
		if err == nil && (token != "inside" || got.Address != "inside:1") {
			t.Fatalf("token %q gave %q", token, got.Address)
		}
	})
}
