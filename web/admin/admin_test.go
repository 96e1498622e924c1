package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// patience bounds what must happen; only failures wait for it.
const patience = 30 * time.Second

// roles are the tokens that the tests have.
var roles = map[string]control.Role{"eye": control.Viewer, "ops": control.Operator, "boss": control.Admin}

// bench is an API that is served until the test ends.
type bench struct {
	*Server
	t    *testing.T
	url  string
	gate *gateway.Gateway
	done chan gateway.Event // commands that were run
}

func newBench(t *testing.T, more ...control.Command) *bench {
	b := &bench{t: t, gate: &gateway.Gateway{}, done: make(chan gateway.Event, 256)}
	backend := &control.Backend{
		Gateway: b.gate, Version: control.Version{Package: "vncgate test"},
		Targets: func() []control.Target {
			return []control.Target{{Name: "desk", Address: "127.0.0.1:5900", State: "up"}, {Name: "lab/one", State: "unknown"}}
		},
		Probe: func(_ context.Context, target string) (control.Probe, error) {
			if target != "desk" {
				return control.Probe{}, control.NotFound("no target %q", target)
			}
			return control.Probe{Target: target, OK: true}, nil
		},
		Reload: func(context.Context) (control.Reloaded, error) {
			return control.Reloaded{}, errors.New("line 3: no such key")
		},
		Undrain: func() error { return nil },
	}
	b.gate.Observe = func(e gateway.Event) { b.done <- e }
	table := control.Commands(backend)
	table.Add(more...)
	b.Server = &Server{Table: table, Allow: allow, Version: "test", Origins: []string{"https://portal.example"}}
	server := httptest.NewServer(b.Handler())
	b.url = server.URL
	t.Cleanup(server.Close)
	return b
}

// allow goes by the tokens of roles.
func allow(rw http.ResponseWriter, r *http.Request, least control.Role) (control.Call, bool) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	role := roles[token]
	switch {
	case role == control.Nobody:
		http.Error(rw, `{"error":"who?"}`, http.StatusUnauthorized)
		return control.Call{}, false
	case role < least:
		http.Error(rw, `{"error":"no"}`, http.StatusForbidden)
		return control.Call{}, false
	}
	return control.Call{Role: role, Actor: "token:" + token}, true
}

// ask sends a request with headers in pairs.
func (b *bench) ask(token, method, path, body string, headers ...string) (*http.Response, string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	b.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, b.url+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return res, string(text)
}

func TestCommandsByHTTP(t *testing.T) {
	b := newBench(t)
	for _, test := range []struct {
		token, method, path, body string
		status                    int
		says                      string
	}{
		{"eye", "GET", "/api/v1/sessions", "", 200, `{"sessions":[]}`},
		{"eye", "GET", "/api/v1/sessions?limit=3&all=true", "", 200, `{"sessions":[]}`},
		{"eye", "GET", "/api/v1/sessions?limit=many", "", 400, "expected: int"},
		{"eye", "GET", "/api/v1/sessions?limit=1&limit=2", "", 400, "2 times"},
		{"eye", "GET", "/api/v1/sessions?colour=red", "", 400, "'colour' is unexpected"},
		{"eye", "GET", "/api/v1/sessions/S1", "", 404, "none of that id"},
		{"eye", "GET", "/api/v1/targets", "", 200, `"name":"desk"`},
		{"eye", "GET", "/api/v1/targets/desk", "", 200, `"address":"127.0.0.1:5900"`},
		{"eye", "GET", "/api/v1/targets/lab%2Fone", "", 200, `"name":"lab/one"`},
		{"eye", "GET", "/api/v1/targets/none", "", 404, "DeviceNotFound"},
		{"eye", "GET", "/api/v1/stats", "", 200, `"version":"vncgate test"`},
		{"eye", "GET", "/api/v1/whoami", "", 200, `"name":"token:eye","role":"viewer"`},
		{"", "GET", "/api/v1/sessions", "", 401, "who?"},
		{"eye", "POST", "/api/v1/sessions/S1/kill", "", 403, "no"},
		{"ops", "POST", "/api/v1/sessions/S1/kill", "", 404, "no session"},
		{"ops", "POST", "/api/v1/sessions/S1/kill", `{"words":"bye"}`, 404, "no session"},
		{"ops", "POST", "/api/v1/sessions/S1/kill", `{"id":"S2"}`, 400, "there twice"},
		{"ops", "POST", "/api/v1/sessions/S1/kill", `{ "word": 1 }`, 400, "'word' is unexpected"},
		{"ops", "POST", "/api/v1/sessions/S1/kill?words=bye", "", 400, "into the body"},
		{"ops", "POST", "/api/v1/commands/session-kill", `{}`, 400, "which session"},
		{"ops", "POST", "/api/v1/sessions/S1/set-rights", `{"without":["keyboard"]}`, 404, "no session"},
		{"ops", "POST", "/api/v1/sessions/S1/set-class", `{"class":"bulk"}`, 501, "no classes"},
		{"ops", "POST", "/api/v1/targets/desk/probe", "", 200, `"ok":true`},
		{"ops", "POST", "/api/v1/targets/desk/probe", `{"timeout":"soon"}`, 400, "no duration"},
		{"boss", "POST", "/api/v1/commands/undrain", "", 200, "{}"},
		{"boss", "POST", "/api/v1/commands/reload", "", 409, "line 3"},
		{"boss", "POST", "/api/v1/commands/drain", "", 501, "cannot be drained"},
		{"boss", "POST", "/api/v1/commands/getfd", `{"fdname":"x"}`, 501, "descriptors"},
		{"boss", "POST", "/api/v1/commands/nothing", "", 404, "CommandNotFound"},
		{"boss", "POST", "/api/v1/commands/undrain", "[]", 415, "JSON object"},
		{"boss", "POST", "/api/v1/commands/undrain", "{} {}", 415, "JSON object"},
		{"boss", "POST", "/api/v1/commands/undrain", `{"a":"` + strings.Repeat("a", maxBody) + `"}`, 413, "too large"},
		{"boss", "DELETE", "/api/v1/sessions", "", 405, "GET"},
		{"boss", "GET", "/api/v1/commands/undrain", "", 405, "POST"},
		{"boss", "GET", "/api/v1/nothing", "", 404, "openapi.json"},
		{"boss", "GET", "/api/v2/sessions", "", 404, "openapi.json"},
	} {
		res, body := b.ask(test.token, test.method, test.path, test.body)
		if res.StatusCode != test.status || !strings.Contains(body, test.says) {
			t.Errorf("%s %s %s %.40s: %d %s; want %d with %s", test.token, test.method, test.path, test.body, res.StatusCode, body, test.status, test.says)
		}
		if res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept", test.path)
		}
		if test.status >= 404 && !json.Valid([]byte(body)) {
			t.Errorf("%s: %s is no JSON", test.path, body)
		}
	}
}

// A form of a page can send what it likes, but not as JSON.
func TestFormsAreRefused(t *testing.T) {
	b := newBench(t)
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""} {
		if res, body := b.ask("boss", "POST", "/api/v1/commands/undrain", "{}", "Content-Type", kind); res.StatusCode != 415 {
			t.Errorf("%q: %d %s", kind, res.StatusCode, body)
		}
	}
}

func TestAuditOfCommands(t *testing.T) {
	b := newBench(t)
	b.ask("ops", "POST", "/api/v1/targets/desk/probe", "")
	e := <-b.done
	if e.Actor != "token:ops" || e.Details["command"] != "target-probe" || e.Details["arguments"] != `{"target":"desk"}` {
		t.Errorf("%+v", e)
	}
}

func TestForeignPages(t *testing.T) {
	b := newBench(t)
	res, _ := b.ask("", "OPTIONS", "/api/v1/sessions", "", "Origin", "https://portal.example", "Access-Control-Request-Method", "GET")
	if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Origin") != "https://portal.example" || !strings.Contains(res.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("one that may: %d %v", res.StatusCode, res.Header)
	}
	for _, method := range []string{"OPTIONS", "GET"} {
		if res, _ := b.ask("eye", method, "/api/v1/sessions", "", "Origin", "https://evil.example"); res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s of one that may not: %v", method, res.Header)
		}
	}
}

// Commands that take time are bounded in number, and hold none up that takes
// none.
func TestBlockedCommands(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	b := newBench(t,
		control.New("stand", control.Operator, "Stand still", func(context.Context, *control.Call, struct{}) (struct{}, error) {
			begun <- struct{}{}
			<-release
			return struct{}{}, nil
		}),
		control.New("dash", control.Operator, "Take no time", func(context.Context, *control.Call, struct{}) (struct{}, error) {
			return struct{}{}, nil
		}).OutOfBand(),
	)
	answers := make(chan int, maxRunning)
	for range maxRunning {
		go func() {
			res, _ := b.ask("ops", "POST", "/api/v1/commands/stand", "")
			answers <- res.StatusCode
		}()
		<-begun
	}
	if res, body := b.ask("ops", "POST", "/api/v1/commands/stand", ""); res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s", res.StatusCode, body)
	}
	if res, body := b.ask("ops", "POST", "/api/v1/commands/dash", ""); res.StatusCode != 200 {
		t.Errorf("out of band: %d %s", res.StatusCode, body)
	}
	close(release)
	for range maxRunning {
		if status := <-answers; status != 200 {
			t.Errorf("one that ran: %d", status)
		}
	}
}

func FuzzArguments(f *testing.F) {
	f.Add("limit=3&all=true", `{"words":"bye"}`, "S1")
	f.Add("a=%00&a=1", `{"id":"x"}`, `"}`)
	f.Add("", " {\n} ", "")
	table := control.Commands(&control.Backend{Gateway: &gateway.Gateway{}})
	var kill, list route
	for _, way := range routesOf(table) {
		switch way.id() {
		case "one-session-kill":
			kill = way
		case "list-sessions":
			list = way
		}
	}
	f.Fuzz(func(t *testing.T, query, body, id string) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.SetPathValue("id", id)
		args, err := arguments(httptest.NewRecorder(), r, kill)
		if err == nil && !json.Valid(args) {
			t.Errorf("%q with %q makes %q, which is no JSON", body, id, args)
		}
		var got struct{ ID string }
		if err == nil && body == "" && json.Unmarshal(args, &got) == nil && got.ID != strings.ToValidUTF8(id, "\ufffd") && !strings.Contains(got.ID, "\ufffd") {
			t.Errorf("%q became %q", id, got.ID)
		}
		g := httptest.NewRequest("GET", "/", nil)
		g.URL.RawQuery = query
		if args, err := arguments(httptest.NewRecorder(), g, list); err == nil && !json.Valid(args) {
			t.Errorf("%q makes %q, which is no JSON", query, args)
		}
	})
}
