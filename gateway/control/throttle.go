package control

import "vncgate/gateway"

// Throttle holds events back that strangers, or a display that comes and goes,
// could make as many of as they like, for faces beside the control socket: one of
// a kind and a target goes out each second. The zero value is ready.
type Throttle struct{ limits rateLimits }

// Pass calls out with e now, or with the last of its kind once a second is over.
// missed is how many were left out before it. It never waits; out must not either.
func (t *Throttle) Pass(e gateway.Event, out func(e gateway.Event, missed int)) {
	t.limits.pass(e, out)
}

// Stop lets nothing out any more that is held back.
func (t *Throttle) Stop() { t.limits.stop() }
