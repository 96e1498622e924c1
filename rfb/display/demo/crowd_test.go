package demo

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"

	"vncgate/rfb"
)

// Many viewers, each with its own format and encoding, type, point, paste and
// resize at once. In the end all of them see the same.
func TestCrowd(t *testing.T) {
	d := still(t, Options{Width: MinWidth, Height: MinHeight})
	var crowd []*watcher
	var all sync.WaitGroup
	for name, f := range formats {
		if len(crowd) == 6 {
			break
		}
		w := watch(t, d)
		w.format = f
		w.send(rfb.AppendSetPixelFormat(nil, f))
		encodings := []rfb.Encoding{rfb.EncodingZRLE, rfb.EncodingHextile, rfb.EncodingRaw}
		w.encodings(encodings[len(crowd)%3], rfb.EncodingExtendedDesktopSize, rfb.EncodingDesktopName, rfb.EncodingCursor)
		crowd = append(crowd, w)
		all.Add(1)
		go func() {
			defer all.Done()
			w.romp(uint16(len(name)))
		}()
	}
	all.Wait()
	for _, w := range crowd {
		w.picture() // at least the latest size
		got := w.picture()
		c, err := newConverter(w.format)
		if err != nil {
			t.Fatal(err)
		}
		if w.size != d.fb.size() || !slices.Equal(got, want(d.fb.img, c)) {
			t.Errorf("a viewer of %v sees something else", w.size)
		}
	}
}

// romp sends a bit of everything and reads what comes.
func (w *watcher) romp(seed uint16) {
	for i := range uint16(8) {
		width, height := MinWidth+(seed*i)%64, MinHeight+i
		w.send(
			rfb.AppendKeyEvent(nil, i%2 == 0, uint32('a'+i)),
			rfb.AppendPointerEvent(nil, uint8(i), i*seed, i*7),
			rfb.AppendClientCutText(nil, fmt.Sprint("text ", i)),
			rfb.AppendSetDesktopSize(nil, width, height, rfb.Screen{W: width, H: height}),
		)
		w.request(i%3 == 0)
		w.update()
	}
}

// The lowest free number is a viewer's, so that colours do not run away.
func TestNumbersAreUsedAgain(t *testing.T) {
	d := still(t, Options{})
	a, b := watch(t, d), watch(t, d)
	a.send(rfb.AppendPointerEvent(nil, 0, 1, 1))
	b.send(rfb.AppendPointerEvent(nil, 0, 2, 2))
	a.picture()
	b.picture()
	_ = a.leave()
	c := watch(t, d)
	c.send(rfb.AppendPointerEvent(nil, 0, 3, 3))
	c.picture()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.input.pointers) != 2 || d.input.pointers[0].at != image.Pt(3, 3) || d.input.pointers[1].at != image.Pt(2, 2) {
		t.Errorf("%+v", d.input.pointers)
	}
}

// A viewer that hangs up while it is being written to has left, no more.
func TestLeavingInTheMiddle(t *testing.T) {
	w := watch(t, still(t, Options{}))
	w.request(false)
	w.must(100)
	if err := w.leave(); err != nil {
		t.Errorf("%v", err)
	}
}

func TestGarbageInsteadOfAHandshake(t *testing.T) {
	for _, junk := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", "RFB"} {
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- still(t, Options{}).ServeConn(context.Background(), far) }()
		if _, err := read(near, 12); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(near, junk) // may not be read to its end
		_ = near.Close()
		if err := <-served; err == nil {
			t.Errorf("%q: no error", junk)
		}
	}
}

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

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 viewers", 1: "1 viewer", 2: "2 viewers"} {
		if got := count(n, "viewer"); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
