package interop

import (
	_ "embed"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// debianPackages lists, one a line, what has to be installed for every test.
//
//go:embed testdata/debian-packages
var debianPackages string

// missing skips the test, or fails it where every peer has to be there.
func missing(t testing.TB, what, remedy string) {
	t.Helper()
	if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
		t.Fatalf("%s is missing: %s", what, remedy)
	}
	t.Skipf("%s is missing: %s", what, remedy)
}

// need asks for a program and names the Debian package that has it.
func need(t testing.TB, program, debianPackage string) {
	t.Helper()
	leaveShort(t)
	_, err := exec.LookPath(program)
	installed(t, program, debianPackage, err)
}

// installed is the end of need and needFile.
func installed(t testing.TB, what, debianPackage string, err error) {
	t.Helper()
	if !slices.Contains(strings.Fields(debianPackages), debianPackage) {
		t.Errorf("%s is not in testdata/debian-packages", debianPackage)
	}
	if err != nil {
		missing(t, what, "apt install "+debianPackage)
	}
}

// needFile asks for a file and names the Debian package that has it.
func needFile(t testing.TB, path, debianPackage string) {
	t.Helper()
	leaveShort(t)
	_, err := os.Stat(path)
	installed(t, path, debianPackage, err)
}

func leaveShort(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("real peers are left out by -short")
	}
	if runtime.GOOS != "linux" {
		t.Skip("real peers are run on Linux only")
	}
}

// debianVersion is the version of an installed Debian package, "?" elsewhere.
func debianVersion(name string) string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil || len(out) == 0 {
		return "?"
	}
	return strings.TrimSpace(string(out))
}

// moduleRoot is the folder of go.mod.
func moduleRoot() string {
	dir, err := filepath.Abs("../../..")
	if err != nil {
		panic(err)
	}
	return dir
}
