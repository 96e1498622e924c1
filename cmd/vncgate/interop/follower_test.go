package interop

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"net"
	"slices"
	"sync"
	"testing"

	vnc "vncgate/rfb"
	pixels "vncgate/rfb/display"
)

// A follower is a viewer of ours that asks for certain encodings and keeps
// looking.
type follower struct {
	conn *vnc.Conn
	init vnc.ServerInit
	done chan struct{}

	mu    sync.Mutex
	shown *image.RGBA // as it was at the end of the last update
	sent  map[vnc.Encoding]bool
	err   error
}

// followed are the encodings that followers ask for, one each beside CopyRect.
var followed = []struct {
	name      string
	encodings []vnc.Encoding
	loss      bool
}{
	{"Raw", []vnc.Encoding{vnc.EncodingRaw}, false},
	{"RRE", []vnc.Encoding{vnc.EncodingRRE}, false},
	{"CoRRE", []vnc.Encoding{vnc.EncodingCoRRE}, false},
	{"Hextile", []vnc.Encoding{vnc.EncodingHextile}, false},
	{"zlib", []vnc.Encoding{vnc.EncodingZlib}, false},
	{"Tight", []vnc.Encoding{vnc.EncodingTight}, false},
	{"TightPNG", []vnc.Encoding{vnc.EncodingTightPNG}, false},
	{"ZRLE", []vnc.Encoding{vnc.EncodingZRLE}, false},
	{"ZYWRLE", []vnc.Encoding{vnc.EncodingZYWRLE, vnc.EncodingQualityLevel0 + 9}, true},
	{"Tight with JPEG", []vnc.Encoding{vnc.EncodingTight, vnc.EncodingQualityLevel0 + 8}, true},
}

// followAll has a follower for each of them, until the scope closes.
func followAll(t *testing.T, s *scope, at endpoint) []watcher {
	t.Helper()
	var all []watcher
	for _, f := range followed {
		v, err := follow(t.Context(), s, at, f.encodings)
		if err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		all = append(all, watcher{"our " + f.name, v, f.loss})
	}
	return all
}

func follow(ctx context.Context, s *scope, at endpoint, encodings []vnc.Encoding) (*follower, error) {
	c, err := at.dial()
	if err != nil {
		return nil, err
	}
	s.onClose(func() { c.Close() })
	f := &follower{done: make(chan struct{})}
	if f.conn, f.init, err = enter(ctx, c, at.password); err != nil {
		return nil, err
	}
	f.init.Format = vnc.Format32()
	asked := append(slices.Clone(encodings), vnc.EncodingCopyRect, vnc.EncodingCursor, vnc.EncodingDesktopSize, vnc.EncodingExtendedDesktopSize, vnc.EncodingLastRect)
	d, err := pixels.NewDecoder(f.conn, f.init)
	if err != nil {
		return nil, err
	}
	d.SetEncodings(asked)
	if _, err := f.conn.Write(vnc.AppendSetEncodings(vnc.AppendSetPixelFormat(nil, f.init.Format), asked...)); err != nil {
		return nil, err
	}
	go func() {
		defer close(f.done)
		f.err = f.run(d)
	}()
	s.onClose(func() {
		c.Close()
		<-f.done
	})
	return f, nil
}

// enter goes as far as ServerInit.
func enter(ctx context.Context, c net.Conn, password string) (*vnc.Conn, vnc.ServerInit, error) {
	conn, err := vnc.Client(ctx, c, &vnc.ClientConfig{Security: []vnc.Security{
		vnc.ClientVncAuth{Password: func(context.Context) (string, error) { return password, nil }}, vnc.None{},
	}})
	if err != nil {
		return nil, vnc.ServerInit{}, err
	}
	if err := conn.WriteClientInit(ctx, true); err != nil {
		return nil, vnc.ServerInit{}, err
	}
	init, err := conn.ReadServerInit(ctx)
	return conn, init, err
}

// run draws and asks for more, up to the end of the connection.
func (f *follower) run(d *pixels.Decoder) error {
	for whole := true; ; {
		size := d.Image().Rect.Size()
		if _, err := f.conn.Write(vnc.AppendFramebufferUpdateRequest(nil, !whole, 0, 0, uint16(size.X), uint16(size.Y))); err != nil {
			return err
		}
		m, err := d.Next()
		for err == nil && m.Type != vnc.MsgFramebufferUpdate {
			m, err = d.Next()
		}
		if err != nil {
			return err
		}
		whole = m.Resized
		f.show(d)
	}
}

// show keeps what there is to see now.
func (f *follower) show(d *pixels.Decoder) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := *d.Image()
	now.Pix = slices.Clone(now.Pix)
	f.shown = &now
	f.sent = map[vnc.Encoding]bool{}
	for e := range d.Used() {
		f.sent[e] = true
	}
}

// picture is the screen, once it was whole.
func (f *follower) picture() (image.Image, error) {
	select {
	case <-f.done:
		return nil, fatal{fmt.Errorf("our viewer ended: %w", f.err)}
	default:
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.shown == nil || !f.shown.Opaque() {
		return nil, errors.New("the screen is not whole yet")
	}
	return f.shown, nil
}

// used are the encodings that the display has sent.
func (f *follower) used() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for e := range f.sent {
		names = append(names, e.String())
	}
	slices.Sort(names)
	return names
}

// leastNear is how near to the display's an encoding with loss has to come, in
// decibels: JPEG and ZYWRLE of good quality are far above.
const leastNear = 30

// near is an error where got is another picture than want, and not one with some
// loss.
func near(got, want image.Image) error {
	if got.Bounds().Size() != want.Bounds().Size() {
		return fmt.Errorf("the picture is %v large, not %v", got.Bounds().Size(), want.Bounds().Size())
	}
	if by := psnr(got, want); by < leastNear {
		return fmt.Errorf("the picture is %.1f dB away, %d are wanted", by, leastNear)
	}
	return nil
}

// psnr is the peak signal-to-noise ratio of two pictures of one size, in
// decibels.
func psnr(got, want image.Image) float64 {
	a, b := flat(got), flat(want)
	sum := 0.0
	for i := range a.Pix {
		if i%4 != 3 {
			by := float64(a.Pix[i]) - float64(b.Pix[i])
			sum += by * by
		}
	}
	return 10 * math.Log10(255*255*float64(len(a.Pix)/4*3)/sum)
}
