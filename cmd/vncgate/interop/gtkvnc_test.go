package interop

import (
	"fmt"
	"image"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// gtkVNC is a script of ours on gtk-vnc's widget, drawing in an Xvfb.
var gtkVNC = viewerKind{
	label: "gtk-vnc", debianSource: "libgtk-vnc-2.0-0", needs: needGtkVNC, choosesItself: true,
	open: func(s *scope, at endpoint) (viewer, error) { return openGtkVNC(s, at) },
}

// gvncCapture is gtk-vnc's own program that takes one picture.
var gvncCapture = viewerKind{
	label: "gvnccapture", debianSource: "gvncviewer", needs: needGvncCapture, open: openGvncCapture, choosesItself: true,
}

// systemPython is Debian's, which has gi; a python3 found first in PATH may
// not.
const systemPython = "/usr/bin/python3"

func needGtkVNC(t testing.TB) {
	t.Helper()
	need(t, "Xvfb", "xvfb")
	needFile(t, "/usr/lib/python3/dist-packages/gi", "python3-gi")
	needFile(t, "/usr/lib/x86_64-linux-gnu/girepository-1.0/GtkVnc-2.0.typelib", "gir1.2-gtk-vnc-2.0")
	needFile(t, "/usr/lib/x86_64-linux-gnu/sasl2/libscram.so", "libsasl2-modules")
	compileC(t, &compiled.home, "home.c", "home.so", "-shared", "-fPIC", "-ldl")
}

func needGvncCapture(t testing.TB) {
	t.Helper()
	need(t, "gvnccapture", "gvncviewer")
	compileC(t, &compiled.home, "home.c", "home.so", "-shared", "-fPIC", "-ldl")
}

// gtkHome makes a home folder in which gtk-vnc finds the authority at.ca, and
// returns the environment that makes it look there.
func gtkHome(s *scope, at endpoint) ([]string, error) {
	home, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(home, ".pki", "CA")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if at.ca != "" {
		ca, err := os.ReadFile(at.ca)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(folder, "cacert.pem"), ca, 0o600); err != nil {
			return nil, err
		}
	}
	return append(os.Environ(), "HOME="+home, "LD_PRELOAD="+compiled.home.value+":"+os.Getenv("LD_PRELOAD"), "NO_AT_BRIDGE=1", "GSETTINGS_BACKEND=memory"), nil
}

func openGtkVNC(s *scope, at endpoint) (*lineViewer, error) {
	env, err := gtkHome(s, at)
	if err != nil {
		return nil, err
	}
	x, err := startXvfb(s, 1024, 768)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(systemPython, "-W", "ignore", "testdata/gtkviewer.py", at.host, fmt.Sprint(at.port))
	cmd.Env = append(env, "DISPLAY="+x.name, "VIEWER_USER="+at.user, "VIEWER_PASSWORD="+at.password)
	return startLineViewer(s, "gtk-vnc", cmd)
}

// capture is a viewer that is run once for each picture.
type capture func() (image.Image, error)

func (c capture) picture() (image.Image, error) { return c() }

// openGvncCapture types the credentials on gvnccapture's terminal: it takes
// them from nowhere else.
func openGvncCapture(s *scope, at endpoint) (viewer, error) {
	env, err := gtkHome(s, at)
	if err != nil {
		return nil, err
	}
	dir, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "capture.png")
	return capture(func() (image.Image, error) {
		cmd := exec.Command("gvnccapture", "-q", fmt.Sprintf("%s:%d", at.host, at.port-5900), path)
		cmd.Env = env
		shown, err := runOnTerminal(cmd, map[string]string{"Username:": at.user, "Password:": at.password})
		if err != nil {
			return nil, fmt.Errorf("gvnccapture: %w: %s", err, strings.TrimSpace(shown))
		}
		return readPicture(path)
	}), nil
}
