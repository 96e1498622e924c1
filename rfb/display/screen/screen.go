// Package screen shows a picture to viewers: the display's half of RFB, for
// whatever paints one. It asks nothing of the painter but to say what changed.
//
//	s := screen.New(screen.Options{Name: "lobby", Size: size})
//	defer s.Close()
//	go s.ServeConn(ctx, conn)      // once for each viewer
//	s.Show(picture, nil)           // as often as there is another one
//
// Any number of viewers watch at a time, up to Options.MaxViewers, each with
// its own pixel format, encodings (ZRLE, Hextile, Raw) and pace: a slow one is
// shown fewer pictures and holds up nobody. What viewers do is told to the
// functions of Options.Input; without one, it is not offered to them.
package screen

import (
	"context"
	"errors"
	"image"
	"net"
	"sync"
	"time"

	"vncgate/rfb"
)

// DefaultMaxViewers is how many viewers there may be where Options do not say.
const DefaultMaxViewers = 32

// ErrClosed is returned by ServeConn once the screen has been closed.
var ErrClosed = errors.New("screen: closed")

// handshakeLimit is how long a viewer may take to become one.
const handshakeLimit = 30 * time.Second

// Options say what a screen is like.
type Options struct {
	// Name is the desktop's name, at first.
	Name string
	// Size is that of the picture until the first one is shown, in pixels; at
	// least 1 × 1.
	Size image.Point
	// Password is what VNC Authentication asks for; "" lets everyone in.
	Password string
	// MaxViewers bounds the viewers at a time; 0 is DefaultMaxViewers.
	MaxViewers int
	// Full is what a viewer is told that there is no room for; "" says so in
	// general words.
	Full string
	// Cursor is what viewers draw at their pointer; nil leaves that to them.
	Cursor *Cursor
	// Input is told what viewers do.
	Input Input
}

// A Screen is a picture that any number of viewers share. Its methods may be
// called concurrently; none but ServeConn and Close waits for a viewer.
type Screen struct {
	options Options
	full    *rfb.Refusal
	fb      framebuffer
	serving sync.WaitGroup // ServeConn calls

	showing sync.Mutex // held while a picture is published; taken before mu

	mu      sync.Mutex // taken before a viewer's
	closed  bool
	conns   map[net.Conn]bool // of all viewers, those in the handshake too
	viewers map[int]*viewer
	name    string
	size    image.Point
	screens []rfb.Screen
	cursor  *Cursor
	text    string // the clipboard
}

// New makes a screen. It takes up next to nothing until a picture is shown.
func New(o Options) *Screen {
	if o.MaxViewers <= 0 {
		o.MaxViewers = DefaultMaxViewers
	}
	if o.Full == "" {
		o.Full = "There are as many viewers as this screen takes"
	}
	o.Size.X, o.Size.Y = min(max(o.Size.X, 1), maxSide), min(max(o.Size.Y, 1), maxSide)
	return &Screen{
		options: o, full: &rfb.Refusal{Reason: o.Full},
		conns: map[net.Conn]bool{}, viewers: map[int]*viewer{},
		name: o.Name, size: o.Size, screens: OneScreen(o.Size), cursor: o.Cursor,
	}
}

// maxSide is the longest side that RFB can tell of.
const maxSide = 1<<16 - 1

// ServeConn shows the screen to the viewer at c, which it owns and closes. It
// returns when the viewer has left, which is no error, when it broke the rules,
// when ctx ended, or with ErrClosed. Viewers that ask for the display alone
// share it all the same.
func (s *Screen) ServeConn(ctx context.Context, c net.Conn) error {
	defer c.Close()
	if !s.begin(c) {
		return ErrClosed
	}
	defer s.end(c)
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	err := s.serve(ctx, c)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case s.isClosed():
		return ErrClosed
	}
	return err
}

// Close ends all sessions and waits for them. Later ones are refused.
func (s *Screen) Close() {
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.serving.Wait()
}

// begin counts c among the connections, unless the screen is closed.
func (s *Screen) begin(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = true
	s.serving.Add(1)
	return true
}

func (s *Screen) end(c net.Conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	s.serving.Done()
}

func (s *Screen) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// serve runs the handshake and then the session.
func (s *Screen) serve(ctx context.Context, c net.Conn) error {
	conn, err := s.handshake(ctx, c)
	if err != nil {
		return err
	}
	v := newViewer(s, conn)
	if err := s.join(v); err != nil {
		return err
	}
	defer s.leave(v)
	s.options.Input.joined(v.id)
	if err := conn.WriteServerInit(ctx, s.start(v)); err != nil {
		return err
	}
	return v.run()
}

// handshake goes as far as the ClientInit.
func (s *Screen) handshake(ctx context.Context, c net.Conn) (*rfb.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	config := &rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}, Approve: s.approve}
	if password := s.options.Password; password != "" {
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
func (s *Screen) approve(context.Context, rfb.Secured) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.viewers) >= s.options.MaxViewers {
		return s.full
	}
	return nil
}

// join makes v one of the viewers, and gives it the lowest free number.
func (s *Screen) join(v *viewer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if len(s.viewers) >= s.options.MaxViewers {
		return s.full // several were let in at once
	}
	for s.viewers[v.id] != nil {
		v.id++
	}
	s.viewers[v.id] = v
	return nil
}

// start has v take part in what changes from now on, and returns what it is
// told of the desktop before that.
func (s *Screen) start(v *viewer) rfb.ServerInit {
	s.mu.Lock()
	defer s.mu.Unlock()
	v.start(s.size, s.screens, s.name, s.cursor)
	return rfb.ServerInit{Width: uint16(s.size.X), Height: uint16(s.size.Y), Format: rfb.Format32(), Name: s.name}
}

// leave forgets v.
func (s *Screen) leave(v *viewer) {
	s.mu.Lock()
	delete(s.viewers, v.id)
	s.mu.Unlock()
	s.options.Input.left(v.id)
}
