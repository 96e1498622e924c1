//go:build unix

package layers_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vncgate/layers"
)

func command(t *testing.T, argv ...string) net.Conn {
	t.Helper()
	c, err := layers.DialCommand(context.Background(), argv, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestCommandEchoes(t *testing.T) {
	c := command(t, "cat")
	if got := layers.Describe(c); got != "command" {
		t.Errorf("Describe = %q", got)
	}
	if c.RemoteAddr().String() != "cat" || c.LocalAddr().String() != "" {
		t.Errorf("addresses %v, %v", c.RemoteAddr(), c.LocalAddr())
	}
	exchangeEcho(t, c)
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<14)
	go func() {
		_, _ = c.Write(data)
		_ = layers.CloseWrite(c)
	}()
	got, err := io.ReadAll(c)
	if !bytes.Equal(got, data) || err != nil {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if err := c.SetDeadline(time.Now()); err != nil {
		t.Errorf("deadline after CloseWrite: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestCommandLog passes lines on: cut, repaired, the last one without its end.
func TestCommandLog(t *testing.T) {
	var mu sync.Mutex
	var lines []string
	c, err := layers.DialCommand(context.Background(),
		[]string{"sh", "-c", `echo one >&2; head -c 5000 /dev/zero | tr '\0' x >&2; echo >&2; printf 'bad \377\nlast' >&2`},
		func(line string) { mu.Lock(); defer mu.Unlock(); lines = append(lines, line) })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); len(got) != 0 || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		mu.Lock()
		n := len(lines)
		mu.Unlock()
		if n == 4 {
			break
		}
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	want := []string{"one", strings.Repeat("x", 1024), "bad \uFFFD", "last"}
	if strings.Join(lines, "\n") != strings.Join(want, "\n") {
		t.Errorf("lines %q", lines)
	}
}

func TestCommandExitStatus(t *testing.T) {
	c := command(t, "sh", "-c", "exit 3")
	if _, err := io.ReadAll(c); err != nil {
		t.Errorf("Read: %v", err)
	}
	if err := c.Close(); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("Close: %v", err)
	}
	if again := c.Close(); again == nil {
		t.Error("the second Close forgets the status")
	}
}

func TestCommandCannotStart(t *testing.T) {
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	for _, test := range []struct {
		ctx  context.Context
		argv []string
		want string
	}{
		{context.Background(), nil, "no command given"},
		{context.Background(), []string{""}, "no command given"},
		{context.Background(), []string{"no-such-program"}, "not found in PATH"},
		{context.Background(), []string{"/no/such/program"}, "no such file"},
		{context.Background(), []string{plain}, "may not be executed"},
		{cancelled, []string{"cat"}, "canceled"},
	} {
		c, err := layers.DialCommand(test.ctx, test.argv, nil)
		if c != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: %v, %v", test.argv, c, err)
		}
	}
}

// TestCommandCloseEndsTheGroup: neither the command, deaf to SIGTERM, nor its
// child is left, as process or as zombie.
func TestCommandCloseEndsTheGroup(t *testing.T) {
	c := command(t, "sh", "-c", `trap "" TERM; sleep 1000 & echo $$ $!; wait; sleep 1000`)
	b := make([]byte, 100)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(string(b[:n]))
	if len(pids) != 2 {
		t.Fatalf("pids %q", pids)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	for _, s := range pids {
		pid, _ := strconv.Atoi(s)
		for deadline := time.Now().Add(10 * time.Second); running(pid); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d still runs", pid)
			}
		}
	}
}

// running tells processes that run from those that are gone or, as the adopted
// child of another process, wait to be reaped by it.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// TestCommandThatExits gives writes an error and not a signal.
func TestCommandThatExits(t *testing.T) {
	c := command(t, "true")
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("Read = %d, %v", n, err)
	}
	var err error
	for deadline := time.Now().Add(10 * time.Second); err == nil && time.Now().Before(deadline); {
		_, err = c.Write([]byte("x")) // until the system has closed the other end
	}
	var op *net.OpError
	if !errors.As(err, &op) || !errors.Is(err, syscall.EPIPE) || !strings.HasPrefix(err.Error(), "write command") {
		t.Errorf("Write: %v", err)
	}
}
