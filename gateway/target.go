package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"vncgate/layers"
	"vncgate/rfb"
)

// Target is a display and how to reach it.
type Target struct {
	Name string
	// Dial reaches the display; the connection is the target's to own.
	Dial func(ctx context.Context) (net.Conn, error)
	// Class is the class that sessions with it run in, unless their grant names
	// another; "" leaves that to the front.
	Class string
	// Layers are stacked on the dialled connection, bottom first.
	Layers []layers.Layer
	// Security lists how we may prove ourselves to the display, best first.
	// It is asked for each connection anew, so that secrets are read then.
	Security func() []rfb.Security
	// SendProxy is the version, 1 or 2, of the PROXY header that tells the
	// display the viewer's address, below Layers; 0 sends none.
	SendProxy int
	// Fallbacks are tried in order when this one lets us not in, for whatever
	// reason. Fallbacks of theirs are not.
	Fallbacks []*Target
	// Retry is how long to go on trying, with viewers waiting, while none of
	// them is up. The handshake's time limit grows by as much.
	Retry time.Duration
	// Agent is the name of the agent through whose tunnel Dial reaches the
	// display; "" where none does. It is told of, and no more.
	Agent string
	// Launcher starts the display when it is wanted and stops it when it no
	// longer is; nil expects it to run. It is tried for half a minute after a
	// start where Retry is 0.
	Launcher *Launcher
	// Opened is told of a session that has this target's display, right before
	// its viewer hears of that. Nil: nobody.
	Opened func(SessionInfo)
}

// ErrNoAgent is the error of a display whose agent is not connected. A Dial of a
// target with Retry waits a moment for it first.
var ErrNoAgent = errors.New("gateway: the display's agent is not connected")

// Unreachable is the error of a display that could not be dialled or that
// would not let us in. Stage says how far it came: "start", "dial", "layers",
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

// refused says that the display is there and does not want us.
func (u *Unreachable) refused() bool {
	var refused *rfb.DisplayError
	var none *rfb.NoCommonSecurityError
	return errors.As(u.Err, &refused) || errors.As(u.Err, &none)
}

// reason is for the log: a display that is there and does not want us is for
// the administrator to mend, not for its machine to come back.
func (u *Unreachable) reason() string {
	var other *rfb.NotRFBError
	switch {
	case u.refused():
		return "display refused us"
	case errors.As(u.Err, &other):
		return "not a VNC server"
	case u.Stage == "start":
		return "display not started"
	case errors.Is(u.Err, ErrNoAgent):
		return "agent not connected"
	}
	return "display unreachable"
}

// words are what a viewer is told: where it went wrong, nothing of how.
func (u *Unreachable) words() string {
	var other *rfb.NotRFBError
	switch {
	case u.Stage == "start":
		return "The display could not be started."
	case errors.As(u.Err, &other):
		return "What answered there is not a VNC server."
	case errors.Is(u.Err, ErrNotArrived):
		return "The display has not connected to the gateway yet."
	case errors.Is(u.Err, ErrNoAgent):
		return wordsNoAgent
	case errors.Is(u.Err, context.DeadlineExceeded), errors.Is(u.Err, errHandshakeTimeout), errors.Is(u.Err, rfb.ErrNoGreeting):
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
//
// viewer is whom it is for; greet bounds the wait for the display's first word;
// spent is told how far it is.
func (t *Target) connect(ctx context.Context, viewer net.Conn, greet time.Duration, spent *stages) (*rfb.Conn, error) {
	display, err := t.attempt(ctx, viewer, greet, spent, t.Security())
	var none *rfb.NoCommonSecurityError
	if !errors.As(err, &none) || !none.InVeNCrypt() {
		return display, err
	}
	rest := slices.DeleteFunc(slices.Clone(t.Security()), func(s rfb.Security) bool { return s.Type() == rfb.TypeVeNCrypt })
	if len(rest) == 0 {
		return nil, err
	}
	display, again := t.attempt(ctx, viewer, greet, spent, rest)
	if errors.As(again, &none) {
		return nil, err // the first error says why the display's VeNCrypt would not do
	}
	return display, again
}

func (t *Target) attempt(ctx context.Context, viewer net.Conn, greet time.Duration, spent *stages, security []rfb.Security) (*rfb.Conn, error) {
	spent.enter(stageDial)
	c, err := t.Dial(ctx)
	if err != nil {
		return nil, t.unreachable(ctx, "dial", err)
	}
	in := false
	defer func() {
		if !in { // after a panic, too
			_ = c.Close()
		}
	}()
	spent.enter(stageDisplay)
	stack := t.Layers
	if t.SendProxy != 0 {
		header := layers.ProxyClient(t.SendProxy, viewer.RemoteAddr(), viewer.LocalAddr())
		stack = append([]layers.Layer{header}, stack...)
	}
	stacked, err := layers.Stack(ctx, c, stack...)
	if err != nil {
		return nil, t.unreachable(ctx, "layers", err)
	}
	display, err := rfb.Client(ctx, stacked, &rfb.ClientConfig{Security: security, GreetTimeout: greet})
	if err != nil {
		_ = stacked.Close()
		return nil, t.unreachable(ctx, "handshake", err)
	}
	in = true
	return display, nil
}

// unreachable makes the time limit visible as the cause, whatever I/O error
// it showed as.
func (t *Target) unreachable(ctx context.Context, stage string, err error) error {
	var other *rfb.NotRFBError
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, ErrNotArrived) && !errors.Is(err, ErrNoAgent) && !errors.As(err, &other) {
		err = cause
	}
	return &Unreachable{Target: t.Name, Stage: stage, Err: err}
}
