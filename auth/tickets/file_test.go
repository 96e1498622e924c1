package tickets_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vncgate/auth/tickets"
)

// write puts text into a file in one step, as an operator should.
func write(t testing.TB, path, text string) {
	t.Helper()
	tmp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
	if err := os.WriteFile(tmp, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(tmp, path); err != nil {
		t.Fatal(err)
	}
}

// expect looks a token up: address "" stands for ErrUnknown.
func expect(t testing.TB, s tickets.Source, token, address string) {
	t.Helper()
	got, err := s.Lookup(context.Background(), token)
	if address == "" {
		if !errors.Is(err, tickets.ErrUnknown) {
			t.Errorf("token %q: got %q, %v; want that it is unknown", token, got.Address, err)
		}
		return
	}
	if err != nil || got.Address != address {
		t.Errorf("token %q: got %q, %v; want %q", token, got.Address, err, address)
	}
}

// expectFailure looks a token up in a source that cannot answer, whose error
// must hold nothing of the token.
func expectFailure(t testing.TB, s tickets.Source, token, says string) {
	t.Helper()
	_, err := s.Lookup(context.Background(), token)
	switch {
	case err == nil || errors.Is(err, tickets.ErrUnknown):
		t.Errorf("got %v; want that the source failed", err)
	case !strings.Contains(err.Error(), says):
		t.Errorf("got %q; want that it says %q", err, says)
	case len(token) > 2 && strings.Contains(err.Error(), token):
		t.Errorf("the error tells the token: %v", err)
	}
}

// reports collects what a file reports.
type reports struct {
	mu   sync.Mutex
	said []string
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, err.Error())
}

func (r *reports) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	said := r.said
	r.said = nil
	return said
}

func TestFileGrammar(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	write(t, path, strings.Join([]string{
		"\ufeff# comment: line:1",
		"plain: host:5900",
		"tab:\thost:5901",
		" blank : host:5902",
		"colon:inside: host:5903",
		"v6: ::1:5901",
		"brackets: [::1]:5902",
		"socket: unix_socket:/run/x.sock",
		"padded:    host:5904\t  \r",
		"twice: host:1",
		"twice: host:2",
		"spoiled: host:1",
		"spoiled: host:none",
		"a:b:1",
		"",
		"two: a: host:1",
		"comment: host:5900 # mine",
		" # indented: host:5906",
		": host:1",
		"empty:",
		"long: " + strings.Repeat("h", 5000) + ":1",
		"last: host:5905",
	}, "\n"))
	var said reports
	f := &tickets.File{Path: path, Report: said.add}
	for token, address := range map[string]string{
		"plain": "host:5900", "tab": "host:5901", " blank ": "host:5902", "blank": "", "colon:inside": "host:5903", "colon": "",
		"v6": "[::1]:5901", "brackets": "[::1]:5902", "socket": "unix:/run/x.sock", "padded": "host:5904",
		"twice": "host:2", "spoiled": "", "a": "", "a:b": "", "two": "", "comment": "", "# comment": "", " # indented": "host:5906",
		"": "", "empty": "", "long": "", "last": "host:5905",
	} {
		expect(t, f, token, address)
	}
	var lines []string
	for _, s := range said.take() {
		line, _, _ := strings.Cut(strings.TrimPrefix(s, "tickets: token file "+path+": line "), ":")
		lines = append(lines, line)
		for _, secret := range []string{"spoiled", "a:b:1", "two", "mine"} {
			if strings.Contains(strings.TrimPrefix(s, "tickets: token file "+path), secret) && secret != "two" {
				t.Errorf("the report tells %q: %s", secret, s)
			}
		}
	}
	if want := []string{"13", "14", "16", "17", "19", "20", "21"}; !slices.Equal(lines, want) {
		t.Errorf("reported lines %q, want %q", lines, want)
	}
	expect(t, f, "plain", "host:5900")
	if again := said.take(); again != nil {
		t.Errorf("reported again without a change: %q", again)
	}
}

func TestFileReportsOncePerChange(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	var said reports
	f := &tickets.File{Path: path, Report: said.add}
	for i, step := range []struct {
		text string
		want int
	}{
		{"", 1}, // missing
		{"", 0},
		{"bad\n", 1},
		{"bad\n", 0}, // written again with the same text
		{"bad\nworse\n", 2},
		{strings.Repeat("bad\n", 50), 17},
		{"good: host:1\n", 0},
	} {
		if step.text != "" {
			write(t, path, step.text)
		}
		for range 3 {
			_, _ = f.Lookup(context.Background(), "x")
		}
		if got := said.take(); len(got) != step.want {
			t.Errorf("step %d: %d reports, want %d: %q", i, len(got), step.want, got)
		}
	}
}

func TestFileVanishesAndComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	f := &tickets.File{Path: path}
	expectFailure(t, f, "s3cret", "no such file")
	write(t, path, "token: host:1\n")
	expect(t, f, "token", "host:1")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expectFailure(t, f, "s3cret", "no such file")
	write(t, path, "token: host:1\n")
	expect(t, f, "token", "host:1")
}

func TestFileSeesChangesInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	f := &tickets.File{Path: path}
	for i := range 20 { // same size, same inode, often the same tick of the clock
		if err := os.WriteFile(path, fmt.Appendf(nil, "token: host:%d\n", 100+i), 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, f, "token", fmt.Sprintf("host:%d", 100+i))
	}
}

func TestFileOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tokens")
	f := &tickets.File{Path: path, Once: true}
	expectFailure(t, f, "s3cret", "no such file")
	write(t, path, "token: host:1\n")
	expect(t, f, "token", "host:1")
	write(t, path, "token: host:2\nother: host:3\n")
	expect(t, f, "token", "host:1")
	expect(t, f, "other", "")
}

func TestFileDirectory(t *testing.T) {
	dir := t.TempDir()
	f := &tickets.File{Path: dir}
	expect(t, f, "a", "")
	write(t, filepath.Join(dir, "1"), "a: host:1\nb: host:1\n")
	write(t, filepath.Join(dir, "2"), "b: host:2\nc: host:2\n")
	write(t, filepath.Join(dir, "2~"), "c: old:2\n")
	write(t, filepath.Join(dir, ".swap"), "d: old:2\n")
	if err := os.MkdirAll(filepath.Join(dir, "sub", "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "sub", "3"), "e: host:3\n")
	if err := os.Symlink(filepath.Join(dir, "sub", "3"), filepath.Join(dir, "4")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for token, address := range map[string]string{"a": "host:1", "b": "host:2", "c": "host:2", "d": "", "e": "host:3"} {
		expect(t, f, token, address)
	}
	names, err := f.Names(context.Background())
	if err != nil || !slices.Equal(names, []string{"a", "b", "c", "e"}) {
		t.Errorf("names: %q, %v", names, err)
	}
	if err := os.Remove(filepath.Join(dir, "2")); err != nil {
		t.Fatal(err)
	}
	expect(t, f, "b", "host:1")
	expect(t, f, "c", "")
}

func TestFileThatIsTooLargeFails(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "small"), "a: host:1\n")
	large, err := os.Create(filepath.Join(dir, "large"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(large.Truncate(17<<20), large.Close()); err != nil {
		t.Fatal(err)
	}
	var said reports
	f := &tickets.File{Path: dir, Report: said.add}
	expect(t, f, "a", "host:1")
	expectFailure(t, f, "s3cret", "larger than")
	expectFailure(t, f, "s3cret", "larger than")
	if got := said.take(); len(got) != 1 {
		t.Errorf("reports: %q", got)
	}
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	expectFailure(t, &tickets.File{Path: pipe}, "s3cret", "not a regular file")
}

// TestFileUnderChange replaces the file while many look up: a look-up that
// begins after a replacement never gives what was there before.
func TestFileUnderChange(t *testing.T) {
	for _, directory := range []bool{false, true} {
		t.Run(fmt.Sprintf("directory %v", directory), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tokens")
			f := &tickets.File{Path: path}
			if directory {
				f.Path = filepath.Dir(path)
			}
			var written atomic.Int64
			replace := func(n int64) {
				write(t, path, fmt.Sprintf("token: host:%d\n", n))
				written.Store(n)
			}
			replace(1)
			hammer(t, f, written.Load, func() {
				for n := int64(2); n < 60; n++ {
					replace(n)
				}
			})
		})
	}
}

// hammer looks "token" up in several goroutines while change runs. The port
// that comes back counts the changes, and must not be less than what current
// said before the look-up.
func hammer(t *testing.T, s tickets.Source, current func() int64, change func()) {
	t.Helper()
	stop := make(chan struct{})
	var looking sync.WaitGroup
	for range 3 {
		looking.Go(func() {
			for {
				least := current()
				got, err := s.Lookup(context.Background(), "token")
				var n int64
				if _, scanErr := fmt.Sscanf(got.Address, "host:%d", &n); err != nil || scanErr != nil || n < least {
					t.Errorf("after %d: got %q, %v", least, got.Address, err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	change()
	close(stop)
	looking.Wait()
}

// FuzzTokenFile: nothing that a file holds panics, what is listed is found,
// found addresses are such that can be dialled, and no report holds a line.
func FuzzTokenFile(f *testing.F) {
	for _, s := range []string{"a: b:1\n", "# x\n a : ::1:1\r\n", "a:\tunix_socket:/x", "a: b: c:1", "\ufeffa: b:1", ": b:1", "a:b:1", "a: b:x"} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(dir, "tokens")
		write(t, path, text)
		source := &tickets.File{Path: path}
		names, err := source.Names(context.Background())
		if err != nil {
			return
		}
		for _, name := range names {
			got, err := source.Lookup(context.Background(), name)
			if errors.Is(err, tickets.ErrUnknown) {
				t.Fatalf("%q is listed and not found", name)
			}
			if again, err := tickets.ParseAddress(got.Address); again != got.Address || err != nil {
				t.Fatalf("address %q became %q, %v", got.Address, again, err)
			}
			if strings.Contains(name, ": ") || strings.HasPrefix(name, "#") || name == "" {
				t.Fatalf("no token: %q", name)
			}
		}
	})
}

func BenchmarkFileLookup(b *testing.B) {
	path := filepath.Join(b.TempDir(), "tokens")
	var text strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&text, "token-%d: host:5900\n", i)
	}
	write(b, path, text.String())
	past := time.Now().Add(-time.Hour)
	if err := os.Chtimes(path, past, past); err != nil {
		b.Fatal(err)
	}
	f := &tickets.File{Path: path}
	for b.Loop() {
		if _, err := f.Lookup(context.Background(), "token-77"); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleFile() {
	dir, err := os.MkdirTemp("", "tokens")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "tokens")
	if err := os.WriteFile(path, []byte("# for the lab\nvm7: ::1:5907\nbroken\n"), 0o600); err != nil {
		panic(err)
	}
	source := &tickets.File{Path: path, Report: func(err error) {
		fmt.Println(strings.ReplaceAll(err.Error(), dir, "…"))
	}}
	ticket, err := source.Lookup(context.Background(), "vm7")
	fmt.Println(ticket.Address, err)
	// Output:
	// tickets: token file …/tokens: line 3: write it as `token: host:port`, with a space after the first colon
	// [::1]:5907 <nil>
}
