package interop

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// A rawViewer speaks RFB 3.8 by the byte, for what no real viewer would do.
type rawViewer struct {
	net.Conn
	oneByOne bool // writes are cut into single bytes
}

// openRaw connects; everything has to be over when patience is.
func openRaw(port int) (*rawViewer, error) {
	c, err := endpoint{host: "127.0.0.1", port: port}.dial()
	if err != nil {
		return nil, err
	}
	return &rawViewer{Conn: c}, c.SetDeadline(time.Now().Add(patience))
}

func (r *rawViewer) send(b []byte) error {
	if !r.oneByOne {
		_, err := r.Write(b)
		return err
	}
	for i := range b {
		if _, err := r.Write(b[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (r *rawViewer) receive(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// enterNone goes through the handshake with security type None and returns the
// reason of a refusal, or "" and the display's name.
func (r *rawViewer) enterNone() (reason, name string, err error) {
	if _, err := r.receive(12); err != nil {
		return "", "", fmt.Errorf("version: %w", err)
	}
	if err := r.send([]byte("RFB 003.008\n")); err != nil {
		return "", "", err
	}
	n, err := r.receive(1)
	if err != nil {
		return "", "", fmt.Errorf("security types: %w", err)
	}
	if _, err := r.receive(int(n[0])); err != nil {
		return "", "", fmt.Errorf("security types: %w", err)
	}
	if err := r.send([]byte{1}); err != nil {
		return "", "", err
	}
	if reason, err = r.result(); err != nil || reason != "" {
		return reason, "", err
	}
	if err := r.send([]byte{1}); err != nil {
		return "", "", err
	}
	init, err := r.receive(24)
	if err != nil {
		return "", "", fmt.Errorf("init: %w", err)
	}
	text, err := r.receive(int(binary.BigEndian.Uint32(init[20:])))
	return "", string(text), err
}

// result reads a SecurityResult: "" is the viewer's welcome.
func (r *rawViewer) result() (reason string, err error) {
	head, err := r.receive(4)
	if err != nil {
		return "", fmt.Errorf("security result: %w", err)
	}
	if binary.BigEndian.Uint32(head) == 0 {
		return "", nil
	}
	if head, err = r.receive(4); err != nil {
		return "", fmt.Errorf("reason: %w", err)
	}
	n := binary.BigEndian.Uint32(head)
	if n == 0 || n > 256 {
		return "", fmt.Errorf("a reason of %d bytes", n)
	}
	text, err := r.receive(int(n))
	return string(text), err
}

// ends reads until the other side has closed, and returns what it still said.
func (r *rawViewer) ends() ([]byte, error) {
	said, err := io.ReadAll(r)
	if netErr, ok := err.(net.Error); ok && netErr.Timeout() {
		return said, fmt.Errorf("it is still open after %v", patience)
	}
	return said, nil // closed or reset
}
