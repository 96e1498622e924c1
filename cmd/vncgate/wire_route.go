package main

import (
	"context"
	"net"

	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
	"vncgate/web"
)

// How native viewers, which have no URL, name their display: by the server
// name of TLS, by the prologue of a repeater, and beside the user's name.

// userMark stands between a user and a target.
const userMark = "%"

// route sets how viewers name their targets at this listener.
func (e *entry) route(front *gateway.Front) error {
	r := e.l.Route
	if r == nil {
		return nil
	}
	front.UserTarget = r.User
	front.Choose = e.choose
	if len(r.SNI) > 0 {
		front.Rechoose = func(secured rfb.Secured) string { return e.serverName(secured.Conn) }
	}
	return nil
}

// userOf takes a user name as it was given apart, where it may name a target.
func (e *entry) userOf(given string) (user, target string) {
	if e.l.Route == nil || !e.l.Route.User || e.kind != natives {
		return given, ""
	}
	return gateway.SplitUser(given)
}

// choose finds the target that a viewer names before RFB begins.
func (e *entry) choose(ctx context.Context, c net.Conn) (string, error) {
	if e.l.Route.Repeater {
		return e.repeater(ctx, c)
	}
	return e.serverName(c), nil
}

// serverName is the target that the TLS below c was asked for, "" for none.
func (e *entry) serverName(c net.Conn) string {
	if e.l.Route == nil || e.kind != natives {
		return ""
	}
	state, ok := layers.TLSState(c)
	if !ok {
		return ""
	}
	return web.TargetOfHost(e.l.Route.SNI, state.ServerName)
}

// repeater plays UltraVNC's to the viewer. What it asks for is looked up later,
// once it has proved who it is.
func (e *entry) repeater(ctx context.Context, c net.Conn) (string, error) {
	wanted, err := rfb.RepeaterServer(ctx, c)
	switch {
	case err != nil:
		return "", err
	case wanted.ID != "":
		return e.w.now().cfg.targetOfID(wanted.ID), nil
	}
	return wanted.String(), nil
}
