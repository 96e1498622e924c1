package traces_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/gateway/traces"
	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }

// export is opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest, as
// far as a collector needs it. What is not in it is an error: a collector that
// knows the messages would drop it.
type export struct {
	ResourceSpans []struct {
		Resource   struct{ Attributes []keyValue }
		ScopeSpans []struct {
			Scope struct{ Name, Version string }
			Spans []received
		}
	}
}

type keyValue struct {
	Key   string
	Value struct{ StringValue string }
}

type received struct {
	TraceID, SpanID, ParentSpanID, Name string
	Kind                                int
	StartTimeUnixNano, EndTimeUnixNano  string // 64 bits are text in protobuf's JSON
	Attributes                          []keyValue
	Status                              struct {
		Message string
		Code    int
	}
}

func (r received) attributes() map[string]string {
	all := map[string]string{}
	for _, a := range r.Attributes {
		all[a.Key] = a.Value.StringValue
	}
	return all
}

// collector is a receiver of OTLP over HTTP.
type collector struct {
	t       *testing.T
	address string
	mu      sync.Mutex
	spans   []received
	bodies  []string
	headers []http.Header
	answers []func(http.ResponseWriter) // of the next requests; then all are taken
}

func newCollector(t *testing.T, answers ...func(http.ResponseWriter)) *collector {
	c := &collector{t: t, answers: answers}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.address = server.URL
	return c
}

func status(code int) func(http.ResponseWriter) {
	return func(rw http.ResponseWriter) { rw.WriteHeader(code) }
}

func (c *collector) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
		c.t.Errorf("%s %s %s, %v", r.Method, r.URL, r.Header, err)
	}
	c.headers, c.bodies = append(c.headers, r.Header), append(c.bodies, string(body))
	if len(c.answers) > 0 {
		answer := c.answers[0]
		c.answers = c.answers[1:]
		answer(rw)
		return
	}
	var e export
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		c.t.Errorf("%v in %s", err, body)
	}
	for _, r := range e.ResourceSpans {
		for _, s := range r.ScopeSpans {
			c.spans = append(c.spans, s.Spans...)
		}
	}
	_, _ = io.WriteString(rw, "{}")
}

func (c *collector) got() []received {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]received(nil), c.spans...)
}

func (c *collector) requests() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.bodies)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

func open(t *testing.T, cfg traces.Config) *traces.Exporter {
	t.Helper()
	if cfg.Gather == 0 {
		cfg.Gather = time.Millisecond
	}
	e, err := traces.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeNow(e) })
	return e
}

// closeNow ends e without waiting for a collector.
func closeNow(e *traces.Exporter) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e.Close(ctx)
}

var begun = time.Unix(1_700_000_000, 5)

func opened() gateway.Event {
	return gateway.Event{
		Kind: gateway.SessionOpened, Time: begun.Add(time.Second), Duration: time.Second, Target: "desk", Listener: "door", From: "192.0.2.7:5",
		Session: &gateway.SessionInfo{ID: "0badcafe", Target: "desk", Ticket: "ticket-id", Class: "bulk", Identity: auth.Identity{Name: "alice", Method: "x509-plain"}},
		Stages: []gateway.Stage{
			{Name: "accept", Begun: begun, Duration: 10 * time.Millisecond},
			{Name: "dial", Begun: begun.Add(10 * time.Millisecond), Duration: 300 * time.Millisecond},
		},
	}
}

func refused() gateway.Event {
	e := opened()
	e.Kind, e.Reason, e.Err = gateway.SessionRefused, "display unreachable", errors.New("dial tcp: refused")
	return e
}

func TestSessionsAreTraces(t *testing.T) {
	c := newCollector(t)
	e := open(t, traces.Config{Endpoint: c.address, Version: "1.2.3", Instance: "gate-1"})
	e.Observe(gateway.Event{Kind: gateway.SessionClosed, Session: &gateway.SessionInfo{}}) // neither is a set-up
	e.Observe(gateway.Event{Kind: gateway.TargetDown})
	e.Observe(opened())
	e.Observe(refused())
	eventually(t, "both traces are there", func() bool { return len(c.got()) == 6 })
	list := c.got()
	root, accept, dial := list[0], list[1], list[2]
	id := regexp.MustCompile(`^[0-9a-f]{32}$`)
	if !id.MatchString(root.TraceID) || root.TraceID != accept.TraceID || root.TraceID != dial.TraceID || root.TraceID == list[3].TraceID {
		t.Errorf("traces %s, %s, %s, %s", root.TraceID, accept.TraceID, dial.TraceID, list[3].TraceID)
	}
	if root.ParentSpanID != "" || accept.ParentSpanID != root.SpanID || dial.ParentSpanID != root.SpanID || len(root.SpanID) != 16 || accept.SpanID == dial.SpanID {
		t.Errorf("spans %+v", list[:3])
	}
	if root.Name != "session set-up" || root.Kind != 2 || accept.Name != "accept" || accept.Kind != 1 || dial.Name != "dial" || dial.Kind != 3 {
		t.Errorf("names and kinds: %+v", list[:3])
	}
	nano := func(at time.Time) string { return strconv.FormatInt(at.UnixNano(), 10) }
	if root.StartTimeUnixNano != nano(begun) || root.EndTimeUnixNano != nano(begun.Add(time.Second)) ||
		dial.StartTimeUnixNano != nano(begun.Add(10*time.Millisecond)) || dial.EndTimeUnixNano != nano(begun.Add(310*time.Millisecond)) {
		t.Errorf("times: %+v", list[:3])
	}
	told := root.attributes()
	for key, want := range map[string]string{
		"vncgate.session": "0badcafe", "vncgate.target": "desk", "vncgate.listener": "door", "vncgate.class": "bulk",
		"client.address": "192.0.2.7:5", "user.name": "alice", "vncgate.method": "x509-plain",
	} {
		if told[key] != want {
			t.Errorf("%s is %q", key, told[key])
		}
	}
	if root.Status.Code != 0 || list[3].Status.Code != 2 || list[3].Status.Message != "dial tcp: refused" || list[5].Status.Code != 2 || list[4].Status.Code != 0 {
		t.Errorf("states: %+v", list)
	}
	if strings.Contains(c.bodies[0], "ticket") || !strings.Contains(c.bodies[0], `"gate-1"`) {
		t.Errorf("it says %s", c.bodies[0])
	}
}

func TestTriedAgain(t *testing.T) {
	c := newCollector(t, status(http.StatusServiceUnavailable))
	told := make(chan error, 10)
	e := open(t, traces.Config{Endpoint: c.address, Failing: func(err error) { told <- err }})
	e.Observe(opened())
	if err := <-told; err == nil || !strings.Contains(err.Error(), "not ready") {
		t.Errorf("told %v", err)
	}
	if err := <-told; err != nil {
		t.Errorf("then %v", err)
	}
	if len(c.got()) != 3 || c.bodies[0] != c.bodies[1] || e.Lost() != 0 {
		t.Errorf("%d spans, %d requests, %d lost", len(c.got()), c.requests(), e.Lost())
	}
}

// What a collector does not want is not sent again, nor what it answers obeyed.
func TestNotWanted(t *testing.T) {
	elsewhere := newCollector(t)
	for name, answer := range map[string]func(http.ResponseWriter){
		"bad request": status(http.StatusBadRequest),
		"redirected": func(rw http.ResponseWriter) {
			rw.Header().Set("Location", elsewhere.address)
			rw.WriteHeader(http.StatusTemporaryRedirect)
		},
		"partial": func(rw http.ResponseWriter) {
			_, _ = io.WriteString(rw, `{"partialSuccess": {"rejectedSpans": "1", "errorMessage": "too old"}}`)
		},
		"partial, as a number": func(rw http.ResponseWriter) { _, _ = io.WriteString(rw, `{"partialSuccess": {"rejectedSpans": 1}}`) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCollector(t, answer)
			e := open(t, traces.Config{Endpoint: c.address})
			e.Observe(opened())
			eventually(t, "it is counted", func() bool { return e.Lost() == 1 })
			e.Observe(refused())
			eventually(t, "the next comes", func() bool { return len(c.got()) == 3 })
			if c.requests() != 2 {
				t.Errorf("%d requests", c.requests())
			}
		})
	}
	if elsewhere.requests() != 0 {
		t.Error("it went where it was sent")
	}
}

func TestHeaders(t *testing.T) {
	c := newCollector(t)
	keep := http.Header{"Authorization": {"Bearer x"}}
	e := open(t, traces.Config{Endpoint: c.address + "/v1/traces", Headers: func(context.Context) (http.Header, error) { return keep, nil }})
	e.Observe(opened())
	eventually(t, "it is there", func() bool { return c.requests() == 1 })
	if got := c.headers[0].Get("Authorization"); got != "Bearer x" {
		t.Errorf("authorization %q", got)
	}
}

// A collector that answers nothing takes no memory without end, keeps nobody
// waiting, and does not hold up the end.
func TestCollectorThatHangs(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }))
	defer server.Close()
	defer close(hang)
	e := open(t, traces.Config{Endpoint: server.URL})
	for range 5000 {
		e.Observe(opened())
	}
	if e.Lost() < 2000 {
		t.Errorf("%d of 5000 lost", e.Lost())
	}
	closeNow(e)
	if e.Lost() != 5000 {
		t.Errorf("%d of 5000 lost in the end", e.Lost())
	}
}

// What is queued at the end is sent.
func TestCloseSendsTheRest(t *testing.T) {
	c := newCollector(t)
	e := open(t, traces.Config{Endpoint: c.address, Gather: time.Hour})
	for range 300 {
		e.Observe(opened())
	}
	e.Close(t.Context())
	if n := len(c.got()); n != 900 {
		t.Errorf("%d spans", n)
	}
}

func TestLongAndStrangeTexts(t *testing.T) {
	c := newCollector(t)
	e := open(t, traces.Config{Endpoint: c.address})
	event := refused()
	event.Target, event.Reason, event.Err = strings.Repeat("é\xff", 100_000), "\x00\"", nil
	e.Observe(event)
	eventually(t, "it is there", func() bool { return len(c.got()) == 3 })
	root := c.got()[0]
	if n := len(root.attributes()["vncgate.target"]); n > 2000 || root.Status.Message != "\x00\"" {
		t.Errorf("%d bytes, status %q", n, root.Status.Message)
	}
}

func TestNoEndpoint(t *testing.T) {
	for _, text := range []string{"", "localhost:4318", "grpc://localhost:4317", "http://", "http://user:pass-word@h/", "http://h:4318\x00"} {
		_, err := traces.Open(traces.Config{Endpoint: text})
		if err == nil || strings.Contains(err.Error(), "pass-word") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParseEndpoint(f *testing.F) {
	f.Add("http://127.0.0.1:4318")
	f.Add("https://otel.example/tenant/v1/traces?x=y")
	f.Add("http://user:secret@h/")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := traces.ParseEndpoint(text)
		if err != nil {
			return
		}
		again, err := url.Parse(u.String())
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || again.Path == "" {
			t.Errorf("%q became %q, %v", text, u, err)
		}
	})
}

func ExampleExporter() {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
	}))
	defer server.Close()
	e, err := traces.Open(traces.Config{Endpoint: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	e.Observe(gateway.Event{Kind: gateway.SessionOpened, Session: &gateway.SessionInfo{ID: "0badcafe"}})
	e.Close(context.Background())
	// Output: POST /v1/traces
}
