package tunnel

import (
	"sync"
	"time"
)

// probePatience is how long an agent may take to show that it is there, when
// another of its name has come.
const probePatience = 5 * time.Second

// prober has at most one question under way.
type prober struct {
	mu     sync.Mutex
	asked  number
	answer chan struct{} // closed by the answer to asked; nil: nothing is asked
}

// alive asks the agent whether it is still there. A tunnel that does not answer
// is ended: its cable has been pulled, and nobody has noticed yet.
func (t *hubTunnel) alive() bool {
	p := &t.probes
	p.mu.Lock()
	if p.answer == nil {
		p.asked++
		p.answer = make(chan struct{})
		asked := p.asked
		t.say(message{Ping: &asked})
	}
	answer := p.answer
	p.mu.Unlock()
	patience := time.NewTimer(t.hub.Limits.orDefault().Probe)
	defer patience.Stop()
	select {
	case <-answer:
		return true
	case <-t.mux.Done():
	case <-patience.C:
		t.end("it has not answered since its agent has connected from elsewhere")
	}
	return false
}

// answered takes the answer to a ping.
func (t *hubTunnel) answered(n number) {
	p := &t.probes
	p.mu.Lock()
	if p.answer != nil && n == p.asked {
		close(p.answer)
		p.answer = nil
	}
	p.mu.Unlock()
	t.hub.mu.Lock()
	t.suspect = false
	t.hub.mu.Unlock()
}
