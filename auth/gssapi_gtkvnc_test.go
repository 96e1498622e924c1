//go:build linux

package auth_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image/png"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// gtk-vnc without TLS takes nothing but a confidential layer. It takes a
// picture of ours through one.
func TestGSSAPIWithGtkVNC(t *testing.T) {
	if _, err := exec.LookPath("gvnccapture"); err != nil {
		if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
			t.Fatal("gvnccapture is missing: apt install gvncviewer")
		}
		t.Skip("gvnccapture is missing: apt install gvncviewer")
	}
	dir, env := auth.KerberosTickets(t, "vnc/localhost")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	served := make(chan error, 1)
	go func() { served <- serveOne(t.Context(), l, filepath.Join(dir, "localhost.keytab")) }()

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	file := filepath.Join(dir, "capture.png")
	cmd := exec.CommandContext(ctx, "gvnccapture", fmt.Sprintf("localhost:%d", l.Addr().(*net.TCPAddr).Port-5900), file)
	cmd.Env = append(env, "HOME="+dir, "GSETTINGS_BACKEND=memory", "NO_AT_BRIDGE=1")
	cmd.Stdin = strings.NewReader("alice\n")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.Close()
		t.Fatalf("%v, ours: %v\n%s", err, <-served, out)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	picture, err := png.Decode(f)
	must(t, err)
	if r, g, b, _ := picture.At(1, 1).RGBA(); picture.Bounds().Dx() != 64 || r>>8 != 0x33 || g>>8 != 0x22 || b>>8 != 0x11 {
		t.Errorf("a picture of %v with %x %x %x in it", picture.Bounds(), r>>8, g>>8, b>>8)
	}
}

// serveOne is a display of one colour for one viewer, who has to be alice.
func serveOne(ctx context.Context, l net.Listener, keytab string) error {
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	mechanisms := auth.Mechanisms{Kerberos: &auth.KerberosService{Keytab: keytab, Realm: "EXAMPLE.ORG"}}
	sasl := rfb.ServerSASL{Mechanisms: mechanisms.Names(), Start: func(ctx context.Context, name string, _ net.Conn) (rfb.SASLMechanism, error) {
		m, err := mechanisms.New(ctx, name)
		return layeredServer{m}, err
	}}
	conn, err := rfb.Server(ctx, c, &rfb.ServerConfig{Security: []rfb.Security{sasl}})
	if err != nil {
		return err
	}
	if s, ok := conn.Conn.(*layers.SASLConn); !ok || s.SSF() < 128 || conn.Secured.User != "alice" {
		return fmt.Errorf("%q on a %T", conn.Secured.User, conn.Conn)
	}
	return paint(conn)
}

type layeredServer struct{ *auth.Mechanism }

func (l layeredServer) SecurityLayer() rfb.Upgrade { return upgrade(l.Layer()) }

// paint answers a viewer's first request with 64 × 64 pixels of one colour, and
// waits until it goes.
func paint(c io.ReadWriter) error {
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil { // ClientInit
		return err
	}
	init := "\x00\x40\x00\x40" + "\x20\x18\x00\x01\x00\xff\x00\xff\x00\xff\x10\x08\x00\x00\x00\x00" + "\x00\x00\x00\x04ours"
	if _, err := io.WriteString(c, init); err != nil {
		return err
	}
	for {
		head := make([]byte, 4)
		if _, err := io.ReadFull(c, head); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		rest := map[byte]int{rfb.MsgSetPixelFormat: 16, rfb.MsgSetEncodings: 4 * int(binary.BigEndian.Uint16(head[2:])), rfb.MsgFramebufferUpdateRequest: 6}[head[0]]
		if _, err := io.ReadFull(c, make([]byte, rest)); err != nil {
			return err
		}
		if head[0] == rfb.MsgFramebufferUpdateRequest && head[1] == 0 {
			update := "\x00\x00\x00\x01" + "\x00\x00\x00\x00\x00\x40\x00\x40\x00\x00\x00\x00" + strings.Repeat("\x11\x22\x33\x00", 64*64)
			if _, err := io.WriteString(c, update); err != nil {
				return err
			}
		}
	}
}
