package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/rfb/display/demo"
	"vncgate/web"
)

// TestTermsInChromium has a page follow what a real gateway says of its session,
// stay longer, and make a link that a second browser comes in by.
func TestTermsInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	ui := filepath.Join(root, "web", "ui")
	needFile(t, filepath.Join(ui, "node_modules", "playwright-core"), "run 'make build' with Node installed")
	needFile(t, filepath.Join(ui, "dist", "index.html"), "run 'make build' with Node installed")
	needFile(t, "/usr/bin/chromium", "install the package chromium")
	terms := serveTerms(t)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "run", "--silent", "e2e", "--", "terms")
	cmd.Dir, cmd.WaitDelay = ui, browserDelay
	cmd.Env = append(os.Environ(), "VNCGATE_TERMS="+terms, "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("npm run e2e: %v", err)
	}
}

// warnedAfter is how long after the house was opened a page is warned of the end,
// which is a minute later: time enough to load the page on a busy machine.
const warnedAfter = 5 * time.Second

// sharedToken is what the page's link holds.
const sharedToken = "shared-by-the-page"

// termsHouse is one display whose terms the browser tests change.
type termsHouse struct {
	gate *gateway.Gateway
	open func() // once: lets visitors in, from when on their time runs

	mu     sync.Mutex
	rights auth.Rights
	shared bool
}

func (h *termsHouse) authorize(_ context.Context, req auth.Request) (auth.Grant, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return auth.Grant{Identity: req.Identities[0], Target: req.Target, Rights: h.rights}, nil
}

// ticket lets the bearer of a link that the page has made watch.
func (h *termsHouse) ticket(_ context.Context, token, _ string) (gateway.Front, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.shared || token != sharedToken {
		return gateway.Front{}, &web.Refusal{Status: http.StatusForbidden, Words: "This link opens nothing."}
	}
	return gateway.Front{Name: "web", Target: "desk", Security: openDoor, Rights: auth.Viewing | auth.ClipboardOut, TicketID: "shared"}, nil
}

func openDoor(net.Conn, string) []rfb.Security { return []rfb.Security{rfb.None{}} }

func (h *termsHouse) sharing() *web.Sharing {
	return &web.Sharing{
		May: func(key string) ([]string, time.Duration) {
			if info, ok := h.gate.SessionOf(key); !ok || info.Ticket != "" {
				return nil, 0
			}
			return []string{"view", "keyboard", "pointer"}, 2 * time.Hour
		},
		Make: func(_ context.Context, _ string, want web.ShareRequest) (web.Share, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.shared = true
			return web.Share{ID: "shared", Token: sharedToken, Expires: time.Now().Add(want.TTL)}, nil
		},
		Revoke: func(_ context.Context, _, id string) error {
			h.mu.Lock()
			h.shared = false
			h.mu.Unlock()
			h.gate.End(func(s gateway.SessionInfo) bool { return s.Ticket == id }, gateway.Ending{
				Reason: "revoked", Words: "Your access to this display was withdrawn.",
			})
			return nil
		},
	}
}

// do is what a test wants of the house.
func (h *termsHouse) do(_ http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	switch r.URL.Path {
	case "/narrow":
		h.rights = auth.AllRights &^ (auth.Keyboard | auth.Pointer)
	case "/widen":
		h.rights = auth.AllRights
	}
	h.mu.Unlock()
	all := func(gateway.SessionInfo) bool { return true }
	switch r.URL.Path {
	case "/open":
		h.open()
	case "/message":
		h.gate.Message(all, "Down for repairs at noon.")
	case "/end":
		h.gate.End(all, gateway.Ending{Kick: true})
	default:
		h.gate.Review()
	}
}

// serveTerms returns what the browser tests need to know.
func serveTerms(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	display := demo.New(demo.Options{})
	desk, door := listenLocal(t), listenLocal(t)
	running.Go(func() { acceptDemo(ctx, desk, display) })
	h := &termsHouse{rights: auth.AllRights}
	h.gate = &gateway.Gateway{
		Resolve: func(context.Context, string) (*gateway.Target, error) {
			return &gateway.Target{
				Name: "desk",
				Dial: func(ctx context.Context) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "tcp", desk.Addr().String())
				},
				Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
			}, nil
		},
		Authorize: h.authorize,
		Extend: func(context.Context, gateway.SessionInfo) (time.Time, error) {
			return time.Now().Add(time.Hour), nil
		},
	}
	var server *http.Server
	h.open = sync.OnceFunc(func() {
		server = web.NewServer(web.Config{
			Admit: h.gate.Admit, Ready: h.gate.Ready, Renew: h.gate.Renew, Sharing: h.sharing(), Tickets: h.ticket,
			Front: gateway.Front{
				Name: "web", Target: "desk", Security: openDoor, Renewable: true, Expires: time.Now().Add(warnedAfter + time.Minute),
			},
		})
		running.Go(func() { _ = server.Serve(door) })
	})
	control := httptest.NewServer(http.HandlerFunc(h.do))
	t.Cleanup(func() {
		stop()
		control.Close()
		if server != nil {
			_ = server.Close()
		}
		_ = h.gate.Shutdown(ctx)
		_ = desk.Close()
		display.Close()
		running.Wait()
	})
	b, err := json.Marshal(map[string]string{"gateway": "http://" + door.Addr().String(), "control": control.URL})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
