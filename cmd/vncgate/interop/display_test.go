package interop

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// An endpoint is where a viewer connects and how it gets in: a display itself,
// or a front of the gateway.
type endpoint struct {
	host     string // with port
	port     int
	unix     string // instead of host and port
	path     string // of a WebSocket there, without the first slash
	tls      bool   // from the first byte: wss
	page     string // URL of the pages served there
	security string // as the gateway's configuration names it
	user     string
	password string
	ca       string // of the display's certificate
}

func (e endpoint) address() string {
	if e.unix != "" {
		return "unix:" + e.unix
	}
	return net.JoinHostPort(e.host, strconv.Itoa(e.port))
}

// dial connects to the endpoint, to see whether it is there. In QEMU's queue at
// a unix socket there is room for two; at TCP the others wait by themselves.
func (e endpoint) dial() (net.Conn, error) {
	if e.unix != "" {
		c, err := net.Dial("unix", e.unix)
		for end := time.Now().Add(patience); errors.Is(err, syscall.EAGAIN) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
			c, err = net.Dial("unix", e.unix)
		}
		return c, err
	}
	return net.Dial("tcp", e.address())
}

// A display is a real VNC server with a picture that stands still.
type display struct {
	*process
	label   string // as in the table
	version string
	x       *xserver // nil for QEMU
	at      endpoint // with the security that it is asked for directly
	offers  []string // names of security types that the gateway may use
	picture func() (image.Image, error)
	card    int    // which card it shows, if it is X
	socket  string // a unix socket on which it listens, too
	// turn is held by who comes to a QEMU until its picture is there. Two that
	// come when nobody is there yet may both be shown, for good, what the VNC
	// server had in memory before it first looked at the machine's screen.
	turn sync.Mutex
	// clipboard is the X selection that it offers to viewers.
	clipboard string
}

var sharedXvnc, sharedX11vnc shared[*display]

// theXvnc is TigerVNC's X server, with VncAuth and the X509 types.
func theXvnc(t testing.TB) *display {
	t.Helper()
	needX(t)
	need(t, "Xtigervnc", "tigervnc-standalone-server")
	need(t, "tigervncpasswd", "tigervnc-tools")
	certs := thePKI(t)
	return sharedXvnc.get(t, func(s *scope) (*display, error) { return startXvnc(s, certs) })
}

func startXvnc(s *scope, certs pki) (*display, error) {
	passwd, err := passwordFile(s, secrets.xvnc)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	x, err := startX(s, "Xtigervnc", "-rfbport", strconv.Itoa(port), "-localhost",
		"-SecurityTypes", "VncAuth,X509Vnc,X509None,None", "-PasswordFile", passwd,
		"-X509Cert", certs.cert, "-X509Key", certs.key, "-AlwaysShared", "-UseBlacklist=0",
		"-geometry", fmt.Sprintf("%dx%d", cardWidth, cardHeight), "-depth", "24", "-desktop", "interop",
		"-Log", "*:stderr:30")
	if err != nil {
		return nil, err
	}
	d := &display{
		process: x.process, label: "Xvnc", version: debianVersion("tigervnc-standalone-server"), x: x, picture: x.picture,
		at:     endpoint{host: "127.0.0.1", port: port, security: "vnc", password: secrets.xvnc, ca: certs.ca},
		offers: []string{"vnc", "x509-vnc", "x509-none", "none"}, clipboard: "clipboard",
	}
	return d, d.ready(s)
}

// theX11vnc is x11vnc showing an Xvfb.
func theX11vnc(t testing.TB) *display {
	t.Helper()
	needX(t)
	need(t, "x11vnc", "x11vnc")
	need(t, "tigervncpasswd", "tigervnc-tools")
	return sharedX11vnc.get(t, startX11vnc)
}

func startX11vnc(s *scope) (*display, error) { return startX11vncWith(s) }

// startX11vncWith is told more than that.
func startX11vncWith(s *scope, more ...string) (*display, error) {
	passwd, err := passwordFile(s, secrets.x11vnc)
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	x, err := startXvfb(s, cardWidth, cardHeight)
	if err != nil {
		return nil, err
	}
	p, err := start(s, "x11vnc", x.command("x11vnc", append([]string{"-display", x.name, "-rfbport", strconv.Itoa(port), "-localhost",
		"-rfbauth", passwd, "-forever", "-shared", "-noipv6", "-nocmds", "-desktop", "interop"}, more...)...))
	if err != nil {
		return nil, err
	}
	d := &display{
		process: p, label: "x11vnc", version: debianVersion("x11vnc"), x: x, picture: x.picture,
		at:     endpoint{host: "127.0.0.1", port: port, security: "vnc", password: secrets.x11vnc},
		offers: []string{"vnc"}, clipboard: "buffer-cut", // it polls the others at times only
	}
	return d, d.ready(s)
}

// shows is what a viewer of an X display has to see.
func (d *display) shows() image.Image { return numberedCard(d.card) }

// ready paints the display's picture and waits until it takes viewers.
func (d *display) ready(s *scope) error {
	if d.x != nil {
		if err := d.x.paint(s, d.shows()); err != nil {
			return err
		}
	}
	return poll(d.label+" takes viewers", func() error {
		if err := d.alive(); err != nil {
			return err
		}
		c, err := d.at.dial()
		if err != nil {
			return err
		}
		defer c.Close()
		version := make([]byte, 12)
		if _, err := c.Read(version); err != nil || !bytes.HasPrefix(version, []byte("RFB 003.")) {
			return fmt.Errorf("greets with %q, %v", version, err)
		}
		return nil
	})
}

// passwordFile writes the obscured file that TigerVNC, vncsnapshot and x11vnc
// take.
func passwordFile(s *scope, password string) (string, error) {
	dir, err := s.tempDir()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("tigervncpasswd", "-f")
	cmd.Stdin = bytes.NewReader([]byte(password + "\n"))
	obscured, err := run(cmd)
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "passwd")
	return path, os.WriteFile(path, obscured, 0o600)
}

// plainFile writes text into a file of its own, as QEMU and the gateway take
// passwords.
func plainFile(s *scope, name, text string) (string, error) {
	dir, err := s.tempDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}
