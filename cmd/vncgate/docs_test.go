package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
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

// markdown is every text of the repository for people, by its path.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	walk(t, func(path string, d fs.DirEntry) {
		if d.IsDir() || filepath.Ext(path) != ".md" {
			return
		}
		text, err := os.ReadFile(path)
		must(t, err)
		all[path] = string(text)
	})
	if len(all) < 10 {
		t.Fatalf("only %d texts", len(all))
	}
	return all
}

// Links between the texts and into the repository lead somewhere, to a heading that
// there is.
func TestLinksOfDocs(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s#]*)#?([^)\s]*)\)`)
	all := markdown(t)
	for path, text := range all {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to := path
			switch {
			case strings.Contains(m[1], "://"):
				continue
			case m[1] != "":
				to = filepath.Join(filepath.Dir(path), m[1])
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", path, err)
			} else if m[2] != "" && !slices.Contains(headings(all[to]), m[2]) {
				t.Errorf("%s: %s has no heading #%s", path, to, m[2])
			}
		}
	}
}

// headings are what links call the headings of a text.
func headings(text string) (all []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(text, -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return all
}

// Files that the texts and the comments in deploy name are there.
func TestNamedFiles(t *testing.T) {
	quoted := regexp.MustCompile("`([^`\\s]+)`")
	for path, text := range markdown(t) {
		if filepath.Base(path) == "CHANGELOG.md" { // which names what is no more
			continue
		}
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(m[1], "NAME") && ours.MatchString(m[1]) {
				isThere(t, path, filepath.Join(root, m[1]))
			}
		}
	}
	bases := map[string]bool{}
	deployed := map[string]string{}
	for _, dir := range []string{"deploy", "docs"} {
		must(t, filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			bases[d.Name()] = true
			switch filepath.Ext(path) {
			case ".md", ".go", ".mod", ".sum", ".json", ".png":
				return nil
			}
			text, err := os.ReadFile(path)
			deployed[path] = string(text)
			return err
		}))
	}
	found := 0
	for path, text := range deployed {
		for _, name := range namedInComments(text) {
			found++
			switch {
			case ours.MatchString(name):
				isThere(t, path, filepath.Join(root, name))
			case strings.HasPrefix(name, "../"):
				isThere(t, path, filepath.Join(filepath.Dir(path), name))
			case !bases[name]:
				t.Errorf("%s: a comment names %s, which there is not", path, name)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d files named: the test looks in the wrong places", found)
	}
}

// ours is how paths begin that are told from the repository's root.
var ours = regexp.MustCompile(`^(auth|certs|cmd|deploy|docs|gateway|layers|rfb|web)/`)

// namedInComments are the words in a file's comments that look like files of ours.
func namedInComments(text string) (names []string) {
	comment := regexp.MustCompile(`(?m)(?:^\s*|\s)(?:#|//|/\*) ?(.*)$`)
	base := regexp.MustCompile(`^[\w@.-]+\.(yaml|env|conf|service|socket|md|mjs)$`)
	for _, m := range comment.FindAllStringSubmatch(text, -1) {
		for word := range strings.FieldsFuncSeq(m[1], func(r rune) bool { return strings.ContainsRune(" \t\"'`(),;:=", r) }) {
			word = strings.TrimRight(word, ".*/")
			if ours.MatchString(word) || strings.HasPrefix(word, "../") || base.MatchString(word) {
				names = append(names, word)
			}
		}
	}
	return names
}

func isThere(t *testing.T, in, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s: %v", in, err)
	}
}
