package main

import (
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// Which kind of token was wrong, where methods of proof are named.
const (
	deniedTicket = "ticket"
	deniedAPI    = "api-token"
	deniedAdmin  = "admin-token"
)

// denials tells of wrong tokens, which belong to no session. Whoever guesses makes
// very many: of each kind the first is told at once, and then one a second, with
// the number of those it stands for. The zero value is ready.
type denials struct {
	ticket, api, admin control.Throttle
}

// tell tells of one.
func (d *denials) tell(w *wiring, kind, listener, from string) {
	throttle := &d.ticket
	switch kind {
	case deniedAPI:
		throttle = &d.api
	case deniedAdmin:
		throttle = &d.admin
	}
	e := gateway.Event{Kind: gateway.AuthFailed, Time: time.Now(), Method: kind, Reason: "wrong token", Listener: listener, From: from}
	throttle.Pass(e, func(e gateway.Event, missed int) {
		if missed > 0 {
			e.Count = missed + 1
		}
		w.gate.Emit(e)
	})
}

// stop tells nothing any more.
func (d *denials) stop() {
	d.ticket.Stop()
	d.api.Stop()
	d.admin.Stop()
}
