package control_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/rfb"
)

// newDesk is a gateway with one display, and one viewer that is in and reads
// nothing.
func newDesk(t *testing.T) (g *gateway.Gateway, viewer net.Conn) {
	t.Helper()
	g, address := desk(t)
	viewer = come(t, address)
	eventually(t, "it is open", func() bool { l := g.List(); return len(l) == 1 && l[0].Open })
	return g, viewer
}

// desk is a gateway with one display.
func desk(t testing.TB, configure ...func(*gateway.Gateway)) (g *gateway.Gateway, address string) {
	t.Helper()
	none := func() []rfb.Security { return []rfb.Security{rfb.None{}} }
	g = &gateway.Gateway{Resolve: func(_ context.Context, name string) (*gateway.Target, error) {
		return &gateway.Target{Name: name, Dial: dialDesk, Security: none}, nil
	}}
	for _, change := range configure {
		change(g)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() {
		served <- g.Serve(ln, gateway.Front{Name: "front", Target: "desk", Security: func(net.Conn, string) []rfb.Security { return none() }})
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = g.Shutdown(ctx)
		<-served
	})
	return g, ln.Addr().String()
}

// dialDesk reaches a display in memory that sends without end and takes what it
// is sent.
func dialDesk(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		c, err := rfb.Server(context.Background(), theirs, &rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}})
		if err != nil {
			return
		}
		if _, err := c.ReadClientInit(context.Background()); err != nil {
			return
		}
		if c.WriteServerInit(context.Background(), rfb.ServerInit{Width: 64, Height: 48, Format: rfb.Format32(), Name: "desk"}) != nil {
			return
		}
		go func() { _, _ = io.Copy(io.Discard, c) }()
		for b := make([]byte, 64<<10); ; {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}()
	return ours, nil
}

// TestAsRecordedWithClients replays what real clients said, byte by byte, with
// the session's ID of today: they are answered as they were then.
func TestAsRecordedWithClients(t *testing.T) {
	for _, name := range []string{"go-qemu", "qmp-shell"} {
		t.Run(name, func(t *testing.T) {
			b, err := os.ReadFile("testdata/" + name + ".txt")
			if err != nil {
				t.Fatal(err)
			}
			c := readTranscript(t, b)[0]
			gate, _ := newDesk(t)
			s := &control.Server{Table: control.Commands(&control.Backend{Gateway: gate}), Version: control.Version{Package: "vncgate devel"}}
			p := connect(t, serve(t, s))
			then, now := regexp.MustCompile(`"id":"([0-9a-f]{8})"`), gate.List()[0].ID
			killed := false
			for _, s := range c.steps {
				if killed { // session-kill does not wait for the end
					eventually(t, "the session has ended", func() bool { return len(gate.List()) == 0 })
				}
				killed = strings.Contains(s.text, "session-kill")
				p.said(t, then.ReplaceAllString(s.text, `"id":"`+now+`"`))
				for _, want := range s.lines {
					if !strings.Contains(want, `"event"`) {
						alike(t, want, p.next(t))
					}
				}
			}
			eventually(t, "the session has ended", func() bool { return len(gate.List()) == 0 })
		})
	}
}

// said sends what a client said; with getfd comes a descriptor.
func (p *peer) said(t *testing.T, text string) {
	t.Helper()
	if !strings.Contains(text, `"getfd"`) {
		p.send(t, text)
		return
	}
	null, err := os.Open(os.DevNull)
	if err == nil {
		defer null.Close()
		_, _, err = p.WriteMsgUnix([]byte(text), syscall.UnixRights(int(null.Fd())), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// alike compares what two lines are made of: their members, and of errors the
// class.
func alike(t *testing.T, want, got string) {
	t.Helper()
	a, b := made(t, want), made(t, got)
	if !reflect.DeepEqual(a, b) {
		t.Errorf("then %.300s\nnow  %.300s", want, got)
	}
}

func made(t *testing.T, line string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return madeOf(v)
}

// madeOf leaves out what differs between two gateways, and the elements of lists
// but for the first.
func madeOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		of := map[string]any{}
		for name, value := range v {
			switch name {
			case "rule", "limits", "class": // there may be some, or not
			default:
				of[name] = madeOf(value)
			}
		}
		if _, failed := v["desc"]; failed {
			of["class"] = v["class"]
		}
		return of
	case []any:
		if len(v) > 0 {
			return []any{madeOf(v[0])}
		}
		return v
	}
	return reflect.TypeOf(v)
}

// TestKillOfWhoReadsNothing: the display sends without end, the viewer takes
// nothing, eight commands block, and the session is ended at once.
func TestKillOfWhoReadsNothing(t *testing.T) {
	gate, viewer := newDesk(t)
	b := newBlocking()
	for _, c := range control.Commands(&control.Backend{Gateway: gate}).Commands(control.Admin) {
		b.Add(c)
	}
	c, err := control.Dial(t.Context(), serve(t, &control.Server{Table: b.Table}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stuck := int64(-1)
	eventually(t, "nothing moves any more", func() bool {
		before := stuck
		stuck = gate.List()[0].BytesDown
		return stuck == before && stuck > 0
	})
	blocked := make(chan error, control.MaxInBand)
	for range control.MaxInBand {
		go func() {
			_, err := c.Run(t.Context(), "sleep", nil)
			blocked <- err
		}()
	}
	eventually(t, "the first blocks", func() bool { return b.begun.Load() == 1 })
	for _, command := range []string{"session-pause", "session-resume", "session-kill"} {
		if got, err := c.RunOOB(t.Context(), command, control.Which{ID: gate.List()[0].ID}); err != nil || string(got) != `{"sessions":1}` {
			t.Errorf("%s: %s, %v", command, got, err)
		}
	}
	eventually(t, "the session has ended", func() bool { return len(gate.List()) == 0 })
	if _, err := io.Copy(io.Discard, viewer); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the viewer sees %v", err)
	}
	close(b.goOn)
	for range control.MaxInBand {
		if err := <-blocked; err != nil {
			t.Error(err)
		}
	}
}

// TestOutOfBandBesideRealWork: a display that takes nothing keeps the viewer's
// keys, set-rights waits for it, a probe for one that says nothing, and the
// session is ended all the same.
func TestOutOfBandBesideRealWork(t *testing.T) {
	silent := make(chan net.Conn, 1)
	gate, address := desk(t, func(g *gateway.Gateway) {
		g.Resolve = func(_ context.Context, name string) (*gateway.Target, error) {
			return &gateway.Target{
				Name: name, Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
				Dial: func(ctx context.Context) (net.Conn, error) {
					if name == "desk" {
						return dialDeaf(ctx)
					}
					ours, theirs := net.Pipe()
					silent <- theirs
					return ours, nil
				},
			}, nil
		}
	})
	viewer := come(t, address)
	eventually(t, "it is open", func() bool { l := gate.List(); return len(l) == 1 && l[0].Open })
	keys := bytes.Repeat(rfb.AppendKeyEvent(nil, true, 'a'), 1000)
	_ = viewer.SetWriteDeadline(time.Now().Add(patience))
	go func() {
		for {
			if _, err := viewer.Write(keys); err != nil {
				return
			}
		}
	}()
	b := &control.Backend{Gateway: gate, Probe: func(ctx context.Context, name string) (control.Probe, error) {
		_, err := gate.Probe(ctx, name)
		return control.Probe{}, err
	}}
	c, err := control.Dial(t.Context(), serve(t, &control.Server{Table: control.Commands(b)}))
	if err != nil {
		t.Fatal(err)
	}
	id := gate.List()[0].ID
	go func() {
		_, _ = c.Run(t.Context(), "session-set-rights", control.SetRights{Which: control.Which{ID: id}, Without: []string{"keyboard"}})
	}()
	go func() { _, _ = c.Run(t.Context(), "target-probe", control.ProbeArgs{Target: "silent"}) }()
	for _, command := range []string{"session-pause", "session-resume", "session-kill"} {
		if got, err := c.RunOOB(t.Context(), command, control.Which{ID: id}); err != nil || string(got) != `{"sessions":1}` {
			t.Errorf("%s: %s, %v", command, got, err)
		}
	}
	eventually(t, "the session has ended", func() bool { return len(gate.List()) == 0 })
	_ = c.Close() // the probe is given up
	select {
	case s := <-silent:
		_ = s.Close()
	case <-time.After(patience):
		t.Error("nobody was probed")
	}
}

// dialDeaf reaches a display that takes nothing once its viewer is in.
func dialDeaf(context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		ctx := context.Background()
		c, err := rfb.Server(ctx, theirs, &rfb.ServerConfig{Security: []rfb.Security{rfb.None{}}})
		if err != nil {
			return
		}
		if _, err := c.ReadClientInit(ctx); err == nil {
			_ = c.WriteServerInit(ctx, rfb.ServerInit{Width: 64, Height: 48, Format: rfb.Format32(), Name: "deaf"})
		}
	}()
	return ours, nil
}
