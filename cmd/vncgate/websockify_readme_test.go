package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	bridgeTableBegin = "<!-- differences from websockify: go test ./cmd/vncgate -run ReadmeWebsockify -update -->\n"
	bridgeTableEnd   = "<!-- end of the differences -->\n"
)

// TestReadmeWebsockify holds the README to testdata/websockify.md, whose first
// table the interop tests hold to what clients see.
func TestReadmeWebsockify(t *testing.T) {
	path := filepath.Join(root, "README.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(b), bridgeTableBegin)
	_, after, ended := strings.Cut(rest, bridgeTableEnd)
	if !begun || !ended {
		t.Fatal("README.md has lost the marks of the differences from websockify")
	}
	table, err := os.ReadFile("testdata/websockify.md")
	if err != nil {
		t.Fatal(err)
	}
	want := before + bridgeTableBegin + strings.TrimRight(string(table), "\n") + "\n" + bridgeTableEnd + after
	switch {
	case want == string(b):
	case *updateReadme:
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("README.md does not have the differences from websockify; run go test ./cmd/vncgate -run ReadmeWebsockify -update")
	}
}
