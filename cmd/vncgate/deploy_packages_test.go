package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// packaged is what of nfpm's configuration is looked at.
type packaged struct {
	Contents []struct {
		Src string `json:"src"`
		Dst string `json:"dst"`
	} `json:"contents"`
	Scripts map[string]string `json:"scripts"`
}

func packages(t *testing.T) (p packaged) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy/packages/nfpm.yaml"))
	must(t, err)
	must(t, yaml.Unmarshal(text, &p))
	return p
}

// What the packages are made of is there, and the configuration among it is one that
// serve takes.
func TestPackagedFiles(t *testing.T) {
	p := packages(t)
	for _, c := range p.Contents {
		if strings.HasPrefix(c.Src, "${STAGE}/") { // is made with them
			continue
		}
		if found, err := filepath.Glob(filepath.Join(root, c.Src)); err != nil || len(found) == 0 {
			t.Errorf("%s: %v", c.Src, err)
		}
	}
	for what, script := range p.Scripts {
		if _, err := os.Stat(filepath.Join(root, script)); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy/packages/vncgate.yaml"))
	must(t, err)
	if _, err := parseConfig(text); err != nil {
		t.Error(err)
	}
}

// packageScript runs a script of the packages with programs of its own kind in the
// places of those that would change the system, and returns how they were called.
func packageScript(t *testing.T, name string, args ...string) []string {
	t.Helper()
	needPeer(t, "sh", "dash")
	text, err := os.ReadFile(filepath.Join(root, "deploy/packages", name))
	must(t, err)
	dir := t.TempDir()
	calls, bin := filepath.Join(dir, "calls"), filepath.Join(dir, "bin")
	must(t, os.Mkdir(bin, 0o755))
	const program = `#!/bin/sh
echo "${0##*/} $*" >>"$CALLS"
[ "$1" != list-units ] || printf '%s loaded active running Gateway\n' vncgate.service vncgate@desk.service
`
	for _, name := range []string{"getent", "groupadd", "useradd", "userdel", "install", "vncgate", "chgrp", "chmod", "rm", "systemctl"} {
		must(t, os.WriteFile(filepath.Join(bin, name), []byte(program), 0o755))
	}
	here := strings.NewReplacer("/run/systemd/system", dir, "/etc/vncgate", filepath.Join(dir, "etc"), "/var/l", filepath.Join(dir, "var-l"))
	cmd := exec.CommandContext(visit(t), "sh", append([]string{"-c", here.Replace(string(text)), name}, args...)...)
	cmd.Env = append(os.Environ(), "CALLS="+calls, "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%s %s: %v: %s", name, args, err, out)
	}
	got, err := os.ReadFile(calls)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(got)), "\n")
}

// The first installation starts the gateway, an upgrade exchanges what runs: the
// gateways without ending a session, an agent by a new start for which nobody waits.
// A removal ends all of it.
func TestPackageScripts(t *testing.T) {
	begins := []string{"systemctl enable vncgate.service", "systemctl start vncgate.service"}
	exchanges := []string{
		"systemctl kill --signal=USR2 --kill-whom=main vncgate.service",
		"systemctl kill --signal=USR2 --kill-whom=main vncgate@desk.service",
		"systemctl try-restart --no-block vncgate-agent.service",
	}
	ends := []string{
		"systemctl disable --now vncgate.socket vncgate-viewers.socket vncgate.service vncgate-agent.service",
		"systemctl stop vncgate@*.service",
	}
	for _, c := range []struct {
		script, args string
		want, not    []string
	}{
		{"postinstall", "configure ", begins, exchanges},
		{"postinstall", "configure 1.0", exchanges, begins},
		{"postinstall", "1", begins, exchanges},
		{"postinstall", "2", exchanges, begins},
		{"postinstall", "abort-upgrade 1.0", nil, append(begins, exchanges...)},
		{"preremove", "upgrade 2.0", nil, ends},
		{"preremove", "1", nil, ends},
		{"preremove", "remove", ends, nil},
		{"preremove", "0", ends, nil},
		{"postremove", "remove", []string{"systemctl daemon-reload"}, []string{"userdel vncgate"}},
		{"postremove", "purge", []string{"userdel vncgate"}, nil},
	} {
		calls := packageScript(t, c.script, strings.Split(c.args, " ")...)
		for _, want := range c.want {
			if !slices.Contains(calls, want) {
				t.Errorf("%s %s: no %q among\n%s", c.script, c.args, want, strings.Join(calls, "\n"))
			}
		}
		for _, not := range c.not {
			if slices.Contains(calls, not) {
				t.Errorf("%s %s: %s", c.script, c.args, not)
			}
		}
	}
}

// The version is that of the environment, of a clone or of an archive; who has none
// of these is told what to say.
func TestPackageVersion(t *testing.T) {
	needPeer(t, "bash", "bash")
	needPeer(t, "git", "git")
	clone := t.TempDir()
	for _, name := range []string{"deploy/packages/version", "deploy/packages/source", ".gitattributes"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		must(t, err)
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(clone, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(clone, name), text, 0o755))
	}
	run := func(dir string, variables []string, command ...string) (string, error) {
		cmd := exec.CommandContext(visit(t), command[0], command[1:]...)
		cmd.Dir = dir
		cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + clone, "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000"}, variables...)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	says := func(dir, want string, variables ...string) {
		t.Helper()
		got, err := run(dir, variables, "deploy/packages/version")
		if !strings.Contains(got, want) || (err != nil) != strings.Contains(want, ":") {
			t.Errorf("%v: want %q, and got %q, %v", variables, want, got, err)
		}
	}
	git := func(args ...string) string {
		t.Helper()
		out, err := run(clone, nil, append([]string{"git", "-c", "user.name=a", "-c", "user.email=a@example.com"}, args...)...)
		if err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
		return out
	}
	says(clone, "in seconds since 1970:\n\n  VERSION=1.2.3 SOURCE_DATE_EPOCH=")
	says(clone, "VERSION: one is none: ", "VERSION=one", "SOURCE_DATE_EPOCH=5")
	says(clone, "SOURCE_DATE_EPOCH: ", "VERSION=1", "SOURCE_DATE_EPOCH=noon")
	says(clone, "2.0-rc1 5", "VERSION=v2.0-rc1", "SOURCE_DATE_EPOCH=5")

	git("init", "-q")
	git("add", ".")
	git("commit", "-q", "-m", "a")
	short := git("rev-parse", "--short", "HEAD")
	archive := func() string {
		dir := t.TempDir()
		git("archive", "-o", filepath.Join(dir, "a.tar"), "HEAD")
		if out, err := run(dir, nil, "tar", "-xf", "a.tar"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return dir
	}
	says(clone, "0.0.0-1-g"+short+" 1700000000")
	says(archive(), "0.0.0-g"+short+" 1700000000")
	git("tag", "v1.4.0")
	says(clone, "1.4.0 1700000000")
	says(archive(), "1.4.0 1700000000")
	says(archive(), "1.5 1700000000", "VERSION=1.5")
	git("commit", "-q", "--allow-empty", "-m", "b")
	short = git("rev-parse", "--short", "HEAD")
	says(clone, "1.4.0-1-g"+short+" 1700000000")
	says(archive(), "1.4.0-1-g"+short+" 1700000000")
}

// Each service that the packages bring is ended when they go.
func TestPackagedUnitsEnd(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/packages/preremove"))
	must(t, err)
	for _, c := range packages(t).Contents {
		if !strings.HasPrefix(c.Dst, "/usr/lib/systemd/system/") {
			continue
		}
		if name := strings.Replace(filepath.Base(c.Dst), "@.", "@*.", 1); !strings.Contains(string(text), name) {
			t.Errorf("%s goes on when the package is removed", name)
		}
	}
}
