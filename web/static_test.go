package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestPagesOfABinaryBuiltWithoutNode(t *testing.T) {
	p := &pages{files: fstest.MapFS{".gitkeep": {}}}
	for path, want := range map[string]int{"/": 404, "/vnc.html": 404, "/.gitkeep": 404} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d", path, w.Code)
		}
		if path != "/.gitkeep" && !strings.Contains(w.Body.String(), "make build") {
			t.Errorf("%s does not say how to get the page: %q", path, w.Body)
		}
	}
}

func TestCaching(t *testing.T) {
	p := &pages{files: fstest.MapFS{"index.html": {}, "vnc.html": {}, "assets/main-1a2b.js": {}}}
	for path, want := range map[string]string{
		"/":                    "no-cache",
		"/vnc.html":            "no-cache",
		"/assets/main-1a2b.js": "public, max-age=31536000, immutable",
	} {
		w := httptest.NewRecorder()
		p.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if got := w.Header().Get("Cache-Control"); got != want || w.Code != http.StatusOK {
			t.Errorf("%s: %d, Cache-Control %q", path, w.Code, got)
		}
	}
}
