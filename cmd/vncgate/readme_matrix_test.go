package main

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var updateReadme = flag.Bool("update", false, "write the README's table of security types anew")

const (
	tableBegin = "<!-- table of security types: go test ./cmd/vncgate -run ReadmeMatrix -update -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// TestReadmeMatrix holds the README's table to what was seen: testdata/matrix.md
// is what the interop tests write to VNCGATE_MATRIX_OUT, one row for each
// session of real programs; the rest is TestMatrix's, or package rfb's where we
// have one role alone.
func TestReadmeMatrix(t *testing.T) {
	path := filepath.Join(root, "README.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(b), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !begun || !ended {
		t.Fatal("README.md has lost the marks of the table")
	}
	want := before + tableBegin + securityTable(t) + tableEnd + after
	switch {
	case want == string(b):
	case *updateReadme:
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("README.md does not have the table of what was seen; run go test ./cmd/vncgate -run ReadmeMatrix -update")
	}
}

// securityTable has a row for each type: the programs it was seen with, in both
// roles.
func securityTable(t *testing.T) string {
	t.Helper()
	viewers, displays := seen(t)
	names := slices.Concat(nativeSecurity, webSecurity, displaySecurity)
	var table strings.Builder
	table.WriteString("| type | viewers in front | displays behind |\n|---|---|---|\n")
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			continue
		}
		front := cell(viewers[name], slices.Contains(nativeSecurity, name) || slices.Contains(webSecurity, name))
		back := cell(displays[name], slices.Contains(displaySecurity, name))
		table.WriteString("| `" + name + "` | " + front + " | " + back + " |\n")
	}
	return table.String()
}

func cell(programs []string, spoken bool) string {
	switch {
	case len(programs) > 0:
		return strings.Join(programs, "; ")
	case spoken:
		return "in-process"
	}
	return ""
}

// seen reads the rows "viewer | front | display | back | result".
func seen(t *testing.T) (viewers, displays map[string][]string) {
	t.Helper()
	b, err := os.ReadFile("testdata/matrix.md")
	if err != nil {
		t.Fatal(err)
	}
	viewers, displays = map[string][]string{}, map[string][]string{}
	add := func(to map[string][]string, security, program string) {
		name, mechanism, sasl := strings.Cut(security, "/")
		if sasl {
			program += " (" + mechanism + ")"
		}
		if !slices.Contains(to[name], program) {
			to[name] = append(to[name], program)
		}
	}
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Split(strings.Trim(line, "| "), " | ")
		if len(f) != 5 || f[4] != "same picture" {
			continue
		}
		add(viewers, f[1], f[0])
		add(displays, f[3], f[2])
	}
	if len(viewers) < 8 || len(displays) < 6 {
		t.Fatalf("testdata/matrix.md has %d types in front and %d behind", len(viewers), len(displays))
	}
	return viewers, displays
}
