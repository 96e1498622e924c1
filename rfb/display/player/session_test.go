package player

import (
	"context"
	"image"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display/screen"
	"vncgate/rfb/display/screen/screentest"
)

// A session is a viewer at a screen, and whoever is handed what passes between
// them behind ServerInit.
type session struct {
	screen *screen.Screen
	viewer *screentest.Watcher
	tap    *tap
}

// join has a viewer look at s; what it says and is told goes to what follow
// returns, too.
func join(t *testing.T, s *screen.Screen, follow func(rfb.ServerInit) follower) *session {
	t.Helper()
	tap := &tap{}
	w := screentest.Watch(t, func(ctx context.Context, c net.Conn) error {
		tap.Conn = c
		return s.ServeConn(ctx, tap)
	})
	tap.begin(follow(w.Init))
	return &session{screen: s, viewer: w, tap: tap}
}

// A follower is handed a session's bytes, as by a gateway.
type follower interface {
	Display(b []byte) error
	Viewer(b []byte) error
}

// tap is the display's end of a connection.
type tap struct {
	net.Conn
	mu sync.Mutex
	to follower // nil: the handshake is under way
}

func (c *tap) begin(to follower) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to = to
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.to != nil && n > 0 {
		_ = c.to.Viewer(b[:n])
	}
	return n, err
}

func (c *tap) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.to != nil {
		_ = c.to.Display(b)
	}
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// sees has w ask until it sees img.
func sees(t *testing.T, w *screentest.Watcher, img *image.RGBA) {
	t.Helper()
	want := screentest.Want(img, w.Format)
	for end := time.Now().Add(screentest.Patience); time.Now().Before(end); {
		if w.Picture(); w.Size == img.Rect.Max && slices.Equal(w.Pix, want) {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("a viewer of %v never sees what it should", w.Size)
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(screentest.Patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// painted is a picture in which each n leaves other traces.
func painted(w, h, n int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		x, y := i%w, i/w
		copy(img.Pix[4*i:], []byte{byte(x * n), byte(y + 40*n), byte(n * 90), 255})
	}
	return img
}
