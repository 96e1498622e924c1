package interop

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// runContainer starts what deploy/container/Containerfile puts into an image, as
// a container would: a root that has the program, the CAs and a folder for state
// and cannot be written to, no shell, another user than root, no capabilities,
// processes of its own. $1 is the root, $2 the display's folder, the rest what is
// run in it.
const runContainer = `set -e
root=$1 display=$2; shift 2
mount --bind $root $root
mount --bind $display $root/display
mount -t tmpfs -o uid=65532,gid=65532,mode=0700 state $root/var/lib/vncgate
mount -t proc proc $root/proc
mount -o remount,bind,ro $root
exec setpriv --no-new-privs --bounding-set=-all,+sys_chroot,+setuid,+setgid chroot --userspec=65532:65532 --groups= $root "$@"
`

// imageRoot is the file system of the image, of which the program is the size.
func imageRoot(t *testing.T, s *scope) string {
	t.Helper()
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"usr/bin", "etc/ssl/certs", "var/lib/vncgate", "proc", "display"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "usr/bin/vncgate")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "vncgate/cmd/vncgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, _ := f.ImportedLibraries(); len(libraries) > 0 || f.Section(".interp") != nil {
		t.Errorf("it needs what an empty image lacks: %v", libraries)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestContainer is a sidecar: told by its environment alone, beside a display
// that is a unix socket in a folder that both have.
func TestContainer(t *testing.T) {
	if os.Getuid() != 0 {
		missing(t, "the right to change the root", "run the test as root")
	}
	vncViewer.needs(t)
	desk := theDesks(t)[0]
	s := testScope(t)
	root := imageRoot(t, s)
	for path := filepath.Dir(desk.socket); path != "/"; path = filepath.Dir(path) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o001 == 0 {
			_ = os.Chmod(path, 0o755)
		}
	}
	if err := os.Chmod(desk.socket, 0o666); err != nil {
		t.Fatal(err)
	}
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private",
		"sh", "-c", runContainer, "sh", root, filepath.Dir(desk.socket), "/usr/bin/vncgate", "serve")
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"),
		fmt.Sprintf("VNCGATE_LISTEN=any://127.0.0.1:%d", port), "VNCGATE_TARGET=unix:/display/" + filepath.Base(desk.socket),
		"VNCGATE_ADMIN=unix:/var/lib/vncgate/admin", "STATE_DIRECTORY=/var/lib/vncgate",
	}
	p, err := start(s, "container", cmd)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the gateway listens", func() error {
		if err := p.alive(); err != nil {
			return err
		}
		return p.log.has(0, "msg=listening")
	})
	v, err := vncViewer.open(s, endpoint{host: "127.0.0.1", port: port, security: "none"})
	if err != nil {
		t.Fatal(err)
	}
	sees(t, v, desk.shows())

	init := childOf(t, p.cmd.Process.Pid)
	for _, ask := range [][]string{nil, {"--ready"}, {"--target", "display"}} {
		args := append([]string{"-t", init, "-m", "-p", "-r", "-w", "--", "/usr/bin/vncgate", "health"}, ask...)
		check := exec.Command("nsenter", args...)
		check.Env = cmd.Env // those of serve, as an engine has it
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("HEALTHCHECK %v: %v: %s", ask, err, out)
		}
	}
	status, err := os.ReadFile("/proc/" + init + "/status")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Uid:\t65532\t65532\t65532\t65532\n", "CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("its process lacks %q:\n%s", want, status)
		}
	}
	if err := os.WriteFile("/proc/"+init+"/root/etc/made", nil, 0o600); err == nil {
		t.Error("its root can be written to")
	}
}

// childOf is the one child of a process.
func childOf(t *testing.T, parent int) string {
	t.Helper()
	list, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	children := strings.Fields(string(list))
	if err != nil || len(children) != 1 {
		t.Fatalf("children of %d: %q, %v", parent, list, err)
	}
	return children[0]
}
