package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Agents are the figures of those that have dialled in, and of their tunnels.
type Agents struct {
	// Connected are agents, Tunnels their connections, Streams the sessions in them.
	Connected, Tunnels, Streams int
	// Memory is what may wait in all tunnels for viewers, of Limit, in bytes.
	Memory, Limit int64
	// Came counts tunnels since the beginning, In and Out the bytes from displays and
	// to them, Waited how long streams have waited for credit. They never fall.
	Came    uint64
	In, Out int64
	Waited  time.Duration
	// RoundTrips are the answers to the last pings, by tunnel.
	RoundTrips map[uint64]time.Duration
}

var (
	agentsDesc       = prometheus.NewDesc("vncgate_agents", "Agents that are connected.", nil, nil)
	tunnelsDesc      = prometheus.NewDesc("vncgate_agent_tunnels", "Connections of agents.", nil, nil)
	streamsDesc      = prometheus.NewDesc("vncgate_agent_streams", "Streams in the tunnels of agents, one for each session through them.", nil, nil)
	windowDesc       = prometheus.NewDesc("vncgate_agent_window_bytes", "Bytes that displays behind agents may send before their viewers take any.", nil, nil)
	windowLimitDesc  = prometheus.NewDesc("vncgate_agent_window_limit_bytes", "What these may come to.", nil, nil)
	tunnelsCameDesc  = prometheus.NewDesc("vncgate_agent_tunnels_opened_total", "Tunnels that have come: more than there are agents are reconnects.", nil, nil)
	agentBytesDesc   = prometheus.NewDesc("vncgate_agent_bytes_total", "Payload of streams: in from displays, out to them.", []string{"direction"}, nil)
	creditWaitedDesc = prometheus.NewDesc("vncgate_agent_credit_wait_seconds_total", "How long what goes to displays has waited until agents took more.", nil, nil)
)

var agentDescs = []*prometheus.Desc{
	agentsDesc, tunnelsDesc, streamsDesc, windowDesc, windowLimitDesc, tunnelsCameDesc, agentBytesDesc, creditWaitedDesc,
}

// agents tells of them where there can be any.
func (l *live) agents(out chan<- prometheus.Metric) {
	if l.m.cfg.Agents == nil {
		return
	}
	a := l.m.cfg.Agents()
	tell := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	tell(agentsDesc, prometheus.GaugeValue, float64(a.Connected))
	tell(tunnelsDesc, prometheus.GaugeValue, float64(a.Tunnels))
	tell(streamsDesc, prometheus.GaugeValue, float64(a.Streams))
	tell(windowDesc, prometheus.GaugeValue, float64(a.Memory))
	tell(windowLimitDesc, prometheus.GaugeValue, float64(a.Limit))
	tell(tunnelsCameDesc, prometheus.CounterValue, float64(a.Came))
	tell(agentBytesDesc, prometheus.CounterValue, float64(a.In), "in")
	tell(agentBytesDesc, prometheus.CounterValue, float64(a.Out), "out")
	tell(creditWaitedDesc, prometheus.CounterValue, a.Waited.Seconds())
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	for tunnel, trip := range a.RoundTrips {
		if trip > 0 && trip != l.m.agentTrips[tunnel] {
			l.m.agentRTT.Observe(trip.Seconds())
		}
	}
	l.m.agentTrips = a.RoundTrips
}
