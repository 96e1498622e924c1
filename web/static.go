package web

import (
	"embed"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"path"
	"strings"
)

// built holds the page as Vite leaves it. Without Node the folder is empty and
// everything but the page is served.
//
//go:embed all:ui/dist
var built embed.FS

// noPage is what a browser sees of a binary that was built without Node.
const noPage = `<!doctype html><html lang="en"><title>vncgate</title>
<h1>The viewer page is not part of this binary</h1>
<p>It was built without Node. To have the page, install Node 20 or newer and run <code>make build</code>.</p>
<p>The gateway itself works: any noVNC page may connect to <code>websockify</code> on this address, if its origin is allowed.</p>
`

// pages serves the viewer page and its settings.
type pages struct {
	files    fs.FS
	settings map[string][]byte // mandatory.json, defaults.json
	atTarget map[string][]byte // the same at a display's own path
	atHost   map[string][]byte // and at its own host name

	hostNames func(*http.Request) bool // reports the latter
}

func newPages(cfg Config) *pages {
	files, err := fs.Sub(built, "ui/dist")
	if err != nil {
		panic("web: embedded page: " + err.Error()) // the path is a constant
	}
	// At an address of its own it is clear what is wanted.
	atOnce := with(map[string]any{"autoconnect": true}, cfg.Defaults)
	return &pages{
		files:    files,
		settings: settingsFiles(cfg.Mandatory, cfg.Defaults),
		atHost:   settingsFiles(cfg.Mandatory, atOnce),
		// An empty path is the page's own address.
		atTarget: settingsFiles(with(cfg.Mandatory, map[string]any{"path": ""}), atOnce),
	}
}

func settingsFiles(mandatory, defaults map[string]any) map[string][]byte {
	return map[string][]byte{"mandatory.json": settingsJSON(mandatory), "defaults.json": settingsJSON(defaults)}
}

// with is a with what b says instead.
func with(a, b map[string]any) map[string]any {
	both := map[string]any{}
	maps.Copy(both, a)
	maps.Copy(both, b)
	return both
}

func settingsJSON(settings map[string]any) []byte {
	if len(settings) == 0 {
		return []byte("{}")
	}
	b, err := json.Marshal(settings)
	if err != nil {
		return []byte("{}")
	}
	return b
}

func (p *pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	if name == "" {
		name = "index.html"
	}
	settings := p.settings
	if p.hostNames != nil && p.hostNames(r) {
		settings = p.atHost
	}
	p.serve(w, r, name, settings)
}

// ofTarget serves the page at a display's own address. What the page loads
// lies beside it by its links, so the last parts of the path decide; a display
// that is called like one of these files cannot be had by its path.
func (p *pages) ofTarget(w http.ResponseWriter, r *http.Request) {
	if at := r.URL.EscapedPath(); r.PathValue("target") != "" && strings.HasSuffix(at, "/") {
		// No display is called so. Relative, since a proxy may have cut the path.
		to := url.URL{RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", "../"+path.Base(at)+to.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
		return
	}
	parts := strings.Split(r.PathValue("target"), "/")
	for n := min(2, len(parts)); n > 0; n-- {
		name := strings.Join(parts[len(parts)-n:], "/")
		if _, ok := p.atTarget[name]; ok || p.has(name) {
			p.serve(w, r, name, p.atTarget)
			return
		}
	}
	p.serve(w, r, "vnc.html", p.atTarget)
}

func (p *pages) serve(w http.ResponseWriter, r *http.Request, name string, settings map[string][]byte) {
	if b, ok := settings[name]; ok {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(b)
		return
	}
	switch {
	case p.has(name):
		w.Header().Set("Cache-Control", cacheControl(name))
		http.ServeFileFS(w, r, p.files, name)
	case strings.HasSuffix(name, ".html") && !p.has("index.html"):
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(noPage))
	default:
		http.NotFound(w, r)
	}
}

// has reports whether name is a file that the page is made of.
func (p *pages) has(name string) bool {
	info, err := fs.Stat(p.files, name)
	return err == nil && !info.IsDir() && !strings.HasPrefix(name, ".") && name != dashboardPage
}

// cacheControl lets files whose name holds a hash be kept for good; everything
// else is asked for anew (noVNC docs/EMBEDDING.md).
func cacheControl(name string) string {
	if strings.HasPrefix(name, "assets/") {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}
