package traces_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/traces"
)

// The collector of OpenTelemetry's own took this request, and read that in it
// (otlpreceiver and debugexporter 0.152.0).
const (
	takenRequest = "testdata/collector-request.json"
	takenOutput  = "testdata/collector-output.txt"
)

var (
	identifier = regexp.MustCompile(`\b[0-9a-f]{32}\b|\b[0-9a-f]{16}\b`)
	afterZone  = regexp.MustCompile(`(?m)^\t?\{"resource".*$|^.*\tinfo\t.*$`)
)

// numbered has each identifier as its number.
func numbered(text string) string {
	seen := map[string]string{}
	return identifier.ReplaceAllStringFunc(text, func(id string) string {
		if seen[id] == "" {
			seen[id] = fmt.Sprintf("id-%d", len(seen))
		}
		return seen[id]
	})
}

// tell sends what the collector is shown: a session that came about and one that
// did not.
func tell(t *testing.T, endpoint string) {
	t.Helper()
	e := open(t, traces.Config{Endpoint: endpoint, Version: "1.2.3", Instance: "gate-1", Gather: time.Hour})
	e.Observe(opened())
	e.Observe(refused())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e.Close(ctx)
	if e.Lost() != 0 {
		t.Errorf("%d traces are lost", e.Lost())
	}
}

// What is sent is still what a collector took, to the byte but for the
// identifiers, and the collector read in it what was meant.
func TestWhatACollectorTook(t *testing.T) {
	c := newCollector(t)
	tell(t, c.address)
	taken, err := os.ReadFile(takenRequest)
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.bodies) != 1 || numbered(c.bodies[0]) != numbered(string(taken)) {
		t.Errorf("sent\n%s\nwhere a collector took\n%s", c.bodies, taken)
	}
	read, err := os.ReadFile(takenOutput)
	if err != nil {
		t.Fatal(err)
	}
	holds(t, string(taken), string(read))
}

// holds compares what was sent with what a collector printed: every identifier
// and text, and the times.
func holds(t *testing.T, sent, read string) {
	t.Helper()
	for _, id := range identifier.FindAllString(sent, -1) {
		if !strings.Contains(read, id) {
			t.Errorf("the collector knows nothing of %s", id)
		}
	}
	for _, want := range []string{
		"service.name: Str(vncgate)", "service.version: Str(1.2.3)", "service.instance.id: Str(gate-1)", "InstrumentationScope vncgate/gateway 1.2.3",
		"Name           : session set-up", "Kind           : Server", "Name           : accept", "Kind           : Internal", "Name           : dial",
		"Kind           : Client", "Start time     : 2023-11-14 22:13:20.000000005 +0000 UTC", "End time       : 2023-11-14 22:13:21.000000005 +0000 UTC",
		"Status code    : Unset", "Status code    : Error", "Status message : dial tcp: refused",
		"vncgate.session: Str(0badcafe)", "user.name: Str(alice)", "client.address: Str(192.0.2.7:5)", "error.type: Str(display unreachable)",
	} {
		if !strings.Contains(read, want) {
			t.Errorf("the collector says nothing of %q", want)
		}
	}
	if strings.Count(read, "Parent ID      : \n") != 2 || strings.Count(read, "Span #") != 6 {
		t.Errorf("the collector has read other spans:\n%s", read)
	}
}

// TestCollector needs VNCGATE_OTELCOL, the path of a collector of
// OpenTelemetry's with the receiver otlp and the exporter debug, which every
// distribution has. VNCGATE_OTELCOL_RECORD keeps what it took.
func TestCollector(t *testing.T) {
	program := os.Getenv("VNCGATE_OTELCOL")
	if program == "" {
		t.Skip("VNCGATE_OTELCOL names no collector")
	}
	at, said := startCollector(t, program)
	var mu sync.Mutex
	var sent []byte
	between := httputil.NewSingleHostReverseProxy(at)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		sent = body
		mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		between.ServeHTTP(rw, r)
	}))
	defer server.Close()
	tell(t, server.URL)
	eventually(t, "it has printed all", func() bool {
		return strings.Count(said(), "Span #") == 6 && strings.Contains(said(), "display unreachable")
	})
	mu.Lock()
	defer mu.Unlock()
	read := strings.TrimSpace(afterZone.ReplaceAllString(said(), "")) + "\n"
	holds(t, string(sent), read)
	if os.Getenv("VNCGATE_OTELCOL_RECORD") != "" {
		for path, text := range map[string]string{takenRequest: string(sent), takenOutput: read} {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Error(err)
			}
		}
	}
}

// startCollector returns where it takes traces, and what it has said so far.
func startCollector(t *testing.T, program string) (at *url.URL, said func() string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	_ = ln.Close()
	config := filepath.Join(t.TempDir(), "collector.yaml")
	text := "receivers: {otlp: {protocols: {http: {endpoint: '" + address + "'}}}}\nexporters: {debug: {verbosity: detailed}}\n" +
		"service: {telemetry: {metrics: {level: none}}, pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var out bytes.Buffer
	cmd := exec.Command(program, "--config", "file:"+config)
	cmd.Stderr = writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(b)
	})
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, "the collector listens", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return &url.URL{Scheme: "http", Host: address}, func() string {
		mu.Lock()
		defer mu.Unlock()
		return out.String()
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// A span of a stage does not begin before its trace.
func TestTraceBeginsWithItsStages(t *testing.T) {
	c := newCollector(t)
	e := open(t, traces.Config{Endpoint: c.address})
	event := opened()
	event.Time = event.Time.Add(time.Microsecond) // of a later look at the clock
	e.Observe(event)
	e.Observe(gateway.Event{Kind: gateway.SessionOpened, Time: begun, Duration: time.Second, Session: event.Session})
	eventually(t, "it has come", func() bool { return len(c.got()) == 4 })
	list := c.got()
	if list[0].StartTimeUnixNano != list[1].StartTimeUnixNano {
		t.Errorf("the trace begins at %s, its first stage at %s", list[0].StartTimeUnixNano, list[1].StartTimeUnixNano)
	}
}
