package main

import (
	"testing"

	"vncgate/gateway"
)

func TestEventsReachAllReceivers(t *testing.T) {
	var e events
	e.tell(gateway.Event{Kind: gateway.Draining}) // nobody is there: nothing happens
	var first, second []gateway.EventKind
	e.to(func(event gateway.Event) { first = append(first, event.Kind) })
	e.tell(gateway.Event{Kind: gateway.SessionOpened})
	e.to(func(event gateway.Event) { second = append(second, event.Kind) })
	e.tell(gateway.Event{Kind: gateway.SessionClosed})
	if len(first) != 2 || first[0] != gateway.SessionOpened || len(second) != 1 || second[0] != gateway.SessionClosed {
		t.Errorf("the first was told %v, the second %v", first, second)
	}
}
