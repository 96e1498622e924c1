package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Wrong tokens of all three kinds are told and written down, however many, and
// none of them is shown.
func TestWrongTokensAreTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	g := newGate(t, `
listeners: [{address: 127.0.0.1:0, web: {}, sources: [portal], api: {token: sesame}}]
sources: [{name: portal, file: %q}]
admin: {address: 127.0.0.1:0, tokens: [{name: eye, role: viewer, token: eye-secret-of-sixteen}]}
audit: {file: %q}
`, fileWith(t, "secret-1: %s\n", displaysAt(t, "desk")...), path)
	client := g.adminClient(nil)
	const guess = "open-says-me"
	bearer := http.Header{"Authorization": {"Bearer " + guess}}
	for range 20 {
		if status, _ := g.ask(client, "GET", "/metrics", "Authorization", "Bearer "+guess); status != http.StatusUnauthorized {
			t.Fatalf("admin: %d", status)
		}
	}
	g.ask(client, "GET", "/metrics") // without a token nobody has guessed
	if status, _ := g.get(0, "/websockify?token="+guess, nil); status != http.StatusForbidden {
		t.Errorf("web: %d", status)
	}
	req, err := http.NewRequestWithContext(visit(t), http.MethodPost, "http://"+g.address(0)+revokePath, strings.NewReader("{}"))
	must(t, err)
	req.Header = bearer
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("api: %s", resp.Status)
	}
	told := func(method string) (records, sum int) {
		for _, r := range auditLog(t, path) {
			if r.Event == "AUTH_FAILED" && r.Method == method {
				records, sum = records+1, sum+max(r.Count, 1)
			}
		}
		return records, sum
	}
	eventually(t, "all are told", func() bool {
		_, admin := told(deniedAdmin)
		_, web := told(deniedTicket)
		_, api := told(deniedAPI)
		return admin == 20 && web >= 1 && api == 1
	})
	if n, _ := told(deniedAdmin); n > 15 {
		t.Errorf("%d records for 20 guesses", n)
	}
	for _, r := range auditLog(t, path) {
		if r.Event == "AUTH_FAILED" && (!strings.HasPrefix(r.From, "127.0.0.1:") || r.Listener == "") {
			t.Errorf("%s from %q at %q", r.Method, r.From, r.Listener)
		}
	}
	b, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(string(b)+g.log.String(), guess) {
		t.Error("a token is shown")
	}
}
