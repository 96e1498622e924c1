package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"vncgate/gateway/metrics"
)

// serveMetrics has /metrics answered at the admin listener. Without one nobody
// could ask, and nothing is counted.
func (w *wiring) serveMetrics() {
	if w.admin == nil {
		return
	}
	cfg := metrics.Config{
		Gateway: w.gate, Version: versionText(), Targets: func() []string { return keys(w.now().cfg.Targets) },
		Certificates: w.ownCertificates, Gauges: w.gauges, TooFast: w.ration.Refused,
	}
	if w.agents != nil {
		cfg.Agents = w.agents.figures
	}
	m := metrics.New(cfg)
	w.events.to(m.Observe)
	pages := promhttp.HandlerFor(m.Registry(), promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 20 * time.Second, ErrorLog: metricsLog{w}})
	w.admin.mux.Handle("GET /metrics", w.admin.gate.open(openMetrics, pages))
}

// metricsLog is promhttp's.
type metricsLog struct{ w *wiring }

// Println logs what could not be gathered.
func (l metricsLog) Println(v ...any) { l.w.log.Error("metrics: cannot be gathered", "error", v) }

// ownCertificates are the ends of our own certificates, by their files.
func (w *wiring) ownCertificates() map[string]time.Time {
	list := map[string]time.Time{}
	for _, pair := range w.pairs {
		if leaf := pair.Leaf(); leaf != nil {
			file, _ := pair.Files()
			list[file] = leaf.NotAfter
		}
	}
	return list
}

// gauges are metrics.Extra.
func (w *wiring) gauges() map[string]float64 {
	list := map[string]float64{}
	if w.controls != nil && w.controls.server != nil {
		list["vncgate_control_clients"] = float64(w.controls.server.Clients())
		list["vncgate_control_commands"] = float64(w.controls.server.Commands())
	}
	if w.arrivals != nil {
		list["vncgate_arrivals_waiting"] = float64(w.arrivals.Waiting())
	}
	if w.traces != nil {
		list["vncgate_traces_lost"] = float64(w.traces.Lost())
	}
	w.recordingFigures(list)
	w.cluster.gauges(list)
	if w.audit != nil {
		list["vncgate_audit_queue_size"] = float64(w.audit.Queued())
		list["vncgate_audit_lost"] = float64(w.audit.Lost())
		list["vncgate_audit_failing"] = 0
		if w.audit.Err() != nil {
			list["vncgate_audit_failing"] = 1
		}
	}
	return list
}
