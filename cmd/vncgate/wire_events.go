package main

import (
	"sync"

	"vncgate/gateway"
)

// events hands what happens to all who want to know: audit, metrics, the
// clients of the control socket. Each of them returns at once, and queues what
// takes longer. The zero value tells nobody.
type events struct {
	mu        sync.RWMutex
	receivers []func(gateway.Event)
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
	e.mu.RLock()
	defer e.mu.RUnlock()
	for _, receive := range e.receivers {
		receive(event)
	}
}
