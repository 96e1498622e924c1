package interop

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A browserRoute is one way in which a browser says which display it wants.
type browserRoute struct {
	name string
	desk int // which it leads to
	// own is the address of our page, after the origin; "" if it has no such way.
	own string
	// foreign is what noVNC's own page takes for the path; "" if it has no such way.
	foreign string
	host    string // instead of 127.0.0.1
	cookie  string
	// fragment has the foreign page's settings behind the #.
	fragment bool
}

// browserRoutes are all of them, north by its token or by its name.
func browserRoutes(token, other string) []browserRoute {
	const auto = "autoconnect=true&resize=off&reconnect=false"
	path := func(p string) string { return "/vnc.html?" + auto + "&path=" + url.QueryEscape(p) }
	return []browserRoute{
		{name: "token in the path setting", own: path("websockify?token=" + token), foreign: "websockify?token=" + token},
		{name: "token in the address", own: "/vnc.html?" + auto + "&token=" + token, desk: 0},
		{name: "token at the root, nova's", own: "/?" + auto + "&token=" + other, foreign: "?token=" + other, desk: 1},
		{name: "path", own: "/vnc/south?" + auto, foreign: "vnc/south", desk: 1},
		{name: "host name", own: "/vnc.html?" + auto, foreign: "websockify", host: "south.vnc.example", desk: 1},
		{name: "cookie", own: "/vnc.html?" + auto, foreign: "websockify", cookie: token},
		{name: "fragment", own: "/vnc.html#" + auto + "&token=" + other, foreign: "websockify?token=" + other, fragment: true, desk: 1},
		{name: "name", own: "/vnc.html?" + auto + "&target=north", foreign: "websockify?target=north"},
	}
}

const browserRoutesConfig = `listeners:
  - address: 127.0.0.1:{{port "web"}}
    tls: {{tls}}
    web: {targets_path: /vnc, hosts: ["{target}.vnc.example"], origins: ["{{.Origin}}"]}
    security: [none]
    sources: [links]
    token: optional
targets:
  north: {address: "{{.North}}"}
  south: {address: "unix:{{.South}}"}
  west: {address: "{{.West}}"}
sources: [{name: links, file: {{.Tokens}}}]
policy: [{who: "*", targets: "*", allow: [all]}]
`

// TestBrowserRoutes opens both noVNCs by every way in which a browser says what
// it wants to see.
func TestBrowserRoutes(t *testing.T) {
	noVNC.needs(t)
	ownPage.needs(t)
	foreignTLSPages.get(t, servePagesOverTLS)
	all := theDesks(t)
	token, other := newToken(), newToken()
	file, err := plainFile(testScope(t), "tokens", fmt.Sprintf("%s: %s\n%s: unix_socket:%s\n", token, all[0].at.address(), other, all[1].socket))
	if err != nil {
		t.Fatal(err)
	}
	g := serveFile(t, browserRoutesConfig, map[string]any{
		"Origin": foreignTLSPages.value.URL, "Tokens": file,
		"North": all[0].at.address(), "South": all[1].socket, "West": all[2].at.address(),
	})
	for _, r := range browserRoutes(token, other) {
		t.Run(r.name, func(t *testing.T) {
			for kind, address := range r.pages(g.ports["web"]) {
				seesByRoute(t, kind, address, r, all[r.desk])
			}
		})
	}
}

// pages are the addresses to open for the viewers that have such a way.
func (r browserRoute) pages(port int) map[*viewerKind]string {
	host := "127.0.0.1"
	if r.host != "" {
		host = r.host
	}
	pages := map[*viewerKind]string{}
	if r.own != "" {
		pages[&ownPage] = fmt.Sprintf("https://%s:%d%s", host, port, r.own)
	}
	if r.foreign != "" {
		q := url.Values{
			"autoconnect": {"true"}, "host": {host}, "port": {strconv.Itoa(port)}, "path": {r.foreign},
			"encrypt": {"true"}, "resize": {"off"}, "reconnect": {"false"}, "quality": {"9"},
		}
		mark := "?"
		if r.fragment {
			mark = "#"
		}
		pages[&noVNC] = foreignTLSPages.value.URL + "/vnc.html" + mark + strings.ReplaceAll(q.Encode(), "+", "%20")
	}
	return pages
}

func seesByRoute(t *testing.T, kind *viewerKind, address string, r browserRoute, d *display) {
	t.Helper()
	s := testScope(t)
	defer s.close()
	more := map[string]any{}
	if r.cookie != "" {
		more["cookies"] = []map[string]any{{"name": "token", "value": r.cookie, "domain": "127.0.0.1", "path": "/"}}
	}
	p, err := sharedChromium.value.open(s, address, more)
	if err != nil {
		t.Fatal(err)
	}
	result := "same picture"
	defer func() {
		if t.Failed() {
			result = "FAILED"
		}
		results.add(row{kind.label, kind.version(), "wss by " + r.name, d.label, d.version, result})
	}()
	sees(t, p, d.shows())
	if kind != &ownPage {
		return
	}
	var shown string
	if err := p.eval(&shown, "location.href"); err != nil {
		t.Fatal(err)
	}
	noTokenShown(t, shown)
}

// noTokenShown looks at the address bar: a token in the path setting, which
// noVNC has, is the one that stays.
func noTokenShown(t *testing.T, address string) {
	t.Helper()
	if !strings.Contains(address, "path=") {
		noSecrets(t, "the address bar", address)
	}
}

// writeFile replaces a file as editors and deployments do: in one step.
func writeFile(path, text string) error {
	next := filepath.Join(filepath.Dir(path), ".next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
