package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vncgate/layers/layertest"
)

// asFirst runs an agent with a shell beside it as process 1 of a container, and
// returns its exit code. The shell's script is to end by itself.
func asFirst(t *testing.T, script string, flags ...string) (code int, out string) {
	t.Helper()
	cmd := firstCommand(t, script, flags...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	cmd.WaitDelay = time.Minute
	must(t, cmd.Start())
	late := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !late.Stop() {
		t.Errorf("it does not end")
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	if ok {
		return exit.ExitCode(), both.String()
	}
	return 0, both.String()
}

// firstCommand is what asFirst runs.
func firstCommand(t *testing.T, script string, flags ...string) *exec.Cmd {
	t.Helper()
	needPeer(t, "unshare", "util-linux")
	if out, err := exec.Command("unshare", "--fork", "--pid", "--mount-proc", "true").CombinedOutput(); err != nil {
		t.Skipf("there can be no PID namespace here (are we root?): %v: %s", err, out)
	}
	args := []string{"--fork", "--kill-child", "--pid", "--mount-proc", "vncgate", "agent", "--gateway", "unix:" + filepath.Join(layertest.SocketDir(t), "none"),
		"--name", "lab", "--service", "desk=localhost:1"}
	cmd := exec.Command("unshare", append(append(args, flags...), "--", "/bin/sh", "-c", script)...)
	cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0") // else each of the two takes a second more
	return cmd
}

// Processes that lose their parents do not stay as zombies, and the command's exit
// code is its own among all of them.
func TestFirstProcessReaps(t *testing.T) {
	list := filepath.Join(t.TempDir(), "orphans")
	code, out := asFirst(t, `
for i in 1 2 3 4 5 6 7 8 9; do
	(sleep 0.0$i & echo $! >>`+list+`)
done
while read orphan; do
	n=0
	while test -e /proc/$orphan; do
		n=$((n + 1)); test $n -gt 1500 && exit 9
		sleep 0.02
	done
done <`+list+`
exit 7`)
	if code != 7 {
		t.Errorf("it ended with %d: %s", code, out)
	}
}

// Signals reach the command, and the end of the agent asks it to end.
func TestFirstProcessPassesSignalsOn(t *testing.T) {
	code, out := asFirst(t, `
trap 'hup=1' HUP
trap 'exit 5' TERM
kill -HUP 1
while test -z "$hup"; do sleep 0.02; done
kill -TERM 1
while :; do sleep 0.02; done`)
	if code != 5 || strings.Contains(out, "panic") {
		t.Errorf("it ended with %d: %s", code, out)
	}
}

// terminal is a pseudo-terminal (pts(4)): our end, and that of who runs on it.
func terminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("there is no terminal to be had here: %v", err)
	}
	number, err := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN)
	must(t, err)
	must(t, unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))
	theirs, err = os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	must(t, err)
	return ours, theirs
}

// ^Z at the terminal of a container stops nothing, as there is no shell that would
// have it go on.
func TestFirstProcessIsNotStopped(t *testing.T) {
	typed := filepath.Join(t.TempDir(), "typed")
	cmd := firstCommand(t, `echo ready; while ! test -e `+typed+`; do sleep 0.02; done; exit 6`)
	ours, theirs := terminal(t)
	defer ours.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	must(t, cmd.Start())
	theirs.Close()
	late := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	var shown strings.Builder
	for buf := make([]byte, 4096); ; {
		n, err := ours.Read(buf)
		before := shown.String()
		shown.Write(buf[:n])
		came := func(words string) bool {
			return !strings.Contains(before, words) && strings.Contains(shown.String(), words)
		}
		if came("ready") {
			_, err = ours.WriteString("\x1a")
		}
		if came("^Z") { // those who run there have been told
			err = os.WriteFile(typed, nil, 0o600)
		}
		if err != nil {
			break // EIO: nobody runs there any more
		}
	}
	exit, ok := errors.AsType[*exec.ExitError](cmd.Wait())
	if !ok || exit.ExitCode() != 6 {
		t.Errorf("it ended with %v: %s", exit, shown.String())
	}
}
