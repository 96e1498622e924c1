package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"

	"vncgate/layers"
	"vncgate/rfb"
)

// Target is a display and how to reach it.
type Target struct {
	Name string
	// Dial reaches the display; the connection is the target's to own.
	Dial func(ctx context.Context) (net.Conn, error)
	// Layers are stacked on the dialled connection, bottom first.
	Layers []layers.Layer
	// Security lists how we may prove ourselves to the display, best first.
	// It is asked for each connection anew, so that secrets are read then.
	Security func() []rfb.Security
}

// Unreachable is the error of a display that could not be dialled or that
// would not let us in. Stage says how far it came: "dial", "layers",
// "handshake".
type Unreachable struct {
	Target string
	Stage  string
	Err    error
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("gateway: display %s: %s: %v", u.Target, u.Stage, u.Err)
}

func (u *Unreachable) Unwrap() error { return u.Err }

// reason is for the log: a display that is there and does not want us is for
// the administrator to mend, not for its machine to come back.
func (u *Unreachable) reason() string {
	var refused *rfb.DisplayError
	var none *rfb.NoCommonSecurityError
	if errors.As(u.Err, &refused) || errors.As(u.Err, &none) {
		return "display refused us"
	}
	return "display unreachable"
}

// words are what a viewer is told: where it went wrong, nothing of how.
func (u *Unreachable) words() string {
	switch {
	case errors.Is(u.Err, context.DeadlineExceeded), errors.Is(u.Err, errHandshakeTimeout):
		return "The display did not answer in time."
	case u.Stage == "dial":
		return "The display cannot be reached."
	case u.Stage == "layers":
		return "No secure connection to the display could be made."
	}
	return "The display did not let the gateway in."
}

// connect dials the display and takes the handshake up to its SecurityResult.
//
// A display that offers VeNCrypt says only after that choice which subtypes it
// has. TigerVNC's own default has none that Go can speak beside plain VNC
// authentication, so when none fits, it is tried once more without VeNCrypt,
// where the target's list has something else.
func (t *Target) connect(ctx context.Context) (*rfb.Conn, error) {
	display, err := t.attempt(ctx, t.Security())
	var none *rfb.NoCommonSecurityError
	if !errors.As(err, &none) || !none.InVeNCrypt() {
		return display, err
	}
	rest := slices.DeleteFunc(slices.Clone(t.Security()), func(s rfb.Security) bool { return s.Type() == rfb.TypeVeNCrypt })
	if len(rest) == 0 {
		return nil, err
	}
	display, again := t.attempt(ctx, rest)
	if errors.As(again, &none) {
		return nil, err // the first error says why the display's VeNCrypt would not do
	}
	return display, again
}

func (t *Target) attempt(ctx context.Context, security []rfb.Security) (*rfb.Conn, error) {
	c, err := t.Dial(ctx)
	if err != nil {
		return nil, t.unreachable(ctx, "dial", err)
	}
	stacked, err := layers.Stack(ctx, c, t.Layers...)
	if err != nil {
		_ = c.Close()
		return nil, t.unreachable(ctx, "layers", err)
	}
	display, err := rfb.Client(ctx, stacked, &rfb.ClientConfig{Security: security})
	if err != nil {
		_ = stacked.Close()
		return nil, t.unreachable(ctx, "handshake", err)
	}
	return display, nil
}

// unreachable makes the time limit visible as the cause, whatever I/O error
// it showed as.
func (t *Target) unreachable(ctx context.Context, stage string, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return &Unreachable{Target: t.Name, Stage: stage, Err: err}
}
