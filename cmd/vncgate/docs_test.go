package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are the texts for users, but for the README.
func pages(t *testing.T) map[string]string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	must(t, err)
	all := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		must(t, err)
		all[filepath.Base(path)] = string(text)
	}
	if len(all) < 3 {
		t.Fatalf("only %d pages", len(all))
	}
	return all
}

// Every command of ours that a page shows is one, and every configuration is one
// that serve takes.
func TestDocs(t *testing.T) {
	command := regexp.MustCompile(`(?m)^    vncgate (.*)$`)
	block := regexp.MustCompile("(?ms)^```yaml\n(listeners:.*?)^```")
	for name, text := range pages(t) {
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			if err := parses(strings.Fields(m[1])); err != nil {
				t.Errorf("%s: vncgate %s: %v", name, m[1], err)
			}
		}
		for _, m := range block.FindAllStringSubmatch(text, -1) {
			path := filepath.Join(t.TempDir(), name+".yaml")
			must(t, os.WriteFile(path, []byte(m[1]), 0o600))
			if _, err := loadConfig(path); err != nil {
				t.Errorf("%v\n%s", err, m[1])
			}
		}
	}
}

// Links between the pages and into the repository lead somewhere.
func TestLinksOfDocs(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^):#]+)(#[^)]*)?\)`)
	all := pages(t)
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	must(t, err)
	all["../README.md"] = string(readme)
	for name, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, "docs", filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
