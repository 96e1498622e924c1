package metrics_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"vncgate/gateway"
	"vncgate/gateway/metrics"
	"vncgate/layers/layertest"
)

func TestMain(m *testing.M) { layertest.Main(m) }

func newMetrics() *metrics.Metrics {
	return metrics.New(metrics.Config{
		Gateway: &gateway.Gateway{}, Version: "1.2.3",
		Targets:      func() []string { return []string{"desk", "build-vm"} },
		Certificates: func() map[string]time.Time { return map[string]time.Time{"tls.crt": time.Unix(2e9, 0)} },
		TooFast:      func() uint64 { return 7 },
		Gauges: func() map[string]float64 {
			return map[string]float64{"vncgate_audit_queue_size": 3, "vncgate_unknown": 1}
		},
	})
}

// happens observes one of each kind.
func happens(m *metrics.Metrics) {
	info := &gateway.SessionInfo{ID: "1", Target: "desk"}
	stages := []gateway.Stage{{Name: "dial", Duration: 3 * time.Millisecond}, {Name: "security", Duration: time.Second}}
	gone := &gateway.Unreachable{Target: "desk", Stage: "dial", Err: fmt.Errorf("dial: %w", syscall.ECONNREFUSED)}
	for _, e := range []gateway.Event{
		{Kind: gateway.SessionAuthenticated, Method: "x509-plain"},
		{Kind: gateway.AuthFailed, Method: "vnc"},
		{Kind: gateway.AuthFailed, Method: "api", Count: 20},
		{Kind: gateway.SessionOpened, Session: info, Target: "desk", Duration: time.Second, Stages: stages},
		{Kind: gateway.SessionClosed, Session: info, Target: "desk", Reason: "viewer stalled", Duration: time.Hour},
		{Kind: gateway.SessionClosed, Session: info, Target: "made-up.example:5900", Reason: "viewer left", Duration: time.Hour},
		{Kind: gateway.SessionRefused, Reason: "display unreachable", Err: fmt.Errorf("refused: %w", gone)},
	} {
		m.Observe(e)
	}
}

func scrape(t *testing.T, m *metrics.Metrics) string {
	t.Helper()
	server := httptest.NewServer(promhttp.HandlerFor(m.Registry(), promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	defer server.Close()
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v:\n%s", resp.Status, err, text)
	}
	return string(text)
}

func TestWhatIsCounted(t *testing.T) {
	m := newMetrics()
	happens(m)
	text := scrape(t, m)
	for _, want := range []string{
		`vncgate_authentications_total{method="x509-plain",result="ok"} 1`,
		`vncgate_authentications_total{method="vnc",result="failed"} 1`,
		`vncgate_authentications_total{method="api",result="failed"} 20`,
		`vncgate_sessions_opened_total{target="desk"} 1`,
		`vncgate_sessions_ended_total{reason="viewer stalled",target="desk"} 1`,
		`vncgate_sessions_ended_total{reason="viewer left",target="other"} 1`,
		`vncgate_viewer_stalls_total 1`,
		`vncgate_sessions_refused_total{reason="display unreachable"} 1`,
		`vncgate_display_failures_total{cause="refused",target="desk"} 1`,
		`vncgate_setup_stage_duration_seconds_bucket{stage="dial",le="0.005"} 1`,
		`vncgate_setup_stage_duration_seconds_bucket{stage="dial",le="0.0025"} 0`,
		`vncgate_setup_duration_seconds_count 1`,
		`vncgate_certificate_expiry_timestamp_seconds{certificate="tls.crt"} 2e+09`,
		`vncgate_audit_queue_size 3`,
		`vncgate_build_info{goversion="go`,
		`vncgate_ready 1`,
		`vncgate_payload_bytes_total{direction="down"} 0`,
		`vncgate_messages_total{type="key_event"} 0`,
		`vncgate_messages_filtered_total{right="keyboard"} 0`,
		`vncgate_display_messages_total{type="framebuffer_update"} 0`,
		`vncgate_display_messages_filtered_total{right="clipboard_out"} 0`,
		`vncgate_display_round_trip_seconds_count 0`,
		`vncgate_events_total{event="SESSION_CLOSED"} 2`,
		`vncgate_viewers_turned_away_total{reason="accept_rate"} 7`,
		`vncgate_viewers_turned_away_total{reason="full"} 0`,
		`go_goroutines `,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(text, "made-up") || strings.Contains(text, "vncgate_unknown") {
		t.Error("a name that was made up has a series of its own")
	}
}

// Names and units are those that Prometheus' own linter wants.
func TestNamesAreInOrder(t *testing.T) {
	m := newMetrics()
	happens(m)
	problems, err := testutil.GatherAndLint(m.Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "vncgate_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// Whatever comes in, the number of series is bounded.
func TestSeriesAreBounded(t *testing.T) {
	m := metrics.New(metrics.Config{Gateway: &gateway.Gateway{}, Targets: func() (names []string) {
		for i := range 2000 {
			names = append(names, fmt.Sprintf("target-%04d", i))
		}
		return names
	}})
	for i := range 5000 {
		m.Observe(gateway.Event{Kind: gateway.SessionOpened, Target: fmt.Sprintf("target-%04d", i)})
		m.Observe(gateway.Event{Kind: gateway.AuthFailed, Method: fmt.Sprint("method", i)})
		m.Observe(gateway.Event{Kind: gateway.SessionRefused, Reason: fmt.Sprint("reason", i), Err: errors.New("x")})
		m.Observe(gateway.Event{Kind: gateway.EventKind(fmt.Sprint("KIND", i))})
	}
	text := scrape(t, m)
	if n := strings.Count(text, "vncgate_sessions_opened_total{"); n != 501 {
		t.Errorf("%d series of targets", n)
	}
	for _, name := range []string{"vncgate_authentications_total{", "vncgate_sessions_refused_total{", "vncgate_events_total{"} {
		if n := strings.Count(text, name); n > 70 {
			t.Errorf("%d series of %s", n, name)
		}
	}
}

// Names lists what is there, so that dashboards can be held to it.
func TestNamesAreAll(t *testing.T) {
	m := newMetrics()
	happens(m)
	known := map[string]bool{}
	for _, name := range metrics.Names() {
		known[name] = true
	}
	for line := range strings.Lines(scrape(t, m)) {
		if name, ok := strings.CutPrefix(line, "# TYPE vncgate_"); ok {
			name, _, _ = strings.Cut("vncgate_"+name, " ")
			if !known[name] {
				t.Errorf("%s is not among Names", name)
			}
		}
	}
}

func ExampleMetrics() {
	m := metrics.New(metrics.Config{Gateway: &gateway.Gateway{}})
	m.Observe(gateway.Event{Kind: gateway.AuthFailed, Method: "vnc"})
	n, _ := testutil.GatherAndCount(m.Registry(), "vncgate_authentications_total")
	fmt.Println(n)
	// Output: 1
}
