package demo

import (
	"bufio"
	"context"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/rfb/display/screen/screentest"
)

// need returns where a program of another project is, or skips the test, which
// VNCGATE_REQUIRE_PEERS=1 turns into a failure.
func need(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	packages := map[string]string{
		"gvnccapture": "gvncviewer", "vncsnapshot": "vncsnapshot", "vncviewer": "tigervnc-viewer",
		"Xvfb": "xvfb", "xdotool": "xdotool", "xclip": "xclip",
	}
	if os.Getenv("VNCGATE_REQUIRE_PEERS") == "1" {
		t.Fatalf("%s is not installed: it is in the package %s", program, packages[program])
	}
	t.Skipf("%s is not installed: it is in the package %s", program, packages[program])
	return ""
}

// listen serves d on a port of this machine and returns it.
func listen(t *testing.T, d *Display) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { _ = d.ServeConn(context.Background(), c) }()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

// capture has a program take a picture of d and returns it.
func capture(t *testing.T, d *Display, file, program string, args ...string) image.Image {
	t.Helper()
	path := need(t, program)
	file = filepath.Join(t.TempDir(), file)
	args = append(args, fmt.Sprintf("127.0.0.1:%d", listen(t, d)-5900), file)
	ctx, cancel := context.WithTimeout(t.Context(), screentest.Patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// apart is the largest and the mean difference of a channel between img and
// what d shows to one viewer.
func apart(t *testing.T, d *Display, img image.Image) (most int, mean float64) {
	t.Helper()
	eventually(t, "the viewer to leave", func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.viewers == 0
	})
	watch(t, d)
	shown := d.screen.Picture()
	if img.Bounds().Size() != shown.Rect.Max {
		t.Fatalf("the picture has %v", img.Bounds().Size())
	}
	sum := 0
	for y := range shown.Rect.Max.Y {
		for x := range shown.Rect.Max.X {
			r, g, b, _ := img.At(x, y).RGBA()
			have := shown.RGBAAt(x, y)
			for _, diff := range [3]int{int(r>>8) - int(have.R), int(g>>8) - int(have.G), int(b>>8) - int(have.B)} {
				diff = max(diff, -diff)
				most, sum = max(most, diff), sum+diff
			}
		}
	}
	return most, float64(sum) / float64(3*len(shown.Pix)/4)
}

func TestGtkVnc(t *testing.T) {
	d := still(t, Options{})
	if most, _ := apart(t, d, capture(t, d, "gtk-vnc.png", "gvnccapture", "-q")); most != 0 {
		t.Errorf("a channel is off by %d", most)
	}
}

// vncsnapshot writes JPEG, so its picture is only close.
func TestVncsnapshot(t *testing.T) {
	for _, encoding := range []string{"hextile", "raw"} {
		d := still(t, Options{})
		img := capture(t, d, "snapshot.jpg", "vncsnapshot", "-quiet", "-quality", "100", "-encodings", encoding)
		if _, mean := apart(t, d, img); mean > 2 {
			t.Errorf("%s: channels are off by %.2f in the mean", encoding, mean)
		}
	}
}

// xdisplay starts an X server and returns its name.
func xdisplay(t *testing.T) string {
	t.Helper()
	path := need(t, "Xvfb")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x := exec.Command(path, "-displayfd", "3", "-screen", "0", "1400x900x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{w}
	start(t, x)
	_ = w.Close()
	_ = r.SetReadDeadline(time.Now().Add(screentest.Patience))
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return ":" + strings.TrimSpace(line)
}

// start runs a program until the test is over.
func start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(screentest.Patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it did not happen: %s", what)
		}
	}
}

func TestTigerVNC(t *testing.T) {
	viewer, tool, clip := need(t, "vncviewer"), need(t, "xdotool"), need(t, "xclip")
	d := New(Options{Width: 800, Height: 600})
	defer d.Close()
	on := append(os.Environ(), "DISPLAY="+xdisplay(t), "HOME="+t.TempDir())
	run := func(path string, args ...string) string {
		ctx, cancel := context.WithTimeout(t.Context(), screentest.Patience/5) // xclip waits for an owner that may not answer
		defer cancel()
		c := exec.CommandContext(ctx, path, args...)
		c.Env = on
		out, _ := c.Output()
		return strings.TrimSpace(string(out))
	}
	locked := func(ok func(in *input) bool) func() bool {
		return func() bool {
			d.mu.Lock()
			defer d.mu.Unlock()
			return ok(d.input)
		}
	}
	v := exec.Command(viewer, fmt.Sprintf("127.0.0.1::%d", listen(t, d)))
	v.Env = on
	start(t, v)
	window := ""
	eventually(t, "a window with the desktop's name", func() bool {
		window = run(tool, "search", "--onlyvisible", "--name", DefaultName)
		return window != ""
	})
	eventually(t, "a frame shown", locked(func(*input) bool { return d.frame > 10 }))

	run(tool, "windowfocus", window)
	eventually(t, "the pointer", after(func() {
		run(tool, "mousemove", "--window", window, "200", "150", "click", "1")
	},
		locked(func(in *input) bool {
			return in.pointers[0] != nil && in.pointers[0].at == image.Pt(200, 150)
		})))
	eventually(t, "a key", after(func() { run(tool, "key", "q") },
		locked(func(in *input) bool { return len(in.keys) > 0 && in.keys[len(in.keys)-1].sym == 'q' })))

	copyIn := exec.Command(clip, "-selection", "clipboard")
	copyIn.Env, copyIn.Stdin = on, strings.NewReader("ünïcödé €")
	start(t, copyIn)
	eventually(t, "a text", locked(func(in *input) bool { return in.clip.text == "ünïcödé €" }))
	eventually(t, "its echo", func() bool { return run(clip, "-o", "-selection", "clipboard") == "echo: ünïcödé €" })

	run(tool, "windowsize", window, "700", "500")
	eventually(t, "another size", func() bool { return d.screen.Size() == image.Pt(700, 500) })
}

// after does something each time before it looks whether it had its effect.
func after(do func(), ok func() bool) func() bool {
	return func() bool { do(); time.Sleep(200 * time.Millisecond); return ok() }
}
