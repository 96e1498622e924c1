package tunnel_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"vncgate/gateway/tunnel"
	"vncgate/layers"
)

// frame is a message as the wire has it, written down once more.
func frame(t testing.TB, text string) []byte {
	t.Helper()
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

func unframe(t testing.TB, r io.Reader) map[string]map[string]any {
	t.Helper()
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil
	}
	body := make([]byte, min(binary.BigEndian.Uint32(head[:]), 1<<20))
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatal(err)
	}
	var m map[string]map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	return m
}

// goodHello is what an agent of the name liar says.
const goodHello = `{"hello":{"protocol":1,"oldest":1,"agent":"liar","instance":"x","services":[{"name":"desk"}],"future":{"a":[1]}},"unknown":7}`

// liar is an agent of which every byte is ours.
type liar struct {
	t       testing.TB
	mux     *layers.Mux
	control *layers.MuxStream
}

func newLiar(t testing.TB, c net.Conn, opener bool) *liar {
	t.Helper()
	m, err := layers.NewMux(c, opener, layers.MuxConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	l := &liar{t: t, mux: m}
	if opener {
		l.control, err = m.Open(within(t))
	} else {
		l.control, err = m.Accept(within(t))
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = l.control.SetDeadline(time.Now().Add(patience))
	return l
}

func (l *liar) say(text string) { _, _ = l.control.Write(frame(l.t, text)) }

// leaveWhenTold ends the tunnel as soon as the other end wants it so.
func (l *liar) leaveWhenTold() {
	var text []byte
	for b := make([]byte, 512); ; {
		n, err := l.control.Read(b)
		text = append(text, b[:n]...)
		if err != nil || bytes.Contains(text, []byte(`"refused"`)) || bytes.Contains(text, []byte(`"bye"`)) {
			_ = l.mux.Close()
			return
		}
	}
}

// known says a good hello and wants it taken.
func (l *liar) known() {
	l.t.Helper()
	l.say(goodHello)
	if m := unframe(l.t, l.control); m["welcome"]["agent"] != "liar" {
		l.t.Fatalf("answered: %v", m)
	}
}

// Agents that lie are cut, and a good one beside them does not notice.
func TestHostileAgents(t *testing.T) {
	huge := binary.BigEndian.AppendUint32(nil, 1<<31)
	for name, c := range map[string]struct {
		lie  func(l *liar)
		want string // in what Serve returns
	}{
		"silent":        {func(*liar) {}, "has not said hello in time"},
		"half a length": {func(l *liar) { _, _ = l.control.Write([]byte{0, 0}) }, "has not said hello in time"},
		"half a hello":  {func(l *liar) { _, _ = l.control.Write(frame(t, goodHello)[:40]) }, "has not said hello in time"},
		"cut hello":     {func(l *liar) { _, _ = l.control.Write(frame(t, goodHello)[:40]); _ = l.control.CloseWrite() }, "unexpected EOF"},
		"huge length":   {func(l *liar) { _, _ = l.control.Write(huge) }, "2147483648 bytes"},
		"no JSON":       {func(l *liar) { l.say("GET / HTTP/1.1") }, "invalid character"},
		"wrong types":   {func(l *liar) { l.say(`{"hello":{"services":3}}`) }, "cannot unmarshal"},
		"no hello":      {func(l *liar) { l.say(`{"ping":1}`) }, "no hello"},
		"no version":    {func(l *liar) { l.say(`{"hello":{}}`) }, "names no version"},
		"too new":       {func(l *liar) { l.say(`{"hello":{"protocol":9,"oldest":8}}`) }, "update the gateway first"},
		"bad service":   {func(l *liar) { l.say(strings.Replace(goodHello, "desk", "../desk", 1)) }, "the hello is wrong"},
		"service twice": {func(l *liar) {
			l.say(strings.Replace(goodHello, `{"name":"desk"}`, `{"name":"desk"},{"name":"desk"}`, 1))
		}, "twice"},
		"bad name":        {func(l *liar) { l.say(strings.Replace(goodHello, "liar", `\u001b[31m`, 1)) }, "the hello is wrong"},
		"negative index":  {func(l *liar) { l.say(strings.Replace(goodHello, `"instance"`, `"index":-1,"instance"`, 1)) }, "out of bounds"},
		"hello twice":     {func(l *liar) { l.known(); l.say(goodHello) }, "hello twice"},
		"control ends":    {func(l *liar) { l.known(); _ = l.control.CloseWrite() }, "ended its control stream"},
		"opens a stream":  {func(l *liar) { l.known(); _, _ = l.mux.Open(within(t)) }, ""},
		"opens after end": {func(l *liar) { l.known(); _ = l.control.Close(); _, _ = l.mux.Open(within(t)) }, ""},
		"garbage later":   {func(l *liar) { l.known(); l.say("\x00\x00") }, "invalid character"},
		"chatter": {func(l *liar) {
			l.known()
			_, _ = l.control.Write(bytes.Repeat(frame(t, `{"pong":7}`), 300))
		}, "more messages than there is reason for"},
		"asks for many certificates": {func(l *liar) {
			l.known()
			_, _ = l.control.Write(bytes.Repeat(frame(t, `{"renew":{"csr":"AAAA"}}`), 300))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, &tunnel.Hub{Limits: tunnel.Limits{Hello: time.Second}})
			g.Hub.Renew = func(ctx context.Context, _ tunnel.Peer, _ []byte) ([]byte, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			start(t, &tunnel.Agent{Name: "good", Connect: g.connect(anything), Services: []tunnel.Service{echo("desk")}})
			good := dial(t, g, "good", "desk")
			exchange(t, good, "before")
			l := newLiar(t, g.serve(anything), true)
			c.lie(l)
			go l.leaveWhenTold()
			eventually(t, "it is cut", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.results) == 1 })
			if err := g.results[0]; err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Serve returned %v", err)
			}
			exchange(t, good, "after")
			if n := g.count(tunnel.Lost); n > 1 || len(g.tunnels("good")) != 1 {
				t.Errorf("%d lost, good has %+v", n, g.tunnels("good"))
			}
		})
	}
}

// What is no tunnel at all.
func TestHostileBytes(t *testing.T) {
	g := newGate(t, &tunnel.Hub{Limits: tunnel.Limits{Hello: 100 * time.Millisecond}})
	for i, garbage := range []string{"", "GET /agent HTTP/1.1\r\nHost: x\r\n\r\n", "RFB 003.008\n", strings.Repeat("\xff", 1<<16), "\x00\x00\x00\x01\x00\x00\x00\x01\xff\xff\xff\xff"} {
		c := g.serve(anything)
		_, _ = io.WriteString(c, garbage)
		eventually(t, "it is cut", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.results) == i+1 })
		if g.results[i] == nil {
			t.Errorf("%.20q was taken in", garbage)
		}
		c.Close()
	}
}

// Lies about streams hurt the stream that was asked for and nothing else.
func TestHostileAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(s *layers.MuxStream)
		want   func(error) bool
	}{
		"garbage": {func(s *layers.MuxStream) { _, _ = s.Write(frame(t, "no")) }, isService("invalid character")},
		"huge":    {func(s *layers.MuxStream) { _, _ = s.Write([]byte{0, 1, 0, 0}) }, isService("65536 bytes")},
		"end":     {func(s *layers.MuxStream) { _ = s.Close() }, isService("EOF")},
		"words": {func(s *layers.MuxStream) {
			_, _ = s.Write(frame(t, `{"code":"odd","reason":"`+strings.Repeat("x", 2000)+`"}`))
		}, isService(strings.Repeat("x", 300))},
		"unknown": {func(s *layers.MuxStream) { _, _ = s.Write(frame(t, `{"code":"unknown"}`)) }, func(err error) bool { return errors.Is(err, tunnel.ErrNoService) }},
		"busy":    {func(s *layers.MuxStream) { _, _ = s.Write(frame(t, `{"code":"busy"}`)) }, func(err error) bool { return errors.Is(err, layers.ErrMuxStreams) }},
		"silence": {func(*layers.MuxStream) {}, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) }},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, &tunnel.Hub{})
			l := newLiar(t, g.serve(anything), true)
			l.known()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			if name == "silence" {
				ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
			}
			defer cancel()
			go func() {
				s, err := l.mux.Accept(within(t))
				if err == nil {
					_ = s.SetDeadline(time.Now().Add(patience))
					_, _ = io.ReadFull(s, make([]byte, len(frame(t, `{"service":"desk"}`))))
					c.answer(s)
				}
			}()
			_, err := g.Dial(ctx, "liar", "desk")
			if err == nil || !c.want(err) || len(err.Error()) > 500 {
				t.Errorf("it is %v", err)
			}
			if tunnels := g.tunnels("liar"); len(tunnels) != 1 || len(tunnels[0].Streams) != 0 {
				t.Errorf("left: %+v", tunnels)
			}
		})
	}
}

func isService(want string) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*tunnel.ServiceError](err)
		return ok && strings.Contains(e.Reason, want)
	}
}

// Gateways that lie get nothing, and the agent tries on.
func TestHostileGateways(t *testing.T) {
	const good = `{"welcome":{"protocol":1,"agent":"lab","tunnels":1}}`
	for name, c := range map[string]struct {
		lie  func(l *liar)
		want string // in the agent's state
	}{
		"garbage":         {func(l *liar) { _, _ = l.control.Write(bytes.Repeat([]byte{0xff}, 100)) }, "4294967295 bytes"},
		"no welcome":      {func(l *liar) { l.say(`{"ping":1}`) }, "no welcome"},
		"another version": {func(l *liar) { l.say(strings.Replace(good, `l":1`, `l":2`, 1)) }, "was not offered"},
		"end":             {func(l *liar) { _ = l.control.Close() }, "EOF"},
		"garbage later":   {func(l *liar) { l.say(good); l.say("x") }, "invalid character"},
		"control ends":    {func(l *liar) { l.say(good); _ = l.control.CloseWrite() }, "ended its control stream"},
		"chatter":         {func(l *liar) { l.say(good); _, _ = l.control.Write(bytes.Repeat(frame(t, `{"ping":7}`), 300)) }, ""},
		"drains and goes": {func(l *liar) { l.say(good); l.say(`{"drain":{}}`); l.say(`{"drain":{}}`); _ = l.mux.Close() }, ""},
		"unasked renewals": {func(l *liar) {
			l.say(good)
			l.say(`{"renewed":{}}`)
			l.say(`{"renewed":{}}`)
			l.say(`{"bye":{"reason":"b\u0000ye"}}`)
		}, "bye"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, &tunnel.Hub{})
			ends := make(chan net.Conn, 1)
			tries := 0
			connect := func(ctx context.Context) (net.Conn, error) {
				if tries++; tries > 1 {
					return g.connect(anything)(ctx)
				}
				near, far := pair(t)
				ends <- far
				return near, nil
			}
			seen := make(chan error, 100)
			a := &tunnel.Agent{Name: "lab", Connect: connect, Services: []tunnel.Service{echo("desk")}}
			a.Observe = func(s tunnel.State) {
				select {
				case seen <- s.Err:
				default:
				}
			}
			start(t, a)
			l := newLiar(t, <-ends, false)
			if m := unframe(t, l.control); m["hello"]["agent"] != "lab" {
				t.Errorf("it says %v", m)
			}
			c.lie(l)
			exchange(t, dial(t, g, "lab", "desk"), "with a good one")
			for said := ""; !strings.Contains(said, c.want); {
				select {
				case err := <-seen:
					if err != nil {
						said = err.Error()
					}
				case <-time.After(patience):
					t.Fatalf("it does not say %q", c.want)
				}
			}
		})
	}
}

// The agent's own list decides what a gateway gets.
func TestUnknownServices(t *testing.T) {
	near, far := pair(t)
	start(t, &tunnel.Agent{Name: "lab", Connect: once(near), Services: []tunnel.Service{echo("desk")}, Streams: 3})
	l := newLiar(t, far, false)
	unframe(t, l.control)
	l.say(`{"welcome":{"protocol":1,"agent":"lab","tunnels":1}}`)
	ask := func(text string) (*layers.MuxStream, []byte) {
		s, err := l.mux.Open(within(t))
		if err != nil {
			t.Fatal(err)
		}
		_ = s.SetDeadline(time.Now().Add(patience))
		_, _ = s.Write(frame(t, text))
		var head [4]byte
		if _, err := io.ReadFull(s, head[:]); err != nil {
			return s, nil
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		_, _ = io.ReadFull(s, body)
		return s, body
	}
	for _, text := range []string{`{"service":"root"}`, `{"service":""}`, `{}`, `{"service":"localhost:22"}`, `{"service":"desk\u0000"}`} {
		s, body := ask(text)
		if text != `{"service":"desk\u0000"}` && !bytes.Contains(body, []byte(`"unknown"`)) {
			t.Errorf("%s: answered %s", text, body)
		}
		s.Close()
	}
	for _, text := range []string{"garbage", `[1]`, `{"service":7}`} {
		s, body := ask(text)
		if body != nil {
			t.Errorf("%s: answered %s", text, body)
		}
		s.Close()
	}
	s, body := ask(`{"service":"desk"}`)
	if string(body) != "{}" {
		t.Fatalf("answered %s", body)
	}
	exchange(t, s, "all the same")
	s.Close()
}

// pair is a connection of two ends.
func pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if near, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// once connects once.
func once(c net.Conn) func(context.Context) (net.Conn, error) {
	gone := false
	return func(context.Context) (net.Conn, error) {
		if gone {
			return nil, errors.New("there is no other")
		}
		gone = true
		return c, nil
	}
}

// A display that hangs keeps nothing once its viewer has left.
func TestDisplayHangs(t *testing.T) {
	far := make(chan net.Conn, 1)
	hangs := tunnel.Service{Name: "desk", Dial: func(context.Context) (net.Conn, error) {
		near, other := pair(t)
		far <- other
		return near, nil
	}}
	g := newGate(t, &tunnel.Hub{})
	a := start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(anything), Services: []tunnel.Service{hangs}})
	c := dial(t, g, "lab", "desk")
	if _, err := c.Write([]byte("a key")); err != nil {
		t.Fatal(err)
	}
	display := <-far
	eventually(t, "the session runs", func() bool { return a.State().Streams == 1 })
	c.Close()
	eventually(t, "the stream ends", func() bool { return a.State().Streams == 0 })
	if got, err := io.ReadAll(display); err != nil || string(got) != "a key" {
		t.Errorf("the display was told %q, %v", got, err)
	}
}

// Connections of one agent that say nothing are bounded.
func TestSilentConnections(t *testing.T) {
	g := newGate(t, &tunnel.Hub{Limits: tunnel.Limits{Hello: time.Hour}})
	peer := tunnel.Peer{Name: "lab", Services: []string{"*"}}
	for range 65 {
		g.serve(peer)
	}
	eventually(t, "one is refused", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return slices.ContainsFunc(g.results, func(err error) bool {
			_, ok := errors.AsType[*tunnel.Refusal](err)
			return ok
		})
	})
	start(t, &tunnel.Agent{Name: "other", Connect: g.connect(tunnel.Peer{Name: "other", Services: []string{"*"}}), Services: []tunnel.Service{echo("desk")}})
	dial(t, g, "other", "desk").Close()
}
