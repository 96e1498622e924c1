// Package metrics tells Prometheus what a gateway does.
//
//	m := metrics.New(metrics.Config{Gateway: g, Targets: names})
//	g.Observe = m.Observe
//	http.Handle("/metrics", promhttp.HandlerFor(m.Registry(), promhttp.HandlerOpts{}))
//
// What happens now and then is counted as it is observed, what happens with every
// message by those who move it, in memory of their own: it is added up when
// somebody asks. Labels have values of a bounded number: reasons and methods are
// the gateway's own, and targets are those that Config.Targets names, all others
// being "other".
package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"vncgate/gateway"
)

// Config says what is told.
type Config struct {
	// Gateway is whose sessions are told of.
	Gateway *gateway.Gateway
	// Version is that of the program.
	Version string
	// Targets names those that have a label of their own: those that were
	// configured, and not what viewers make up. It is asked at each scrape. Nil:
	// none.
	Targets func() []string
	// Certificates are ours, and when they end; nil: none.
	Certificates func() map[string]time.Time
	// TooFast counts connections that were closed since their address opens too
	// many; nil: none are.
	TooFast func() uint64
	// Agents are the figures of those that have dialled in; nil: none can.
	Agents func() Agents
	// Gauges are further values, by one of the names in Extra; nil: none.
	Gauges func() map[string]float64
}

// maxTargets bounds the targets that have a label of their own, however many are
// configured, and maxReasons the values of any other label.
const (
	maxTargets = 500
	maxReasons = 64
)

// other is the label of what has none of its own.
const other = "other"

// Metrics are the metrics of one gateway.
type Metrics struct {
	cfg      Config
	registry *prometheus.Registry

	opened, ended, refused *prometheus.CounterVec
	authenticated          *prometheus.CounterVec
	dialFailures           *prometheus.CounterVec
	events                 *prometheus.CounterVec
	unrecorded             *prometheus.CounterVec
	stalls                 prometheus.Counter
	stages                 *prometheus.HistogramVec
	setup, lasted          prometheus.Histogram
	rtt, displayRTT        prometheus.Histogram
	agentRTT               prometheus.Histogram

	mu      sync.Mutex
	targets map[string]bool            // with a label of their own
	known   map[string]map[string]bool // values of labels, by label
	trips   map[string]trips           // by session

	agentTrips map[uint64]time.Duration // by tunnel
}

// Buckets of seconds: steps of setting a session up take from microseconds to a
// person's typing, sessions last from a moment to a day, and pings cross the
// room or the world.
var (
	stageBuckets   = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	sessionBuckets = []float64{1, 10, 60, 300, 900, 3600, 4 * 3600, 8 * 3600, 24 * 3600}
	tripBuckets    = []float64{.001, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5}
)

// New makes the metrics of a gateway. Its Observe has to be told of what happens.
func New(cfg Config) *Metrics {
	m := &Metrics{cfg: cfg, registry: prometheus.NewRegistry(), known: map[string]map[string]bool{}, trips: map[string]trips{}}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
		m.registry.MustRegister(h)
		return h
	}
	m.opened = counter("vncgate_sessions_opened_total", "Sessions whose viewers came to see a display.", "target")
	m.ended = counter("vncgate_sessions_ended_total", "Ends of open sessions, by reason.", "target", "reason")
	m.refused = counter("vncgate_sessions_refused_total", "Viewers that did not get to see a display, by reason.", "reason")
	m.authenticated = counter("vncgate_authentications_total", "Proofs of who a viewer is, by method and result.", "method", "result")
	m.dialFailures = counter("vncgate_display_failures_total", "Displays that did not let the gateway in, by what went wrong.", "target", "cause")
	m.events = counter("vncgate_events_total", "What has happened, by kind.", "event")
	m.unrecorded = counter("vncgate_recording_failures_total", "Sessions that could not be recorded, or not to their ends, by cause.", "cause")
	m.stalls = prometheus.NewCounter(prometheus.CounterOpts{Name: "vncgate_viewer_stalls_total", Help: "Sessions that were ended since the viewer took nothing any more."})
	m.stages = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "vncgate_setup_stage_duration_seconds", Help: "Time spent in each stage of setting a session up.", Buckets: stageBuckets,
	}, []string{"stage"})
	m.registry.MustRegister(m.stalls, m.stages)
	m.setup = histogram("vncgate_setup_duration_seconds", "Time from a viewer's coming to its first sight of the display.", stageBuckets)
	m.lasted = histogram("vncgate_session_duration_seconds", "How long sessions lasted that were open.", sessionBuckets)
	m.rtt = histogram("vncgate_viewer_round_trip_seconds", "Answers of browsers to pings and of native viewers to fences, of those there are between two scrapes the last of each session.", tripBuckets)
	m.displayRTT = histogram("vncgate_display_round_trip_seconds", "Answers of displays to fences, of those there are between two scrapes the last of each session.", tripBuckets)
	if cfg.Agents != nil {
		m.agentRTT = histogram("vncgate_agent_round_trip_seconds", "Answers of agents to pings, of those there are between two scrapes the last of each tunnel.", tripBuckets)
	}
	m.registry.MustRegister(collectors.NewGoCollector(), &live{m})
	if _, err := os.Stat("/proc/self"); err == nil {
		m.registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	}
	return m
}

// Registry is where all metrics are registered.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Observe counts an event.
func (m *Metrics) Observe(e gateway.Event) {
	m.events.WithLabelValues(m.bounded("event", string(e.Kind))).Inc()
	switch e.Kind {
	case gateway.SessionAuthenticated:
		m.authenticated.WithLabelValues(m.bounded("method", e.Method), "ok").Inc()
	case gateway.AuthFailed:
		m.authenticated.WithLabelValues(m.bounded("method", e.Method), "failed").Add(float64(max(e.Count, 1)))
	case gateway.SessionOpened:
		m.opened.WithLabelValues(m.target(e.Target)).Inc()
		m.setup.Observe(e.Duration.Seconds())
		m.spent(e.Stages)
	case gateway.SessionRefused:
		m.refused.WithLabelValues(m.bounded("reason", e.Reason)).Inc()
		m.spent(e.Stages)
		m.failed(&e)
	case gateway.SessionClosed:
		m.ended.WithLabelValues(m.target(e.Target), m.bounded("reason", e.Reason)).Inc()
		m.lasted.Observe(e.Duration.Seconds())
		if e.Reason == "viewer stalled" {
			m.stalls.Inc()
		}
	case gateway.RecordingFailed:
		m.unrecorded.WithLabelValues(m.bounded("cause", e.Reason)).Inc()
	}
}

func (m *Metrics) spent(stages []gateway.Stage) {
	for _, s := range stages {
		m.stages.WithLabelValues(s.Name).Observe(s.Duration.Seconds())
	}
}

// failed counts a display that did not let us in.
func (m *Metrics) failed(e *gateway.Event) {
	if gone, ok := errors.AsType[*gateway.Unreachable](e.Err); ok {
		m.dialFailures.WithLabelValues(m.target(gone.Target), cause(gone)).Inc()
	}
}

// cause is one of a few words for why a display cannot be reached.
func cause(gone *gateway.Unreachable) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(gone, &dns):
		return "name"
	case errors.Is(gone, syscall.ECONNREFUSED), errors.Is(gone, syscall.ENOENT):
		return "refused"
	case errors.Is(gone, syscall.EHOSTUNREACH), errors.Is(gone, syscall.ENETUNREACH):
		return "unroutable"
	case errors.Is(gone, context.DeadlineExceeded), errors.As(gone, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(gone, gateway.ErrNotArrived):
		return "not_arrived"
	case errors.Is(gone, gateway.ErrNoAgent):
		return "no_agent"
	case errors.Is(gone, io.EOF), errors.Is(gone, io.ErrUnexpectedEOF), errors.Is(gone, syscall.ECONNRESET):
		return "closed"
	}
	return gone.Stage
}

// target is the label of one.
func (m *Metrics) target(name string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.targets == nil {
		m.learn()
	}
	if m.targets[name] {
		return name
	}
	return other
}

// learn asks which targets have labels of their own. Those that had keep them:
// what was counted stays. m.mu is held.
func (m *Metrics) learn() {
	if m.targets == nil {
		m.targets = map[string]bool{}
	}
	if m.cfg.Targets == nil {
		return
	}
	names := m.cfg.Targets()
	slices.Sort(names)
	for _, name := range names {
		if len(m.targets) < maxTargets {
			m.targets[name] = true
		}
	}
}

// bounded keeps the values of a label to a number. There are never that many but
// by a mistake.
func (m *Metrics) bounded(label, value string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	values := m.known[label]
	if values == nil {
		values = map[string]bool{}
		m.known[label] = values
	}
	if values[value] {
		return value
	}
	if len(values) >= maxReasons {
		return other
	}
	values[value] = true
	return value
}
