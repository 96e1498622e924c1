package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// bridgeTest is a running bridge of a test.
type bridgeTest struct {
	address string // as it logged it
	out     *lockedBuffer
	log     *lockedBuffer
	cancel  context.CancelFunc
	ended   chan error
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// waitFor polls until f is true.
func waitFor(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

var listeningAt = regexp.MustCompile(`msg=listening address=(\S+)`)

// runOnLine runs the command line in this process.
func runOnLine(t *testing.T, args ...string) *bridgeTest {
	t.Helper()
	o, err := parseWebsockify(args)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b := &bridgeTest{out: &lockedBuffer{}, log: &lockedBuffer{}, cancel: cancel, ended: make(chan error, 1)}
	go func() { b.ended <- runBridge(ctx, o, b.out, b.log) }()
	waitFor(t, "the bridge listens", func() bool {
		select {
		case err := <-b.ended:
			t.Fatalf("it ended: %v\n%s", err, b.log)
		default:
		}
		m := listeningAt.FindStringSubmatch(b.log.String())
		if m != nil {
			b.address = m[1]
		}
		return m != nil
	})
	t.Cleanup(cancel)
	return b
}

// end waits until it has ended, which it does by itself or not.
func (b *bridgeTest) end(t *testing.T) {
	t.Helper()
	select {
	case err := <-b.ended:
		if err != nil {
			t.Errorf("it ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatalf("it does not end\n%s", b.log)
	}
}

func (b *bridgeTest) open(t *testing.T, path string) (*websocket.Conn, error) {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(b.address, "/") {
		network = "unix"
	}
	d := websocket.Dialer{HandshakeTimeout: patience, NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, b.address)
	}}
	c, _, err := d.Dial("ws://bridge"+path, nil)
	if err == nil {
		t.Cleanup(func() { _ = c.Close() })
	}
	return c, err
}

// greets opens a WebSocket whose target greets with "hi".
func (b *bridgeTest) greets(t *testing.T, path string) *websocket.Conn {
	t.Helper()
	c, err := b.open(t, path)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.log)
	}
	if _, got, err := c.ReadMessage(); err != nil || string(got) != "hi" {
		t.Fatalf("%q, %v", got, err)
	}
	return c
}

// greeter is a target that says "hi" and waits for the end.
func greeter(t *testing.T, network, address string) string {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				_, _ = io.WriteString(c, "hi")
				_, _ = io.Copy(io.Discard, c)
			}()
		}
	}()
	return ln.Addr().String()
}

func TestBridgeUntilASignal(t *testing.T) {
	b := runOnLine(t, "-v", "--traffic", "127.0.0.1:0", greeter(t, "tcp", "127.0.0.1:0"))
	c := b.greets(t, "/any")
	b.cancel()
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the client is told %v", err)
	}
	b.end(t)
	if !strings.Contains(b.out.String(), "{") {
		t.Errorf("--traffic printed %q", b.out)
	}
}

func TestBridgeRunOnce(t *testing.T) {
	b := runOnLine(t, "--run-once", "127.0.0.1:0", greeter(t, "tcp", "127.0.0.1:0"))
	c := b.greets(t, "/")
	waitFor(t, "nobody listens", func() bool {
		other, err := net.Dial("tcp", b.address)
		if err == nil {
			_ = other.Close()
		}
		return err != nil
	})
	_ = c.Close()
	b.end(t)
}

func TestBridgeTimeout(t *testing.T) {
	b := runOnLine(t, "--timeout=5", "127.0.0.1:0", greeter(t, "tcp", "127.0.0.1:0"))
	c := b.greets(t, "/")
	waitFor(t, "--timeout is over", func() bool { return strings.Contains(b.log.String(), "reason=--timeout") })
	select {
	case err := <-b.ended:
		t.Fatalf("it ended with a session: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	_ = c.Close()
	b.end(t)
}

func TestBridgeIdleTimeout(t *testing.T) {
	b := runOnLine(t, "--idle-timeout=3", "127.0.0.1:0", greeter(t, "tcp", "127.0.0.1:0"))
	c := b.greets(t, "/")
	select {
	case err := <-b.ended:
		t.Fatalf("it ended with a session: %v", err)
	case <-time.After(3500 * time.Millisecond):
	}
	_ = c.Close()
	b.end(t)
}

func TestBridgeUnixSockets(t *testing.T) {
	dir := t.TempDir()
	here, there := filepath.Join(dir, "here"), filepath.Join(dir, "there")
	greeter(t, "unix", there)
	b := runOnLine(t, "--unix-listen", here, "--unix-listen-mode=0660", "--unix-target", there)
	b.greets(t, "/")
	if info, err := os.Stat(here); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info, err)
	}
	b.cancel()
	b.end(t)
	if _, err := os.Stat(here); err == nil {
		t.Error("the socket is left behind")
	}
	if err := os.WriteFile(here, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := parseWebsockify([]string{"--unix-listen", here, "--unix-target", there})
	if err != nil {
		t.Fatal(err)
	}
	if err := runBridge(t.Context(), o, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("a file in the way: %v", err)
	}
}

func TestBridgeTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(file, []byte("tasty-secret: "+greeter(t, "tcp", "127.0.0.1:0")+"\nbroken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := runOnLine(t, "-v", "--token-plugin=TokenFile", "--token-source", file, "127.0.0.1:0")
	b.greets(t, "/?token=tasty-secret")
	if _, err := b.open(t, "/?token=wrong-secret"); err == nil {
		t.Error("an unknown token got in")
	}
	if log := b.log.String(); strings.Contains(log, "secret") || !strings.Contains(log, "tokens") {
		t.Errorf("a token, or no word of the broken line, in the log: %s", log)
	}
}

// TestBridgeLogFile sends SIGHUP the moment that the program says it listens, as
// logrotate may: it must be taken from then on. The program is a process of its
// own, since a signal that comes late would end the tests.
func TestBridgeLogFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	cmd := program(t, "websockify", "--log-file", file, "127.0.0.1:0", "localhost:1")
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	for lines.Scan() && !listeningAt.MatchString(lines.Text()) {
	}
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "SIGHUP opens it anew", func() bool {
		_, err := os.Stat(file)
		return err == nil
	})
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, said)
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	before, _ := os.ReadFile(file + ".1")
	after, _ := os.ReadFile(file)
	if !strings.Contains(string(before), "msg=listening") || !strings.Contains(string(after), "msg=ending") {
		t.Errorf("%q, then %q", before, after)
	}
}

func TestBridgeStartFails(t *testing.T) {
	taken := greeter(t, "tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(taken)
	empty := t.TempDir()
	for line, words := range map[string]string{
		"127.0.0.1:" + port + " localhost:1":            "address already in use",
		"--ssl-only --cert /none.pem 0 localhost:1":     "/none.pem is not there",
		"--web /none 0 localhost:1":                     "no such folder",
		"--log-file /none/x 0 localhost:1":              "log file",
		"--syslog /none 0 localhost:1":                  "--syslog takes",
		"--token-plugin my.Class 0":                     "Python class",
		"--token-plugin Tokenfile 0":                    "TokenFile",
		"--auth-plugin my.Class 0 localhost:1":          "BasicHTTPAuth",
		"--auth-plugin BasicHTTPAuth 0 localhost:1":     "user:password",
		"--wrap-mode=exit 127.0.0.1:0 -- /none/program": "/none/program",
		"--inetd localhost:1":                           "inetd or systemd must start this",
	} {
		o, err := parseWebsockify(strings.Fields(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := runBridge(t.Context(), o, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v; want %q", line, err, words)
		}
	}
	o := &websockifyOptions{page: true, web: empty}
	if err := o.webFolder(); err == nil || !strings.Contains(err.Error(), "vnc.html") {
		t.Errorf("a folder without the page: %v", err)
	}
}

func TestNoVNCProxyServesThePage(t *testing.T) {
	o, err := parseNoVNCProxy([]string{"--listen", "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out, log, ended := &lockedBuffer{}, &lockedBuffer{}, make(chan error, 1)
	go func() { ended <- runBridge(ctx, o, out, log) }()
	url := regexp.MustCompile(`http://127\.0\.0\.1:\d+/vnc\.html`)
	waitFor(t, "it tells the page's URL", func() bool { return url.MatchString(out.String()) })
	res, err := http.Get(strings.Replace(url.FindString(out.String()), "vnc.html", "defaults.json", 1))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the page's settings: %s", res.Status)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestOnlyListener(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	ln := newOnlyListener(ours)
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ln.Accept(); err == nil {
		t.Error("a second connection")
	}
}

func TestTLSHost(t *testing.T) {
	for address, want := range map[string]string{"desk:5901": "desk", "[::1]:5901": "::1", "unix:/run/x": "localhost"} {
		if got := tlsHost(address); got != want {
			t.Errorf("%s: %q", address, got)
		}
	}
}
