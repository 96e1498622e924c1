package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/layers/layertest"
	"vncgate/rfb"
)

// parkedRelay is a relay in a class that has its directions rest almost at once.
type parkedRelay struct {
	*relay
	viewer, display net.Conn // the far ends
	ended           chan ending
	using           sync.Mutex
}

func newParkedRelay(t testing.TB, class *class, server, client []layers.Layer) *parkedRelay {
	t.Helper()
	return newTappedRelay(t, class, server, client, nil)
}

func newTappedRelay(t testing.TB, class *class, server, client []layers.Layer, tap *tap) *parkedRelay {
	t.Helper()
	front, viewer := stackedPair(t, server, client)
	back, display := stackedPair(t, nil, nil)
	r := &parkedRelay{viewer: viewer, display: display, ended: make(chan ending, 1)}
	r.relay = newRelay(front, back, &auth.Grant{Rights: auth.AllRights}, rfb.ServerInit{Format: rfb.Format32()}, time.Minute, tap)
	class.force()
	r.class.Store(class)
	r.start(func(e ending) { r.ended <- e })
	t.Cleanup(func() {
		r.cut(endShutdown)
		<-r.ended
		class.leave()
		for _, c := range []net.Conn{front, viewer, back, display} {
			_ = c.Close()
		}
	})
	return r
}

func (r *parkedRelay) resting(p *pump) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.spot.resting
}

func (r *parkedRelay) bothRest() bool { return r.resting(&r.up) && r.resting(&r.down) }

func eventuallyTrue(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 30 seconds", what)
		}
	}
}

// parkStacks are how viewers come whose directions can rest.
func parkStacks(t testing.TB) map[string][2][]layers.Layer {
	certs := layertest.Certificates(t)
	ws := layers.WebSocketServer(layers.WebSocketConfig{})
	wsClient := layers.WebSocketClient("ws://localhost/websockify", nil)
	tlsServer, tlsClient := layers.TLSServer(certs.Server), layers.TLSClient(certs.Client)
	return map[string][2][]layers.Layer{
		"tcp": {},
		"ws":  {{ws}, {wsClient}},
		"tls": {{tlsServer}, {tlsClient}},
		"wss": {{tlsServer, ws}, {tlsClient, wsClient}},
	}
}

func needLoops(t testing.TB) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("sessions rest on Linux only")
	}
}

// Whatever is written between, before and after the rests arrives, in order.
func TestStreamsThroughRests(t *testing.T) {
	needLoops(t)
	for name, stack := range parkStacks(t) {
		t.Run(name, func(t *testing.T) {
			class := newClass(Class{Park: time.Microsecond})
			r := newParkedRelay(t, class, stack[0], stack[1])
			var both sync.WaitGroup
			both.Go(func() { sendThroughRests(t, r, &r.down, r.display, r.viewer, pixels) })
			both.Go(func() { sendThroughRests(t, r, &r.up, r.viewer, r.display, pointers) })
			both.Wait()
		})
	}
}

// pixels are n bytes that a display might send; all is granted, so nobody looks.
func pixels(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
	return b
}

// pointers are at least n bytes of PointerEvents.
func pointers(n int) []byte {
	var b []byte
	for len(b) < n {
		b = rfb.AppendPointerEvent(b, 0, uint16(rand.Uint32()), uint16(rand.Uint32()))
	}
	return b
}

func sendThroughRests(t *testing.T, r *parkedRelay, p *pump, from io.Writer, to io.Reader, some func(int) []byte) {
	sizes := []int{6, 1, 100, 5000, 70_000, 300_000}
	var total int
	sent, got := sha256.New(), sha256.New()
	pieces := make(chan []byte, 100)
	for i := range cap(pieces) {
		b := some(sizes[i%len(sizes)])
		total += len(b)
		sent.Write(b)
		pieces <- b
	}
	close(pieces)
	read := make(chan error, 1)
	go func() {
		_, err := io.CopyN(got, to, int64(total))
		read <- err
	}()
	for b := range pieces {
		if rand.IntN(3) == 0 {
			eventuallyTrue(t, "the direction rests", func() bool { return r.resting(p) })
		}
		for len(b) > 0 {
			n := 1 + rand.IntN(len(b))
			if _, err := from.Write(b[:n]); err != nil {
				t.Error(err)
				return
			}
			b = b[n:]
		}
	}
	if err := <-read; err != nil || !bytes.Equal(sent.Sum(nil), got.Sum(nil)) {
		t.Errorf("arrived otherwise than sent (%v)", err)
	}
}

// What crypto/tls or the WebSocket has read already is not waited for: a record
// holds more than one read of the relay takes, and its socket has nothing more.
func TestRestsOnlyWithEmptyBuffers(t *testing.T) {
	needLoops(t)
	for name, stack := range parkStacks(t) {
		t.Run(name, func(t *testing.T) {
			class := newClass(Class{Park: time.Microsecond})
			r := newParkedRelay(t, class, stack[0], stack[1])
			for range 20 {
				eventuallyTrue(t, "both rest", r.bothRest)
				sent := pointers(15_000) // one record, one frame, several reads
				if _, err := r.viewer.Write(sent); err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(sent))
				if _, err := io.ReadFull(r.display, got); err != nil || !bytes.Equal(got, sent) {
					t.Fatalf("arrived otherwise (%v)", err)
				}
			}
		})
	}
}

// A record and a frame may come byte by byte, with a rest behind each.
func TestRestsInsideOfRecords(t *testing.T) {
	needLoops(t)
	for name, stack := range parkStacks(t) {
		t.Run(name, func(t *testing.T) {
			drip := &dripping{}
			client := append([]layers.Layer{drip.layer}, stack[1]...)
			class := newClass(Class{Park: time.Microsecond})
			r := newParkedRelay(t, class, stack[0], client)
			drip.rest = func() {
				time.Sleep(3 * time.Millisecond) // the byte before has woken it by then, as a rule
				eventuallyTrue(t, "the viewer's direction rests", func() bool { return r.resting(&r.up) })
			}
			sent := pointers(18)
			if _, err := r.viewer.Write(sent); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(sent))
			if _, err := io.ReadFull(r.display, got); err != nil || !bytes.Equal(got, sent) {
				t.Fatalf("arrived otherwise (%v)", err)
			}
			drip.rest = nil
		})
	}
}

// dripping writes single bytes, once it has been told what to do before each.
type dripping struct {
	net.Conn
	rest func()
}

func (d *dripping) layer(_ context.Context, below net.Conn) (net.Conn, error) {
	d.Conn = below
	return d, nil
}

func (d *dripping) NetConn() net.Conn { return d.Conn }

func (d *dripping) Write(b []byte) (int, error) {
	if d.rest == nil {
		return d.Conn.Write(b)
	}
	for i := range b {
		d.rest()
		if _, err := d.Conn.Write(b[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(b), nil
}

// Thousands of resting sessions have no goroutine but that of the loop.
func TestManyRest(t *testing.T) {
	needLoops(t)
	const n = 500 // four sockets each
	class := newClass(Class{Park: time.Microsecond})
	before := runtime.NumGoroutine()
	all := make([]*parkedRelay, n)
	for i := range all {
		all[i] = newParkedRelay(t, class, nil, nil)
	}
	allRest := func() bool {
		for _, r := range all {
			if !r.bothRest() {
				return false
			}
		}
		return runtime.NumGoroutine() <= before+1
	}
	for round := range 3 {
		eventuallyTrue(t, "all rest, and one goroutine is left", allRest)
		var work sync.WaitGroup
		for range 8 {
			work.Go(func() {
				for range 200 {
					exchange(t, all[rand.IntN(n)])
				}
			})
		}
		work.Wait()
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	eventuallyTrue(t, "all rest again", allRest)
}

// exchange sends something both ways; several may do so at once.
func exchange(t *testing.T, r *parkedRelay) {
	r.using.Lock()
	defer r.using.Unlock()
	for _, way := range [][2]net.Conn{{r.viewer, r.display}, {r.display, r.viewer}} {
		sent := pointers(12)
		got := make([]byte, len(sent))
		if _, err := way[0].Write(sent); err != nil {
			t.Error(err)
			return
		}
		_ = way[1].SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.ReadFull(way[1], got); err != nil || !bytes.Equal(sent, got) {
			t.Errorf("arrived otherwise (%v)", err)
			return
		}
	}
}

// An end reaches directions that rest, whoever it comes from.
func TestEndsReachWhoRests(t *testing.T) {
	needLoops(t)
	ends := map[string]struct {
		end  func(*parkedRelay)
		want ending
	}{
		"viewer":  {func(r *parkedRelay) { _ = r.viewer.Close() }, endViewerLeft},
		"display": {func(r *parkedRelay) { _ = r.display.Close() }, endDisplayClosed},
		"gateway": {func(r *parkedRelay) { r.cut(endShutdown) }, endShutdown},
	}
	for name, stack := range parkStacks(t) {
		for who, test := range ends {
			t.Run(fmt.Sprint(name, " ", who), func(t *testing.T) {
				t.Parallel()
				r := newParkedRelay(t, newClass(Class{Park: time.Microsecond}), stack[0], stack[1])
				eventuallyTrue(t, "both rest", r.bothRest)
				test.end(r)
				end := <-r.ended
				r.ended <- end // for the cleanup
				if end.reason != test.want.reason {
					t.Errorf("ended as %q, want %q", end.reason, test.want.reason)
				}
			})
		}
	}
}
