package main

import (
	"context"
	"os"
	"time"

	"vncgate/gateway/traces"
)

// lastTraces is how long the end of the program waits for a collector.
const lastTraces = 3 * time.Second

// openTracing begins to tell how long the setting up of sessions takes, where that
// is wanted.
func (w *wiring) openTracing() error {
	cfg := w.cfg.Tracing
	if cfg == nil {
		return nil
	}
	tlsConfig, err := cfg.TLS.config()
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // without a name the instance is left out
	w.traces, err = traces.Open(traces.Config{
		Endpoint: string(cfg.Endpoint), Headers: cfg.header, TLS: tlsConfig, Version: versionText(), Instance: host, Failing: w.tracingFailing,
	})
	if err != nil {
		return err
	}
	w.events.to(w.traces.Observe)
	return nil
}

// tracingFailing is told when traces can no longer be sent, and with nil when they
// can again.
func (w *wiring) tracingFailing(err error) {
	if err == nil {
		w.log.Info("tracing: the collector takes traces again", "lost", w.traces.Lost())
		return
	}
	w.log.Warn("tracing: the collector does not take traces; sessions go on without. See that it runs and takes OTLP over HTTP", "endpoint", w.cfg.Tracing.Endpoint.shown(), "error", err)
}

// closeTracing has the last traces sent.
func (w *wiring) closeTracing() {
	if w.traces == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
	defer cancel()
	w.traces.Close(ctx)
}
