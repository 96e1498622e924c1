package interop

import (
	"bufio"
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An xserver is a running X display, with VNC inside (Xvnc) or not (Xvfb).
type xserver struct {
	*process
	name string // ":7"
}

// startX runs an X server that picks a free display number and waits until it
// takes clients.
func startX(s *scope, program string, args ...string) (*xserver, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	cmd := exec.Command(program, append([]string{"-displayfd", "3", "-nolisten", "tcp"}, args...)...)
	cmd.ExtraFiles = []*os.File{w}
	p, err := start(s, program, cmd)
	w.Close()
	if err != nil {
		return nil, err
	}
	number, err := bufio.NewReader(r).ReadString('\n') // EOF when it dies
	if err != nil {
		return nil, fmt.Errorf("%s gives no display number: %w: %s", program, err, p.log.tail(15))
	}
	return &xserver{process: p, name: ":" + strings.TrimSpace(number)}, nil
}

// startXvfb runs an X server for viewers to draw in, or for x11vnc to show.
func startXvfb(s *scope, width, height int) (*xserver, error) {
	return startX(s, "Xvfb", "-screen", "0", fmt.Sprintf("%dx%dx24", width, height), "-noreset")
}

// env is the environment for X clients of this display.
func (x *xserver) env(more ...string) []string {
	return append(append(os.Environ(), "DISPLAY="+x.name), more...)
}

func (x *xserver) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = x.env()
	return cmd
}

// paint hangs a card behind the windows of the display.
func (x *xserver) paint(s *scope, card image.Image) error {
	dir, err := s.tempDir()
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "card.png")
	if err := writePNG(path, card); err != nil {
		return err
	}
	_, _ = run(x.command("display", "-window", "root", path)) // exits with 1 whatever happens
	img, err := x.picture()
	if err != nil {
		return err
	}
	return differ(img, card)
}

func (x *xserver) picture() (image.Image, error) { return xwd(x.name, "-root") }

// watchInput prints the keys, buttons, motions and screen changes that reach
// the display's root window.
func (x *xserver) watchInput(s *scope) (*process, error) {
	p, err := start(s, "xev", x.command("xev", "-root", "-event", "keyboard", "-event", "mouse", "-event", "randr"))
	if err != nil {
		return nil, err
	}
	return p, x.selectsInput(p)
}

// selectsInput waits until xev listens, by moving the pointer until it notices.
func (x *xserver) selectsInput(xev *process) error {
	step := 0
	return poll("xev notices the pointer", func() error {
		step = (step + 1) % 5
		if _, err := run(x.command("xdotool", "mousemove", fmt.Sprint(600+step), "470")); err != nil {
			return err
		}
		if err := xev.alive(); err != nil {
			return err
		}
		return xev.log.has(0, "MotionNotify")
	})
}

// pointer is where the display's pointer is.
func (x *xserver) pointer() (image.Point, error) {
	out, err := run(x.command("xdotool", "getmouselocation"))
	if err != nil {
		return image.Point{}, err
	}
	var at image.Point
	_, err = fmt.Sscanf(string(out), "x:%d y:%d", &at.X, &at.Y)
	return at, err
}

// copyText makes text the display's clipboard (or another selection), until
// the scope closes or something else is copied.
func (x *xserver) copyText(s *scope, text, selection string) error {
	cmd := x.command("xclip", "-quiet", "-in", "-selection", selection)
	cmd.Stdin = strings.NewReader(text)
	_, err := start(s, "xclip", cmd)
	return err
}

// pastes is an error while the display's clipboard is not text.
func (x *xserver) pastes(text, selection string) error {
	out, err := run(x.command("xclip", "-out", "-selection", selection))
	if err == nil && string(out) != text {
		err = fmt.Errorf("the clipboard holds %q, not %q", out, text)
	}
	return err
}

// size is what the display says its size is.
func (x *xserver) size() (image.Point, error) {
	out, err := run(x.command("xrandr"))
	if err != nil {
		return image.Point{}, err
	}
	_, current, _ := strings.Cut(string(out), "current ")
	var size image.Point
	_, err = fmt.Sscanf(current, "%d x %d", &size.X, &size.Y)
	return size, err
}

// needX asks for what every X display in the tests takes.
func needX(t testing.TB) {
	t.Helper()
	need(t, "Xvfb", "xvfb")
	need(t, "xwd", "x11-apps")
	need(t, "display", "imagemagick")
	need(t, "xev", "x11-utils")
	need(t, "xdotool", "xdotool")
	need(t, "xclip", "xclip")
	need(t, "xrandr", "x11-xserver-utils")
}
