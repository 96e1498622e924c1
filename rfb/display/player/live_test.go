package player

import (
	"context"
	"errors"
	"image"
	"image/color"
	"net"
	"strings"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display/screen"
	"vncgate/rfb/display/screen/screentest"
)

// live follows a session of a viewer at a screen of a size.
func live(t *testing.T, w, h int, o LiveOptions) (*session, *Live) {
	t.Helper()
	s := screen.New(screen.Options{Name: "desk", Size: image.Pt(w, h), Input: screen.Input{Key: func(int, screen.Key) {}}})
	t.Cleanup(s.Close)
	var l *Live
	se := join(t, s, func(init rfb.ServerInit) follower {
		o.Init = init
		var err error
		if l, err = NewLive(o); err != nil {
			t.Fatal(err)
		}
		return l
	})
	t.Cleanup(func() { l.Close("") })
	return se, l
}

// Who looks on sees what the session's viewer does: late, early, through other
// encodings, after another size.
func TestLiveShowsTheSession(t *testing.T) {
	se, l := live(t, 200, 120, LiveOptions{Label: func(name string) string { return name + ", watched" }})
	se.viewer.Encodings(rfb.EncodingZRLE, rfb.EncodingExtendedDesktopSize, rfb.EncodingDesktopName)
	first := painted(200, 120, 1)
	se.screen.Show(first, nil)
	sees(t, se.viewer, first)

	early := screentest.Watch(t, l.ServeConn)
	if early.Init.Name != "desk, watched" || early.Init.Width != 200 {
		t.Errorf("%+v", early.Init)
	}
	early.Encodings(rfb.EncodingHextile, rfb.EncodingDesktopSize, rfb.EncodingDesktopName)
	sees(t, early, first)

	second := painted(333, 80, 2)
	se.screen.Show(second, nil)
	se.screen.Rename("other")
	sees(t, se.viewer, second)
	sees(t, early, second)
	late := screentest.Watch(t, l.ServeConn)
	late.Encodings(rfb.EncodingZRLE)
	sees(t, late, second)
	if l.Lookers() != 2 || l.Err() != nil {
		t.Errorf("%d look on, %v", l.Lookers(), l.Err())
	}
	eventually(t, "the other name", func() bool { early.Picture(); return early.Name == "other, watched" })

	l.Close("over")
	if err := early.Ended(); !errors.Is(err, ErrOver) {
		t.Errorf("ended with %v", err)
	}
	if err := late.Ended(); !errors.Is(err, ErrOver) {
		t.Errorf("ended with %v", err)
	}
	_, far := net.Pipe()
	if err := l.ServeConn(context.Background(), far); !errors.Is(err, ErrOver) || !errors.Is(l.Err(), ErrOver) {
		t.Errorf("afterwards: %v, %v", err, l.Err())
	}
}

// A session that all have left is drawn on, and can be looked at again.
func TestLiveIsLookedAtAgain(t *testing.T) {
	se, l := live(t, 100, 100, LiveOptions{Turns: make(chan struct{}, 1)})
	se.viewer.Encodings(rfb.EncodingZRLE)
	for n := range 4 {
		img := painted(100, 100, n)
		se.screen.Show(img, nil)
		sees(t, se.viewer, img)
		w := screentest.Watch(t, l.ServeConn)
		sees(t, w, img)
		_ = w.Leave()
		eventually(t, "nobody to look on", func() bool { return l.Lookers() == 0 })
		eventually(t, "the pictures to go", func() bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			return !l.working && l.stage == nil
		})
	}
}

// While nobody looks, what a session says gathers until it is worth a wake-up.
func TestLiveRestsWhileNobodyLooks(t *testing.T) {
	se, l := live(t, 100, 100, LiveOptions{})
	img := painted(100, 100, 1)
	se.screen.Show(img, nil)
	sees(t, se.viewer, img) // raw: 40 kB
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.working || l.waiting < 40000 || l.waiting >= gather {
		t.Errorf("%d bytes wait, working: %v", l.waiting, l.working)
	}
}

// The place of the session's pointer is in the picture, as the session's viewer
// draws it.
func TestLiveShowsThePointer(t *testing.T) {
	se, l := live(t, 64, 64, LiveOptions{})
	shape := image.NewRGBA(image.Rect(0, 0, 3, 3))
	for i := range shape.Pix {
		shape.Pix[i] = 255
	}
	se.screen.SetCursor(&screen.Cursor{Shape: shape, Hot: image.Pt(1, 1)})
	se.viewer.Encodings(rfb.EncodingRaw, rfb.EncodingCursor)
	img := painted(64, 64, 1)
	se.screen.Show(img, nil)
	sees(t, se.viewer, img)
	w := screentest.Watch(t, l.ServeConn)
	for _, at := range []image.Point{{X: 10, Y: 10}, {X: 40, Y: 63}, {X: 0, Y: 0}} {
		se.viewer.Send(rfb.AppendPointerEvent(nil, 0, uint16(at.X), uint16(at.Y)))
		want := painted(64, 64, 1)
		for y := -1; y <= 1; y++ {
			for x := -1; x <= 1; x++ {
				if p := at.Add(image.Pt(x, y)); p.In(want.Rect) {
					want.SetRGBA(p.X, p.Y, color.RGBA{255, 255, 255, 255})
				}
			}
		}
		sees(t, w, want)
	}
}

// Who looks on can do nothing, whatever they send.
func TestLiveHasNoInput(t *testing.T) {
	se, l := live(t, 64, 64, LiveOptions{})
	w := screentest.Watch(t, l.ServeConn)
	w.Encodings(rfb.EncodingRaw, rfb.EncodingXvp, rfb.EncodingExtendedClipboard, rfb.EncodingExtendedKeyEvent)
	w.Send(rfb.AppendKeyEvent(nil, true, 'x'), rfb.AppendPointerEvent(nil, 1, 2, 3), rfb.AppendClientCutText(nil, "text"), rfb.AppendXvp(nil, rfb.XvpReset))
	w.Picture()
	if w.Xvp != nil || w.Clips != nil || w.Acks != nil {
		t.Error("something is offered")
	}
	_ = se
}

// stuck has a Live whose turn never comes until it is given.
func stuck(t *testing.T, queue int) (se *session, l *Live, turns chan struct{}, lost chan error) {
	t.Helper()
	turns, lost = make(chan struct{}, 1), make(chan error, 2)
	se, l = live(t, 64, 64, LiveOptions{Queue: queue, Turns: turns, Lost: func(err error) { lost <- err }})
	return se, l, turns, lost
}

// A session that is faster than its pictures are drawn goes on, and who looks on
// is told.
func TestLiveFallsBehind(t *testing.T) {
	se, l, turns, lost := stuck(t, 60000) // three raw pictures
	img := painted(64, 64, 1)
	se.screen.Show(img, nil)
	sees(t, se.viewer, img)
	w := screentest.Watch(t, l.ServeConn)
	sees(t, w, img)
	turns <- struct{}{} // somebody else's
	for range 8 {
		se.viewer.Picture()
	}
	if err := <-lost; !errors.Is(err, ErrBehind) || !errors.Is(l.Err(), ErrBehind) {
		t.Errorf("%v, %v", err, l.Err())
	}
	l.mu.Lock()
	if l.waiting != 0 || l.queue != nil {
		t.Errorf("%d bytes wait for nothing", l.waiting)
	}
	l.mu.Unlock()
	<-turns
	banner := painted(64, 64, 1)
	drawBanner(banner, wordsBehind)
	sees(t, w, banner)
	_, far := net.Pipe()
	if err := l.ServeConn(context.Background(), far); !errors.Is(err, ErrBehind) {
		t.Errorf("another: %v", err)
	}
	se.screen.Show(painted(64, 64, 2), nil)
	sees(t, se.viewer, painted(64, 64, 2))
	l.Close("")
	if err := w.Ended(); !errors.Is(err, ErrOver) {
		t.Errorf("%v", err)
	}
}

// One that is late catches up, and says so meanwhile.
func TestLiveCatchesUp(t *testing.T) {
	se, l, turns, _ := stuck(t, 1<<20)
	w := screentest.Watch(t, l.ServeConn)
	w.Encodings(rfb.EncodingRaw, rfb.EncodingDesktopName)
	w.Picture()
	turns <- struct{}{}
	for range 40 {
		se.viewer.Picture()
	}
	l.mu.Lock()
	late := l.late
	l.mu.Unlock()
	if !late {
		t.Error("half of the queue is full, and it is not late")
	}
	img := painted(64, 64, 3)
	se.screen.Show(img, nil)
	sees(t, se.viewer, img)
	<-turns
	sees(t, w, img)
	eventually(t, "the name without a word", func() bool { w.Picture(); return !strings.Contains(w.Name, "behind") })
}

// What cannot be understood is the end of looking on, and of nothing else.
func TestLiveIsNotUnderstood(t *testing.T) {
	_, l, _, lost := stuck(t, 0)
	w := screentest.Watch(t, l.ServeConn)
	if err := l.Display([]byte{77, 77, 77}); err != nil {
		t.Error(err)
	}
	if err := <-lost; err == nil || errors.Is(err, ErrBehind) {
		t.Errorf("%v", err)
	}
	banner := image.NewRGBA(image.Rect(0, 0, 64, 64))
	drawBanner(banner, wordsLost)
	sees(t, w, banner)
	if err := l.Viewer([]byte{0}); err != nil {
		t.Error(err)
	}
}

func TestLiveWithoutAPicture(t *testing.T) {
	if _, err := NewLive(LiveOptions{Init: rfb.ServerInit{Format: rfb.Format32()}}); err == nil {
		t.Error("no error")
	}
}

func TestLiveIsFull(t *testing.T) {
	_, l := live(t, 64, 64, LiveOptions{MaxViewers: 1})
	screentest.Watch(t, l.ServeConn)
	near, far := net.Pipe()
	go func() { _ = l.ServeConn(context.Background(), far) }()
	_, err := rfb.Client(context.Background(), near, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if refused, ok := errors.AsType[*rfb.DisplayError](err); !ok || refused.Reason != wordsFull {
		t.Errorf("%v", err)
	}
}

func TestWrap(t *testing.T) {
	for _, c := range []struct {
		words string
		width int
		want  string
	}{{"a bc def", 4, "a bc|def"}, {"toolongword x", 4, "toolongword|x"}, {"", 4, ""}, {"one", 10, "one"}} {
		if got := strings.Join(wrap(c.words, c.width), "|"); got != c.want {
			t.Errorf("%q: %q", c.words, got)
		}
	}
}

// A session that is looked at may end at any moment, and lookers come and go.
func TestLiveEndsInTheMiddle(t *testing.T) {
	for range 20 {
		se, l := live(t, 64, 64, LiveOptions{})
		go func() { se.tap.Lock(); defer se.tap.Unlock(); l.Close("") }()
		near, far := net.Pipe()
		done := make(chan error, 1)
		go func() { done <- l.ServeConn(context.Background(), far) }()
		_ = near.Close()
		<-done
	}
}
