package netlab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A host is a network namespace.
type host struct{ name string }

// newHost makes a namespace that is removed with the test.
func newHost(t testing.TB, name string) *host {
	t.Helper()
	h := &host{fmt.Sprintf("netlab%d%s", os.Getpid(), name)}
	command(t, "ip", "netns", "add", h.name)
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", h.name).CombinedOutput(); err != nil {
			t.Errorf("ip netns del %s: %v: %s", h.name, err, out)
		}
	})
	h.run(t, "ip link set lo up")
	return h
}

// run runs commands in the host, one a line.
func (h *host) run(t testing.TB, lines string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		if words := strings.Fields(line); len(words) > 0 {
			command(t, "ip", append([]string{"netns", "exec", h.name}, words...)...)
		}
	}
}

// nft gives the host's packet filter a script.
func (h *host) nft(t testing.TB, script string) {
	t.Helper()
	cmd := h.command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s", err, out)
	}
}

// sysctl sets what is set by /proc/sys/net in the host.
func (h *host) sysctl(t testing.TB, settings map[string]string) {
	t.Helper()
	h.in(t, func() error {
		for name, value := range settings {
			path := "/proc/sys/net/" + strings.ReplaceAll(name, ".", "/")
			if err := os.WriteFile(path, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
}

// command is of a program that runs in the host.
func (h *host) command(name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", h.name, name}, args...)...)
}

// in runs f on a thread that is in the host, so that sockets which f makes are
// of that host, wherever they are used afterwards.
func (h *host) in(t testing.TB, f func() error) {
	t.Helper()
	if err := h.enter(f); err != nil {
		t.Fatalf("%s: %v", h.name, err)
	}
}

func (h *host) enter(f func() error) error {
	runtime.LockOSThread()
	home, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(home)
	away, err := unix.Open("/run/netns/"+h.name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(away)
	if err := unix.Setns(away, unix.CLONE_NEWNET); err != nil {
		return err
	}
	err = f()
	if back := unix.Setns(home, unix.CLONE_NEWNET); back != nil {
		return back // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// listen opens a TCP port of the host.
func (h *host) listen(t testing.TB, address string) net.Listener {
	t.Helper()
	var ln net.Listener
	h.in(t, func() (err error) {
		ln, err = net.Listen("tcp", address)
		return err
	})
	t.Cleanup(func() { ln.Close() })
	return ln
}

// dial connects from the host; the address has to be a literal one.
func (h *host) dial(ctx context.Context, address string) (c net.Conn, err error) {
	dialer := net.Dialer{Timeout: 20 * time.Second}
	err = h.enter(func() error {
		var err error
		c, err = dialer.DialContext(ctx, "tcp", address)
		return err
	})
	return c, err
}

// command runs a short program that has to succeed.
func command(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
