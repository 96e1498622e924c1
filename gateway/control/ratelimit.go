package control

import (
	"cmp"
	"sync"
	"time"

	"vncgate/gateway"
)

// limited are the kinds of events of which strangers, or a display that comes and
// goes, could make as many as they like. Of each, and for each target, one a
// second goes out: the first at once, then the last there was (QEMU's
// monitor_qapi_event_throttle).
var limited = map[gateway.EventKind]bool{
	gateway.AuthFailed: true, gateway.SessionRefused: true, gateway.TargetDown: true, gateway.TargetUp: true,
	gateway.CertExpiring: true, gateway.AuditFailing: true, gateway.GrantChanged: true,
	gateway.AgentConnected: true, gateway.AgentLost: true, gateway.AgentRefused: true,
}

const (
	eventPause = time.Second
	// maxLimited is how many kinds and targets are told apart.
	maxLimited = 1024
)

type limitKey struct {
	kind   gateway.EventKind
	target string
}

// rateLimits holds back what comes too often. The zero value is ready.
type rateLimits struct {
	mu      sync.Mutex
	of      map[limitKey]*holding
	stopped bool
}

// holding is one kind of event in the second after it went out.
type holding struct {
	timer  *time.Timer
	last   *gateway.Event // nil: none came
	missed int            // before last
}

// pass calls out with e now, or with the last of its kind once a second is over.
// missed is how many were left out before it.
func (l *rateLimits) pass(e gateway.Event, out func(e gateway.Event, missed int)) {
	if !limited[e.Kind] {
		out(e, 0)
		return
	}
	key := limitKey{e.Kind, cmp.Or(e.Target, e.Details["agent"])}
	l.mu.Lock()
	if len(l.of) >= maxLimited {
		key.target = ""
	}
	if h := l.of[key]; h != nil {
		if h.last != nil {
			h.missed++
		}
		h.last = &e
		l.mu.Unlock()
		return
	}
	if l.stopped {
		l.mu.Unlock()
		return
	}
	if l.of == nil {
		l.of = map[limitKey]*holding{}
	}
	h := &holding{}
	h.timer = time.AfterFunc(eventPause, func() { l.release(key, out) })
	l.of[key] = h
	l.mu.Unlock()
	out(e, 0)
}

// release lets the last one out, after which the second begins anew.
func (l *rateLimits) release(key limitKey, out func(gateway.Event, int)) {
	l.mu.Lock()
	h := l.of[key]
	if h == nil || h.last == nil || l.stopped {
		delete(l.of, key)
		l.mu.Unlock()
		return
	}
	e, missed := *h.last, h.missed
	h.last, h.missed = nil, 0
	h.timer.Reset(eventPause)
	l.mu.Unlock()
	out(e, missed)
}

func (l *rateLimits) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	for _, h := range l.of {
		h.timer.Stop()
	}
}
