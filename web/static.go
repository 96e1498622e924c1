package web

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
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
}

func newPages(cfg Config) *pages {
	files, err := fs.Sub(built, "ui/dist")
	if err != nil {
		panic("web: embedded page: " + err.Error()) // the path is a constant
	}
	return &pages{files, map[string][]byte{
		"mandatory.json": settingsJSON(cfg.Mandatory),
		"defaults.json":  settingsJSON(cfg.Defaults),
	}}
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
	if b, ok := p.settings[name]; ok {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(b)
		return
	}
	info, err := fs.Stat(p.files, name)
	switch {
	case err == nil && !info.IsDir() && !strings.HasPrefix(name, "."):
		w.Header().Set("Cache-Control", cacheControl(name))
		http.ServeFileFS(w, r, p.files, name)
	case strings.HasSuffix(name, ".html") && !p.complete():
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(noPage))
	default:
		http.NotFound(w, r)
	}
}

func (p *pages) complete() bool {
	_, err := fs.Stat(p.files, "index.html")
	return err == nil
}

// cacheControl lets files whose name holds a hash be kept for good; everything
// else is asked for anew (noVNC docs/EMBEDDING.md).
func cacheControl(name string) string {
	if strings.HasPrefix(name, "assets/") {
		return "public, max-age=31536000, immutable"
	}
	return "no-cache"
}
