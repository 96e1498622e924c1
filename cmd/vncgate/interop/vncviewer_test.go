package interop

import (
	"fmt"
	"image"
	"regexp"
	"strings"
	"testing"
)

// vncViewer is TigerVNC's viewer, in an Xvfb of its own.
var vncViewer = viewerKind{
	label: "vncviewer", debianSource: "tigervnc-viewer", needs: needVNCViewer, cannot: []string{"x509-sasl"},
	open: func(s *scope, at endpoint) (viewer, error) { return openVNCViewer(s, at) },
}

func needVNCViewer(t testing.TB) {
	t.Helper()
	needX(t)
	need(t, "vncviewer", "tigervnc-viewer")
	need(t, "xwininfo", "x11-utils")
}

// tigerTypes are TigerVNC's names of the security types.
var tigerTypes = map[string]string{
	"none": "None", "vnc": "VncAuth", "x509-none": "X509None", "x509-vnc": "X509Vnc", "x509-plain": "X509Plain",
}

// A tigerViewer is a running vncviewer.
type tigerViewer struct {
	*process
	x *xserver // it draws there
}

// openVNCViewer connects with the one security type that at names, and with a
// lossless encoding.
func openVNCViewer(s *scope, at endpoint, more ...string) (*tigerViewer, error) {
	x, err := startXvfb(s, 1280, 960)
	if err != nil {
		return nil, err
	}
	where := fmt.Sprintf("%s::%d", at.host, at.port)
	if at.unix != "" {
		where = at.unix
	}
	args := []string{
		"-SecurityTypes=" + tigerTypes[at.security], "-AutoSelect=0", "-PreferredEncoding=ZRLE", "-NoJPEG",
		"-ReconnectOnError=0", "-AlertOnFatalError=0", "-UseIPv6=0", "-Shared=1", "-Log=*:stderr:30",
	}
	if len(more) == 0 {
		args = append(args, "-RemoteResize=0")
	}
	if at.ca != "" {
		args = append(args, "-X509CA="+at.ca)
	}
	cmd := x.command("vncviewer", append(append(args, more...), where)...)
	cmd.Env = append(cmd.Env, "VNC_PASSWORD="+at.password)
	if at.user != "" {
		cmd.Env = append(cmd.Env, "VNC_USERNAME="+at.user)
	}
	home, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	cmd.Env = append(cmd.Env, "HOME="+home)
	p, err := start(s, "vncviewer", cmd)
	return &tigerViewer{p, x}, err
}

// windowLine matches what xwininfo says about the viewer's own window.
var windowLine = regexp.MustCompile(`(0x[0-9a-f]+) ".* - TigerVNC": .* (\d+)x(\d+)\+(-?\d+)\+(-?\d+)  \+(-?\d+)\+(-?\d+)\n`)

// window finds the viewer's window: its id and its place.
func (v *tigerViewer) window() (id string, at image.Rectangle, err error) {
	if err := v.alive(); err != nil {
		return "", at, err
	}
	out, err := run(v.x.command("xwininfo", "-root", "-tree"))
	if err != nil {
		return "", at, err
	}
	m := windowLine.FindStringSubmatch(string(out))
	if m == nil {
		return "", at, fmt.Errorf("vncviewer has no window: %s", v.log.tail(10))
	}
	var w, h, x, y int
	if _, err := fmt.Sscan(strings.Join([]string{m[2], m[3], m[6], m[7]}, " "), &w, &h, &x, &y); err != nil {
		return "", at, err
	}
	return m[1], image.Rect(x, y, x+w, y+h), nil
}

func (v *tigerViewer) picture() (image.Image, error) {
	id, _, err := v.window()
	if err != nil {
		return nil, err
	}
	return xwd(v.x.name, "-id", id)
}

// do runs an xdotool command on the viewer's screen, with the keyboard on its
// window.
func (v *tigerViewer) do(args ...string) error {
	id, _, err := v.window()
	if err != nil {
		return err
	}
	_, err = run(v.x.command("xdotool", append([]string{"windowfocus", id}, args...)...))
	return err
}

// moveTo puts the pointer on a pixel of the remote picture.
func (v *tigerViewer) moveTo(x, y int) error {
	_, at, err := v.window()
	if err != nil {
		return err
	}
	return v.do("mousemove", fmt.Sprint(at.Min.X+x), fmt.Sprint(at.Min.Y+y))
}
