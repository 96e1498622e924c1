package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// tracesAt is a collector, and the names and attributes of the spans that it got.
func tracesAt(t *testing.T) (address string, names func() string, bodies func() string) {
	var mu sync.Mutex
	var got []string
	var text strings.Builder
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var in struct {
			ResourceSpans []struct {
				ScopeSpans []struct {
					Spans []struct {
						Name       string
						Attributes []json.RawMessage
					}
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		for _, r := range in.ResourceSpans {
			for _, s := range r.ScopeSpans {
				for _, span := range s.Spans {
					got = append(got, span.Name)
					for _, a := range span.Attributes {
						text.Write(a)
					}
				}
			}
		}
		text.WriteString(r.Header.Get("X-Token"))
	}))
	t.Cleanup(server.Close)
	names = func() string { mu.Lock(); defer mu.Unlock(); return strings.Join(got, " ") }
	bodies = func() string { mu.Lock(); defer mu.Unlock(); return text.String() }
	return server.URL, names, bodies
}

func TestSessionsAreTraced(t *testing.T) {
	address, names, bodies := tracesAt(t)
	g := newGate(t, `
listeners: [{address: 127.0.0.1:0, password: right, security: [vnc]}]
targets: {desk: {address: %s}}
tracing: {endpoint: "%s", headers: {X-Token: letmein}}
`, displaysAt(t, "desk")[0], address)
	name, err := g.native(0, nil, clientPassword("right")...)
	sees(t, "with tracing", "desk", name, err)
	if _, err := g.native(0, nil, clientPassword("wrong")...); err == nil {
		t.Fatal("a wrong password lets somebody in")
	}
	eventually(t, "both are traced", func() bool { return strings.Count(names(), "session set-up") == 2 })
	for _, want := range []string{"accept", "security", "authorize", "dial", "display_handshake", "init"} {
		if !slices.Contains(strings.Fields(names()), want) {
			t.Errorf("no span %s among %s", want, names())
		}
	}
	told := bodies()
	for _, want := range []string{`"desk"`, `"error.type"`, "letmein"} {
		if !strings.Contains(told, want) {
			t.Errorf("%s is missing in %s", want, told)
		}
	}
	if strings.Contains(told, "right") || strings.Contains(told, "\"wrong\"") {
		t.Errorf("a password is told: %s", told)
	}
}

func TestCollectorIsAway(t *testing.T) {
	g := newGate(t, "listeners: [{address: 127.0.0.1:0}]\ntargets: {desk: {address: %s}}\ntracing: {endpoint: 'http://%s/?key=hidden'}\n", displaysAt(t, "desk")[0], closedPort(t))
	name, err := g.native(0, nil)
	sees(t, "without a collector", "desk", name, err)
	g.logs("the collector does not take traces")
	if strings.Contains(g.log.String(), "hidden") {
		t.Error("the log holds a key")
	}
}

func TestWrongTracing(t *testing.T) {
	for more, want := range map[string]string{
		"{}":                                   "write http://HOST:4318",
		"{endpoint: 'grpc://h:4317'}":          "not gRPC",
		"{endpoint: 'http://u:p@h:4318'}":      "send them in headers",
		"{endpoint: 'http://h', tls: {ca: c}}": "no https",
		"{endpoint: 'http://h', headers: {Authorization: x}}":          "in the clear",
		"{endpoint: 'http://localhost', headers: {Authorization:}}":    "has no value",
		"{endpoint: 'http://127.0.0.1', header: {Authorization: 'x'}}": "headers",
	} {
		if _, err := parseConfig([]byte(settings("web: {}", aDesk, "tracing: "+more))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", more, err)
		}
	}
	var none *tracingConfig
	if err := none.secretsReadable(context.Background()); err != nil {
		t.Error(err)
	}
}
