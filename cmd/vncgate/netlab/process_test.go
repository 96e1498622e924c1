package netlab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long anything may take that happens soon.
const patience = time.Minute

// A process is a running program, with all that it has printed.
type process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu  sync.Mutex
	out bytes.Buffer
}

// start runs cmd until the test is over.
func start(t testing.TB, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.tail(40))
		}
	})
	return p
}

// Write keeps what the program prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// tail is the last n lines.
func (p *process) tail(n int) string {
	lines := strings.Split(strings.TrimRight(p.String(), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// stop ends the program, kindly first.
func (p *process) stop() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
	}
	p.kill()
}

// kill ends it as a power cut does.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// ended is an error once the program has.
func (p *process) ended() error {
	select {
	case <-p.done:
		return fatal{fmt.Errorf("%s has ended: %s", p.name, p.tail(20))}
	default:
		return nil
	}
}

// memory is what the program holds of it, resident, in bytes.
func (p *process) memory() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0, err
	}
	return resident * int64(os.Getpagesize()), nil
}

// fatal is an error that is not waited out.
type fatal struct{ error }

// eventually tries f until it succeeds or patience ends, and says how long it
// took.
func eventually(t testing.TB, what string, f func() error) time.Duration {
	t.Helper()
	begin := time.Now()
	for {
		err := f()
		if err == nil {
			return time.Since(begin)
		}
		if _, ends := errors.AsType[fatal](err); ends || time.Since(begin) > patience {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

var build struct {
	sync.Once
	path string
	err  error
}

// program is the binary that VNCGATE_BINARY names, or one that is built here.
func program(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("VNCGATE_BINARY"); path != "" {
		return path
	}
	build.Do(func() {
		dir, err := os.MkdirTemp("", "netlab")
		if err != nil {
			build.err = err
			return
		}
		build.path = filepath.Join(dir, "vncgate")
		cmd := exec.Command("go", "build", "-o", build.path, "./cmd/vncgate")
		cmd.Dir = filepath.Join("..", "..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.path
}

// TestMain removes the program that was built.
func TestMain(m *testing.M) {
	code := m.Run()
	if build.path != "" {
		os.RemoveAll(filepath.Dir(build.path))
	}
	os.Exit(code)
}
