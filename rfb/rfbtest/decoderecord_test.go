package rfbtest_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/rfbtest"
)

// Recording what displays send needs Debian's tigervnc-standalone-server,
// x11vnc, xvfb, x11-apps, x11-xserver-utils, xdotool, imagemagick and
// qemu-system-x86:
//
//	go test ./rfb/rfbtest -run TestEncodingTranscripts -update

// recordEncodings has each of the displays send what shows it.
func recordEncodings(t *testing.T) {
	for name, start := range map[string]func(*recording) string{
		"xvnc": (*recording).tinyXvnc, "x11vnc": (*recording).tinyX11vnc, "qemu": (*recording).stoppedQEMU,
	} {
		r := &recording{t: t, name: name, dir: t.TempDir(), port: freePort(t)}
		x := start(r)
		r.dial().Close() // it is up
		if x != "" {
			r.run([]string{x}, "xlogo", "-geometry", "30x30+2+2", "-bg", "orange")
			hangPicture(r, x, tinyPicture())
			moveLogo(r, x, 50, 24)
		}
		want := stillScreen(r, rfb.Format32())
		var b bytes.Buffer
		if err := png.Encode(&b, want); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(shownPath(name)+".png", b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, s := range encodings {
			if s.display() == name {
				recordShown(r, x, s, want)
			}
		}
		for _, s := range told {
			if s.display() == name {
				recordTold(r, x, s)
			}
		}
	}
}

// Sizes of small displays.
const tinyWidth, tinyHeight = 96, 64

// tinyPicture has something for every encoding and little of it: a flat part with
// a few dots, stripes, and a slope.
func tinyPicture() image.Image {
	img := image.NewRGBA(image.Rect(0, 0, tinyWidth, tinyHeight))
	for y := range tinyHeight {
		for x := range tinyWidth {
			c := color.RGBA{uint8(4 * y), uint8(255 - 5*(x-64)), uint8(2*y + 2*x), 255}
			switch {
			case x < 40 && (x*x+y*y)%61 == 0:
				c = color.RGBA{200, 0, 0, 255}
			case x < 40:
				c = color.RGBA{230, 230, 210, 255}
			case x < 64:
				c = []color.RGBA{{0, 0, 0, 255}, {255, 255, 255, 255}, {20, 90, 200, 255}, {90, 200, 20, 255}}[(x+y)/6%4]
			}
			img.SetRGBA(x, y, c)
		}
	}
	return img
}

func (r *recording) tinyXvnc() string {
	number := 100 + r.port%800
	r.run(nil, "Xtigervnc", fmt.Sprintf(":%d", number), "-rfbport", fmt.Sprint(r.port), "-localhost",
		"-geometry", fmt.Sprintf("%dx%d", tinyWidth, tinyHeight), "-depth", "24", "-SecurityTypes", "None",
		"-AlwaysShared", "-desktop", "transcript", "-nolisten", "tcp", "-Log", "*:stderr:0")
	return fmt.Sprintf("DISPLAY=:%d", number)
}

func (r *recording) tinyX11vnc() string {
	number := 100 + r.port%800
	x := fmt.Sprintf("DISPLAY=:%d", number)
	r.run(nil, "Xvfb", x[len("DISPLAY="):], "-nolisten", "tcp", "-screen", "0", fmt.Sprintf("%dx%dx24", tinyWidth, tinyHeight))
	time.Sleep(time.Second)
	r.run([]string{x}, "x11vnc", "-rfbport", fmt.Sprint(r.port), "-localhost", "-no6", "-noshm", "-q", "-forever", "-shared", "-nocursor")
	return x
}

func tool(r *recording, x, name string, args ...string) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), x)
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("%s: %v: %s", name, err, out)
	}
}

func moveLogo(r *recording, x string, left, top int) {
	tool(r, x, "timeout", "20", "xdotool", "search", "--sync", "--class", "xlogo", "windowmove", fmt.Sprint(left), fmt.Sprint(top))
	time.Sleep(700 * time.Millisecond) // longer than x11vnc looks away
}

// recordShown views a display whose logo moves from one place to another.
func recordShown(r *recording, x string, s shown, want image.Image) {
	if x != "" {
		moveLogo(r, x, 2, 2)
	}
	v := r.viewing(s.path(), s.format(), append(s.encodings, rfb.EncodingCursor)...)
	defer v.close()
	v.until(false, func() bool { return v.d.Image().Opaque() })
	if x != "" {
		moveLogo(r, x, 50, 24)
	}
	v.quiet()
	if by := psnr(v.d.Image(), want); !s.loss && s.format() == rfb.Format32() && !math.IsInf(by, 1) {
		r.t.Fatalf("%s: the picture is %.1f dB away", s.name, by)
	}
}

// A viewing is recorded as it goes on.
type viewing struct {
	r     *recording
	v     *rfbtest.Viewer
	d     *display.Decoder
	heard bytes.Buffer
	file  *os.File
	out   *display.FBSWriter
	began time.Time
}

// Read is what the decoder hears.
func (v *viewing) Read(b []byte) (int, error) {
	n, err := v.v.Read(b)
	v.heard.Write(b[:n])
	return n, err
}

func (r *recording) viewing(path string, f rfb.PixelFormat, asked ...rfb.Encoding) *viewing {
	seen := &viewing{r: r, began: time.Now()}
	var err error
	if seen.v, err = rfbtest.NewViewer(within(r.t), r.dial(), rfb.None{}); err != nil {
		r.t.Fatal(err)
	}
	init := seen.v.Init
	init.Format = f
	if seen.d, err = display.NewDecoder(seen, init); err != nil {
		r.t.Fatal(err)
	}
	seen.d.SetEncodings(asked)
	if seen.file, err = os.Create(path); err != nil {
		r.t.Fatal(err)
	}
	if seen.out, err = display.NewFBSWriter(seen.file, init); err != nil {
		r.t.Fatal(err)
	}
	seen.say(rfb.AppendSetEncodings(rfb.AppendSetPixelFormat(nil, f), asked...))
	return seen
}

func (v *viewing) say(b []byte) {
	if _, err := v.v.Write(b); err != nil {
		v.r.t.Fatal(err)
	}
}

func (v *viewing) ask(incremental bool) {
	size := v.d.Image().Rect.Size()
	v.say(rfb.AppendFramebufferUpdateRequest(nil, incremental, 0, 0, uint16(size.X), uint16(size.Y)))
}

// until asks and draws until ok.
func (v *viewing) until(incremental bool, ok func() bool) {
	for v.ask(incremental); ; v.ask(true) {
		_ = v.v.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := v.d.Next(); err != nil {
			v.r.t.Fatal(err)
		}
		v.write()
		if ok() {
			return
		}
	}
}

// quiet asks and draws until nothing new comes.
func (v *viewing) quiet() {
	for {
		v.ask(true)
		_ = v.v.SetReadDeadline(time.Now().Add(1500 * time.Millisecond))
		_, err := v.d.Next()
		v.write()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			v.r.t.Fatal(err)
		}
	}
}

// write keeps what was heard.
func (v *viewing) write() {
	if err := v.out.Block(time.Since(v.began), v.heard.Bytes()); err != nil {
		v.r.t.Fatal(err)
	}
	v.heard.Reset()
}

func (v *viewing) close() {
	v.v.Close()
	if err := v.file.Close(); err != nil {
		v.r.t.Fatal(err)
	}
}

// recordTold views a display that has another cursor, size and name.
func recordTold(r *recording, x string, s shown) {
	tool(r, x, "xsetroot", "-cursor_name", "X_cursor")
	v := r.viewing(s.path(), rfb.Format32(), append(s.encodings, rfb.EncodingHextile)...)
	defer v.close()
	v.until(false, func() bool { return v.d.Image().Opaque() })
	v.say(rfb.AppendPointerEvent(nil, 0, 90, 4)) // where the pointer is the viewer's to draw
	tool(r, x, "xsetroot", "-cursor_name", "gumby")
	v.quiet()
	switch what := strings.Fields(s.name)[1]; {
	case strings.HasSuffix(what, "size"):
		v.say(rfb.AppendSetDesktopSize(nil, 80, 60, rfb.Screen{W: 80, H: 60}))
		v.quiet()
		v.until(false, func() bool { return v.d.Image().Opaque() })
		v.say(rfb.AppendSetDesktopSize(nil, tinyWidth, tinyHeight, rfb.Screen{W: tinyWidth, H: tinyHeight}))
	case what == "name":
		tool(r, x, "vncconfig", "-set", "desktop=another name")
		v.quiet()
		tool(r, x, "vncconfig", "-set", "desktop=transcript")
	}
	v.quiet()
}
