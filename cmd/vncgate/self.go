package main

import (
	"context"
	"fmt"
	"net"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/rfb"
)

// A session of the gateway with itself: both of its ends are here, a display that
// is but its handshake and a viewer that leaves after ServerInit. It goes the way
// of every session, past slots, policy and limits, and says whether that is open.

const (
	// selfName is the listener and the target of such a session, and
	// selfMethod by what its viewer has proved itself. Nothing of a configuration
	// can be called so.
	selfName   = "(self)"
	selfMethod = "(self)"
)

// selfSession fails if no session can be had. That nobody is let in for good
// reason is no fault: when the house is full, short of memory or drains, or when
// the audit wants it so. Who is in already must not be ended for that.
func (w *wiring) selfSession(ctx context.Context) error {
	ours, theirs := net.Pipe()
	defer ours.Close()
	front := gateway.Front{
		Name: selfName, Target: selfName, Find: selfTarget, Quiet: true,
		Identities: []auth.Identity{{Method: selfMethod}},
		Security:   func(net.Conn, string) []rfb.Security { return []rfb.Security{rfb.None{}} },
	}
	if w.gate.Ready() != nil {
		return nil
	}
	session, err := w.gate.Admit(front)
	if err != nil {
		return w.unlessClosed(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- session.Serve(ctx, theirs) }()
	err = lookAtSelf(ctx, ours)
	_ = ours.Close()
	select {
	case <-ended:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return w.unlessClosed(err)
}

// unlessClosed is nil where there is a reason by now to let nobody in.
func (w *wiring) unlessClosed(err error) error {
	if err != nil && w.gate.Ready() != nil {
		return nil
	}
	return err
}

// lookAtSelf takes the viewer's side as far as the display's name.
func lookAtSelf(ctx context.Context, c net.Conn) error {
	viewer, err := rfb.Client(ctx, c, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if err == nil {
		err = viewer.WriteClientInit(ctx, true)
	}
	if err != nil {
		return err
	}
	init, err := viewer.ReadServerInit(ctx)
	if err == nil && init.Name != selfName {
		err = fmt.Errorf("self: the display is %q", init.Name)
	}
	return err
}

// selfTarget is the display.
func selfTarget(context.Context, string) (*gateway.Target, error) {
	return &gateway.Target{
		Name:     selfName,
		Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
		Dial: func(ctx context.Context) (net.Conn, error) {
			ours, theirs := net.Pipe()
			go serveSelf(context.WithoutCancel(ctx), theirs)
			return ours, nil
		},
	}, nil
}

// serveSelf plays the display until its viewer leaves.
func serveSelf(ctx context.Context, c net.Conn) {
	defer c.Close()
	display, err := rfb.Server(ctx, c, &rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}})
	if err == nil {
		_, err = display.ReadClientInit(ctx)
	}
	if err == nil {
		err = display.WriteServerInit(ctx, rfb.ServerInit{Width: 1, Height: 1, Format: rfb.Format32(), Name: selfName})
	}
	if err == nil {
		_, _ = display.Read(make([]byte, 64))
	}
}

// isSelf reports whether a session is one with ourselves.
func isSelf(req auth.Request) bool {
	return req.Target == selfName && len(req.Identities) > 0 && req.Identities[0].Method == selfMethod
}
