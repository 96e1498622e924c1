package main

import (
	"maps"
	"sync"
	"time"

	"vncgate/gateway"
)

// events hands what happens to all who want to know: audit, metrics, the
// clients of the control socket. Each of them returns at once, and queues what
// takes longer. The zero value tells nobody.
type events struct {
	mu        sync.RWMutex
	receivers []func(gateway.Event)
	hidden    map[string]time.Time // addresses of our own that come in to see how it goes, and when they did
}

// hiddenFor is how long an end of ours may take to be told.
const hiddenFor = time.Minute

// hide keeps the end of a viewer at that address to ourselves: nobody wants to
// read every few seconds that somebody knocked. The address is one of our own
// sockets, so that nobody else has it meanwhile.
func (e *events) hide(address string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(e.hidden, func(_ string, since time.Time) bool { return now.Sub(since) > hiddenFor })
	if e.hidden == nil {
		e.hidden = map[string]time.Time{}
	}
	e.hidden[address] = now
}

// ours reports whether a viewer at that address is one of these.
func (e *events) ours(address string) bool {
	e.mu.RLock()
	defer e.mu.RUnlock()
	since, hidden := e.hidden[address]
	return hidden && time.Since(since) < hiddenFor
}

// hides reports, once, whether it is the end of one of these.
func (e *events) hides(event *gateway.Event) bool {
	if event.Kind != gateway.SessionRefused {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	since, hidden := e.hidden[event.From]
	delete(e.hidden, event.From)
	return hidden && time.Since(since) < hiddenFor
}

// to adds a receiver. It is told of what happens from now on, by many
// goroutines at once.
func (e *events) to(receiver func(gateway.Event)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.receivers = append(e.receivers, receiver)
}

// tell is the gateway's Observe.
func (e *events) tell(event gateway.Event) {
	if e.hides(&event) {
		return
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, receive := range e.receivers {
		receive(event)
	}
}
