package layertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"vncgate/layers"
)

// isTimeout checks that an error is what a missed deadline has to be.
func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout() && errors.Is(err, os.ErrDeadlineExceeded)
}

// testReadDeadline misses deadlines set before and during a Read.
func testReadDeadline(t *testing.T, s Subject) {
	near, far := s.connect(t)
	for _, set := range []func() error{
		func() error { return near.SetReadDeadline(time.Now().Add(-time.Second)) },
		func() error { return near.SetDeadline(time.Now().Add(-time.Second)) },
		func() error { return near.SetReadDeadline(time.Now().Add(2 * time.Millisecond)) },
	} {
		if err := set(); err != nil {
			t.Fatalf("set deadline: %v", err)
		}
		within(t, "a Read past its deadline", func() {
			if n, err := near.Read(make([]byte, 8)); n != 0 || !isTimeout(err) {
				t.Errorf("Read past its deadline: %d, %v", n, err)
			}
		})
		if err := near.SetDeadline(time.Time{}); err != nil {
			t.Fatalf("clear deadline: %v", err)
		}
		exchange(t, near, far, "as before")
	}
	interruptRead(t, near)
	exchange(t, near, far, "and again")
}

// interruptRead sets the deadline while the Read is already waiting.
func interruptRead(t *testing.T, c net.Conn) {
	done := make(chan error, 1)
	go func() {
		_, err := c.Read(make([]byte, 8))
		done <- err
	}()
	time.Sleep(time.Millisecond)
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	within(t, "a Read whose deadline is moved", func() {
		if err := <-done; !isTimeout(err) {
			t.Errorf("Read whose deadline is moved: %v", err)
		}
	})
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
}

// testResume lets a deadline pass after each byte of a message on the wire.
func testResume(t *testing.T, s Subject) {
	near, far, _, pipe := s.connectPipe(t)
	data := noise(300, 5)
	before := pipe.Sent()
	pass(t, far, near, string(data))
	size := pipe.Sent() - before
	for n := 0; n < size; n += s.stride(n) {
		pipe.StallAfter(n)
		if _, err := far.Write(data); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(data))
		have := readSome(t, near, got, n)
		pipe.StallAfter(-1)
		_ = near.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadFull(near, got[have:]); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("deadline after %d of %d: %v, equal: %v", n, size, err, bytes.Equal(got, data))
		}
		_ = near.SetReadDeadline(time.Time{})
	}
}

// readSome reads until the deadline, which must not come later than the data
// that is there.
func readSome(t *testing.T, c net.Conn, b []byte, n int) (have int) {
	t.Helper()
	for {
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		k, err := c.Read(b[have:])
		have += k
		if err != nil {
			if !isTimeout(err) {
				t.Fatalf("deadline after %d: %v", n, err)
			}
			_ = c.SetReadDeadline(time.Time{})
			return have
		}
	}
}

// testWriteDeadline writes to a peer that does not read. What comes after is the
// protocol's affair: a cut record cannot be mended.
func testWriteDeadline(t *testing.T, s Subject) {
	near, _ := s.connect(t)
	if err := near.SetWriteDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	within(t, "a Write past its deadline", func() {
		b := make([]byte, 256<<10)
		for {
			n, err := near.Write(b)
			if err == nil {
				continue
			}
			if !isTimeout(err) || n < 0 || n > len(b) {
				t.Errorf("Write past its deadline: %d, %v", n, err)
			}
			return
		}
	})
}

// testCloseWakesRead closes under a waiting Read.
func testCloseWakesRead(t *testing.T, s Subject) {
	near, _ := s.connect(t)
	done := make(chan error, 1)
	go func() {
		_, err := near.Read(make([]byte, 8))
		done <- err
	}()
	time.Sleep(time.Millisecond)
	closeSoon(t, near)
	within(t, "a Read on a closed connection", func() {
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read woken by Close: %v", err)
		}
	})
}

// testCloseWakesWrite closes under a Write that its peer keeps waiting.
func testCloseWakesWrite(t *testing.T, s Subject) {
	near, _ := s.connect(t)
	full := make(chan struct{})
	done := make(chan error, 1)
	go fill(near, full, done)
	<-full
	time.Sleep(time.Millisecond)
	closeSoon(t, near)
	within(t, "a Write on a closed connection", func() {
		if err := <-done; err == nil {
			t.Error("Write woken by Close succeeded")
		}
	})
}

// fill writes until it fails, and tells when the first piece is through.
func fill(c net.Conn, full chan<- struct{}, done chan<- error) {
	b := make([]byte, 64<<10)
	_, err := c.Write(b[:1024])
	close(full)
	for err == nil {
		_, err = c.Write(b)
	}
	done <- err
}

// closeSoon closes c, which must not wait for a peer that does not read.
func closeSoon(t *testing.T, c net.Conn) {
	t.Helper()
	within(t, "Close", func() { _ = c.Close() })
}

// testAllAtOnce is for the race detector: everything net.Conn allows at the
// same time.
func testAllAtOnce(t *testing.T, s Subject) {
	near, far := s.connect(t)
	var all sync.WaitGroup
	for _, c := range []net.Conn{near, far} {
		for range 2 {
			all.Go(func() { _, _ = io.Copy(io.Discard, c) })
			all.Go(func() {
				for range 8 {
					_, _ = c.Write(make([]byte, 300))
				}
			})
		}
		all.Go(func() {
			for range 8 {
				_ = c.SetReadDeadline(time.Now().Add(time.Minute))
				_ = c.SetWriteDeadline(time.Now().Add(time.Minute))
				_, _ = c.LocalAddr(), c.RemoteAddr()
				_ = layers.Describe(c)
			}
		})
	}
	time.Sleep(time.Millisecond)
	all.Go(func() { _ = near.Close() })
	all.Go(func() { _ = near.Close() })
	all.Go(func() { _ = far.Close() })
	within(t, "something", all.Wait)
}

// testWalk checks that the base can be found under the layers.
func testWalk(t *testing.T, s Subject) {
	nearBase, farBase := s.Base(t)
	near, far := s.over(t, nearBase, farBase)
	for _, c := range []struct{ top, base net.Conn }{{near, nearBase}, {far, farBase}} {
		var lowest net.Conn
		for l := range layers.Walk(c.top) {
			lowest = l
		}
		if lowest != c.base {
			t.Errorf("Walk ends with %T, not with the base", lowest)
		}
		if c.top.LocalAddr() == nil || c.top.RemoteAddr() == nil {
			t.Error("no address")
		}
	}
}

// testHandshakeCancelled holds back each side's handshake after each byte and
// cancels it there: both sides must give up, with the context's error.
func testHandshakeCancelled(t *testing.T, s Subject) {
	_, _, nearPipe, farPipe := s.connectPipe(t)
	for n := 0; n < nearPipe.Sent(); n += s.stride(n) {
		s.cancelAfter(t, n, -1)
	}
	for n := 0; n < farPipe.Sent(); n += s.stride(n) {
		s.cancelAfter(t, -1, n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.checkCancelled(ctx, t, -1, -1)
}

func (s Subject) cancelAfter(t *testing.T, nearBytes, farBytes int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(time.Millisecond, cancel)
	defer timer.Stop()
	s.checkCancelled(ctx, t, nearBytes, farBytes)
}

func (s Subject) checkCancelled(ctx context.Context, t *testing.T, nearBytes, farBytes int) {
	t.Helper()
	nearBase, farBase := Pipe()
	nearBase.(*PipeConn).StallAfter(nearBytes)
	farBase.(*PipeConn).StallAfter(farBytes)
	within(t, "a cancelled handshake", func() {
		near, far, nearErr, farErr := s.handshake(ctx, nearBase, farBase)
		for _, side := range []struct {
			c, base net.Conn
			err     error
		}{{near, nearBase, nearErr}, {far, farBase, farErr}} {
			if side.err == nil {
				_ = side.c.Close()
			} else if !errors.Is(side.err, context.Canceled) || side.c != nil {
				t.Errorf("cancelled after %d and %d bytes: %v, %v", nearBytes, farBytes, side.c, side.err)
			}
			_ = side.base.Close()
		}
	})
}
