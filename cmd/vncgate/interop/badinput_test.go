package interop

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// A malice is what somebody sends who is no viewer.
type malice struct {
	name string
	send []byte
	then []byte // once the other side has answered the request
	half bool   // and then ends its direction
	want string // has to be in what comes back
}

func rfb(parts ...[]byte) []byte {
	return append([]byte("RFB 003.008\n"), bytes.Join(parts, nil)...)
}

// helloStart is the first half of a TLS ClientHello.
var helloStart = []byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 1, 2, 3, 4, 5, 6, 7}

func vencrypt(subtype uint32, rest ...byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{19, 0, 2}, subtype), rest...)
}

// upgrade is a WebSocket request with something changed.
func upgrade(old, changed string) []byte {
	request := "GET /websockify HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	return []byte(strings.Replace(request, old, changed, 1))
}

// maliceToNative is what the listeners for native viewers have to survive.
var maliceToNative = []malice{
	{name: "silence"},
	{name: "silence behind the version", send: rfb()},
	{name: "nothing but an end", half: true},
	{name: "garbage", send: bytes.Repeat([]byte{0xa5, 0, 0xff}, 4000)},
	{name: "http", send: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
	{name: "tls", send: helloStart},
	{name: "old version", send: []byte("RFB 002.000\n")},
	{name: "no version", send: []byte("RFB abc.def\n")},
	{name: "type that was not offered", send: rfb([]byte{99})},
	{name: "vencrypt 0.1", send: rfb([]byte{19, 0, 1})},
	{name: "vencrypt subtype that was not offered", send: rfb(vencrypt(257))},
	{name: "truncated tls", send: rfb(vencrypt(262, helloStart...)), half: true},
	{name: "stalled tls", send: rfb(vencrypt(262, helloStart...))},
	{name: "garbage for tls", send: rfb(vencrypt(262, bytes.Repeat([]byte{0x42}, 500)...))},
	{name: "wrong answer to the challenge", send: rfb([]byte{2}, make([]byte, 16)), want: "\x00\x00\x00\x01"},
	{name: "truncated answer to the challenge", send: rfb([]byte{2}, make([]byte, 7)), half: true},
}

// maliceToWeb is for the listener for browsers.
var maliceToWeb = []malice{
	{name: "silence"},
	{name: "garbage", send: bytes.Repeat([]byte{0xa5, 0, 0xff}, 4000)},
	{name: "rfb", send: rfb()},
	{name: "tls", send: helloStart, half: true},
	{name: "half a request", send: []byte("GET /websockify HTT")},
	{name: "endless header", send: []byte("GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 1<<20))},
	{name: "old WebSocket", send: upgrade("Version: 13", "Version: 12"), half: true, want: "HTTP/1.1 426"},
	{name: "no key", send: upgrade("dGhlIHNhbXBsZSBub25jZQ==", "x"), half: true, want: "HTTP/1.1 4"},
	{name: "foreign page", send: upgrade("\r\n\r\n", "\r\nOrigin: https://evil.example\r\n\r\n"), half: true, want: "HTTP/1.1 403"},
	{name: "unknown target", send: upgrade("/websockify", "/websockify?target=none-such"), want: "HTTP/1.1 "},
	{name: "upgraded and silent", send: upgrade("", ""), want: "HTTP/1.1 101"},
	{name: "frame without a mask", send: upgrade("", ""), then: []byte{0x82, 4, 'R', 'F', 'B', ' '}, want: "HTTP/1.1 101"},
	{name: "endless frame", send: upgrade("", ""), then: []byte{0x82, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4}, want: "HTTP/1.1 101"},
	{name: "text for RFB", send: upgrade("", ""), then: []byte{0x81, 0x84, 0, 0, 0, 0, 'R', 'F', 'B', ' '}, want: "HTTP/1.1 101"},
}

// maliceToWSS is for the listener for browsers over TLS.
var maliceToWSS = []malice{
	{name: "silence"},
	{name: "truncated tls", send: helloStart, half: true},
	{name: "stalled tls", send: helloStart},
	{name: "http without tls", send: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
	{name: "rfb without tls", send: rfb()},
}

// TestBadInput ends everything that is no viewer in bounded time, and leaves
// nothing behind.
func TestBadInput(t *testing.T) {
	d := theXvnc(t)
	b := d.back("vnc")
	limits := "{handshake_timeout: 10s, handshakes: 200}" // in which a viewer has to get in
	idle := idleGoroutines(t, limits, b)
	g := startGate(t, limits, b)
	before := restingDescriptors(t, g)
	t.Run("all at once", func(t *testing.T) { allAtOnce(t, g, b) })
	t.Run("a viewer still gets in", func(t *testing.T) { getsIn(t, g, b, d) })
	leavesNothing(t, g, before, idle)
}

// idleGoroutines counts those of a gateway that nobody has come to.
func idleGoroutines(t *testing.T, limits string, b back) int {
	t.Helper()
	g := startGate(t, limits, b)
	if err := g.answers(); err != nil {
		t.Fatal(err)
	}
	restingDescriptors(t, g)
	return goroutines(g.dumpGoroutines(t))
}

// answers is an error unless each listener of the gateway has a word for whoever
// comes: until then it may just have been bound.
func (g *gate) answers() error {
	for _, port := range g.native {
		r, err := openRaw(port)
		if err != nil {
			return err
		}
		_, err = r.receive(12)
		r.Close()
		if err != nil {
			return err
		}
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for port, scheme := range map[int]string{g.ws: "http", g.wss: "https", g.users: "https"} {
		answer, err := client.Get(fmt.Sprintf("%s://127.0.0.1:%d/", scheme, port))
		if err != nil {
			return err
		}
		answer.Body.Close()
	}
	return nil
}

// allAtOnce plays everything at the same time: most of it takes as long as the
// gateway's patience with silence. (t.Parallel would do two at a time.)
func allAtOnce(t *testing.T, g *gate, b back) {
	var all sync.WaitGroup
	defer all.Wait()
	play := func(name string, f func() error) {
		all.Go(func() {
			if err := f(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	native := g.front("none", b.name).port
	for _, group := range []struct {
		name  string
		port  int
		cases []malice
	}{{"native", native, maliceToNative}, {"web", g.ws, maliceToWeb}, {"wss", g.wss, maliceToWSS}} {
		for _, m := range group.cases {
			play(group.name+": "+m.name, func() error { return m.try(group.port) })
		}
	}
	play("lengths in x509-plain", func() error { return oversized(g.only("x509-plain", b.name).port, 262) })
	play("lengths in x509-sasl", func() error { return oversized(g.only("x509-sasl", b.name).port, 263) })
	play("byte by byte", func() error { return slowButGood(native) })
}

// try plays m and waits for the end of the connection.
func (m malice) try(port int) error {
	r, err := openRaw(port)
	if err != nil {
		return err
	}
	defer r.Close()
	_ = r.send(m.send) // being cut short is an end, too
	var answer []byte
	if m.then != nil {
		if answer, err = r.receive(len("HTTP/1.1 101")); err != nil {
			return err
		}
		_ = r.send(m.then)
	}
	if m.half {
		_ = r.Conn.(*net.TCPConn).CloseWrite()
	}
	said, err := r.ends()
	if err != nil {
		return fmt.Errorf("%w; it said %q", err, said)
	}
	if said = append(answer, said...); !bytes.Contains(said, []byte(m.want)) {
		return fmt.Errorf("it said %q", said)
	}
	return nil
}

// oversized announces, inside TLS, more than anybody has to say.
func oversized(port int, subtype uint32) error {
	r, err := openRaw(port)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.send(rfb(vencrypt(subtype))); err != nil {
		return err
	}
	// Version, types, VeNCrypt's version, its acknowledgement, the subtypes
	// and the acknowledgement of ours come in before TLS.
	if _, err := r.receive(12 + 2 + 2 + 1 + 1 + 4 + 1); err != nil {
		return err
	}
	secure := tls.Client(r.Conn, &tls.Config{InsecureSkipVerify: true})
	defer secure.Close()
	if _, err := secure.Write(bytes.Repeat([]byte{0xff}, 64)); err != nil {
		return err
	}
	_, err = (&rawViewer{Conn: secure}).ends()
	return err
}

// slowButGood is no malice, only a bad line.
func slowButGood(port int) error {
	r, err := openRaw(port)
	if err != nil {
		return err
	}
	defer r.Close()
	r.oneByOne = true
	reason, name, err := r.enterNone()
	if err == nil && name == "" {
		err = fmt.Errorf("refused: %q", reason)
	}
	return err
}

// TestHalfOpen lets a viewer in while a thousand others only connect.
func TestHalfOpen(t *testing.T) {
	d := theXvnc(t)
	b := d.back("vnc")
	limits := "{handshake_timeout: 60s, handshakes: 100}"
	resting := startGate(t, limits, b)
	if err := resting.answers(); err != nil { // else it has not begun to serve
		t.Fatal(err)
	}
	restingDescriptors(t, resting)
	idle := goroutines(resting.dumpGoroutines(t))
	g := startGate(t, limits, b)
	before := restingDescriptors(t, g)
	var silent []net.Conn
	for i := range 1000 {
		port := g.front("none", b.name).port
		if i%4 == 0 {
			port = g.wss
		}
		c, err := endpoint{host: "127.0.0.1", port: port}.dial()
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	t.Run("a viewer still gets in", func(t *testing.T) { getsIn(t, g, b, d) })
	for _, c := range silent {
		c.Close()
	}
	leavesNothing(t, g, before, idle)
}

// getsIn shows the display to good viewers.
func getsIn(t *testing.T, g *gate, b back, d *display) {
	want, err := d.picture()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		kind  viewerKind
		front string
	}{{libVNCClient, "x509-plain"}, {noVNC, "wss"}} {
		t.Run(tt.kind.label, func(t *testing.T) {
			tt.kind.needs(t)
			v, err := tt.kind.open(testScope(t), g.front(tt.front, b.name))
			if err != nil {
				t.Fatal(err)
			}
			sees(t, v, want)
		})
	}
}

// restingDescriptors is how many files the gateway has open when nobody is
// there.
func restingDescriptors(t *testing.T, g *gate) int {
	t.Helper()
	last := -1
	eventually(t, "the gateway rests", func() error {
		n, err := g.descriptors()
		if err == nil && n != last {
			err = fmt.Errorf("%d descriptors, %d before", n, last)
		}
		last = n
		return err
	})
	return last
}

// leavesNothing waits until the gateway has as few descriptors as before, and
// compares its goroutines with those of one that nobody has come to.
func leavesNothing(t *testing.T, g *gate, before, idle int) {
	t.Helper()
	eventually(t, "descriptors are given back", func() error {
		n, err := g.descriptors()
		if err == nil && n > before {
			err = fmt.Errorf("%d are open, %d at first", n, before)
		}
		return errors.Join(err, g.alive())
	})
	said := -1
	eventually(t, "the last word is logged", func() error {
		before := said
		if said = g.log.len(); said != before {
			return fmt.Errorf("%d bytes are, %d before", said, before)
		}
		return nil
	})
	dump := g.dumpGoroutines(t)
	if n := goroutines(dump); n > idle {
		t.Errorf("%d goroutines are left, an idle gateway has %d:\n%s", n, idle, dump)
	}
}

// goroutines counts those of the program in a dump; the runtime has others.
func goroutines(dump string) int {
	n := 0
	for block := range strings.SplitSeq(dump, "\n\n") {
		ours := strings.Contains(block, "vncgate/") || strings.Contains(block, "net/http.")
		if ours && strings.HasPrefix(strings.TrimSpace(block), "goroutine ") {
			n++
		}
	}
	return n
}
