//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// booted is a systemd that is process 1 of namespaces of its own, in a cgroup of
// its own, with this program at /usr/bin/vncgate and the units of deploy/systemd.
type booted struct {
	t    *testing.T
	dir  string // here; /etc/vncgate and the units lie in it
	init int    // process 1, as we see it
}

// boot needs VNCGATE_SYSTEMD: "/" for the systemd of this machine, or the path of
// another system's root, such as debootstrap makes. It takes root, overlayfs and
// cgroups of version 2, which builds in containers seldom have: nobody is asked for
// it, VNCGATE_REQUIRE_PEERS included.
func boot(t *testing.T) *booted {
	t.Helper()
	lower := os.Getenv("VNCGATE_SYSTEMD")
	if lower == "" {
		t.Skip("VNCGATE_SYSTEMD names no system's root to boot")
	}
	if os.Getuid() != 0 {
		t.Fatal("VNCGATE_SYSTEMD: only root can boot one")
	}
	b := &booted{t: t, dir: t.TempDir()}
	for _, dir := range []string{"etc", "units", "top", "tree"} {
		must(t, os.Mkdir(filepath.Join(b.dir, dir), 0o755))
	}
	must(t, os.Chmod(filepath.Dir(b.dir), 0o755))
	must(t, os.Chmod(b.dir, 0o755))
	self, err := os.Executable()
	must(t, err)
	must(t, os.WriteFile(filepath.Join(b.dir, "boot"), []byte(bootScript), 0o700))
	units, err := filepath.Abs(filepath.Join(root, "deploy", "systemd"))
	must(t, err)
	group := ownCgroup(t)
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--cgroup", "--uts", "--ipc", "--propagation", "private",
		"/bin/sh", filepath.Join(b.dir, "boot"), b.dir, lower, self, units)
	out := &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: group}
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out)
		}
	})
	eventually(t, "there is a process 1", func() bool { return b.finds(cmd.Process.Pid) })
	eventually(t, "systemd answers", func() bool {
		_, err := b.try("systemctl", "show", "--property=Version")
		return err == nil
	})
	t.Log(b.run("systemctl", "--version"))
	return b
}

// bootScript makes the file system, of which nothing is written to the disk.
const bootScript = `set -e
dir=$1 lower=$2 program=$3 units=$4
mount -t tmpfs top $dir/top
mkdir $dir/top/upper $dir/top/work
mount -t overlay tree -o lowerdir=$lower,upperdir=$dir/top/upper,workdir=$dir/top/work $dir/tree
cd $dir/tree
mount -t proc proc proc
mkdir -p sys && mount -t sysfs -o ro sys sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for d in run tmp dev; do mount -t tmpfs $d $d; done
for d in null zero full random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
touch usr/bin/vncgate; mount --bind $program usr/bin/vncgate
mkdir -p etc/vncgate usr/share/doc/vncgate; mount --bind $dir/etc etc/vncgate
rm -rf etc/systemd/system etc/systemd/network; mkdir -p etc/systemd/system
cp $units/* $dir/units; mount --bind $dir/units etc/systemd/system
echo booted > etc/hostname; rm -f etc/machine-id; touch etc/machine-id
exec chroot . env -i container=vncgate PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=sysinit.target --log-target=journal --show-status=no
`

// ownCgroup is a group of the unified hierarchy, and gone after the test.
func ownCgroup(t *testing.T) int {
	t.Helper()
	at := ""
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" && at == "" {
			at = f[1]
		}
	}
	if at == "" {
		t.Fatal("VNCGATE_SYSTEMD: there are no cgroups of version 2")
	}
	dir := filepath.Join(at, fmt.Sprintf("vncgate-test-%d", os.Getpid()))
	must(t, os.Mkdir(dir, 0o755))
	t.Cleanup(func() { eventually(t, "its cgroups are gone", func() bool { return emptied(dir) }) })
	fd, err := unix.Open(dir, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// emptied removes a cgroup with all that are in it.
func emptied(dir string) bool {
	inner, _ := os.ReadDir(dir)
	for _, e := range inner {
		if e.IsDir() {
			emptied(filepath.Join(dir, e.Name()))
		}
	}
	err := os.Remove(dir)
	return err == nil || os.IsNotExist(err)
}

// finds looks for the child of unshare's.
func (b *booted) finds(parent int) bool {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	b.init, _ = strconv.Atoi(strings.TrimSpace(string(list)))
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", b.init))
	return string(name) == "systemd\n"
}

// of is b within a test of its own.
func (b *booted) of(t *testing.T) *booted {
	inner := *b
	inner.t = t
	return &inner
}

// try runs a command in there.
func (b *booted) try(args ...string) (string, error) {
	cmd := exec.CommandContext(visit(b.t), "nsenter", append([]string{
		"--target", strconv.Itoa(b.init), "--mount", "--pid", "--cgroup", "--uts", "--ipc", "--root", "--wd=/",
		"env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, args...)...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (b *booted) run(args ...string) string {
	b.t.Helper()
	out, err := b.try(args...)
	if err != nil {
		b.t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// show is a property of the service.
func (b *booted) show(property string) string {
	b.t.Helper()
	return b.run("systemctl", "show", "--value", "--property="+property, "vncgate.service")
}

// becomes waits for a property.
func (b *booted) becomes(property, want string) {
	b.t.Helper()
	got := ""
	defer func() {
		if got != want {
			b.t.Logf("%s is %q\n%s", property, got, b.run("journalctl", "--no-pager", "-n", "60"))
		}
	}()
	eventually(b.t, property+" becomes "+want, func() bool { got = b.show(property); return got == want })
}

// journal are the entries of the service, as journalctl reads them.
func (b *booted) journal() (entries []map[string]any) {
	b.t.Helper()
	for line := range strings.Lines(b.run("journalctl", "--no-pager", "--all", "-o", "json", "--unit=vncgate.service")) {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			b.t.Fatalf("%v: %s", err, line)
		}
		entries = append(entries, entry)
	}
	return entries
}

// logged waits for an entry with these fields, and returns it.
func (b *booted) logged(fields map[string]string) (found map[string]any) {
	b.t.Helper()
	defer func() {
		if found == nil {
			b.t.Log(b.run("journalctl", "--no-pager", "-n", "60"))
		}
	}()
	eventually(b.t, fmt.Sprint("the journal has ", fields), func() bool {
		for _, found = range b.journal() {
			matches := true
			for name, want := range fields {
				got, _ := found[name].(string)
				matches = matches && strings.Contains(got, want)
			}
			if matches {
				return true
			}
		}
		found = nil
		return false
	})
	return found
}

// config writes /etc/vncgate/vncgate.yaml.
func (b *booted) config(format string, args ...any) {
	b.t.Helper()
	must(b.t, os.WriteFile(filepath.Join(b.dir, "etc", "vncgate.yaml"), fmt.Appendf(nil, format, args...), 0o644))
}

// override is a drop-in of a unit.
func (b *booted) override(unit, text string) {
	b.t.Helper()
	dir := filepath.Join(b.dir, "units", unit+".d")
	must(b.t, os.Mkdir(dir, 0o755))
	must(b.t, os.WriteFile(filepath.Join(dir, "test.conf"), []byte(text), 0o644))
}

// freePort is one that nobody had a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}
