package screen

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
)

func TestLeft(t *testing.T) {
	for err, want := range map[error]bool{
		io.EOF: true, io.ErrClosedPipe: true, syscall.EPIPE: true,
		&net.OpError{Op: "read", Err: syscall.ECONNRESET}: true,
		io.ErrUnexpectedEOF: false, net.ErrClosed: false, errors.New("other"): false,
	} {
		if left(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
}
