package demo

import (
	"context"
	"fmt"
	"image"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display/screen/screentest"
)

// Many viewers, each with its own format and encoding, type, point, paste and
// resize at once. In the end all of them see the same.
func TestCrowd(t *testing.T) {
	d := still(t, Options{Width: MinWidth, Height: MinHeight})
	var crowd []*screentest.Watcher
	var all sync.WaitGroup
	for name, f := range screentest.Formats() {
		if len(crowd) == 6 {
			break
		}
		w := watch(t, d)
		w.Format = f
		w.Send(rfb.AppendSetPixelFormat(nil, f))
		encodings := []rfb.Encoding{rfb.EncodingZRLE, rfb.EncodingHextile, rfb.EncodingRaw}
		w.Encodings(encodings[len(crowd)%3], rfb.EncodingExtendedDesktopSize, rfb.EncodingDesktopName, rfb.EncodingCursor)
		crowd = append(crowd, w)
		all.Add(1)
		go func() {
			defer all.Done()
			romp(w, uint16(len(name)))
		}()
	}
	all.Wait()
	for _, w := range crowd {
		w.Picture() // at least the latest size
		got := w.Picture()
		if shown := d.screen.Picture(); w.Size != shown.Rect.Max || !slices.Equal(got, screentest.Want(shown, w.Format)) {
			t.Errorf("a viewer of %v sees something else", w.Size)
		}
	}
}

// romp sends a bit of everything and reads what comes.
func romp(w *screentest.Watcher, seed uint16) {
	for i := range uint16(8) {
		width, height := MinWidth+(seed*i)%64, MinHeight+i
		w.Send(
			rfb.AppendKeyEvent(nil, i%2 == 0, uint32('a'+i)),
			rfb.AppendPointerEvent(nil, uint8(i), i*seed, i*7),
			rfb.AppendClientCutText(nil, fmt.Sprint("text ", i)),
			rfb.AppendSetDesktopSize(nil, width, height, rfb.Screen{W: width, H: height}),
		)
		w.Request(i%3 == 0)
		w.Update()
	}
}

// The lowest free number is a viewer's, so that colours do not run away.
func TestNumbersAreUsedAgain(t *testing.T) {
	d := still(t, Options{})
	a, b := watch(t, d), watch(t, d)
	a.Send(rfb.AppendPointerEvent(nil, 0, 1, 1))
	b.Send(rfb.AppendPointerEvent(nil, 0, 2, 2))
	a.Picture()
	b.Picture()
	_ = a.Leave()
	c := watch(t, d)
	c.Send(rfb.AppendPointerEvent(nil, 0, 3, 3))
	c.Picture()
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.input.pointers) != 2 || d.input.pointers[0].at != image.Pt(3, 3) || d.input.pointers[1].at != image.Pt(2, 2) {
		t.Errorf("%+v", d.input.pointers)
	}
}

// A viewer that hangs up while it is being written to has left, no more.
func TestLeavingInTheMiddle(t *testing.T) {
	w := watch(t, still(t, Options{}))
	w.Request(false)
	w.Must(100)
	if err := w.Leave(); err != nil {
		t.Errorf("%v", err)
	}
}

func TestGarbageInsteadOfAHandshake(t *testing.T) {
	for _, junk := range []string{"GET / HTTP/1.1\r\n\r\n", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00", "RFB"} {
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() { served <- still(t, Options{}).ServeConn(context.Background(), far) }()
		if _, err := screentest.Read(near, 12); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(near, junk) // may not be read to its end
		_ = near.Close()
		if err := <-served; err == nil {
			t.Errorf("%q: no error", junk)
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
