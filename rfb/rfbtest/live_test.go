package rfbtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// white answers each request for a whole screen with a white one, in the
// format of smallInit.
func white(msg []byte) []byte {
	if msg[0] != rfb.MsgFramebufferUpdateRequest || msg[1] != 0 {
		return nil
	}
	b := rfb.AppendFramebufferUpdate(nil, 1)
	b = rfb.AppendRect(b, 0, 0, smallInit.Width, smallInit.Height, rfb.EncodingRaw)
	return append(b, bytes.Repeat([]byte{0xff}, 4*int(smallInit.Width)*int(smallInit.Height))...)
}

// TestNoVNC has noVNC 1.7 in Chromium log in by each type that only newer
// viewers have, with the right password and with a wrong one, and wait for a
// picture.
func TestNoVNC(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	types := map[string]rfb.Security{
		"ra2ne": ourRSA(rfb.TypeRA2ne), "ard": rfb.ServerARD{Verify: verify},
		"tight-none": ourTight(rfb.None{}), "tight-vnc": ourTight(ourVncAuth()), "tight-plain": ourTight(rfb.ServerPlain{Verify: verify}),
		"vencrypt-plain": rfb.ServerVeNCrypt{Subtypes: []rfb.Security{rfb.ServerPlain{Verify: verify}}},
	}
	page := &novncPage{t: t}
	for name := range types {
		page.cases = append(page.cases, novncCase{name, user, secret, theKey(t)})
		if name != "tight-none" {
			page.cases = append(page.cases, novncCase{name + "-wrong", user, "wrong", theKey(t)})
		}
	}
	var sessions sync.WaitGroup
	defer sessions.Wait()
	keys := make(chan string, 2*len(types))
	page.serve = func(w http.ResponseWriter, r *http.Request) {
		sessions.Add(1)
		defer sessions.Done()
		ws, err := new(websocket.Upgrader).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		name := strings.TrimPrefix(r.URL.Path, "/ws/")
		d := &rfbtest.Display{Init: smallInit, Answer: white}
		d.Config.Security = []rfb.Security{types[strings.TrimSuffix(name, "-wrong")]}
		_ = d.Serve(context.Background(), &wsConn{Conn: ws})
		for _, msg := range d.Messages() {
			if msg[0] == rfb.MsgKeyEvent {
				keys <- name
			}
		}
	}
	said := page.open()
	for _, c := range page.cases {
		want := "connected to transcript, picture 16x8"
		if strings.HasSuffix(c.Name, "-wrong") {
			want = "refused Authentication failed"
		}
		if strings.HasPrefix(c.Name, "ra2ne") {
			want = "key, " + want
		}
		if said[c.Name] != want {
			t.Errorf("%s: %q, want %q", c.Name, said[c.Name], want)
		}
	}
	sessions.Wait()
	if len(keys) != len(types) {
		t.Errorf("keys arrived in %d sessions of %d", len(keys), len(types))
	}
}

// TestX0vncserver logs in to TigerVNC's display by each type of RSA-AES and
// waits for a picture.
func TestX0vncserver(t *testing.T) {
	built(t, envX0vncserver)
	installed(t, "Xvfb", "vncpasswd")
	for _, tt := range []struct {
		as    rfb.SecurityType
		user  string // "-user" where one is asked for
		start func(*recording)
	}{
		{rfb.TypeRA2, "", (*recording).x0vncserver}, {rfb.TypeRA2ne, "", (*recording).x0vncserver},
		{rfb.TypeRA256, "", (*recording).x0vncserver}, {rfb.TypeRAne256, "", (*recording).x0vncserver},
		{rfb.TypeRA2, "-user", (*recording).x0vncserverOfUsers}, {rfb.TypeRAne256, "-user", (*recording).x0vncserverOfUsers},
	} {
		as := tt.as
		t.Run(as.String()+tt.user, func(t *testing.T) {
			r := &recording{t: t, name: "x0vncserver-" + as.String() + tt.user, dir: t.TempDir(), port: freePort(t)}
			tt.start(r)
			c := r.dial()
			defer c.Close()
			v, err := rfbtest.NewViewer(within(t), c, theirRSA(as, secret))
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Send(rfb.AppendSetEncodings(nil, rfb.EncodingRaw), rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 32, 32)); err != nil {
				t.Fatal(err)
			}
			if rects, err := v.ReadUpdate(); err != nil || len(rects) == 0 {
				t.Errorf("%d rectangles, %v", len(rects), err)
			}
			refused := r.dial()
			defer refused.Close()
			var said *rfb.DisplayError
			if _, err := rfbtest.NewViewer(within(t), refused, theirRSA(as, "wrong")); !errors.As(err, &said) || said.Stage != rfb.StageAuthentication {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
}

// TestLibvncserver enters libvncserver's Tight and waits for a picture: what
// stands behind its ServerInit must not be taken for one.
func TestLibvncserver(t *testing.T) {
	for _, tt := range []struct {
		name  string
		inner rfb.Security
	}{{"libvncserver-tight-none", rfb.None{}}, {"libvncserver-tight-vnc", theirVncAuth(secret)}} {
		t.Run(tt.name, func(t *testing.T) {
			r := &recording{t: t, name: tt.name, dir: t.TempDir(), port: freePort(t)}
			r.libvncserver()
			c := r.dial()
			defer c.Close()
			v, err := rfbtest.NewViewer(within(t), c, theirTight(tt.inner))
			if err != nil {
				t.Fatal(err)
			}
			if err := v.Send(rfb.AppendSetEncodings(nil, rfb.EncodingRaw), rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 32, 32)); err != nil {
				t.Fatal(err)
			}
			if rects, err := v.ReadUpdate(); err != nil || len(rects) == 0 {
				t.Errorf("%d rectangles, %v", len(rects), err)
			}
		})
	}
}

// TestVncviewer has TigerVNC's viewer log in to our display by each type that
// it has and Debian's has not.
func TestVncviewer(t *testing.T) {
	built(t, envVncviewer)
	installed(t, "Xvfb", "xdotool")
	for _, s := range viewers {
		if !strings.HasPrefix(s.name, "vncviewer16-") {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			d := &rfbtest.Display{Init: smallInit}
			d.Config.Security = []rfb.Security{s.security(func(u rfb.Upgrade) rfb.Upgrade { return u }, nil)}
			d.Attach(t, ln)
			r := &recording{t: t, name: s.name, dir: t.TempDir(), port: ln.Addr().(*net.TCPAddr).Port, display: d}
			s.peer(r)
			if fmt.Sprint(d.Messages()) == "[]" {
				t.Error("nothing came")
			}
		})
	}
}
