package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// debianNoVNC is where Debian installs noVNC's own page.
const debianNoVNC = "/usr/share/novnc"

// noVNC is Debian's noVNC, on a page that is foreign to the gateway.
var noVNC = viewerKind{
	label: "noVNC, foreign page", debianSource: "novnc", needs: needNoVNC,
	open: func(s *scope, at endpoint) (viewer, error) {
		return openNoVNC(s, foreignPages.value.URL, at)
	},
}

// ownPage is the gateway's page. Where there is no gateway, it comes from a
// server of the test.
var ownPage = viewerKind{
	label: "noVNC, our page", needs: needOwnPage, // the version is npm's to tell
	open: func(s *scope, at endpoint) (viewer, error) {
		if at.page == "" {
			return openNoVNC(s, ownPagesAlone.value.URL, at)
		}
		return openNoVNC(s, at.page, at)
	},
}

var foreignPages, ownPagesAlone shared[*httptest.Server]

// servePages serves a folder from an origin of its own.
func servePages(folder string) func(*scope) (*httptest.Server, error) {
	return func(s *scope) (*httptest.Server, error) {
		server := httptest.NewServer(http.FileServer(http.Dir(folder)))
		s.onClose(server.Close)
		return server, nil
	}
}

// foreignTLSPages are foreign by their port alone, so that the browser sends
// them the cookies of the gateway's host, whose scheme is the same.
var foreignTLSPages shared[*httptest.Server]

func servePagesOverTLS(s *scope) (*httptest.Server, error) {
	server := httptest.NewUnstartedServer(http.FileServer(http.Dir(debianNoVNC)))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // the browser does not know its certificate
	server.StartTLS()
	s.onClose(server.Close)
	return server, nil
}

func needNoVNC(t testing.TB) {
	t.Helper()
	needFile(t, filepath.Join(debianNoVNC, "vnc.html"), "novnc")
	need(t, "websockify", "websockify")
	theChromium(t)
	foreignPages.get(t, servePages(debianNoVNC))
}

func needOwnPage(t testing.TB) {
	t.Helper()
	need(t, "websockify", "websockify")
	theChromium(t)
	dist := filepath.Join(uiFolder(), "dist")
	if _, err := os.Stat(filepath.Join(dist, "vnc.html")); err != nil {
		missing(t, "the built viewer page", "run npm run build in web/ui")
	}
	ownPagesAlone.get(t, servePages(dist))
}

// openNoVNC opens the page at base so that it connects to the endpoint at
// once. Through websockify it connects where the endpoint has no WebSocket.
func openNoVNC(s *scope, base string, at endpoint, more ...string) (*page, error) {
	if at.path == "" {
		var err error
		if at, err = throughWebsockify(s, at); err != nil {
			return nil, err
		}
	}
	q := url.Values{
		"autoconnect": {"true"}, "host": {at.host}, "port": {strconv.Itoa(at.port)}, "path": {at.path},
		"encrypt": {strconv.FormatBool(at.tls)}, "resize": {"off"}, "reconnect": {"false"}, "quality": {"9"},
	}
	if at.password != "" && at.user == "" {
		q.Set("password", at.password)
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	if sharedChromium.value == nil {
		return nil, errors.New("there is no browser")
	}
	p, err := sharedChromium.value.open(s, base+"/vnc.html?"+q.Encode(), nil)
	if err == nil && at.user != "" {
		err = p.do(nil, "login", map[string]any{"user": at.user, "password": at.password})
	}
	return p, err
}

// throughWebsockify puts Debian's websockify before a display.
func throughWebsockify(s *scope, at endpoint) (endpoint, error) {
	port, err := freePort()
	if err != nil {
		return at, err
	}
	args := []string{fmt.Sprintf("127.0.0.1:%d", port), at.address()}
	if at.unix != "" {
		args = []string{"--unix-target=" + at.unix, args[0]}
	}
	p, err := start(s, "websockify", exec.Command("websockify", args...))
	if err != nil {
		return at, err
	}
	at.unix, at.host, at.port, at.path = "", "127.0.0.1", port, "websockify"
	return at, poll("websockify listens", func() error {
		if err := p.alive(); err != nil {
			return err
		}
		c, err := at.dial()
		if err == nil {
			c.Close()
		}
		return err
	})
}

// packagedNoVNC is the version of noVNC in our page.
func packagedNoVNC() string {
	b, err := os.ReadFile(filepath.Join(uiFolder(), "node_modules", "@novnc", "novnc", "package.json"))
	if err != nil {
		return "?"
	}
	var manifest struct{ Version string }
	if err := json.Unmarshal(b, &manifest); err != nil {
		return "?"
	}
	return manifest.Version
}
