package control_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/layers"
	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }

const patience = time.Minute

// serve has a server listen, and ends it with the test.
func serve(t testing.TB, s *control.Server) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "c.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; !errors.Is(err, gateway.ErrClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return path
}

// peer is the other side, byte by byte.
type peer struct {
	*net.UnixConn
	lines *bufio.Scanner
}

func connect(t *testing.T, path string) *peer {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &peer{c.(*net.UnixConn), bufio.NewScanner(c)}
}

func (p *peer) send(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		t.Fatal(err)
	}
}

// next reads a line as go-qemu does, with bufio's own limit.
func (p *peer) next(t *testing.T) string {
	t.Helper()
	if !p.lines.Scan() {
		t.Fatalf("no line: %v", p.lines.Err())
	}
	line := p.lines.Text()
	for _, c := range []byte(line) {
		if c < ' ' || c > '~' {
			t.Fatalf("not ASCII: %q", line)
		}
	}
	return line
}

// begin negotiates.
func (p *peer) begin(t *testing.T, oob bool) {
	t.Helper()
	p.next(t)
	p.send(t, `{"execute":"qmp_capabilities"`+map[bool]string{true: `,"arguments":{"enable":["oob"]}`}[oob]+`}`)
	if got := p.next(t); got != `{"return": {}}` {
		t.Fatal(got)
	}
}

// blocking is a table with a command that takes until it is told, and one that
// is out of band.
type blocking struct {
	*control.Table
	begun atomic.Int32
	ended atomic.Int32
	goOn  chan struct{}
}

func newBlocking() *blocking {
	b := &blocking{Table: &control.Table{}, goOn: make(chan struct{})}
	b.Add(
		control.New("sleep", control.Viewer, "Wait", func(ctx context.Context, _ *control.Call, _ struct{}) (struct{}, error) {
			b.begun.Add(1)
			defer b.ended.Add(1)
			select {
			case <-b.goOn:
				return struct{}{}, nil
			case <-ctx.Done():
				return struct{}{}, ctx.Err()
			}
		}),
		control.New("now", control.Viewer, "Do not", func(context.Context, *control.Call, struct{}) (struct{}, error) { return struct{}{}, nil }).OutOfBand(),
	)
	return b
}

func sleeps(n int) string {
	text := ""
	for i := range n {
		text += fmt.Sprintf(`{"execute":"sleep","id":%d}`, i)
	}
	return text
}

// TestOutOfBandBesideBlocked: eight commands that block, and one out of band is
// answered nevertheless. The ninth keeps it waiting, as is documented.
func TestOutOfBandBesideBlocked(t *testing.T) {
	b := newBlocking()
	p := connect(t, serve(t, &control.Server{Table: b.Table}))
	p.begin(t, true)
	p.send(t, sleeps(control.MaxInBand)+`{"exec-oob":"now","id":"oob"}`)
	if got := p.next(t); got != `{"return": {}, "id": "oob"}` {
		t.Fatal(got)
	}
	p.send(t, `{"execute":"sleep","id":8}{"exec-oob":"now","id":"late"}`)
	b.goOn <- struct{}{} // the first ends, the ninth has its place, and reading goes on
	got := []string{p.next(t), p.next(t)}
	if got[0] != `{"return": {}, "id": 0}` && got[1] != `{"return": {}, "id": 0}` || got[0] != `{"return": {}, "id": "late"}` && got[1] != `{"return": {}, "id": "late"}` {
		t.Errorf("%q", got)
	}
	close(b.goOn)
	for i := 1; i <= control.MaxInBand; i++ { // in order
		if got := p.next(t); got != fmt.Sprintf(`{"return": {}, "id": %d}`, i) {
			t.Errorf("%d: %s", i, got)
		}
	}
}

// TestNinthSuspends: nothing is read while nine are on their way.
func TestNinthSuspends(t *testing.T) {
	b := newBlocking()
	s := &control.Server{Table: b.Table}
	p := connect(t, serve(t, s))
	p.begin(t, true)
	p.send(t, sleeps(control.MaxInBand+1)+`{"exec-oob":"now","id":"oob"}`)
	eventually(t, "the first runs", func() bool { return b.begun.Load() == 1 && s.Commands() == control.MaxInBand })
	_ = p.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	var one [1]byte
	if n, err := p.Read(one[:]); n > 0 || err == nil {
		t.Fatalf("answered: %q", one)
	}
	_ = p.SetReadDeadline(time.Now().Add(patience))
	close(b.goOn)
	seen := map[string]bool{}
	for range control.MaxInBand + 2 {
		seen[p.next(t)] = true
	}
	if !seen[`{"return": {}, "id": "oob"}`] || !seen[`{"return": {}, "id": 8}`] {
		t.Errorf("%v", seen)
	}
}

// TestWithoutOOB: one command at a time, and exec-oob is no member.
func TestWithoutOOB(t *testing.T) {
	b := newBlocking()
	p := connect(t, serve(t, &control.Server{Table: b.Table}))
	p.begin(t, false)
	p.send(t, sleeps(1)+`{"exec-oob":"now","id":"oob"}{"execute":"now","id":1}`)
	eventually(t, "the first runs", func() bool { return b.begun.Load() == 1 })
	close(b.goOn)
	for i, want := range []string{
		`{"return": {}, "id": 0}`,
		`{"error": {"class":"GenericError","desc":"QMP input member 'exec-oob' is unexpected"}, "id": "oob"}`,
		`{"return": {}, "id": 1}`,
	} {
		if got := p.next(t); got != want {
			t.Errorf("%d: %s", i, got)
		}
	}
}

// TestCloseGivesUp: what a client has asked for ends with it, also while nothing
// is read from it.
func TestCloseGivesUp(t *testing.T) {
	for _, oob := range []bool{true, false} {
		b := newBlocking()
		s := &control.Server{Table: b.Table}
		p := connect(t, serve(t, s))
		p.begin(t, oob)
		p.send(t, sleeps(20))
		eventually(t, "the first runs", func() bool { return b.begun.Load() == 1 })
		_ = p.Close()
		eventually(t, "it is given up", func() bool { return b.ended.Load() == 1 && s.Clients() == 0 })
		if n := b.begun.Load(); n != 1 {
			t.Errorf("%d were begun", n)
		}
	}
}

// TestHalfClosed: one that only ends its own direction, as nc does at the end of
// a file, gets its answers.
func TestHalfClosed(t *testing.T) {
	b := newBlocking()
	p := connect(t, serve(t, &control.Server{Table: b.Table}))
	p.send(t, `{"execute":"qmp_capabilities"}`+sleeps(2))
	_ = p.CloseWrite()
	eventually(t, "the first runs", func() bool { return b.begun.Load() == 1 })
	close(b.goOn)
	all, err := io.ReadAll(p)
	if err != nil || strings.Count(string(all), "\r\n") != 4 || !strings.HasSuffix(string(all), "{\"return\": {}, \"id\": 1}\r\n") {
		t.Errorf("%q, %v", all, err)
	}
}

func TestIDsComeBackAsTheyCame(t *testing.T) {
	b := newBlocking()
	p := connect(t, serve(t, &control.Server{Table: b.Table}))
	p.begin(t, true)
	for sent, want := range map[string]string{
		`1.50`: `1.50`, `1e400`: `1e400`, `"a\/b"`: `"a\/b"`, `{ "x" : [ 1,2 ] }`: `{ "x" : [ 1,2 ] }`, `null`: `null`,
		`"é😀"`: `"\u00e9\ud83d\ude00"`, "{\n}": `{ }`, `'x'`: `"x"`,
	} {
		for _, how := range []string{"execute", "exec-oob"} {
			p.send(t, `{"`+how+`":"now","id":`+sent+`}`)
			if got := p.next(t); got != `{"return": {}, "id": `+want+`}` {
				t.Errorf("%s: %s", sent, got)
			}
		}
	}
	p.send(t, `{"execute":"now","id":"`+strings.Repeat("x", 5000)+`"}`)
	if got := p.next(t); !strings.Contains(got, "'id' is too long") || len(got) > 200 {
		t.Error(got)
	}
}

// TestLinesHaveABound: an answer that is too long is an error that says so.
func TestLinesHaveABound(t *testing.T) {
	table := &control.Table{}
	table.Add(control.New("say", control.Viewer, "Say much", func(_ context.Context, _ *control.Call, a struct {
		Much int  `json:"much"`
		Fail bool `json:"fail,omitempty"`
	}) (string, error) {
		text := strings.Repeat("é", a.Much)
		if a.Fail {
			return "", errors.New(text)
		}
		return text, nil
	}))
	p := connect(t, serve(t, &control.Server{Table: table}))
	p.begin(t, false)
	for _, much := range []int{10, 10000, 12000, 100000} {
		p.send(t, fmt.Sprintf(`{"execute":"say","arguments":{"much":%d}}{"execute":"say","arguments":{"much":%d,"fail":true}}`, much, much))
		result, failure := p.next(t), p.next(t)
		if much <= 10000 != strings.HasPrefix(result, `{"return"`) || len(result)+2 > control.MaxLine || len(failure)+2 > control.MaxLine {
			t.Errorf("%d: %.100s", much, result)
		}
	}
}

// TestFaultInACommand: it ends nothing but itself, and the log shows nothing of
// what was sent.
func TestFaultInACommand(t *testing.T) {
	const sent = "a-passphrase"
	table := &control.Table{}
	table.Add(
		control.New("fault", control.Viewer, "Break", func(context.Context, *control.Call, struct{}) (struct{}, error) {
			var nobody *gateway.Gateway
			return struct{}{}, nobody.Ready()
		}),
		control.New("panic", control.Viewer, "Break", func(_ context.Context, _ *control.Call, a struct {
			Text string `json:"text" doc:"anything"`
		}) (struct{}, error) {
			panic("it got " + a.Text)
		}),
	)
	var log safeLog
	p := connect(t, serve(t, &control.Server{Table: table, Log: slog.New(slog.NewTextHandler(&log, nil))}))
	p.begin(t, false)
	for _, command := range []string{`{"execute":"fault"}`, `{"execute":"panic","arguments":{"text":"` + sent + `"}}`, `{"execute":"fault"}`} {
		p.send(t, command)
		if got := p.next(t); !strings.Contains(got, "a fault in the gateway") {
			t.Error(got)
		}
	}
	for _, want := range []string{"nil pointer dereference", "a panic with a string"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	if strings.Contains(log.String(), sent) {
		t.Error("the log shows what was sent")
	}
}

// safeLog is a log that is read while it is written.
type safeLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *safeLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *safeLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestPermit(t *testing.T) {
	var role atomic.Int32
	role.Store(int32(control.Viewer))
	var log safeLog
	path := serve(t, &control.Server{
		Table: echoTable(), Log: slog.New(slog.NewTextHandler(&log, nil)),
		Permit: func(layers.Credentials) control.Role { return control.Role(role.Load()) },
	})
	p := connect(t, path)
	p.begin(t, true)
	p.send(t, `{"exec-oob":"steer"}`)
	if got := p.next(t); !strings.Contains(got, "steer is for role operator, and yours is viewer") {
		t.Error(got)
	}
	if text := log.String(); !strings.Contains(text, "refused") || !strings.Contains(text, "command=steer role=viewer") {
		t.Errorf("the log lacks it:\n%s", text)
	}
	role.Store(int32(control.Nobody))
	_, err := control.Dial(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "may not use this control socket") {
		t.Errorf("%v", err)
	}
}

// eventually waits for a condition, however loaded the machine is.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if is() {
			return
		}
	}
	t.Fatal("never: " + what)
}
