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

// The page at a display's own path finds what lies beside it however proxies
// treat the path, connects to that very address, and does so at once.
func TestPageAtADisplaysPath(t *testing.T) {
	p := newPages(Config{Mandatory: map[string]any{"view_only": true}, Defaults: map[string]any{"resize": "scale"}})
	p.files = fstest.MapFS{"index.html": {Data: []byte("index")}, "vnc.html": {Data: []byte("page")}, "assets/main-1a2b.js": {Data: []byte("script")}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /vnc/{target...}", p.ofTarget)
	for path, want := range map[string]string{
		"/vnc/desk":                    "page",
		"/vnc/lab/build":               "page",
		"/vnc/lab%2Fbuild":             "page",
		"/vnc/":                        "page",
		"/vnc/.git":                    "page",
		"/vnc/assets/main-1a2b.js":     "script",
		"/vnc/lab/assets/main-1a2b.js": "script",
		"/vnc/mandatory.json":          `{"path":"","view_only":true}`,
		"/vnc/lab/defaults.json":       `{"autoconnect":true,"resize":"scale"}`,
		"/vnc/assets/main-1a2b.js/x":   "page",
		"/vnc/assets%2Fmain-1a2b.js":   "script",
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != http.StatusOK || w.Body.String() != want {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
}

func TestPageAtADisplaysHost(t *testing.T) {
	h := newHandler(Config{Hosts: []string{"{target}.vnc.example"}, Defaults: map[string]any{"resize": "scale"}})
	for host, want := range map[string]string{
		"desk.vnc.example": `{"autoconnect":true,"notices":true,"resize":"scale"}`,
		"vnc.example":      `{"notices":true,"resize":"scale"}`,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "http://"+host+"/defaults.json", nil))
		if got := w.Body.String(); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
}

// Whatever is configured as a path, the server can be made.
func TestPathsThatMeet(t *testing.T) {
	cfg := Config{Paths: []string{"/", "//", "/vnc/", "/vnc", "/vnc/socket", "/websockify"}, PathPrefix: "vnc"}
	if NewServer(cfg).Handler == nil {
		t.Fatal("no handler")
	}
}
