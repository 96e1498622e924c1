package bridge_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/web/bridge"
)

// webDir is a directory with everything in it that is served, or not.
func webDir(t testing.TB) string {
	t.Helper()
	outside := t.TempDir()
	dir := filepath.Join(t.TempDir(), "web")
	for name, content := range map[string]string{
		"a.txt":                     "hi\n",
		"page.html":                 "<h1>page</h1>",
		"core/rfb.js":               "export default 1",
		"core/.hidden":              "secret",
		"sub/index.html":            "<h1>sub</h1>",
		"old/index.htm":             "<h1>old</h1>",
		"noext":                     "<script>alert(1)</script>",
		"na<me> &'q.txt":            "odd",
		"a:b/c.txt":                 "colon",
		".git/config":               "secret",
		".well-known/acme/x":        "proof",
		"self.pem":                  "key",
		"tokens/of/vm1":             "secret",
		"empty/deep/er/nothing.bin": "",
	} {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_ = os.WriteFile(filepath.Join(outside, "passwd"), []byte("secret"), 0o644)
	for link, to := range map[string]string{
		"in":        "a.txt",
		"absolute":  filepath.Join(dir, "a.txt"),
		"core/up":   "../a.txt",
		"indir":     "core",
		"out":       filepath.Join(outside, "passwd"),
		"outdir":    outside,
		"climbs":    "../../../../../../../../etc/passwd",
		"dangling":  "nowhere",
		"loop":      "loop",
		"dots":      ".git",
		"key-again": "self.pem",
		"to-tokens": "tokens/of",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFiles(t *testing.T) {
	dir := webDir(t)
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}, Dir: dir, Hide: []string{
		filepath.Join(dir, "self.pem"), filepath.Join(dir, "not there"), filepath.Join(dir, "tokens"), filepath.Dir(dir),
	}})
	for _, c := range []struct {
		path     string
		status   int
		kind     string // prefix of Content-Type
		contains string // in the body, or the Location of a redirect
	}{
		{"/a.txt", 200, "text/plain", "hi\n"},
		{"/a.txt?x=1", 200, "text/plain", "hi\n"},
		{"//a.txt", 200, "text/plain", "hi\n"},
		{"/core/rfb.js", 200, "text/javascript", "export"},
		{"/page.html", 200, "text/html", "page"},
		{"/sub/index.html", 200, "text/html", "sub"},
		{"/sub/", 200, "text/html", "sub"},
		{"/old/", 200, "text/html", "old"},
		{"/sub", 301, "", "sub/"},
		{"/sub?a=b", 301, "", "sub/?a=b"},
		{"/a:b", 301, "", "./a:b/"},
		{"/a:b/", 200, "text/html", `href="c.txt"`},
		{"//sub", 301, "", "sub/"},
		{"/core/", 200, "text/html", `href="rfb.js"`},
		{"/noext", 200, "application/octet-stream", "<script>"},
		{"/na%3Cme%3E%20&'q.txt", 200, "text/plain", "odd"},
		{"/in", 200, "application/octet-stream", "hi\n"},
		{"/absolute", 200, "application/octet-stream", "hi\n"},
		{"/core/up", 200, "application/octet-stream", "hi\n"},
		{"/indir/rfb.js", 200, "text/javascript", "export"},
		{"/.well-known/acme/x", 200, "application/octet-stream", "proof"},
		{"/a.txt/", 404, "", ""},
		{"/nothere", 404, "", ""},
		{"/self.pem", 404, "", ""},
		{"/key-again", 404, "", ""},
		{"/tokens/", 404, "", ""},
		{"/tokens/of/vm1", 404, "", ""},
		{"/to-tokens/", 404, "", ""},
		{"/to-tokens/vm1", 404, "", ""},
		{"/.git/config", 404, "", ""},
		{"/.git/", 404, "", ""},
		{"/core/.hidden", 404, "", ""},
		{"/dots/config", 200, "", ""}, // a link's target goes by the link's name
		{"/out", 404, "", ""},
		{"/outdir/passwd", 404, "", ""},
		{"/climbs", 404, "", ""},
		{"/dangling", 404, "", ""},
		{"/loop", 404, "", ""},
		{"/../web/a.txt", 404, "", ""},
		{"/core/%2e%2e/a.txt", 404, "", ""},
		{"/core/..%2fa.txt", 404, "", ""},
		{"/a.txt%00", 404, "", ""},
		{"/..%5c..%5cetc%5cpasswd", 404, "", ""},
		{"/" + strings.Repeat("x/", 2000), 404, "", ""},
	} {
		res, body := getRaw(t, address, c.path)
		if res.StatusCode != c.status || !strings.HasPrefix(res.Header.Get("Content-Type"), c.kind) {
			t.Errorf("%s: %d %s, want %d %s", c.path, res.StatusCode, res.Header.Get("Content-Type"), c.status, c.kind)
		}
		if found := res.Header.Get("Location"); c.status == 301 && found != c.contains || c.status == 200 && !strings.Contains(body, c.contains) {
			t.Errorf("%s: %q at %q, want %q", c.path, body, found, c.contains)
		}
		if c.status == 404 && strings.Contains(body, "secret") {
			t.Errorf("%s: %q", c.path, body)
		}
		if cache := res.Header.Get("Cache-Control"); c.status == 200 && cache != "no-cache" {
			t.Errorf("%s: Cache-Control %q", c.path, cache)
		}
	}
}

// getRaw sends a path as it is; clients would tidy it up.
func getRaw(t *testing.T, address, path string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return res, readAll(t, res)
}

func TestListing(t *testing.T) {
	dir := webDir(t)
	cfg := bridge.Config{Route: bridge.Route{Address: echo(t)}, Dir: dir, Hide: []string{filepath.Join(dir, "self.pem"), filepath.Join(dir, "tokens")}}
	url := "http://" + start(t, cfg) + "/"
	_, body := get(t, "GET", url, nil)
	for _, want := range []string{
		"<title>Directory listing for /</title>", `<a href="a.txt">a.txt</a>`, `<a href="core/">core/</a>`, `<a href="indir/">indir/</a>`, `<a href="./a:b/">a:b/</a>`,
		`<a href="na%3Cme%3E%20&amp;%27q.txt">na&lt;me&gt; &amp;&#39;q.txt</a>`, `<a href=".well-known/">`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing in\n%s", want, body)
		}
	}
	for _, not := range []string{".git", "self.pem", "key-again", "tokens", "out", "climbs", "dangling", "loop", "<me>"} {
		if strings.Contains(body, not) {
			t.Errorf("%s is in\n%s", not, body)
		}
	}
	if strings.Index(body, "a.txt") > strings.Index(body, "core/") {
		t.Error("the listing is in no order")
	}
	if _, body := get(t, "HEAD", url, nil); body != "" {
		t.Errorf("HEAD: %q", body)
	}
	cfg.FileOnly = true
	url = "http://" + start(t, cfg) + "/"
	for path, want := range map[string]int{"": 404, "core/": 404, "sub/": 200, "a.txt": 200, "core": 301} {
		if res, _ := get(t, "GET", url+path, nil); res.StatusCode != want {
			t.Errorf("files only, /%s: %d, want %d", path, res.StatusCode, want)
		}
	}
}

func TestConditionalAndPartialFiles(t *testing.T) {
	url := "http://" + start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}, Dir: webDir(t)}) + "/a.txt"
	res, _ := get(t, "HEAD", url, nil)
	modified := res.Header.Get("Last-Modified")
	if res.StatusCode != 200 || modified == "" || res.ContentLength != 3 || res.Header.Get("Server") != "vncgate" {
		t.Errorf("HEAD: %d %v", res.StatusCode, res.Header)
	}
	if res, body := get(t, "GET", url, http.Header{"If-Modified-Since": {modified}}); res.StatusCode != 304 || body != "" {
		t.Errorf("not modified: %d %q", res.StatusCode, body)
	}
	if res, body := get(t, "GET", url, http.Header{"Range": {"bytes=1-1"}}); res.StatusCode != 206 || body != "i" {
		t.Errorf("range: %d %q", res.StatusCode, body)
	}
}

func TestWithoutFiles(t *testing.T) {
	url := "http://" + start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}}) + "/"
	for method, want := range map[string]int{"GET": 405, "HEAD": 405, "POST": 501, "OPTIONS": 501, "PUT": 501} {
		if res, _ := get(t, method, url, nil); res.StatusCode != want || res.Header.Get("Server") != "vncgate" {
			t.Errorf("%s: %d (%s), want %d", method, res.StatusCode, res.Header.Get("Server"), want)
		}
	}
	url = "http://" + start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}, Dir: t.TempDir()}) + "/"
	if res, _ := get(t, "POST", url, nil); res.StatusCode != 501 {
		t.Errorf("POST with files: %d", res.StatusCode)
	}
}

// TestLargeFile passes on more than fits into any buffer.
func TestLargeFile(t *testing.T) {
	dir := t.TempDir()
	big := strings.Repeat("0123456789abcdef", 1<<18)
	_ = os.WriteFile(filepath.Join(dir, "big"), []byte(big), 0o644)
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}, Dir: dir})
	if res, body := get(t, "GET", "http://"+address+"/big", nil); res.StatusCode != 200 || body != big {
		t.Errorf("%d, %d bytes", res.StatusCode, len(body))
	}
}

// TestDirectoryGone: a directory that is taken away while it is served, and one
// that was never there.
func TestDirectoryGone(t *testing.T) {
	dir := webDir(t)
	address := start(t, bridge.Config{Route: bridge.Route{Address: echo(t)}, Dir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if res, _ := get(t, "GET", "http://"+address+"/a.txt", nil); res.StatusCode != 404 {
		t.Errorf("removed directory: %d", res.StatusCode)
	}
	if res, _ := get(t, "GET", "http://"+address+"/", nil); res.StatusCode != 404 {
		t.Errorf("its listing: %d", res.StatusCode)
	}
	_, err := bridge.New(bridge.Config{Route: bridge.Route{Address: "x:1"}, Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "directory") {
		t.Errorf("New: %v", err)
	}
}

func TestFilesBehindLogin(t *testing.T) {
	auth, err := bridge.NewAuth("BasicHTTPAuth", "u:p")
	if err != nil {
		t.Fatal(err)
	}
	cfg := bridge.Config{Route: bridge.Route{Address: echo(t)}, Dir: webDir(t), Auths: []bridge.Auth{auth}}
	open := "http://" + start(t, cfg) + "/a.txt"
	if res, _ := get(t, "GET", open, nil); res.StatusCode != 200 {
		t.Errorf("without WebAuth: %d", res.StatusCode)
	}
	cfg.WebAuth = true
	closed := "http://" + start(t, cfg) + "/a.txt"
	if res, body := get(t, "GET", closed, nil); res.StatusCode != 401 || res.Header.Get("WWW-Authenticate") == "" || strings.Contains(body, "hi") {
		t.Errorf("no log-in: %d %q", res.StatusCode, body)
	}
	r, _ := http.NewRequestWithContext(context.Background(), "GET", closed, nil)
	r.SetBasicAuth("u", "p")
	if res, _ := get(t, "GET", closed, r.Header); res.StatusCode != 200 {
		t.Errorf("logged in: %d", res.StatusCode)
	}
}
