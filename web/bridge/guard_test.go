package bridge_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"vncgate/web/bridge"
)

// A guard sees passwords, and no request without one; whoever has to wait cannot
// tell that from a wrong password.
func TestGuard(t *testing.T) {
	login, err := bridge.NewAuth("BasicHTTPAuth", "ann:right")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var wrong int
	waits := false
	_, address := startServer(t, bridge.Config{
		Route: bridge.Route{Address: "127.0.0.1:1"}, Dir: t.TempDir(), WebAuth: true, Auths: []bridge.Auth{login},
		Guard: func(_ *http.Request, proof func() bool) {
			mu.Lock()
			defer mu.Unlock()
			if !waits && !proof() {
				wrong++
			}
		},
	})
	ask := func(password string) string {
		r, _ := http.NewRequest("GET", "http://"+address+"/", nil)
		if password != "" {
			r.SetBasicAuth("ann", password)
		}
		resp, err := oneShot().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode == http.StatusOK {
			return "in"
		}
		return resp.Status + resp.Header.Get("WWW-Authenticate") + string(body)
	}
	refused := ask("guess")
	if !strings.HasPrefix(refused, "401") || !strings.HasPrefix(ask(""), "401") || ask("right") != "in" || wrong != 1 {
		t.Errorf("%q, and %d were wrong", refused, wrong)
	}
	waits = true
	if got := ask("right"); got != refused {
		t.Errorf("whoever waits is told %q, the other %q", got, refused)
	}
}

// Look-ups that hang cost the service behind them no more than so many.
func TestLookupsAreBounded(t *testing.T) {
	const most = 128
	began := make(chan struct{}, most+1)
	release := make(chan struct{})
	_, address := startServer(t, bridge.Config{Lookup: func(context.Context, string) (bridge.Route, error) {
		began <- struct{}{}
		<-release
		return bridge.Route{}, bridge.ErrUnknown
	}})
	ask := func() int {
		r, _ := http.NewRequest("GET", "http://"+address+"/?token=x", nil)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		resp, err := oneShot().Do(r)
		if err != nil {
			t.Error(err)
			return 0
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	var all sync.WaitGroup
	for range most {
		all.Go(func() {
			if got := ask(); got != http.StatusForbidden {
				t.Errorf("status %d", got)
			}
		})
	}
	for range most {
		<-began
	}
	if got := ask(); got != http.StatusServiceUnavailable {
		t.Errorf("one more: %d", got)
	}
	close(release)
	all.Wait()
}

// oneShot keeps no connection.
func oneShot() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}
