package interop

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
)

// A ledger is a display that knows how many look at it: what gateways say is
// compared with that. It answers a key with one pixel of the key's value.
type ledger struct {
	net.Listener
	name string

	mu   sync.Mutex
	open map[net.Conn]bool
}

// keepLedger serves RFB 3.8 without a password until the test is over.
func keepLedger(t testing.TB, name string) *ledger {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &ledger{Listener: ln, name: name, open: map[net.Conn]bool{}}
	t.Cleanup(func() { ln.Close() })
	go l.serve()
	return l
}

func (l *ledger) serve() {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			_ = l.show(c)
		}()
	}
}

// sessions is how many viewers are in: those who are still greeted are none.
func (l *ledger) sessions() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

func (l *ledger) note(c net.Conn, open bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if open {
		l.open[c] = true
	} else {
		delete(l.open, c)
	}
}

func (l *ledger) show(c net.Conn) error {
	r := bufio.NewReader(c)
	if err := l.greet(c, r); err != nil {
		return err
	}
	l.note(c, true)
	defer l.note(c, false)
	for {
		if err := l.answer(c, r); err != nil {
			return err
		}
	}
}

func (l *ledger) greet(c net.Conn, r *bufio.Reader) error {
	for _, step := range []struct {
		say  string
		hear int
	}{
		{"RFB 003.008\n", 12},
		{"\x01\x01", 1},         // one security type, None
		{"\x00\x00\x00\x00", 1}, // SecurityResult, and then ClientInit
	} {
		if _, err := io.WriteString(c, step.say); err != nil {
			return err
		}
		if _, err := r.Discard(step.hear); err != nil {
			return err
		}
	}
	init := []byte{0, 64, 0, 64, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0}
	init = binary.BigEndian.AppendUint32(init, uint32(len(l.name)))
	_, err := c.Write(append(init, l.name...))
	return err
}

// answer reads one message of the viewer.
func (l *ledger) answer(c net.Conn, r *bufio.Reader) error {
	kind, err := r.ReadByte()
	if err != nil {
		return err
	}
	switch kind {
	case 0: // SetPixelFormat
		_, err = r.Discard(19)
	case 2: // SetEncodings
		head := make([]byte, 3)
		if _, err = io.ReadFull(r, head); err == nil {
			_, err = r.Discard(4 * int(binary.BigEndian.Uint16(head[1:])))
		}
	case 3: // FramebufferUpdateRequest
		_, err = r.Discard(9)
	case 4: // KeyEvent
		key := make([]byte, 7)
		if _, err = io.ReadFull(r, key); err == nil {
			// One rectangle of one pixel, encoding Raw.
			_, err = c.Write(append([]byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0}, key[3:]...))
		}
	case 5: // PointerEvent
		_, err = r.Discard(5)
	default:
		err = fmt.Errorf("a message of type %d", kind)
	}
	return err
}
