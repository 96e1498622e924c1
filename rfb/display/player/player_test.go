package player

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/screen"
	"vncgate/rfb/display/screen/screentest"
)

// A said is what a side said at a moment of a recording.
type said struct {
	at     time.Duration
	viewer bool
	b      []byte
}

// pages is a recording of a display of a size that shows painted(n) after n
// times step, n being 0 to count-1, and of another size from resize on.
func pages(t *testing.T, step time.Duration, count, resize int) Tape {
	t.Helper()
	s := screen.New(screen.Options{Name: "desk", Size: image.Pt(80, 60)})
	defer s.Close()
	k := &keep{}
	se := join(t, s, func(init rfb.ServerInit) follower { k.init = init; return k })
	se.viewer.Encodings(rfb.EncodingZRLE, rfb.EncodingDesktopSize)
	for n := range count {
		k.now(time.Duration(n) * step)
		img := page(n, resize)
		s.Show(img, nil)
		sees(t, se.viewer, img)
	}
	_ = se.viewer.Leave()
	return k.tape(time.Duration(count) * step)
}

// page is the picture n of pages.
func page(n, resize int) *image.RGBA {
	if n >= resize {
		return painted(50, 90, n)
	}
	return painted(80, 60, n)
}

// keep keeps what both sides say.
type keep struct {
	init rfb.ServerInit
	mu   sync.Mutex
	at   time.Duration
	all  []said
}

func (k *keep) now(at time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at = at
}

func (k *keep) add(viewer bool, b []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, said{k.at, viewer, append([]byte(nil), b...)})
	return nil
}

func (k *keep) Display(b []byte) error { return k.add(false, b) }
func (k *keep) Viewer(b []byte) error  { return k.add(true, b) }

// tape plays what was kept, from the beginning whatever moment is wanted.
func (k *keep) tape(duration time.Duration) Tape {
	return Tape{Duration: duration, Open: func(at time.Duration) (*Reel, error) {
		f, err := display.NewFollower(k.init)
		if err != nil {
			return nil, err
		}
		rest := k.all
		r := &Reel{Follower: f, Close: f.Close}
		r.Next = func() (time.Duration, error) {
			if len(rest) == 0 {
				return 0, io.EOF
			}
			return rest[0].at, nil
		}
		r.Advance = func(to time.Duration) error {
			for ; len(rest) > 0 && rest[0].at <= to; rest = rest[1:] {
				give := f.Display
				if rest[0].viewer {
					give = f.Viewer
				}
				if err := give(rest[0].b); err != nil {
					return err
				}
			}
			return nil
		}
		return r, r.Advance(at)
	}}
}

// play plays a tape until the end of the test.
func play(t *testing.T, tape Tape, o Options) *Player {
	t.Helper()
	p, err := New(tape, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// look has a viewer look at p.
func look(t *testing.T, p *Player) *screentest.Watcher {
	t.Helper()
	w := screentest.Watch(t, p.ServeConn)
	w.Encodings(rfb.EncodingZRLE, rfb.EncodingDesktopSize, rfb.EncodingDesktopName)
	return w
}

func TestPlayerPlaysToTheEnd(t *testing.T) {
	p := play(t, pages(t, 10*time.Millisecond, 6, 4), Options{Label: func(name string) string { return "recording of " + name }})
	if s := p.State(); s.Position != 0 || s.Duration != 60*time.Millisecond || s.Speed != 1 || !s.Playing || s.AtEnd || s.Viewers != 0 {
		t.Errorf("at first: %+v", s)
	}
	w := look(t, p)
	if w.Init.Name != "recording of desk" {
		t.Errorf("the name is %q", w.Init.Name)
	}
	eventually(t, "the end", func() bool { return p.State().AtEnd })
	if s := p.State(); s.Position != s.Duration || s.Viewers != 1 || s.Err != "" {
		t.Errorf("at the end: %+v", s)
	}
	sees(t, w, page(5, 4)) // and stays
	p.Play()               // from the beginning
	eventually(t, "the end again", func() bool { return p.State().AtEnd && p.State().Position == p.State().Duration })
	sees(t, w, page(5, 4))
}

// While nobody looks, and in a pause, it stands still; a seek shows its picture
// all the same.
func TestPlayerSeeks(t *testing.T) {
	const step = time.Hour // of which the test sees nothing go by
	p := play(t, pages(t, step, 5, 3), Options{Paused: true})
	w := look(t, p)
	for _, n := range []int{3, 0, 4, 2, 1} {
		p.Seek(time.Duration(n)*step + step/2)
		if at := p.State().Position; at != time.Duration(n)*step+step/2 {
			t.Errorf("after a seek it is at %v", at)
		}
		sees(t, w, page(n, 3))
	}
	p.Seek(-time.Second)
	sees(t, w, page(0, 3))
	p.Seek(100 * step)
	sees(t, w, page(4, 3))
	eventually(t, "the end", func() bool { return p.State().AtEnd })
	if s := p.State(); s.Position != 5*step || s.Playing {
		t.Errorf("%+v", s)
	}
}

func TestPlayerPausesAndSpeeds(t *testing.T) {
	p := play(t, pages(t, time.Hour, 3, 9), Options{Speed: 4})
	w := look(t, p)
	eventually(t, "time to go by", func() bool { return p.State().Position > 0 })
	p.Pause()
	at := p.State()
	if again := p.State(); again.Position != at.Position || again.Playing || again.Speed != 4 {
		t.Errorf("it goes on in a pause: %+v", again)
	}
	for speed, ok := range map[float64]bool{0.1: true, 16: true, 1.5: true, 0: false, 0.09: false, 17: false, -1: false} {
		if err := p.SetSpeed(speed); (err == nil) != ok {
			t.Errorf("speed %v: %v", speed, err)
		}
	}
	zero := 0.0
	if p.SetSpeed(zero/zero) == nil {
		t.Error("a speed that is no number")
	}
	_ = w.Leave()
	eventually(t, "nobody to look", func() bool { return p.State().Viewers == 0 })
	p.Play()
	if a, b := p.State(), p.State(); a.Position != b.Position || !a.Playing {
		t.Errorf("it plays for nobody: %+v, %+v", a, b)
	}
}

// Where nothing happens for an hour, nobody waits for an hour.
func TestPlayerSkipsIdleTime(t *testing.T) {
	p := play(t, pages(t, time.Hour, 3, 9), Options{Speed: MaxSpeed})
	p.SetSkipIdle(time.Second)
	w := look(t, p)
	eventually(t, "the end", func() bool { return p.State().AtEnd })
	sees(t, w, page(2, 9))
}

// Two who look see the same.
func TestPlayerHasManyViewers(t *testing.T) {
	p := play(t, pages(t, time.Hour, 3, 2), Options{Paused: true, MaxViewers: 2})
	a, b := look(t, p), look(t, p)
	b.Encodings(rfb.EncodingHextile, rfb.EncodingDesktopSize)
	p.Seek(2 * time.Hour)
	sees(t, a, page(2, 2))
	sees(t, b, page(2, 2))
	near, far := net.Pipe()
	go func() { _ = p.ServeConn(context.Background(), far) }()
	_, err := rfb.Client(context.Background(), near, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if refused, ok := errors.AsType[*rfb.DisplayError](err); !ok || refused.Reason != wordsFullTape {
		t.Errorf("one too many: %v", err)
	}
	p.Close()
	if err := a.Ended(); !errors.Is(err, screen.ErrClosed) {
		t.Errorf("ended with %v", err)
	}
}

// A recording that is damaged plays up to there, and can be gone back in.
func TestPlayerOfADamagedRecording(t *testing.T) {
	whole := pages(t, 10*time.Millisecond, 4, 9)
	broken := errors.New("it is torn here")
	torn := Tape{Duration: whole.Duration, Open: func(at time.Duration) (*Reel, error) {
		if at > 30*time.Millisecond {
			return nil, broken
		}
		r, err := whole.Open(at)
		next, advance := r.Next, r.Advance
		r.Advance = func(to time.Duration) error { return advance(min(to, 15*time.Millisecond)) }
		r.Next = func() (time.Duration, error) {
			if at, err := next(); err != nil || at < 20*time.Millisecond {
				return at, err
			}
			return 0, broken
		}
		return r, err
	}}
	p := play(t, torn, Options{})
	w := look(t, p)
	eventually(t, "an end", func() bool { return p.State().AtEnd })
	if s := p.State(); !strings.Contains(s.Err, "torn") {
		t.Errorf("%+v", s)
	}
	sees(t, w, page(1, 9))
	p.Pause()
	p.Seek(5 * time.Millisecond)
	sees(t, w, page(0, 9))
	if s := p.State(); s.Err != "" || s.AtEnd {
		t.Errorf("%+v", s)
	}
	p.Seek(35 * time.Millisecond)
	eventually(t, "words of what is wrong", func() bool { return p.State().Err != "" })
	sees(t, w, page(0, 9))
}

func TestPlayerOfNothing(t *testing.T) {
	if _, err := New(Tape{Open: func(time.Duration) (*Reel, error) { return nil, io.EOF }}, Options{}); err == nil {
		t.Error("no error")
	}
}

// All of it at once, by many.
func TestPlayerUnderPressure(t *testing.T) {
	p := play(t, pages(t, time.Millisecond, 8, 4), Options{})
	w := look(t, p)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for n := range 25 {
				switch (n + i) % 5 {
				case 0:
					p.Seek(time.Duration(n%9) * time.Millisecond)
				case 1:
					p.Pause()
				case 2:
					_ = p.SetSpeed(float64(1 + n%16))
				case 3:
					p.SetSkipIdle(time.Duration(n) * time.Millisecond)
				default:
					p.Play()
				}
				p.State()
			}
		})
	}
	w.Picture()
	all.Wait()
	p.Pause()
	p.Seek(6 * time.Millisecond)
	sees(t, w, page(6, 4))
}

func ExamplePlayer() {
	tape := Tape{Duration: time.Minute, Open: func(time.Duration) (*Reel, error) {
		f, err := display.NewFollower(rfb.ServerInit{Width: 640, Height: 400, Format: rfb.Format32(), Name: "lobby"})
		return &Reel{
			Follower: f, Close: f.Close,
			Next:    func() (time.Duration, error) { return 0, io.EOF },
			Advance: func(time.Duration) error { return nil },
		}, err
	}}
	p, err := New(tape, Options{Paused: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()
	p.Seek(30 * time.Second)
	fmt.Println(p.State().Position, p.State().Playing)
	// Output: 30s false
}
