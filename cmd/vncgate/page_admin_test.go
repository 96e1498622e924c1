package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/rfb/display/demo"
)

// TestDashboardInChromium has the dashboard show and steer live sessions of a
// real gateway before a demo display.
func TestDashboardInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	ui := filepath.Join(root, "web", "ui")
	needFile(t, filepath.Join(ui, "node_modules", "playwright-core"), "run 'make build' with Node installed")
	needFile(t, filepath.Join(ui, "dist", dashboardFile), "run 'make build' with Node installed")
	needFile(t, "/usr/bin/chromium", "install the package chromium")
	desk := listenLocal(t)
	display := demo.New(demo.Options{})
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { acceptDemo(ctx, desk, display) })
	t.Cleanup(func() {
		stop()
		_ = desk.Close()
		display.Close()
		running.Wait()
	})
	socket := filepath.Join(t.TempDir(), "agents")
	g := newGate(t, dashboardYAML, socket, t.TempDir(), desk.Addr(), closedPort(t))
	runAgent(t, "lab", overUnix(socket), map[string]string{"bench": desk.Addr().String()})
	g.agentHas("lab")
	b, err := json.Marshal(map[string]string{
		"admin": "http://" + g.admin.ln.Addr().String() + "/", "viewer": "http://" + g.address(0) + "/vnc.html?autoconnect=1&path=websockify%3Ftarget%3Ddesk",
	})
	must(t, err)
	limit, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(limit, "npm", "run", "--silent", "e2e", "--", "admin")
	cmd.WaitDelay = browserDelay
	cmd.Dir = ui
	cmd.Env = append(os.Environ(), "VNCGATE_ADMIN="+string(b), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("npm run e2e: %v", err)
	}
}

const dashboardFile = "admin.html"

const dashboardYAML = `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [capabilities], token: optional, security: [none]}
  - {address: "unix:%s", agents: {}}
agents: {local: [lab]}
capabilities: {store: %q}
targets:
  desk: {address: %s, screenshots: always}
  gone: {address: %s}
admin:
  address: 127.0.0.1:0
  tokens:
    - {name: eye, role: viewer, token: eye-secret-of-sixteen}
    - {name: boss, role: admin, token: boss-secret-of-sixteen}
`

func TestAdminAPI(t *testing.T) {
	g := newGate(t, dashboardYAML, filepath.Join(t.TempDir(), "agents"), t.TempDir(), displaysAt(t, "desk")[0], closedPort(t))
	c := g.adminClient(nil)
	boss, eye := []string{"Authorization", "Bearer boss-secret-of-sixteen"}, []string{"Authorization", "Bearer eye-secret-of-sixteen"}
	stays, err := g.webStay(0, "/websockify?target=desk")
	must(t, err)
	var list struct{ Sessions []struct{ ID, State string } }
	eventually(t, "the session is there", func() bool {
		_, body := g.ask(c, "GET", "/api/v1/sessions", eye...)
		must(t, json.Unmarshal([]byte(body), &list))
		return len(list.Sessions) == 1 && list.Sessions[0].State == "open"
	})
	at := "/api/v1/sessions/" + list.Sessions[0].ID
	for _, step := range []struct {
		method, path string
		token        []string
		status       int
		says         string
	}{
		{"GET", "/", nil, http.StatusOK, "<title>"},
		{"GET", "/admin.html", nil, http.StatusNotFound, ""},
		{"GET", "/api/v1/sessions", nil, http.StatusUnauthorized, "Bearer"},
		{"POST", at + "/kill", eye, http.StatusForbidden, "operator"},
		{"POST", at + "/pause", append(boss, "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"), http.StatusForbidden, "Another page"},
		{"POST", at + "/pause", boss, http.StatusOK, `"sessions":1`},
		{"GET", at, eye, http.StatusOK, `"state":"paused"`},
		{"POST", at + "/resume", boss, http.StatusOK, `"sessions":1`},
		{"POST", "/api/v1/targets/gone/probe", boss, http.StatusOK, `"ok":false`},
		{"POST", "/api/v1/targets/desk/share", boss, http.StatusOK, `#token=`},
		{"POST", "/api/v1/targets/none/share", boss, http.StatusNotFound, "no target"},
		{"GET", "/api/v1/listeners", eye, http.StatusOK, "{target}"},
		{"GET", "/api/v1/agents?all=true", eye, http.StatusOK, `"agents":[]`},
		{"POST", "/api/v1/agents/lab/kick", eye, http.StatusForbidden, "operator"},
		{"POST", "/api/v1/agents/lab/kick", boss, http.StatusNotFound, "no agent"},
		{"POST", "/api/v1/agents/lab/revoke", boss, http.StatusBadRequest, "unix sockets alone"},
		{"POST", at + "/kill", boss, http.StatusOK, `"sessions":1`},
	} {
		if step.path == "/" && !builtPage(t) {
			continue
		}
		if status, body := g.ask(c, step.method, step.path, step.token...); status != step.status || !strings.Contains(body, step.says) {
			t.Errorf("%s %s: %d %s; want %d %s", step.method, step.path, status, body, step.status, step.says)
		}
	}
	<-stays.ended
	eventually(t, "the end is told", func() bool {
		_, body := g.ask(c, "GET", "/api/v1/events?last=50", append(eye, "Accept", "application/json")...)
		return strings.Contains(body, `"SESSION_CLOSED"`) && strings.Contains(body, `"token:boss"`) && strings.Contains(body, `"token_id"`) && !strings.Contains(body, "#token")
	})
}

func builtPage(t *testing.T) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(root, "web", "ui", "dist", dashboardFile))
	return err == nil
}
