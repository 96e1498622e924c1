package rfb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// ErrNoGreeting is the error of a display that has sent no ProtocolVersion
// within ClientConfig.GreetTimeout. A web server that waits to be asked looks
// the same.
var ErrNoGreeting = errors.New("rfb: no ProtocolVersion came in time; is it a VNC server?")

// NotRFBError says that what answered is no display: its first bytes, of which
// at most twelve are kept, are not those of a ProtocolVersion.
type NotRFBError struct {
	Greeting []byte
}

func (e *NotRFBError) Error() string {
	return fmt.Sprintf("rfb: not a protocol version: %q; that is not a VNC server", e.Greeting)
}

// greetingPrefix begins each ProtocolVersion.
var greetingPrefix = []byte("RFB ")

// readGreeting reads the display's ProtocolVersion within timeout; 0 leaves
// the limit to ctx.
func readGreeting(ctx context.Context, c net.Conn, timeout time.Duration) ([]byte, error) {
	if timeout <= 0 {
		return readVersion(c)
	}
	limited, cancel := context.WithTimeoutCause(ctx, timeout, ErrNoGreeting)
	defer cancel()
	var line []byte
	err := interrupt(limited, c, func() (err error) {
		line, err = readVersion(c)
		return err
	})
	var other *NotRFBError
	if errors.As(err, &other) {
		return nil, other
	}
	if ctx.Err() != nil { // whose deadline on c may be gone with the inner one
		return nil, context.Cause(ctx)
	}
	return line, err
}

// readVersion reads twelve bytes. Fewer that are not a display's tell as much
// when no more come.
func readVersion(r io.Reader) ([]byte, error) {
	line := make([]byte, versionLen)
	n, err := io.ReadFull(r, line)
	head := line[:min(n, len(greetingPrefix))]
	if !bytes.HasPrefix(greetingPrefix, head) {
		return nil, &NotRFBError{Greeting: line[:n]}
	}
	if err != nil {
		return nil, fmt.Errorf("rfb: read version: %w", err)
	}
	return line, nil
}
