package interop

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that happens at once on an idle
// machine. Everything is polled, so only failures ever wait that long.
const patience = 2 * time.Minute

// A scope owns processes and folders until it is closed: those of one test, or
// those that the whole suite shares.
type scope struct {
	mu      sync.Mutex
	closers []func()
}

// testScope is closed with the test.
func testScope(t testing.TB) *scope {
	s := new(scope)
	t.Cleanup(s.close)
	return s
}

func (s *scope) onClose(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, f)
}

func (s *scope) close() {
	s.mu.Lock()
	closers := s.closers
	s.closers = nil
	s.mu.Unlock()
	for i := len(closers) - 1; i >= 0; i-- {
		closers[i]()
	}
}

// tempDir is removed when the scope closes. Its path is short, because unix
// socket addresses are.
func (s *scope) tempDir() (string, error) {
	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		return "", err
	}
	s.onClose(func() { os.RemoveAll(dir) })
	return dir, nil
}

// A process is a running peer, with all that it has printed.
type process struct {
	name string
	cmd  *exec.Cmd
	log  logBuffer
	done chan struct{} // closed when it has ended
	err  error         // of Wait, behind done
	// grace is how long it may take to end when it is told to.
	grace time.Duration
}

// start runs cmd in a process group of its own, which is killed with the scope.
func start(s *scope, name string, cmd *exec.Cmd) (*process, error) {
	p := &process{name: name, cmd: cmd, done: make(chan struct{}), grace: 5 * time.Second}
	if cmd.Stdout == nil {
		cmd.Stdout = &p.log
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.log
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL // when the tests themselves are killed
	cmd.WaitDelay = 20 * time.Second            // for grandchildren that hold the output open
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go p.wait()
	s.onClose(p.stop)
	return p, nil
}

func (p *process) wait() {
	p.err = p.cmd.Wait()
	close(p.done)
}

// stop ends the whole group, kindly first, and waits for it.
func (p *process) stop() {
	group := -p.cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(p.grace):
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-p.done
}

// alive is an error, with what the process printed last, once it has ended.
func (p *process) alive() error {
	select {
	case <-p.done:
		return fatal{fmt.Errorf("%s ended (%v): %s", p.name, p.err, p.log.tail(15))}
	default:
		return nil
	}
}

// finish waits for a process that ends by itself.
func (p *process) finish() error {
	select {
	case <-p.done:
	case <-time.After(patience):
		return fmt.Errorf("%s still runs after %v: %s", p.name, patience, p.log.tail(15))
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w: %s", p.name, p.err, p.log.tail(15))
	}
	return nil
}

// run waits for a short command and returns what it printed.
func run(cmd *exec.Cmd) ([]byte, error) {
	s := new(scope)
	defer s.close()
	var out bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &out
	}
	p, err := start(s, cmd.Args[0], cmd)
	if err != nil {
		return nil, err
	}
	err = p.finish()
	return out.Bytes(), err
}

// fatal is an error that polling does not wait out.
type fatal struct{ error }

// poll tries f until it succeeds, until its error is fatal or patience ends.
func poll(what string, f func() error) error { return pollUntil(time.Now().Add(patience), what, f) }

// pollUntil is poll with an end that several may share: it tries at least once.
func pollUntil(deadline time.Time, what string, f func() error) error {
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := f()
		if err == nil {
			return nil
		}
		if _, ends := errors.AsType[fatal](err); ends || time.Now().After(deadline) {
			return fmt.Errorf("%s: %w", what, err)
		}
		time.Sleep(pause)
	}
}

// eventually is poll for tests.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	if err := poll(what, f); err != nil {
		t.Fatal(err)
	}
}

// logBuffer keeps what a process prints.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// has reports whether text was printed since offset, which len gave.
func (l *logBuffer) has(offset int, text string) error {
	if !strings.Contains(l.String()[offset:], text) {
		return fmt.Errorf("%q was not printed", text)
	}
	return nil
}

func (l *logBuffer) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Len()
}

// tail is the last n lines.
func (l *logBuffer) tail(n int) string {
	lines := strings.Split(strings.TrimRight(l.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

var _ io.Writer = (*logBuffer)(nil)

// shared is a peer that several tests use and TestMain closes.
type shared[T any] struct {
	once  sync.Once
	value T
	err   error
}

func (s *shared[T]) get(t testing.TB, make func(*scope) (T, error)) T {
	t.Helper()
	s.once.Do(func() { s.value, s.err = make(&suite) })
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.value
}
