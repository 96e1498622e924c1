package gateway

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/rfb"
)

// silent reports whether nothing comes for a moment; what comes is kept.
func silent(t *testing.T, c net.Conn, kept *bytes.Buffer) bool {
	t.Helper()
	var b [256]byte
	_ = c.SetReadDeadline(time.Now().Add(30 * time.Millisecond))
	n, _ := c.Read(b[:])
	kept.Write(b[:n])
	return n == 0
}

func (r *parkedRelay) stopped(p *pump) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paused && p.spot.resting
}

// In a pause nothing passes, and nothing is lost: it comes afterwards, in order.
// What was held down has been released.
func TestPause(t *testing.T) {
	needLoops(t)
	classes := map[string]*class{"resting": newClass(Class{Park: time.Microsecond}), "moving": newClass(Class{Park: time.Hour}), "without": newClass(Class{Park: -1})}
	for name, stack := range parkStacks(t) {
		for kind, class := range classes {
			t.Run(name+" "+kind, func(t *testing.T) {
				r := newParkedRelay(t, class, stack[0], stack[1])
				press := rfb.AppendKeyEvent(nil, true, 'a')
				mustSend(t, r.viewer, r.display, press, press)
				r.pause()
				r.pause()
				mustSend(t, nil, r.display, nil, rfb.AppendKeyEvent(nil, false, 'a'))
				eventuallyTrue(t, "both directions stand still", func() bool { return r.stopped(&r.up) && r.stopped(&r.down) })
				var early [2]bytes.Buffer
				up, down := pointers(5000), pixels(5000)
				go func() { _, _ = r.viewer.Write(up) }()
				go func() { _, _ = r.display.Write(down) }()
				if !silent(t, r.display, &early[0]) || !silent(t, r.viewer, &early[1]) {
					t.Errorf("%x and %x passed in a pause", early[0].Bytes(), early[1].Bytes())
				}
				r.resume()
				r.resume()
				mustSend(t, nil, r.display, nil, up)
				mustSend(t, nil, r.viewer, nil, down)
			})
		}
	}
}

// mustSend writes to one end and reads what is wanted from the other.
func mustSend(t *testing.T, from io.Writer, to net.Conn, sent, want []byte) {
	t.Helper()
	if from != nil {
		if _, err := from.Write(sent); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len(want))
	_ = to.SetReadDeadline(time.Now().Add(30 * time.Second))
	if n, err := io.ReadFull(to, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%d of %d bytes arrived (%v), or not those", n, len(want), err)
	}
}

// Pauses at any moment lose nothing of a stream that does not stop.
func TestPausesInAStream(t *testing.T) {
	needLoops(t)
	for name, stack := range parkStacks(t) {
		t.Run(name, func(t *testing.T) {
			r := newParkedRelay(t, newClass(Class{Park: time.Microsecond}), stack[0], stack[1])
			sent := pixels(4 << 20)
			go func() { _, _ = r.display.Write(sent) }()
			over := make(chan struct{})
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for i := 0; ; i++ {
					r.pause()
					if i%3 == 0 {
						time.Sleep(time.Millisecond)
					}
					r.resume()
					select {
					case <-over:
						return
					case <-time.After(time.Millisecond):
					}
				}
			}()
			mustSend(t, nil, r.viewer, nil, sent)
			close(over)
			<-ended
		})
	}
}

// Ends come in a pause, too.
func TestEndsInAPause(t *testing.T) {
	needLoops(t)
	for who, test := range map[string]struct {
		end  func(*parkedRelay)
		want ending
	}{
		"viewer":  {func(r *parkedRelay) { _ = r.viewer.Close() }, endViewerLeft},
		"display": {func(r *parkedRelay) { _ = r.display.Close() }, endDisplayClosed},
		"gateway": {func(r *parkedRelay) { r.cut(endShutdown) }, endShutdown},
	} {
		t.Run(who, func(t *testing.T) {
			r := newParkedRelay(t, newClass(Class{Park: time.Hour}), nil, nil)
			r.pause()
			test.end(r)
			end := <-r.ended
			r.ended <- end // for the cleanup
			if end.reason != test.want.reason {
				t.Errorf("ended as %q, want %q", end.reason, test.want.reason)
			}
		})
	}
}

// A viewer that nobody reads from is pinged, and its silence means nothing.
func TestSilenceInAPause(t *testing.T) {
	needLoops(t)
	ws, client := layers.WebSocketServer(layers.WebSocketConfig{}), layers.WebSocketClient("ws://localhost/", nil)
	r := newParkedRelay(t, newClass(Class{}), []layers.Layer{ws}, []layers.Layer{client})
	r.pause()
	gone := false
	p := &pinger{up: &r.up, gone: func() { gone = true }, over: true}
	for range 5 {
		p.silent()
	}
	if gone {
		t.Error("a viewer in a pause was given up")
	}
}
