package main

import (
	"errors"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

// controlClasses are those of the configuration that is in force, and the default
// beside them; none if there are none in it.
func (w *wiring) controlClasses() []control.Class {
	if len(w.now().cfg.Classes) == 0 {
		return nil
	}
	var list []control.Class
	for _, c := range w.gate.Classes() {
		list = append(list, control.Class{
			Name: c.Name, Sessions: c.Open, Max: c.Sessions, Handshakes: c.Shaking, Resting: c.Resting, Buffers: c.Lent,
		})
	}
	return list
}

// controlSetClass moves one session.
func (w *wiring) controlSetClass(session, class string) error {
	if len(w.now().cfg.Classes) == 0 {
		return control.Wrong("there are no classes: classes: in the configuration makes some")
	}
	n, err := w.gate.SetClass(func(s gateway.SessionInfo) bool { return s.ID == session }, class)
	switch {
	case errors.Is(err, gateway.ErrNoClass):
		return control.NotFound("no class %q; query-stats lists those there are", class)
	case err == nil && n == 0:
		return control.NotFound("no session %q: it has ended, or its viewer has not proved who it is yet; query-sessions lists those there are", session)
	}
	return err
}
