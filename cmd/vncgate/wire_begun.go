package main

import (
	"net"
	"net/http"
	"sync"
)

// begun are the connections of an http.Server that have an answer to get: those
// with a request under way, and those that have not sent their first one yet.
// Shutdown would close both kinds of new ones without an answer. The zero value is
// ready.
type begun struct {
	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

// note is http.Server's ConnState.
func (b *begun) note(c net.Conn, state http.ConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch state {
	case http.StateNew, http.StateActive:
		if b.conns == nil {
			b.conns = map[net.Conn]struct{}{}
		}
		b.conns[c] = struct{}{}
	default:
		delete(b.conns, c)
	}
}

func (b *begun) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}
