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
// Package screen shows it to any number of viewers at a time, up to
// Options.MaxViewers. Nothing is painted while nobody watches.
package demo

import (
	"context"
	"image"
	"net"
	"sync"
	"time"

	"vncgate/rfb/display/screen"
)

// Defaults of Options, and the most pictures a second there can be.
const (
	DefaultName       = "vncgate demo"
	DefaultFrameRate  = 30
	MaxFrameRate      = 60
	DefaultMaxViewers = 32
)

// ErrClosed is returned by ServeConn once the display has been closed.
var ErrClosed = screen.ErrClosed

// full is told to viewers that there is no room for.
const full = "The demo has as many viewers as it takes"

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
	screen  *screen.Screen
	began   time.Time
	drawing sync.WaitGroup // the painter

	painting sync.Mutex // held while the scene is painted; taken before mu
	scene    *scene     // nil until a viewer comes

	mu      sync.Mutex // taken before the screen's
	viewers int
	bell    box // the button in the picture
	input   *input
	frame   int           // pictures painted
	stop    chan struct{} // ends the painter; nil while there is none
}

// New makes a display. It takes up next to nothing until a viewer comes.
func New(o Options) *Display {
	o = o.withDefaults()
	d := &Display{options: o, fonts: loadFonts(), began: o.Clock(), input: newInput()}
	d.screen = screen.New(screen.Options{
		Name: o.Name, Size: image.Pt(o.Width, o.Height), Password: o.Password,
		MaxViewers: o.MaxViewers, Full: full, Cursor: newCursor(),
		Input: screen.Input{
			Joined: d.join, Left: d.leave, Key: d.key, Pointer: d.point,
			CutText: d.cutText, Power: d.power, Resize: d.setDesktopSize,
		},
	})
	return d
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
func (d *Display) ServeConn(ctx context.Context, c net.Conn) error { return d.screen.ServeConn(ctx, c) }

// Close ends all sessions and waits for them. Later ones are refused.
func (d *Display) Close() {
	d.screen.Close()
	d.drawing.Wait()
}
