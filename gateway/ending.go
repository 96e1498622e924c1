package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"vncgate/layers"
	"vncgate/rfb"
)

// closeTryAgain is the code of a gateway that is full (registry of RFC 6455,
// 11.7).
const closeTryAgain = 1013

const (
	// maxFarewells is how many viewers at once are told that there is no
	// place for them; more are just closed.
	maxFarewells = 16
	// farewell is how long saying goodbye may take.
	farewell = time.Second
	// unreadLimit is how much more is read from a viewer that is refused.
	unreadLimit = 64 << 10
)

var (
	errHandshakeTimeout = errors.New("gateway: handshake took too long")
	errEvicted          = errors.New("gateway: made room for a newer connection")
	errExpired          = errors.New("gateway: the grant has expired")
	errNoRights         = errors.New("gateway: ticket and policy together leave no right to look")
	errViewerGone       = errors.New("gateway: no sign of life from the viewer")
)

// Words for viewers that are said in more than one place.
const (
	wordsFull  = "The gateway is full. Try again later."
	wordsFault = "The gateway cannot serve this now."
)

// fault is an error of the gateway's own: neither viewer nor display is to
// blame.
type fault struct{ error }

func (f fault) Unwrap() error { return f.error }

// ending is why a session ended.
type ending struct {
	reason string // for the log, one of a few
	words  string // for the viewer's user
	code   int    // WebSocket close code
	err    error  // the cause, nil where an end just left
}

var (
	endViewerLeft    = ending{reason: "viewer left", code: layers.CloseNormal}
	endDisplayClosed = ending{reason: "display closed", words: "The display closed the connection.", code: layers.CloseNormal}
	endTunnelLost    = ending{reason: "tunnel lost", words: "The connection to the display's machine was lost.", code: layers.CloseServerError}
	endFull          = ending{reason: "full", words: wordsFull, code: closeTryAgain, err: ErrFull}
	endShutdown      = ending{reason: "shutdown", words: "The gateway is shutting down.", code: layers.CloseGoingAway, err: ErrDraining}
	endExpired       = ending{reason: "grant expired", words: "Your time on this display is over.", code: layers.ClosePolicy, err: errExpired}
	endViewerGone    = ending{reason: "viewer gone", words: "The viewer gave no sign of life.", code: layers.CloseGoingAway, err: errViewerGone}
	endEvicted       = ending{reason: "evicted", words: "The gateway needs the place for others.", code: layers.CloseGoingAway, err: errEvicted}
)

// because is the end with what has led to it.
func (e ending) because(err error) ending {
	e.err = err
	return e
}

// endOf says what an error before the relay means.
func (s *Session) endOf(err error) ending {
	if end, ok := s.stoppedEnd(); ok {
		return end
	}
	var gone *Unreachable
	var refused *rfb.Refusal
	var ours fault
	var inProgram *panicked
	switch {
	case errors.As(err, &inProgram):
		return inProgram.ending()
	case errors.Is(err, ErrFull):
		return endFull
	case errors.Is(err, errExpired):
		return ending{endExpired.reason, endExpired.words, endExpired.code, err}
	case errors.Is(err, errViewerGone):
		return endViewerGone
	case errors.Is(err, errViewerLeft):
		return ending{"viewer left", "", layers.CloseNormal, err}
	case errors.As(err, &ours):
		return ending{"gateway failed", wordsFault, layers.CloseServerError, err}
	case errors.As(err, &gone):
		return ending{gone.reason(), gone.words(), layers.CloseServerError, err}
	case errors.Is(err, errHandshakeTimeout):
		return ending{"handshake timeout", "The handshake took too long.", layers.ClosePolicy, err}
	case errors.Is(err, errBusy) && errors.As(err, &refused):
		return ending{"busy", refused.Reason, closeTryAgain, err}
	case errors.Is(err, ErrSeatsAway) && errors.As(err, &refused):
		return ending{"cluster away", refused.Reason, closeTryAgain, err}
	case errors.As(err, &refused):
		return ending{"refused", refused.Reason, layers.ClosePolicy, err}
	case isGone(err):
		return ending{"viewer left", "", layers.CloseNormal, err}
	}
	return ending{"handshake failed", "The handshake failed.", layers.CloseProtocol, err}
}

// isGone reports whether err says that the peer is no longer there.
func isGone(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// timedOut makes a ctx that has ended the cause of err, which was but an I/O
// error that came of it.
func timedOut(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// tell closes the connection of a viewer whose session has ended, with words
// where its protocol has a place for them.
func (e ending) tell(c net.Conn) {
	e.say(c)
	_ = c.Close()
}

// refuse closes the connection of a viewer that has just been sent a
// SecurityResult: it reads on for a moment, since closing a TCP connection with
// bytes unread resets it, and the words would be lost on the way.
func (e ending) refuse(c net.Conn) {
	if !e.say(c) && e.reason != endEvicted.reason && e.words != "" && layers.CloseWrite(c) == nil {
		_, _ = io.CopyN(io.Discard, c, unreadLimit)
	}
	_ = c.Close()
}

// say sends a close frame, if the connection has such a thing.
func (e ending) say(c net.Conn) bool {
	_ = c.SetDeadline(time.Now().Add(farewell))
	ws, ok := layers.As[interface{ CloseWith(int, string) error }](c)
	if ok {
		_ = ws.CloseWith(e.code, e.words)
	}
	return ok
}
