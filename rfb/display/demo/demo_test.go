package demo

import (
	"context"
	"errors"
	"fmt"
	"image"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display/screen/screentest"
)

func TestServerInit(t *testing.T) {
	d := still(t, Options{Width: 640, Height: 400, Name: "trial"})
	w := watch(t, d)
	if w.Init.Width != 640 || w.Init.Height != 400 || w.Init.Name != "trial" || w.Init.Format != rfb.Format32() {
		t.Errorf("%+v", w.Init)
	}
	if err := w.Leave(); err != nil {
		t.Errorf("a viewer that left: %v", err)
	}
}

func TestOptionsHaveDefaults(t *testing.T) {
	o := Options{Width: 5, Height: 99999, FrameRate: 1000}.withDefaults()
	if o.Width != MinWidth || o.Height != MaxHeight || o.FrameRate != MaxFrameRate || o.Name != DefaultName {
		t.Errorf("%+v", o)
	}
	if o := (Options{}).withDefaults(); o.Width != 1280 || o.Height != 800 || o.FrameRate != DefaultFrameRate {
		t.Errorf("%+v", o)
	}
}

// Every encoding and pixel format shows the same picture.
func TestPictureIsTheSameInEveryEncoding(t *testing.T) {
	d := still(t, Options{Width: 343, Height: 301})
	first := watch(t, d)
	for name, f := range screentest.Formats() {
		first.Format = f
		first.Send(rfb.AppendSetPixelFormat(nil, f))
		for _, e := range []rfb.Encoding{rfb.EncodingZRLE, rfb.EncodingHextile, rfb.EncodingRaw} {
			first.Encodings(e)
			first.Resize(first.Size)
			want := screentest.Want(d.screen.Picture(), f)
			if got := first.Picture(); !slices.Equal(got, want) {
				t.Errorf("%s, %v: differs in %v", name, e, screentest.Differs(got, want, first.Size.X))
			}
		}
	}
}

func TestStillPictureDependsOnInputAlone(t *testing.T) {
	var pictures [2][]uint32
	for i := range pictures {
		w := watch(t, still(t, Options{}))
		w.Send(rfb.AppendKeyEvent(nil, true, 'a'), rfb.AppendPointerEvent(nil, 1, 300, 200), rfb.AppendClientCutText(nil, "text"))
		w.Encodings(rfb.EncodingZRLE)
		pictures[i] = w.Picture()
	}
	if !slices.Equal(pictures[0], pictures[1]) {
		t.Error("two displays with the same input look different")
	}
}

// Input changes its part of the picture, and an incremental request is
// answered with that part.
func TestInputShows(t *testing.T) {
	for name, c := range map[string]struct {
		msg  []byte
		card int
	}{
		"key":           {rfb.AppendKeyEvent(nil, true, 'q'), 0},
		"key with code": {rfb.AppendQEMUKeyEvent(nil, true, 0xff0d, 0x1c), 0},
		"pointer":       {rfb.AppendPointerEvent(nil, 4, 400, 20), 1},
		"clipboard":     {rfb.AppendClientCutText(nil, "hello"), 2},
	} {
		t.Run(name, func(t *testing.T) {
			d := still(t, Options{})
			w := watch(t, d)
			w.Encodings(rfb.EncodingZRLE)
			before := w.Picture()
			w.Request(true)
			w.Send(c.msg)
			w.Update()
			b := d.scene.cards[c.card]
			card := image.Rect(int(b.left), int(b.top), int(b.right), int(b.bottom))
			changed := screentest.Differs(before, w.Pix, w.Size.X)
			if changed.Intersect(card).Empty() {
				t.Errorf("changed %v, not the card %v", changed, card)
			}
			if after := slices.Clone(w.Pix); !slices.Equal(after, w.Picture()) {
				t.Error("the incremental update left something out")
			}
		})
	}
}

func TestButtonsBeyondTheSeventh(t *testing.T) {
	d := still(t, Options{})
	w := watch(t, d)
	w.Encodings(rfb.EncodingZRLE, rfb.EncodingExtendedMouseButtons, rfb.EncodingExtendedKeyEvent)
	w.Picture()
	if !slices.Contains(w.Acks, rfb.EncodingExtendedMouseButtons) || !slices.Contains(w.Acks, rfb.EncodingExtendedKeyEvent) {
		t.Fatalf("acknowledged %v", w.Acks)
	}
	w.Send(rfb.AppendExtendedPointerEvent(nil, 1<<8|1<<7, 5, 6))
	w.Picture()
	d.mu.Lock()
	defer d.mu.Unlock()
	if p := d.input.pointers[0]; p.buttons != 1<<8|1<<7 || p.at != image.Pt(5, 6) {
		t.Errorf("%+v", p)
	}
}

func TestBell(t *testing.T) {
	d := still(t, Options{})
	a, b := watch(t, d), watch(t, d)
	a.Picture()
	x, y := uint16(d.bell.left+5), uint16(d.bell.top+5)
	a.Send(rfb.AppendPointerEvent(nil, 1, x, y), rfb.AppendPointerEvent(nil, 0, x, y))
	for _, w := range []*screentest.Watcher{a, b} {
		if kind := w.Next(); kind != rfb.MsgBell {
			t.Errorf("message %d instead of a bell", kind)
		}
	}
	a.Send(rfb.AppendPointerEvent(nil, 2, x, y), rfb.AppendKeyEvent(nil, true, 'g')) // neither rings
	a.Send(rfb.AppendKeyEvent(nil, true, 0xffe3), rfb.AppendKeyEvent(nil, false, 'g'), rfb.AppendKeyEvent(nil, true, 'g'))
	if kind := b.Next(); kind != rfb.MsgBell {
		t.Errorf("message %d instead of a bell for control and g", kind)
	}
	if a.Picture(); a.Bells != 2 {
		t.Errorf("%d bells", a.Bells)
	}
}

func TestNameTellsOfOtherViewers(t *testing.T) {
	d := still(t, Options{})
	a := watch(t, d)
	a.Encodings(rfb.EncodingZRLE, rfb.EncodingDesktopName)
	a.Picture()
	if a.Name != "" {
		t.Errorf("renamed to %q for nothing", a.Name)
	}
	b := watch(t, d)
	if want := DefaultName + " (2 viewers)"; b.Init.Name != want {
		t.Errorf("the second is told %q", b.Init.Name)
	}
	if a.Picture(); a.Name != b.Init.Name {
		t.Errorf("the first is told %q", a.Name)
	}
	_ = b.Leave()
	if a.Picture(); a.Name != DefaultName {
		t.Errorf("at last the name is %q", a.Name)
	}
}

func TestCursor(t *testing.T) {
	d := still(t, Options{})
	w := watch(t, d)
	w.Encodings(rfb.EncodingCursor)
	w.Picture()
	w.Encodings(rfb.EncodingCursorWithAlpha, rfb.EncodingCursor)
	w.Picture()
	w.Picture()
	if len(w.Cursors) != 2 {
		t.Fatalf("%d cursors", len(w.Cursors))
	}
	pixels, mask := w.Cursors[0][:4*cursorWidth*cursorHeight], w.Cursors[0][4*cursorWidth*cursorHeight:]
	tip := 4 * (8*cursorWidth + 5) // inside the arrow
	if mask[8*3]&0x04 == 0 || pixels[tip] != bright.B || mask[0]&0x80 != 0 {
		t.Errorf("mask % x, pixel % x", mask[8*3:8*3+3], pixels[tip:tip+4])
	}
	if a := w.Cursors[1][4:]; a[tip+3] != 0xff || a[3] != 0 {
		t.Errorf("alpha %d inside and %d outside", a[tip+3], a[3])
	}
}

func TestXvp(t *testing.T) {
	d := still(t, Options{})
	w := watch(t, d)
	w.Encodings(rfb.EncodingRaw, rfb.EncodingXvp)
	w.Picture()
	if want := []byte{0, 1, rfb.XvpInit}; !slices.Equal(w.Xvp, want) {
		t.Fatalf("xvp % x", w.Xvp)
	}
	for code, word := range map[uint8]string{rfb.XvpShutdown: "Shutdown", rfb.XvpReboot: "Reboot", rfb.XvpReset: "Reset"} {
		w.Send(rfb.AppendXvp(nil, code), rfb.AppendXvp(nil, 77))
		w.Picture()
		d.mu.Lock()
		if !strings.Contains(d.input.notice, word) {
			t.Errorf("code %d: notice %q", code, d.input.notice)
		}
		d.mu.Unlock()
	}
}

func TestColourMapFor8Bits(t *testing.T) {
	d := still(t, Options{Width: 320, Height: 200})
	w := watch(t, d)
	w.Format = rfb.PixelFormat{BitsPerPixel: 8, Depth: 8}
	w.Send(rfb.AppendSetPixelFormat(nil, w.Format))
	got := w.Picture()
	if len(w.Colours) != 6*256 || !slices.Equal(w.Colours[6*255:], []byte{255, 255, 255, 255, 255, 255}) {
		t.Fatalf("colour map of %d bytes", len(w.Colours))
	}
	shown := d.screen.Picture()
	// The map's colours are near to those of the picture.
	for i, v := range got {
		for c := range 3 {
			have, real := int(w.Colours[6*int(v)+2*c]), int(shown.Pix[4*i+c])
			if have-real > 43 || real-have > 43 {
				t.Fatalf("pixel %d channel %d is %d, not %d", i, c, have, real)
			}
		}
	}
}

func TestBadPixelFormatEndsTheSession(t *testing.T) {
	for name, f := range map[string]rfb.PixelFormat{
		"24 bits":          {BitsPerPixel: 24, Depth: 24, TrueColour: true, RedMax: 255, GreenMax: 255, BlueMax: 255},
		"16 bits of a map": {BitsPerPixel: 16, Depth: 8},
		"shift":            {BitsPerPixel: 8, Depth: 8, TrueColour: true, RedMax: 7, GreenMax: 7, BlueMax: 3, RedShift: 9},
	} {
		w := watch(t, still(t, Options{Width: 320, Height: 200}))
		w.Send(rfb.AppendSetPixelFormat(nil, f))
		if err := w.Ended(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestPassword(t *testing.T) {
	d := still(t, Options{Password: "secret"})
	if w := watch(t, d); w.Conn.Secured.Method != "vnc" {
		t.Errorf("secured by %q", w.Conn.Secured.Method)
	}
	near, far := net.Pipe()
	served := make(chan error, 1)
	go func() { served <- d.ServeConn(context.Background(), far) }()
	_, err := rfb.Client(context.Background(), near, &rfb.ClientConfig{Security: []rfb.Security{
		rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return "guess", nil }},
	}})
	var refused *rfb.DisplayError
	if !errors.As(err, &refused) {
		t.Errorf("wrong password: %v", err)
	}
	if err := <-served; err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("served: %v", err)
	}
}

func TestFullHouse(t *testing.T) {
	d := still(t, Options{MaxViewers: 1})
	watch(t, d)
	near, far := net.Pipe()
	go func() { _ = d.ServeConn(context.Background(), far) }()
	_, err := rfb.Client(context.Background(), near, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	var refused *rfb.DisplayError
	if !errors.As(err, &refused) || refused.Reason != full {
		t.Errorf("a viewer too many: %v", err)
	}
}

func TestAnimation(t *testing.T) {
	d := New(Options{Width: 640, Height: 400, FrameRate: MaxFrameRate})
	defer d.Close()
	w := watch(t, d)
	w.Encodings(rfb.EncodingZRLE)
	last := w.Picture()
	for range 5 {
		w.Request(true)
		w.Update()
		if changed := screentest.Differs(last, w.Pix, w.Size.X); changed.Empty() {
			t.Error("an incremental update without a change")
		}
		copy(last, w.Pix)
	}
}

// Without a request there is no update, and nothing is painted for nobody.
func TestNobodyWatches(t *testing.T) {
	d := New(Options{Width: 320, Height: 200, FrameRate: MaxFrameRate})
	defer d.Close()
	w := watch(t, d)
	w.Picture()
	frames := func() int {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.frame
	}
	painted := frames()
	time.Sleep(100 * time.Millisecond)
	// One may have been under way as the picture was taken.
	if now := frames(); now > painted+1 {
		t.Errorf("%d frames painted for nobody", now-painted)
	}
	_ = w.Leave()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stop != nil {
		t.Error("the painter goes on without viewers")
	}
}

// A viewer that takes nothing is no burden on another.
func TestSlowViewerBlocksItselfOnly(t *testing.T) {
	d := New(Options{Width: 640, Height: 400, FrameRate: MaxFrameRate})
	defer d.Close()
	slow, quick := watch(t, d), watch(t, d)
	slow.Request(false) // and never reads
	slow.Send(rfb.AppendClientCutText(nil, "hello"), rfb.AppendKeyEvent(nil, true, 'x'))
	quick.Encodings(rfb.EncodingZRLE)
	quick.Picture()
	for range 5 {
		quick.Request(true)
		quick.Update()
	}
	for len(quick.Cuts) == 0 {
		quick.Next()
	}
	slow.Update()
	if err := slow.Leave(); err != nil {
		t.Error(err)
	}
}

func TestClose(t *testing.T) {
	d := New(Options{Width: 320, Height: 200})
	w := watch(t, d)
	near, far := net.Pipe() // stuck in the handshake
	stuck := make(chan error, 1)
	go func() { stuck <- d.ServeConn(context.Background(), far) }()
	if _, err := screentest.Read(near, 12); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if err := w.Ended(); !errors.Is(err, ErrClosed) {
		t.Errorf("session: %v", err)
	}
	if err := <-stuck; !errors.Is(err, ErrClosed) {
		t.Errorf("handshake: %v", err)
	}
	_, far = net.Pipe()
	if err := d.ServeConn(context.Background(), far); !errors.Is(err, ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
	if _, err := far.Write(nil); err == nil {
		t.Error("the connection was left open")
	}
	d.Close()
}

func TestContextEndsSession(t *testing.T) {
	d := still(t, Options{Width: 320, Height: 200})
	near, far := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- d.ServeConn(ctx, far) }()
	if _, err := screentest.Read(near, 12); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-served; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func ExampleDisplay_ServeConn() {
	d := New(Options{Name: "lobby", Still: true})
	defer d.Close()

	viewer, display := net.Pipe()
	go func() { _ = d.ServeConn(context.Background(), display) }()

	ctx := context.Background()
	conn, err := rfb.Client(ctx, viewer, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	_ = conn.WriteClientInit(ctx, true)
	init, err := conn.ReadServerInit(ctx)
	fmt.Println(init.Name, init.Width, init.Height, err)
	// Output: lobby 1280 800 <nil>
}
