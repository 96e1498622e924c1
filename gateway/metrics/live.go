package metrics

import (
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vncgate/gateway"
	"vncgate/rfb"
)

// live collects what is to be looked at when somebody asks.
type live struct{ m *Metrics }

// Descriptions of what live collects.
var (
	sessionsDesc   = prometheus.NewDesc("vncgate_sessions", "Sessions, by display, class and state: waiting for the display, open or paused.", []string{"target", "class", "state"}, nil)
	handshakesDesc = prometheus.NewDesc("vncgate_handshakes", "Viewers that do not see a display yet: they log in, or wait for it.", nil, nil)
	bytesDesc      = prometheus.NewDesc("vncgate_payload_bytes_total", "Payload that was moved: up from viewers, down to them.", []string{"direction"}, nil)
	messagesDesc   = prometheus.NewDesc("vncgate_messages_total", "Messages of viewers that were let through, by type.", []string{"type"}, nil)
	filteredDesc   = prometheus.NewDesc("vncgate_messages_filtered_total", "Messages of viewers that were withheld, by the right that they need.", []string{"right"}, nil)
	messagesDown   = prometheus.NewDesc("vncgate_display_messages_total", "Messages of displays that were let through, by type, where the display's side is filtered.", []string{"type"}, nil)
	filteredDown   = prometheus.NewDesc("vncgate_display_messages_filtered_total", "Messages of displays that were withheld, by the right that their viewers would need.", []string{"right"}, nil)
	turnedDesc     = prometheus.NewDesc("vncgate_viewers_turned_away_total", "Viewers that found no place, by reason; they are no sessions.", []string{"reason"}, nil)
	downDesc       = prometheus.NewDesc("vncgate_displays_down", "Displays that did not let the gateway in when they were last tried.", []string{"target"}, nil)
	certDesc       = prometheus.NewDesc("vncgate_certificate_expiry_timestamp_seconds", "When a certificate of the gateway's ends.", []string{"certificate"}, nil)
	readyDesc      = prometheus.NewDesc("vncgate_ready", "Whether a viewer would be let in.", nil, nil)
	buildDesc      = prometheus.NewDesc("vncgate_build_info", "The program: always 1.", []string{"version", "goversion"}, nil)
)

// Extra are the gauges that Config.Gauges may fill, with their help.
var Extra = map[string]string{
	"vncgate_control_clients":  "Connections to the control socket.",
	"vncgate_control_commands": "Commands in band of the control socket that run or wait; one client may have eight.",
	"vncgate_traces_lost":      "Traces of sessions' setting up that could not be sent.",
	"vncgate_audit_queue_size": "Events that wait to be written to the audit log.",
	"vncgate_audit_lost":       "Events that could not be written, and of which the audit log does not tell yet.",
	"vncgate_audit_failing":    "Whether the audit log cannot be written to.",
	"vncgate_arrivals_waiting": "Displays that have dialled in and wait for a viewer.",

	"vncgate_recordings_open":            "Sessions that are being recorded.",
	"vncgate_recordings_bytes":           "Bytes of all recordings in their folders.",
	"vncgate_recordings_queue_bytes":     "Bytes that wait to be written to recordings.",
	"vncgate_recordings_failing":         "Whether the last recording failed.",
	"vncgate_recordings_uploads_waiting": "Recordings that have ended and are not in their bucket yet.",
}

// Describe is prometheus.Collector's.
func (l *live) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		sessionsDesc, handshakesDesc, bytesDesc, messagesDesc, filteredDesc, messagesDown, filteredDown, turnedDesc, downDesc, certDesc, readyDesc, buildDesc,
	} {
		out <- d
	}
	for _, d := range agentDescs {
		out <- d
	}
}

// Collect is prometheus.Collector's.
func (l *live) Collect(out chan<- prometheus.Metric) {
	m, g := l.m, l.m.cfg.Gateway
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	m.mu.Lock()
	m.learn()
	m.mu.Unlock()
	list := g.List()
	l.sessions(list, gauge)
	l.roundTrips(list)
	l.totals(out, g.Totals())
	l.turnedAway(out, g.TurnedAway())
	gauge(handshakesDesc, float64(g.Handshakes()))
	gauge(readyDesc, truth(g.Ready() == nil))
	gauge(buildDesc, 1, m.cfg.Version, runtime.Version())
	down := map[string]float64{}
	for _, d := range g.Down() {
		down[m.target(d.Target)]++
	}
	for target, n := range down {
		gauge(downDesc, n, target)
	}
	if m.cfg.Certificates != nil {
		for name, end := range m.cfg.Certificates() {
			gauge(certDesc, float64(end.Unix()), name)
		}
	}
	l.agents(out)
	l.extra(gauge)
}

// sessions counts those there are.
func (l *live) sessions(list []gateway.SessionInfo, gauge func(*prometheus.Desc, float64, ...string)) {
	type key struct{ target, class, state string }
	count := map[key]int{}
	for i := range list {
		s := &list[i]
		k := key{l.m.target(s.Target), l.m.bounded("class", s.Class), "waiting"}
		switch {
		case s.Paused:
			k.state = "paused"
		case s.Open:
			k.state = "open"
		}
		count[k]++
	}
	for k, n := range count {
		gauge(sessionsDesc, float64(n), k.target, k.class, k.state)
	}
}

// trips are the round trips of a session that were seen last.
type trips struct{ viewer, display time.Duration }

// roundTrips observes those that are new since the last scrape.
func (l *live) roundTrips(list []gateway.SessionInfo) {
	m := l.m
	m.mu.Lock()
	defer m.mu.Unlock()
	now := make(map[string]trips, len(list))
	for i := range list {
		s := &list[i]
		seen := trips{s.RTT, s.DisplayRTT}
		if seen == (trips{}) {
			continue
		}
		now[s.ID] = seen
		before := m.trips[s.ID]
		if seen.viewer > 0 && seen.viewer != before.viewer {
			m.rtt.Observe(seen.viewer.Seconds())
		}
		if seen.display > 0 && seen.display != before.display {
			m.displayRTT.Observe(seen.display.Seconds())
		}
	}
	m.trips = now
}

func (l *live) totals(out chan<- prometheus.Metric, t gateway.Totals) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	counter(bytesDesc, float64(t.BytesUp), "up")
	counter(bytesDesc, float64(t.BytesDown), "down")
	filtered, filteredOfDisplays := map[string]uint64{}, map[string]uint64{}
	for k := range rfb.MessageKinds {
		counter(messagesDesc, float64(t.Messages.Passed[k]), k.String())
		filtered[k.Right()] += t.Messages.Dropped[k]
	}
	for k := range rfb.DisplayKinds {
		counter(messagesDown, float64(t.Display.Passed[k]), k.String())
		filteredOfDisplays[k.Right()] += t.Display.Dropped[k]
	}
	for right, n := range filtered {
		counter(filteredDesc, float64(n), right)
	}
	for right, n := range filteredOfDisplays {
		counter(filteredDown, float64(n), right)
	}
}

// turnedAway counts those that came to no session.
func (l *live) turnedAway(out chan<- prometheus.Metric, t gateway.TurnedAway) {
	counts := map[string]uint64{"full": t.Full, "memory": t.Memory, "draining": t.Draining}
	if l.m.cfg.TooFast != nil {
		counts["accept_rate"] = l.m.cfg.TooFast()
	}
	for reason, n := range counts {
		out <- prometheus.MustNewConstMetric(turnedDesc, prometheus.CounterValue, float64(n), reason)
	}
}

// extra tells of what the program knows beyond the gateway.
func (l *live) extra(gauge func(*prometheus.Desc, float64, ...string)) {
	if l.m.cfg.Gauges == nil {
		return
	}
	for name, v := range l.m.cfg.Gauges() {
		if help, ok := Extra[name]; ok {
			gauge(prometheus.NewDesc(name, help, nil, nil), v)
		}
	}
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// Names are those of all metrics that are the gateway's own, for what is written
// about them: dashboards, alerts.
func Names() []string {
	names := []string{
		"vncgate_sessions", "vncgate_handshakes", "vncgate_payload_bytes_total", "vncgate_messages_total", "vncgate_messages_filtered_total", "vncgate_display_messages_total",
		"vncgate_display_messages_filtered_total", "vncgate_viewers_turned_away_total", "vncgate_displays_down", "vncgate_certificate_expiry_timestamp_seconds", "vncgate_ready", "vncgate_build_info",
		"vncgate_sessions_opened_total", "vncgate_sessions_ended_total", "vncgate_sessions_refused_total", "vncgate_authentications_total",
		"vncgate_display_failures_total", "vncgate_events_total", "vncgate_viewer_stalls_total", "vncgate_recording_failures_total", "vncgate_setup_stage_duration_seconds",
		"vncgate_setup_duration_seconds", "vncgate_session_duration_seconds", "vncgate_viewer_round_trip_seconds", "vncgate_display_round_trip_seconds",
		"vncgate_agents", "vncgate_agent_tunnels", "vncgate_agent_streams", "vncgate_agent_window_bytes", "vncgate_agent_window_limit_bytes", "vncgate_agent_tunnels_opened_total",
		"vncgate_agent_bytes_total", "vncgate_agent_credit_wait_seconds_total", "vncgate_agent_round_trip_seconds",
	}
	for name := range Extra {
		names = append(names, name)
	}
	return names
}
