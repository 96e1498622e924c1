package bridge

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pythonUnescape reads what Python's unicode_escape writes for ISO-8859-1, and the
// escaped quote besides. It takes nothing that such a writer would not write.
func pythonUnescape(s string) ([]byte, bool) {
	var out []byte
	for len(s) > 0 {
		c := s[0]
		s = s[1:]
		if c != '\\' {
			if c < ' ' || c > '~' || c == '\'' {
				return nil, false
			}
			out = append(out, c)
			continue
		}
		if s == "" {
			return nil, false
		}
		kind := s[0]
		s = s[1:]
		switch kind {
		case '\\', '\'':
			out = append(out, kind)
		case 't', 'n', 'r':
			out = append(out, "\t\n\r"[strings.IndexByte("tnr", kind)])
		case 'x':
			if len(s) < 2 || s[:2] != strings.ToLower(s[:2]) {
				return nil, false
			}
			v, err := strconv.ParseUint(s[:2], 16, 8)
			if err != nil || v >= ' ' && v <= '~' {
				return nil, false
			}
			out, s = append(out, byte(v)), s[2:]
		default:
			return nil, false
		}
	}
	return out, true
}

func FuzzEscape(f *testing.F) {
	f.Add([]byte("RFB 003.008\n"))
	f.Add([]byte(`it's \ "quoted"` + "\x00\x7f\x80\xff\t\r"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		escaped := string(appendEscaped(nil, b))
		if got, ok := pythonUnescape(escaped); !ok || !bytes.Equal(got, b) {
			t.Errorf("%q became %q, and that %q", b, escaped, got)
		}
	})
}

// everyByte has each byte once.
func everyByte() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// TestEscapeIsPythons compares with the words of the compatibility statement,
// as Python runs them.
func TestEscapeIsPythons(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" && runtime.GOOS == "linux" {
			t.Fatal("python3 is missing: apt install python3")
		}
		t.Skip("python3 is missing: apt install python3")
	}
	const program = `import sys; sys.stdout.write(bytes(range(256)).decode("latin-1").encode("unicode_escape").decode("ascii").replace("'", "\\'"))`
	want, err := exec.Command(python, "-c", program).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := appendEscaped(nil, everyByte()); !bytes.Equal(got, want) {
		t.Errorf("%s\nPython: %s", got, want)
	}
}

// disk is a file in memory that may fail.
type disk struct {
	bytes.Buffer
	room   int // bytes until it is full; < 0 never
	closed bool
}

var errFull = errors.New("no space left")

func (d *disk) Write(b []byte) (int, error) {
	if d.room >= 0 && d.Len()+len(b) > d.room {
		return 0, errFull
	}
	return d.Buffer.Write(b)
}

func (d *disk) Close() error { d.closed = true; return nil }

// times of a recording differ from run to run.
var times = regexp.MustCompile(`(?m)^'([{}])\d+([{}])`)

func TestRecording(t *testing.T) {
	d := &disk{room: -1}
	r := newRecording(d, slog.New(slog.DiscardHandler))
	r.received([]byte("hello\x00\xff'\\\n\r\t"), true)
	r.sent([]byte("RFB 003.008\n"))
	r.received([]byte("fr"), false)
	r.sent(nil)
	r.received(nil, false)
	r.received([]byte("ag"), true)
	r.received([]byte("cut"), false)
	r.close()
	want := "var VNC_frame_data = [\n" + `'}0}hello\x00\xff\'\\\n\r\t',
'{0{RFB 003.008\n',
'{0{',
'}0}frag',
'}0}cut',
'EOF'];
`
	if got := times.ReplaceAllString(d.String(), "'${1}0$2"); got != want || !d.closed {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestRecordingOfLongMessages(t *testing.T) {
	d := &disk{room: -1}
	r := newRecording(d, slog.New(slog.DiscardHandler))
	long := bytes.Repeat([]byte("x"), maxRecorded+10)
	for piece := range slices.Chunk(long, 1000) {
		r.received(piece, false)
		if cap(r.open) > 2*maxRecorded {
			t.Fatalf("%d bytes kept", cap(r.open))
		}
	}
	r.received(long, true)
	r.close()
	var sizes []int
	for line := range strings.Lines(times.ReplaceAllString(d.String(), "'$1")) {
		if body, ok := strings.CutPrefix(line, "'}"); ok {
			sizes = append(sizes, len(strings.TrimSuffix(body, "',\n")))
		}
	}
	if !slices.Equal(sizes, []int{maxRecorded, maxRecorded, 20}) {
		t.Errorf("messages of %d", sizes)
	}
}

// TestRecordingFails where the disk is full, and says so once.
func TestRecordingFails(t *testing.T) {
	var log bytes.Buffer
	d := &disk{room: 100}
	r := newRecording(d, slog.New(slog.NewTextHandler(&log, nil)))
	for range 100 {
		r.sent(make([]byte, 5000))
	}
	r.close()
	if n := strings.Count(log.String(), "recording ended"); n != 1 || !strings.Contains(log.String(), errFull.Error()) {
		t.Errorf("log says it %d times: %s", n, log.String())
	}
	if !d.closed {
		t.Error("the file is still open")
	}
}

func TestRecordReplacesAndKeepsToItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rec.1")
	for _, message := range []string{"a long one of an earlier run", "short"} {
		r, err := record(path, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		r.sent([]byte(message))
		r.close()
	}
	b, err := os.ReadFile(path)
	if err != nil || times.ReplaceAllString(string(b), "'$1") != recordHead+"'{short',\n"+recordTail {
		t.Errorf("%q, %v", b, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm()&0o077 != 0 {
		t.Errorf("mode %v", info.Mode())
	}
	if _, err := record(filepath.Join(path, "below a file"), slog.Default()); err == nil {
		t.Error("a recording where none can be")
	}
}

var _ io.WriteCloser = (*disk)(nil)
