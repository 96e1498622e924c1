package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"vncgate/layers"
	"vncgate/rfb"
)

// greetingLen is the length of ProtocolVersion, which a display sends unasked.
const greetingLen = 12

// heard is a connection some of whose bytes have been read already.
type heard struct {
	net.Conn
	head []byte
}

func (h *heard) Read(b []byte) (int, error) {
	if len(h.head) == 0 {
		return h.Conn.Read(b)
	}
	n := copy(b, h.head)
	h.head = h.head[n:]
	return n, nil
}

// NetConn returns the connection below.
func (h *heard) NetConn() net.Conn { return h.Conn }

// greet reads what the other side says first and returns a connection that
// says it again.
func (d *doctor) greet(ctx context.Context, c net.Conn) (net.Conn, error) {
	s := d.begin("greeting")
	head, err := d.listen(ctx, c)
	if err == nil {
		_, _, err = rfb.ParseVersion(head)
	}
	if err != nil {
		_ = c.Close() // which collects the last words of a command
		d.fail(d.noGreeting(head, err))
		return nil, errFailed
	}
	d.version = strings.TrimSpace(string(head))
	s.Summary = d.version + ": " + versionWords(d.version)
	s.detail("version", d.version)
	if d.version == "RFB 000.000" {
		d.fail(newTrouble(s.Summary, "On this side: give the address of the display itself; a repeater connects viewers by an ID, which vncgate does not send."))
		return nil, errFailed
	}
	d.done()
	return &heard{Conn: c, head: head}, nil
}

// listen reads a greeting. Who says nothing for a while is asked, on other
// connections, whether it would rather be spoken to first.
func (d *doctor) listen(ctx context.Context, c net.Conn) ([]byte, error) {
	head := make([]byte, 0, greetingLen)
	read := func(ctx context.Context) error {
		return layers.Interrupt(ctx, c, func() error {
			for len(head) < greetingLen {
				n, err := c.Read(head[len(head):greetingLen])
				head = head[:len(head)+n]
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	limited, cancel := d.limited(ctx)
	defer cancel()
	short, cancelShort := context.WithTimeoutCause(limited, d.patience, errSilent)
	err := read(short)
	cancelShort()
	if !errors.Is(err, errSilent) || limited.Err() != nil {
		return head, err
	}
	if len(head) == 0 && len(d.target.Layers) == 0 {
		if err := d.askSilent(limited); err != nil {
			return nil, err
		}
	}
	return head, read(limited)
}

// askSilent finds out whether a peer that does not speak first speaks TLS or
// HTTP.
func (d *doctor) askSilent(ctx context.Context) error {
	if d.speaksTLS(ctx) {
		return newTrouble("it speaks TLS from the first byte, not plain RFB",
			"On this side: add --target-tls (in the configuration: tls: {implicit: true}); if it is a web server, give its URL as wss://…")
	}
	if d.speaksHTTP(ctx) {
		_, port := d.t.hostPort()
		return newTrouble("it speaks HTTP: a web server, not a display",
			"On this side: if displays are behind its WebSocket (websockify, noVNC, QEMU's websocket=), write ws://HOST:"+port+"/websockify; --front http://HOST:"+port+" looks at it as a browser does.",
			"Or the port is wrong: VNC's own is 5900 plus the display's number.")
	}
	return nil
}

func (d *doctor) speaksTLS(ctx context.Context) bool {
	return d.ask(ctx, func(c net.Conn) bool {
		t := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // nothing is sent in it
		err := t.Handshake()
		return err == nil || strings.HasPrefix(err.Error(), "remote error: tls:")
	})
}

func (d *doctor) speaksHTTP(ctx context.Context) bool {
	return d.ask(ctx, func(c net.Conn) bool {
		head := make([]byte, 5)
		if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			return false
		}
		_, err := io.ReadFull(c, head)
		return err == nil && string(head) == "HTTP/"
	})
}

// ask runs f on a new connection, for as long as our patience lasts.
func (d *doctor) ask(ctx context.Context, f func(net.Conn) bool) bool {
	ctx, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	c, err := d.target.Dial(ctx)
	if err != nil {
		return false
	}
	defer func() { _ = c.Close() }()
	yes := false
	_ = layers.Interrupt(ctx, c, func() error {
		yes = f(c)
		return nil
	})
	return yes
}

// noGreeting says what speaks there, if not RFB.
func (d *doctor) noGreeting(head []byte, err error) error {
	var t *trouble
	if errors.As(err, &t) {
		return t
	}
	said := string(head)
	switch {
	case len(head) > 0:
		what, advice := otherProtocol(said)
		return newTrouble(fmt.Sprintf("it says %q: %s", said, what), advice)
	case errors.Is(err, errSilent):
		return newTrouble("connected, but it says nothing for "+d.timeout.String()+"; a display speaks first",
			"On the other side: the server hangs, serves one viewer at a time, or the port belongs to something else ('ss -ltnp' names the program).",
			"A SPICE server is silent, too: vncgate speaks VNC only.")
	}
	return newTrouble("it closes the connection without a word",
		"On the other side: its log says why. Usual: viewers are let in by address (x11vnc -allow, hosts.allow, AllowedHosts) and this machine's is not among them; it takes one viewer at a time; it locks out addresses that failed before (TigerVNC: wait, or -UseBlacklist=0).",
		"Or it waits for another protocol behind a proxy: name the display's own port.")
}

// otherProtocols are what programs say first, and what to do then.
var otherProtocols = []struct{ start, what, advice string }{
	{"SSH-", "an SSH server", "On this side: VNC's port is 5900 plus the display's number; through SSH, tunnel: command: [ssh, HOST, -W, localhost:5900]."},
	{"HTTP/", "a web server", "On this side: write ws://… if displays are behind its WebSocket, or the port of the display itself."},
	{"\x15\x03", "a TLS server, which did not like our greeting", "On this side: add --target-tls (in the configuration: tls: {implicit: true})."},
	{"{\"QMP\"", "QEMU's control socket (QMP)", "On this side: give the address of QEMU's -vnc, not of its -qmp."},
	{"QEMU", "QEMU's monitor", "On this side: give the address of QEMU's -vnc, not of its -monitor."},
	{"220", "a mail or FTP server", "On this side: the port is wrong."},
	{"RFB ", "RFB, but no version that can be read", "On the other side: the server is broken, or something between changes its bytes."},
}

func otherProtocol(said string) (what, advice string) {
	for _, p := range otherProtocols {
		if strings.HasPrefix(said, p.start) {
			return p.what, p.advice
		}
	}
	return "not RFB", "On this side: the port belongs to something else; VNC's is 5900 plus the display's number."
}

// versionWords says what kind of server greets like this.
func versionWords(version string) string {
	switch version {
	case "RFB 003.008":
		return "as most servers"
	case "RFB 003.889":
		return "Apple Screen Sharing"
	case "RFB 003.007":
		return "an older server, or UltraVNC"
	case "RFB 003.003", "RFB 003.005":
		return "a very old server: it chooses the security by itself"
	case "RFB 003.004", "RFB 003.006", "RFB 003.014", "RFB 003.016":
		return "UltraVNC"
	case "RFB 000.000":
		return "an UltraVNC repeater"
	}
	if strings.HasPrefix(version, "RFB 004.") || strings.HasPrefix(version, "RFB 005.") || strings.HasPrefix(version, "RFB 006.") {
		return "RealVNC"
	}
	return "an unusual version"
}
