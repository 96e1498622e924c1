package netlab

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"
)

// A viewer is in a session with the display.
type viewer struct {
	net.Conn
	bytes atomic.Int64 // of pictures, read by flood
}

// open joins the display at address; the reason of a refusal is the error.
func (h *host) open(ctx context.Context, address string) (*viewer, error) {
	c, err := h.dial(ctx, address)
	if err != nil {
		return nil, err
	}
	v := &viewer{Conn: c}
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := v.enter(); err != nil {
		c.Close()
		return nil, err
	}
	return v, c.SetDeadline(time.Time{})
}

func (v *viewer) enter() error {
	if _, err := v.read(12); err != nil {
		return fmt.Errorf("version: %w", err)
	}
	if _, err := io.WriteString(v, "RFB 003.008\n"); err != nil {
		return err
	}
	n, err := v.read(1)
	if err != nil {
		return fmt.Errorf("security types: %w", err)
	}
	if n[0] == 0 {
		return v.refusal()
	}
	if _, err := v.read(int(n[0])); err != nil {
		return err
	}
	if _, err := v.Write([]byte{1}); err != nil {
		return err
	}
	result, err := v.read(4)
	if err != nil {
		return fmt.Errorf("security result: %w", err)
	}
	if binary.BigEndian.Uint32(result) != 0 {
		return v.refusal()
	}
	if _, err := v.Write([]byte{1}); err != nil { // ClientInit: shared
		return err
	}
	init, err := v.read(24)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	_, err = v.read(int(binary.BigEndian.Uint32(init[20:])))
	return err
}

func (v *viewer) refusal() error {
	n, err := v.read(4)
	if err != nil {
		return err
	}
	text, err := v.read(int(min(binary.BigEndian.Uint32(n), 4096)))
	if err != nil {
		return err
	}
	return fmt.Errorf("refused: %s", text)
}

func (v *viewer) read(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(v, b)
	return b, err
}

// key is one request with its answer: a key goes down and up.
func (v *viewer) key(value uint32) (time.Duration, error) {
	begin := time.Now()
	event := binary.BigEndian.AppendUint32([]byte{4, 1, 0, 0}, value)
	event = binary.BigEndian.AppendUint32(append(event, 4, 0, 0, 0), value)
	if _, err := v.Write(event); err != nil {
		return 0, err
	}
	b, err := v.read(keyBytes)
	if err != nil {
		return 0, err
	}
	if got := binary.BigEndian.Uint32(b[keyBytes-4:]); got != value {
		return 0, fmt.Errorf("the answer to key %d is %d", value, got)
	}
	return time.Since(begin), nil
}

// keys presses n of them, with a pause after each.
func (v *viewer) keys(n int, pause time.Duration) (delays, error) {
	return v.press(pause, func(done int) bool { return done < n })
}

// keysFor presses keys for a while.
func (v *viewer) keysFor(during, pause time.Duration) (delays, error) {
	end := time.Now().Add(during)
	return v.press(pause, func(int) bool { return time.Now().Before(end) })
}

func (v *viewer) press(pause time.Duration, more func(done int) bool) (delays, error) {
	var all delays
	for more(len(all)) {
		_ = v.SetDeadline(time.Now().Add(patience))
		took, err := v.key(uint32(len(all) + 1))
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", len(all)+1, err)
		}
		all = append(all, took)
		time.Sleep(pause)
	}
	return all.sorted(), nil
}

// flood asks for whole pictures until the connection ends. Some are always
// asked for ahead, so that the display never waits for the viewer.
func (v *viewer) flood() error {
	const ahead = 4
	if err := v.ask(ahead); err != nil {
		return err
	}
	b := make([]byte, 256<<10)
	for asked := int64(ahead); ; {
		n, err := v.Read(b)
		if err != nil {
			return err
		}
		if v.bytes.Add(int64(n))/floodBytes > asked-ahead {
			asked++
			if err := v.ask(1); err != nil {
				return err
			}
		}
	}
}

// ask asks for n whole pictures.
func (v *viewer) ask(n int) error {
	request := binary.BigEndian.AppendUint16([]byte{3, 0, 0, 0, 0, 0}, displayWidth)
	request = binary.BigEndian.AppendUint16(request, displayHeight)
	_, err := v.Write(slices.Repeat(request, n))
	return err
}

// rate is of a flood, in bits a second, over the time from now.
func (v *viewer) rate(during time.Duration) float64 {
	begin, before := time.Now(), v.bytes.Load()
	time.Sleep(during)
	return float64(v.bytes.Load()-before) * 8 / time.Since(begin).Seconds()
}

// delays are sorted.
type delays []time.Duration

// at is a quantile, q from 0 to 1.
func (d delays) at(q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	return d[min(int(q*float64(len(d))), len(d)-1)]
}

func (d delays) sorted() delays {
	slices.Sort(d)
	return d
}

func (d delays) String() string {
	return fmt.Sprintf("%.1f/%.1f ms", ms(d.at(0.5)), ms(d.at(0.99)))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// mustOpen is open for a route that has to work.
func (h *host) mustOpen(t testing.TB, address string) *viewer {
	t.Helper()
	var v *viewer
	eventually(t, "a viewer at "+address, func() (err error) {
		v, err = h.open(t.Context(), address)
		return err
	})
	t.Cleanup(func() { v.Close() })
	return v
}
