package tunnel

import (
	"context"
	"time"

	"vncgate/layers"
)

// Limits of a Hub. Zero fields stand for the default in parentheses.
type Limits struct {
	Agents      int   // agents at a time (1000)
	Connections int   // tunnels of an agent (4)
	Services    int   // of an agent (100)
	Streams     int   // open at a time in one tunnel (1000, and 1024 at most)
	Memory      int64 // bytes that wait in all tunnels of one agent (64 MiB)

	// Hello is the time in which an agent has to say who it is (10 s).
	Hello time.Duration
	// Probe is the time in which an agent has to show that it is still there when
	// another of its name has come (5 s).
	Probe time.Duration
}

func (l Limits) orDefault() Limits {
	or := func(have *int, otherwise int) {
		if *have <= 0 {
			*have = otherwise
		}
	}
	or(&l.Agents, 1000)
	or(&l.Connections, 4)
	or(&l.Services, 100)
	or(&l.Streams, 1000)
	l.Streams = min(l.Streams, 1024) // what a layers.Mux has room for
	if l.Memory <= 0 {
		l.Memory = 64 << 20
	}
	if l.Hello <= 0 {
		l.Hello = helloPatience
	}
	if l.Probe <= 0 {
		l.Probe = probePatience
	}
	return l
}

// EventKind says what an Event is about.
type EventKind string

// What a Hub tells.
const (
	Connected     EventKind = "connected"      // a tunnel has been taken in
	Lost          EventKind = "lost"           // a tunnel has ended: Reason
	Refused       EventKind = "refused"        // a tunnel has not been taken in: Reason
	Drained       EventKind = "drained"        // an agent has been told to connect anew
	ServiceOpened EventKind = "service_opened" // a stream has been opened: Service, Stream
	ServiceFailed EventKind = "service_failed" // the agent could not open it: Service, Reason
	ServiceClosed EventKind = "service_closed" // a stream has ended: Service, Stream, In, Out
)

// An Event is something that happened to an agent.
type Event struct {
	Kind     EventKind
	Time     time.Time
	Agent    string // its name, or what it calls itself where it was refused
	Means    string // see Peer
	Serial   string
	Issued   time.Time // when the certificate was
	From     string    // its address
	Software string    // and version, its own word
	Services []string  // that it announces: Connected
	Tunnels  int       // that the agent has now: Connected, Lost
	Tunnel   uint64    // the number of the tunnel in this hub
	Service  string
	Stream   uint64 // its number in this hub
	Reason   string
	In, Out  int64 // bytes from and to the display: ServiceClosed
}

// AgentInfo is one agent that is connected.
type AgentInfo struct {
	Name     string       `json:"name"`
	Since    time.Time    `json:"since"` // when its first tunnel came
	Services []string     `json:"services"`
	Memory   int64        `json:"memory"` // bytes that wait in its tunnels
	Tunnels  []TunnelInfo `json:"tunnels"`
}

// TunnelInfo is one connection of an agent.
type TunnelInfo struct {
	ID        uint64        `json:"id"`
	Since     time.Time     `json:"since"`
	From      string        `json:"from"`
	Means     string        `json:"means"`
	Serial    string        `json:"serial,omitempty"`
	Issued    time.Time     `json:"issued,omitzero"` // when the certificate was
	Software  string        `json:"software,omitempty"`
	Layers    string        `json:"layers"`             // as layers.Describe has it
	Draining  bool          `json:"draining,omitempty"` // it takes no new streams
	RoundTrip time.Duration `json:"round_trip"`         // 0: not known yet
	In        int64         `json:"in"`                 // bytes from displays
	Out       int64         `json:"out"`                // bytes to displays
	Streams   []StreamInfo  `json:"streams"`
}

// StreamInfo is one stream in a tunnel.
type StreamInfo struct {
	ID      uint64        `json:"id"`
	Service string        `json:"service"`
	Since   time.Time     `json:"since"`
	In      int64         `json:"in"`     // bytes from the display
	Out     int64         `json:"out"`    // bytes to the display
	Window  int           `json:"window"` // credit it may have, in bytes
	Waited  time.Duration `json:"waited"` // for credit, in all
}

// Totals are figures since a Hub's beginning, which never fall.
type Totals struct {
	Tunnels uint64        // that have been taken in
	Streams uint64        // that have been opened
	In, Out int64         // bytes from and to displays
	Waited  time.Duration // for credit, of all streams
}

// Renewer gives agents new certificates; see Hub.Renew.
type Renewer = func(ctx context.Context, p Peer, csr []byte) (chain []byte, err error)

// figures of one stream, whatever the multiplexer calls them.
func figures(s *layers.MuxStream) (in, out int64, window int, waited time.Duration) {
	st := s.Stats()
	return st.In, st.Out, st.Window, st.Waited
}
