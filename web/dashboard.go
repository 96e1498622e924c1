package web

import (
	"io/fs"
	"net/http"
	"strings"
)

// dashboardPage is the page for those who look after the gateway. It is built
// with the viewer page, of which it shares parts, and is not served to viewers.
const dashboardPage = "admin.html"

// dashboardPolicy lets the dashboard ask the address that it comes from and
// nothing else.
const dashboardPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const noDashboard = `<!doctype html><html lang="en"><title>vncgate</title>
<h1>The dashboard is not part of this binary</h1>
<p>It was built without Node. To have it, install Node 20 or newer and run <code>make build</code>.</p>
<p>The API works: see <code>/api/v1/openapi.json</code>, and <code>vncgate ctl</code> for the terminal.</p>
`

// Dashboard serves the page for those who look after the gateway at / and what it
// is made of at /assets/. It holds no secrets: everything that it shows comes from
// the API, which asks who is there.
func Dashboard() http.Handler {
	p := newPages(Config{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", dashboardPolicy)
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		name := strings.TrimPrefix(r.URL.Path, "/")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		case name == "":
			p.dashboard(w, r)
		case name == "icon.svg", strings.HasPrefix(name, "assets/") && p.has(name):
			w.Header().Set("Cache-Control", cacheControl(name))
			http.ServeFileFS(w, r, p.files, name)
		default:
			http.NotFound(w, r)
		}
	})
}

func (p *pages) dashboard(w http.ResponseWriter, r *http.Request) {
	if _, err := fs.Stat(p.files, dashboardPage); err != nil {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(noDashboard))
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, p.files, dashboardPage)
}
