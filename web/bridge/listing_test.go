package bridge

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func TestLongListingIsCut(t *testing.T) {
	dir := t.TempDir()
	for i := range 4 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("f", i)), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	f, err := newFiles(dir, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]int{3: 3, 4: 4, 5: 4} {
		f.maxListed = limit
		w := httptest.NewRecorder()
		f.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
		if got := strings.Count(w.Body.String(), "<li>"); got != want || strings.Contains(w.Body.String(), "more than") != (limit < 4) {
			t.Errorf("at most %d: %d entries in\n%s", limit, got, w.Body)
		}
	}
}

// TestFileType: browsers refuse scripts and style sheets by another type, so
// these must not depend on the system's table.
func TestFileType(t *testing.T) {
	for name, want := range map[string]string{
		"core/rfb.js": "text/javascript; charset=utf-8", "a.JS": "text/javascript; charset=utf-8", "x.mjs": "text/javascript; charset=utf-8",
		"style.css": "text/css; charset=utf-8", "vnc.html": "text/html; charset=utf-8", "i.svg": "image/svg+xml", "bell.oga": "audio/ogg",
		"f.woff2": "font/woff2", "f.woff": "font/woff", "package.json": "application/json",
		"noext": "application/octet-stream", "a.": "application/octet-stream", "a.x y": "application/octet-stream", "a.text/html": "application/octet-stream",
	} {
		if got := fileType(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// FuzzFileName: no request names anything above the directory, or hidden in it.
func FuzzFileName(f *testing.F) {
	for _, s := range []string{"/", "", "/a", "/a/", "//a//b/", "/../a", "/a/..", "/./a", "/.git/x", "/.well-known/x", "/a\\..\\b", "/...", "/a/.", "*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, requested string) {
		name, _ := fileName(requested)
		if name == "" {
			return
		}
		if name != path.Clean(name) || path.IsAbs(name) {
			t.Errorf("%q became %q", requested, name)
		}
		if name == "." || strings.HasPrefix(name+"/", ".well-known/") {
			return
		}
		for _, part := range strings.Split(name, "/") {
			if strings.HasPrefix(part, ".") {
				t.Errorf("%q became %q", requested, name)
			}
		}
	})
}
