// Package demo is an animated display in Go: something to point a viewer at
// when no real one is at hand. It draws a clock, shapes that move, and whatever
// arrives from its viewers: keys, pointers, buttons, clipboard. It answers
// requests for another size, sends texts back, rings the bell and has a cursor
// of its own.
//
//	d := demo.New(demo.Options{})
//	defer d.Close()
//	go d.ServeConn(ctx, conn) // once for each viewer
//
// Any number of viewers watch at a time, up to Options.MaxViewers, each with
// its own pixel format, encodings (ZRLE, Hextile, Raw) and pace: a slow one is
// shown fewer pictures and holds up nobody. Nothing is painted while nobody
// watches.
package demo

import (
	"context"
	"errors"
	"image"
	"net"
	"sync"
	"time"

	"vncgate/rfb"
)

// Defaults of Options, and the most pictures a second there can be.
const (
	DefaultName       = "vncgate demo"
	DefaultFrameRate  = 30
	MaxFrameRate      = 60
	DefaultMaxViewers = 32
)

// ErrClosed is returned by ServeConn once the display has been closed.
var ErrClosed = errors.New("demo: display closed")

// handshakeLimit is how long a viewer may take to become one.
const handshakeLimit = 30 * time.Second

// errFull is told to viewers that there is no room for.
var errFull = &rfb.Refusal{Reason: "The demo has as many viewers as it takes"}

// Options say what a display is like. The zero value is a good one.
type Options struct {
	// Name is the desktop's name; "" is DefaultName. When several viewers
	// watch, their number is added to it.
	Name string
	// Width and Height are the size at the start, in pixels; 0 is 1280 and
	// 800. Others are brought between MinWidth × MinHeight and MaxWidth ×
	// MaxHeight. Viewers may change it within the same bounds.
	Width, Height int
	// FrameRate is how many pictures are painted in a second, at most
	// MaxFrameRate; 0 is DefaultFrameRate.
	FrameRate int
	// Password is what VNC Authentication asks for; "" lets everyone in.
	Password string
	// MaxViewers bounds the viewers at a time; 0 is DefaultMaxViewers.
	MaxViewers int
	// Still stops all motion: the picture depends on what viewers have sent
	// and on nothing else, and what a message changes is in the picture
	// before the next message is read. The clock then stands at ten past ten
	// unless Clock says otherwise.
	Still bool
	// Clock is the time that is shown and that motion follows; nil is
	// time.Now.
	Clock func() time.Time
}

// A Display is a desktop that any number of viewers share. Its methods may be
// called concurrently.
type Display struct {
	options Options
	fonts   fonts
	arrow   *cursor
	fb      framebuffer
	began   time.Time
	serving sync.WaitGroup // ServeConn calls and the painter

	painting sync.Mutex // held while the scene is painted; taken before mu
	scene    *scene     // nil until a viewer comes

	mu      sync.Mutex // taken before a viewer's
	closed  bool
	conns   map[net.Conn]bool // of all viewers, those in the handshake too
	viewers map[int]*viewer
	size    image.Point
	screens []rfb.Screen
	bell    box // the button in the picture
	input   *input
	text    string        // the clipboard: what is sent back
	frame   int           // pictures painted
	stop    chan struct{} // ends the painter; nil while there is none
}

// New makes a display. It takes up next to nothing until a viewer comes.
func New(o Options) *Display {
	o = o.withDefaults()
	size := image.Pt(o.Width, o.Height)
	return &Display{
		options: o, fonts: loadFonts(), arrow: newCursor(), began: o.Clock(),
		conns: map[net.Conn]bool{}, viewers: map[int]*viewer{},
		size: size, screens: oneScreen(size), input: newInput(),
	}
}

// withDefaults returns o with its zero fields filled in.
func (o Options) withDefaults() Options {
	if o.Name == "" {
		o.Name = DefaultName
	}
	if o.Width == 0 {
		o.Width = designWidth
	}
	if o.Height == 0 {
		o.Height = designHeight
	}
	o.Width = min(max(o.Width, MinWidth), MaxWidth)
	o.Height = min(max(o.Height, MinHeight), MaxHeight)
	if o.FrameRate <= 0 {
		o.FrameRate = DefaultFrameRate
	}
	o.FrameRate = min(o.FrameRate, MaxFrameRate)
	if o.MaxViewers <= 0 {
		o.MaxViewers = DefaultMaxViewers
	}
	if o.Clock == nil {
		o.Clock = time.Now
		if o.Still {
			tenPastTen := time.Date(2026, time.January, 1, 10, 10, 36, 0, time.UTC)
			o.Clock = func() time.Time { return tenPastTen }
		}
	}
	return o
}

// ServeConn plays the display to the viewer at c, which it owns and closes. It
// returns when the viewer has left, which is no error, when it broke the rules,
// when ctx ended, or with ErrClosed. Viewers that ask for the display alone
// share it all the same.
func (d *Display) ServeConn(ctx context.Context, c net.Conn) error {
	defer c.Close()
	if !d.begin(c) {
		return ErrClosed
	}
	defer d.end(c)
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	err := d.serve(ctx, c)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case d.isClosed():
		return ErrClosed
	}
	return err
}

// Close ends all sessions and waits for them. Later ones are refused.
func (d *Display) Close() {
	d.mu.Lock()
	d.closed = true
	for c := range d.conns {
		_ = c.Close()
	}
	d.mu.Unlock()
	d.serving.Wait()
}

// begin counts c among the connections, unless the display is closed.
func (d *Display) begin(c net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return false
	}
	d.conns[c] = true
	d.serving.Add(1)
	return true
}

func (d *Display) end(c net.Conn) {
	d.mu.Lock()
	delete(d.conns, c)
	d.mu.Unlock()
	d.serving.Done()
}

func (d *Display) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// serve runs the handshake and then the session.
func (d *Display) serve(ctx context.Context, c net.Conn) error {
	conn, err := d.handshake(ctx, c)
	if err != nil {
		return err
	}
	v := newViewer(d, conn)
	init, err := d.join(v)
	if err != nil {
		return err
	}
	defer d.leave(v)
	d.refresh()
	if err := conn.WriteServerInit(ctx, init); err != nil {
		return err
	}
	return v.run()
}

// handshake goes as far as the ClientInit.
func (d *Display) handshake(ctx context.Context, c net.Conn) (*rfb.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	config := &rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}, Approve: d.approve}
	if password := d.options.Password; password != "" {
		config.Security = []rfb.Security{rfb.ServerVncAuth{
			Passwords: func(context.Context) ([]string, error) { return []string{password}, nil },
		}}
	}
	conn, err := rfb.Server(ctx, c, config)
	if err != nil {
		return nil, err
	}
	_, err = conn.ReadClientInit(ctx)
	return conn, err
}

// approve turns viewers away that there is no room for.
func (d *Display) approve(context.Context, rfb.Secured) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.viewers) >= d.options.MaxViewers {
		return errFull
	}
	return nil
}
