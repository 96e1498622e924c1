package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/rfb"
)

// recorder keeps everything, and fails or panics where it is told to.
type recorder struct {
	mu       sync.Mutex
	down, up bytes.Buffer
	marks    []string
	ends     []string
	late     bool   // it was called after Close
	fails    string // "display", "viewer": with err; "panic" before it: by one
	err      error
	title    string
	notice   string
	block    chan struct{} // Display waits for it
}

func (r *recorder) at(place string) error {
	r.late = r.late || len(r.ends) > 0
	switch r.fails {
	case place:
		return r.err
	case "panic " + place:
		panic("it holds " + topSecret)
	}
	return nil
}

func (r *recorder) Display(b []byte) error {
	if r.block != nil {
		<-r.block
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.at("display"); err != nil {
		return err
	}
	r.down.Write(b)
	return nil
}

func (r *recorder) Viewer(b []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if bytes.Contains(b, mark(13)) { // from here on, whatever is to fail does
		if err := r.at("viewer"); err != nil {
			return err
		}
	}
	r.up.Write(b)
	return nil
}

func (r *recorder) Mark(kind gateway.EventKind, words string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, string(kind)+" "+words)
	_ = r.at("mark")
}

func (r *recorder) Close(reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends = append(r.ends, reason)
	if r.fails == "panic close" {
		panic("it holds " + topSecret)
	}
}

func (r *recorder) DesktopName(name string) string {
	if r.fails == "panic name" {
		panic("it holds " + topSecret)
	}
	return name + r.title
}

func (r *recorder) Notice() string { return r.notice }

// closed waits for the end, and returns what was recorded of both directions.
func (r *recorder) closed(t *testing.T) (down, up []byte, reason string) {
	t.Helper()
	eventually(t, "the recording is closed", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.ends) > 0
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ends) != 1 || r.late {
		t.Errorf("closed as %q, and called after that: %v", r.ends, r.late)
	}
	return bytes.Clone(r.down.Bytes()), bytes.Clone(r.up.Bytes()), r.ends[0]
}

// recordedBy has all sessions of a gateway recorded.
func recordedBy(r *recorder) func(*gateway.Gateway) {
	return func(g *gateway.Gateway) {
		g.Record = func(context.Context, gateway.SessionInfo, rfb.ServerInit) (gateway.Recorder, error) { return r, nil }
	}
}

// ring answers each FramebufferUpdateRequest with a bell.
func ring(msg []byte) []byte {
	if msg[0] == rfb.MsgFramebufferUpdateRequest {
		return []byte{rfb.MsgBell}
	}
	return nil
}

// What is recorded is what passes: without what the filters of both directions
// withhold, and with what the gateway says by itself.
func TestRecorderGetsWhatPasses(t *testing.T) {
	const withheld = auth.ClipboardOut | auth.Bell | auth.Pointer
	cut, bell := []byte{3, 0, 0, 0, 0, 0, 0, 2, 'h', 'o'}, []byte{2}
	colours := []byte{1, 0, 0, 7, 0, 1, 1, 2, 3, 4, 5, 6} // SetColourMapEntries, which passes
	shown := bytes.Join([][]byte{bell, colours, cut, colours, bell, colours}, nil)
	sent, got := make(chan struct{}), make(chan []byte, 1)
	display := newDisplay(t, []rfb.Security{rfb.None{}}, func(c net.Conn) {
		_, _ = c.Write(shown[:3])
		_, _ = c.Write(shown[3:])
		close(sent)
		b, _ := io.ReadAll(c)
		got <- b
	})
	rec := &recorder{}
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, recordedBy(rec), func(g *gateway.Gateway) {
		g.Authorize = func(_ context.Context, req auth.Request) (auth.Grant, error) {
			return auth.Grant{Identity: req.Identities[0], Rights: auth.AllRights &^ withheld}, nil
		}
	})
	viewer := g.view(t)
	g.opened(t)
	if !g.List()[0].Recorded {
		t.Error("nobody can see that it is recorded")
	}
	seen := make([]byte, 3*len(colours))
	if _, err := io.ReadFull(viewer, seen); err != nil {
		t.Fatal(err)
	}
	send(t, viewer, key(true, 'a'), pointer(1, 2, 3), mark(1), key(true, 'b'))
	<-sent
	_ = viewer.Close()
	taken := <-got
	down, up, reason := rec.closed(t)
	if !bytes.Equal(down, seen) || !bytes.Equal(seen, bytes.Repeat(colours, 3)) {
		t.Errorf("recorded % x, the viewer saw % x", down, seen)
	}
	if !bytes.Equal(up, taken) || !bytes.HasPrefix(taken, bytes.Join([][]byte{key(true, 'a'), mark(1), key(true, 'b')}, nil)) ||
		!bytes.Contains(taken, key(false, 'a')) || !bytes.Contains(taken, key(false, 'b')) {
		t.Errorf("recorded % x, the display got % x", up, taken)
	}
	if reason != "viewer left" {
		t.Errorf("closed as %q", reason)
	}
}

// What cannot be recorded does not pass, and the viewer is told why. Whatever it
// holds down comes up all the same.
func TestRecorderThatFails(t *testing.T) {
	const words = "Your session is recorded, and the disk is full."
	for _, test := range []struct {
		fails, words string
		err          error
	}{
		{"display", words, &rfb.Refusal{Reason: words, Err: errors.New("ENOSPC")}},
		{"viewer", words, &rfb.Refusal{Reason: words}},
		{"viewer", "Your session cannot be recorded, as it has to be. Tell the gateway's administrator.", errors.New("the disk of " + topSecret)},
	} {
		t.Run(test.fails, func(t *testing.T) {
			rec := &recorder{err: test.err}
			g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{}), recordedBy(rec))
			g.display.Answer = ring
			viewer := g.mustBrowse(t)
			send(t, viewer, key(true, 'a'), mark(1))
			if _, err := io.ReadFull(viewer, make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			rec.mu.Lock()
			rec.fails = test.fails
			rec.mu.Unlock()
			send(t, viewer, mark(13), key(true, 'b'), mark(14))
			if end := closing(t, viewer); end.Reason != test.words {
				t.Errorf("closed with %+v", end)
			}
			if _, _, reason := rec.closed(t); reason != "recording failed" {
				t.Errorf("closed as %q", reason)
			}
			g.sees(t, key(false, 'a'))
			if test.fails == "viewer" && slices.ContainsFunc(g.display.Messages(), func(m []byte) bool { return bytes.Equal(m, mark(13)) || bytes.Equal(m, key(true, 'b')) }) {
				t.Error("what was not recorded has reached the display")
			}
			eventually(t, "its place is given back", func() bool { return g.Sessions() == 0 })
		})
	}
}

// A fault in a recorder ends its session alone, and it is closed once.
func TestRecorderThatPanics(t *testing.T) {
	for _, place := range []string{"display", "viewer", "mark", "close", "name"} {
		t.Run(place, func(t *testing.T) {
			rec := &recorder{fails: "panic " + place}
			g := newGoverned(t, auth.Grant{}, gateway.Front{}, recordedBy(rec))
			g.display.Answer = ring
			if viewer, err := viewOver(g.dial(t)); err == nil {
				g.opened(t)
				send(t, viewer, key(true, 'a'), mark(13))
				if place == "mark" {
					g.Pause(everybody, "")
				}
				if place == "close" {
					_ = viewer.Close()
				}
				_, _ = io.Copy(io.Discard, viewer)
			}
			eventually(t, "its place is given back", func() bool { return g.Sessions() == 0 })
			rec.closed(t)
			if log := g.log.String(); !strings.Contains(log, "fault in the program") || strings.Contains(log, topSecret) {
				t.Error("the log lacks the fault, or shows a secret")
			}
		})
	}
}

// A session that has to be recorded and cannot be does not begin.
func TestRecordRefuses(t *testing.T) {
	const words = "There is no room for recordings."
	rec := &recorder{}
	g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{NoticeKey: noticeKey}), recordedBy(rec), func(g *gateway.Gateway) {
		g.Record = func(_ context.Context, s gateway.SessionInfo, init rfb.ServerInit) (gateway.Recorder, error) {
			if s.Target != "display" || s.ID == "" || s.Identity.Method == "" || init.Name != testInit.Name || init.Width != testInit.Width {
				t.Errorf("asked about %+v with %+v", s, init)
			}
			return nil, &rfb.Refusal{Reason: words}
		}
	})
	if _, err := g.browse(t); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("the viewer was told %v", err)
	}
	eventually(t, "its place is given back", func() bool { return g.Sessions() == 0 })
	if !strings.Contains(g.log.String(), "session refused") {
		t.Error("nothing of it in the log")
	}
}

// A recorder is told of what is no byte, and says what the desktop is called.
func TestRecorderMarks(t *testing.T) {
	rec := &recorder{title: " (recorded)"}
	g := newGoverned(t, auth.Grant{}, gateway.Front{}, recordedBy(rec))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	viewer, err := rfb.Client(ctx, g.dial(t), &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := viewer.WriteClientInit(ctx, true); err != nil {
		t.Fatal(err)
	}
	if init, err := viewer.ReadServerInit(ctx); err != nil || init.Name != testInit.Name+" (recorded)" {
		t.Errorf("the desktop is called %q (%v)", init.Name, err)
	}
	g.opened(t)
	g.Pause(everybody, "A moment.")
	g.Resume(everybody, "")
	g.HoldTo(everybody, auth.AllRights&^auth.Keyboard)
	_ = viewer.Close()
	rec.closed(t)
	want := []string{"SESSION_PAUSED A moment.", "SESSION_RESUMED Your session goes on.", "GRANT_CHANGED " + (auth.AllRights &^ auth.Keyboard).String()}
	if !slices.Equal(rec.marks, want) {
		t.Errorf("marked %q, want %q", rec.marks, want)
	}
}

// While a recorder does not return, its session stands still; it ends when it does,
// and is closed once.
func TestRecorderThatBlocks(t *testing.T) {
	rec := &recorder{block: make(chan struct{})}
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{}, recordedBy(rec))
	viewer := g.view(t)
	send(t, viewer, keyA)
	g.opened(t)
	if n := g.End(everybody, gateway.Ending{Reason: "over"}); n != 1 {
		t.Fatalf("%d ended", n)
	}
	close(rec.block)
	if _, _, reason := rec.closed(t); reason != "over" {
		t.Errorf("closed as %q", reason)
	}
	eventually(t, "its place is given back", func() bool { return g.Sessions() == 0 })
}

// What a recorder has to say to the viewer is there for a page that listens later,
// once.
func TestRecorderAnnounces(t *testing.T) {
	const words = "This session is recorded."
	g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{NoticeKey: noticeKey}), recordedBy(&recorder{notice: words}))
	viewer := g.mustBrowse(t)
	g.opened(t)
	notices := g.listen(t, noticeKey)
	if n := next(t, notices); n.Kind != gateway.NoticeRights {
		t.Errorf("%+v", n)
	}
	if n := next(t, notices); n.Kind != gateway.NoticeMessage || n.Words != words {
		t.Errorf("%+v", n)
	}
	notices = g.listen(t, noticeKey)
	next(t, notices)
	g.Message(everybody, "And more.")
	if n := next(t, notices); n.Words != "And more." {
		t.Errorf("told twice: %+v", n)
	}
	_ = viewer.Close()
}
