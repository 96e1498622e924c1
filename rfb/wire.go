package rfb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// be is the byte order of everything on the wire but gii.
var be = binary.BigEndian

// past is a deadline that has been missed already.
var past = time.Unix(1, 0)

// interrupt runs f, whose reads and writes on c fail as soon as ctx ends; the
// error is then ctx's cause, with where it met f. When ctx outlives f, the deadlines of c are as if
// never touched.
func interrupt(ctx context.Context, c net.Conn, f func() error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.SetDeadline(past)
		close(fired)
	})
	err := f()
	if stop() {
		return err
	}
	<-fired
	_ = c.SetDeadline(time.Time{})
	if err != nil {
		return fmt.Errorf("%w (%w)", context.Cause(ctx), err)
	}
	return nil
}

// readN reads exactly n bytes of what; n is a constant or has been checked
// against one.
func readN(c io.Reader, n int, what string) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, fmt.Errorf("rfb: read %s: %w", what, err)
	}
	return b, nil
}

func readU8(c io.Reader, what string) (uint8, error) {
	b, err := readN(c, 1, what)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func readU32(c io.Reader, what string) (uint32, error) {
	b, err := readN(c, 4, what)
	if err != nil {
		return 0, err
	}
	return be.Uint32(b), nil
}

// readCounted reads a U32 length and as many bytes, at most max.
func readCounted(c io.Reader, max uint32, what string) ([]byte, error) {
	n, err := readU32(c, what)
	if err != nil {
		return nil, err
	}
	if n > max {
		return nil, fmt.Errorf("rfb: %s of %d bytes, more than %d", what, n, max)
	}
	b, err := readN(c, int(n), what)
	if errors.Is(err, io.EOF) { // the length was promised, so the end is early
		err = fmt.Errorf("rfb: read %s: %w", what, io.ErrUnexpectedEOF)
	}
	return b, err
}

// write sends b, which is what, in one piece.
func write(c io.Writer, b []byte, what string) error {
	if _, err := c.Write(b); err != nil {
		return fmt.Errorf("rfb: write %s: %w", what, err)
	}
	return nil
}

// appendCounted appends the length of s as U32 and s.
func appendCounted(b []byte, s string) []byte {
	return append(be.AppendUint32(b, uint32(len(s))), s...)
}

// appendReason appends reason as a U32 length and at most 256 bytes of
// printable ASCII, which every viewer can read and show.
func appendReason(b []byte, reason string) []byte {
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, reason)
	return appendCounted(b, s[:min(len(s), maxOurReason)])
}

// readReason reads a failure reason. Displays that close instead of giving one
// (QEMU on a version it does not know, everyone before 3.8) have none. QEMU
// counts a terminating NUL.
func readReason(c net.Conn) string {
	// The connection is of no more use than to be closed, so a deadline of our
	// own does no harm; without it a 3.3 display that neither explains nor
	// closes would hold us until ctx ends.
	_ = c.SetReadDeadline(time.Now().Add(reasonWait))
	b, err := readCounted(c, MaxReasonLen, "reason")
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(strings.TrimRight(string(b), "\x00"), "?")
}

// reasonWait bounds the wait for a reason after a failure.
const reasonWait = 2 * time.Second
