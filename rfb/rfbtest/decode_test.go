package rfbtest_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/rfbtest"
)

// lossy are the encodings whose pictures are near the display's and not it.
var lossy = map[rfb.Encoding]bool{rfb.EncodingZYWRLE: true, rfb.EncodingJPEG: true}

// TestDecoderOnDisplays has real displays send their screens in every encoding
// that they have, in three pixel formats: the pictures are those that they send
// as raw pixels, and those of gtk-vnc.
func TestDecoderOnDisplays(t *testing.T) {
	if testing.Short() {
		t.Skip("starts displays")
	}
	for _, s := range []screen{
		{"Xvnc", (*recording).bigXvnc, []rfb.Encoding{1, 2, 5, 7, 16}},
		{"x11vnc", (*recording).bareX11vnc, []rfb.Encoding{1, 2, 4, 5, 6, 7, 16, 17, -260}},
		{"QEMU", (*recording).stoppedQEMU, []rfb.Encoding{5, 6, 7, 16, 17, -260}},
	} {
		t.Run(s.name, func(t *testing.T) {
			installed(t, map[string]string{"Xvnc": "Xtigervnc", "x11vnc": "x11vnc", "QEMU": "qemu-system-x86_64"}[s.name], "Xvfb", "display", "gvnccapture")
			r := &recording{t: t, name: s.name, dir: t.TempDir(), port: freePort(t)}
			hang(r, s.start(r))
			for _, bits := range []uint8{32, 16, 8} {
				raw := stillScreen(r, formatOf(bits))
				if bits == 32 {
					same(t, "gtk-vnc", captured(r), raw, 0)
				}
				for _, e := range s.encodings {
					most := 0.0
					switch {
					case lossy[e]:
						most = 12
					case e == rfb.EncodingTightPNG: // QEMU's has all the colours
						most = 4
					}
					got, kinds := viewed(r, formatOf(bits), e)
					same(t, fmt.Sprintf("%s, %d bits", e, bits), got, raw, most)
					if !kinds[e] && e != rfb.EncodingCopyRect {
						t.Logf("%s, %d bits: the display sent others: %v", e, bits, kinds)
					}
				}
				if s.name != "QEMU" || bits == 32 { // which takes JPEG for 32 bits alone
					got, _ := viewed(r, formatOf(bits), rfb.EncodingTight, -32+7)
					same(t, fmt.Sprintf("Tight with JPEG, %d bits", bits), got, raw, 12)
				}
			}
		})
	}
}

// bareX11vnc leaves the pointer to the viewer.
func (r *recording) bareX11vnc() string {
	x := r.xvfb()
	r.run([]string{x}, "x11vnc", "-rfbport", fmt.Sprint(r.port), "-localhost", "-no6", "-noshm", "-q", "-forever", "-shared", "-noxdamage", "-cursor", "none")
	return x
}

// stoppedQEMU stands still once the machine has nothing to boot from.
func (r *recording) stoppedQEMU() string {
	monitor := filepath.Join(r.dir, "monitor")
	r.run(nil, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "pc,accel=tcg", "-m", "16", "-vga", "std",
		"-display", "none", "-vnc", fmt.Sprintf("127.0.0.1:%d,lossy=on", r.port-5900), "-qmp", "unix:"+monitor+",server,wait=off")
	for range 100 {
		if img, _ := viewed(r, rfb.Format32(), rfb.EncodingRaw); !black(img) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	c, err := net.Dial("unix", monitor)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, `{"execute":"qmp_capabilities"}{"execute":"stop"}`); err != nil {
		r.t.Fatal(err)
	}
	return ""
}

// hang has a picture on the screen of x: flat parts, a slope, noise, and pixels
// of few colours, so that every way of an encoding has something to do.
func hang(r *recording, x string) {
	if x == "" {
		return
	}
	img := image.NewRGBA(image.Rect(0, 0, 320, 240))
	rnd := rand.New(rand.NewPCG(1, 2))
	for y := range 240 {
		for px := range 320 {
			c := color.RGBA{uint8(px), uint8(y), uint8(px + y), 255}
			switch {
			case px < 80 && y < 120:
				c = color.RGBA{10, 200, 90, 255}
			case px < 80:
				c = color.RGBA{uint8(rnd.Uint32()), uint8(rnd.Uint32()), uint8(rnd.Uint32()), 255}
			case px < 160:
				c = []color.RGBA{{0, 0, 0, 255}, {255, 255, 255, 255}, {200, 0, 0, 255}, {0, 0, 200, 255}, {9, 9, 9, 255}}[rnd.IntN(1+y/50)]
			}
			img.SetRGBA(px, y, c)
		}
	}
	hangPicture(r, x, img)
}

// hangPicture has img on the screen of x, once that is up.
func hangPicture(r *recording, x string, img image.Image) {
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		r.t.Fatal(err)
	}
	path := r.file("wall.png", b.String())
	r.dial().Close() // it is up
	cmd := exec.Command("display", "-window", "root", path)
	cmd.Env = append(os.Environ(), x)
	_ = cmd.Run() // which ends with 1 whatever happens
}

// stillScreen returns the screen as raw pixels once it stands still.
func stillScreen(r *recording, f rfb.PixelFormat) image.Image {
	before, _ := viewed(r, f, rfb.EncodingRaw)
	for range 60 {
		time.Sleep(200 * time.Millisecond)
		now, _ := viewed(r, f, rfb.EncodingRaw)
		if difference(before, now) == 0 && !black(now) {
			return now
		}
		before = now
	}
	r.t.Fatal("the screen does not stand still")
	return nil
}

// black reports whether there is nothing on a screen yet.
func black(img image.Image) bool {
	return difference(img, image.NewUniform(color.Black)) == 0
}

// captured is the screen as gtk-vnc shows it.
func captured(r *recording) image.Image {
	path := filepath.Join(r.dir, "captured.png")
	if out, err := exec.Command("gvnccapture", fmt.Sprintf("127.0.0.1:%d", r.port-5900), path).CombinedOutput(); err != nil {
		r.t.Fatalf("gvnccapture: %v\n%s", err, out)
	}
	f, err := os.Open(path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return img
}

// viewed looks at the whole screen in encodings, and tells which were used.
func viewed(r *recording, f rfb.PixelFormat, encodings ...rfb.Encoding) (image.Image, map[rfb.Encoding]bool) {
	return viewedBy(r, nil, f, encodings...)
}

// viewedBy is viewed, with a copy of what the display says behind ServerInit for
// others.
func viewedBy(r *recording, heard io.Writer, f rfb.PixelFormat, encodings ...rfb.Encoding) (image.Image, map[rfb.Encoding]bool) {
	t := r.t
	c := r.dial()
	defer c.Close()
	v, err := rfbtest.NewViewer(within(t), c, rfb.None{})
	if err != nil {
		t.Fatal(err)
	}
	init := v.Init
	init.Format = f
	in := io.Reader(v)
	if heard != nil {
		in = io.TeeReader(v, heard)
	}
	d, err := display.NewDecoder(in, init)
	if err != nil {
		t.Fatal(err)
	}
	asked := append(encodings, rfb.EncodingCursor)
	if heard == nil { // vnc2video understands no more
		asked = append(asked, rfb.EncodingLastRect, rfb.EncodingDesktopSize, rfb.EncodingDesktopName, rfb.EncodingExtendedDesktopSize)
	}
	d.SetEncodings(asked)
	hello := rfb.AppendSetEncodings(rfb.AppendSetPixelFormat(nil, f), asked...)
	ask := rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, init.Width, init.Height)
	if _, err := v.Write(append(hello, ask...)); err != nil {
		t.Fatal(err)
	}
	_ = v.SetReadDeadline(time.Now().Add(time.Minute))
	for range 100 {
		m, err := d.Next()
		if err != nil {
			t.Fatalf("%v, %d bits: %v", encodings, f.BitsPerPixel, err)
		}
		if m.Type != rfb.MsgFramebufferUpdate {
			continue
		}
		if d.Image().Opaque() {
			return d.Image(), d.Used()
		}
		ask[1] = 1
		if m.Resized {
			ask[1] = 0
		}
		if _, err := v.Write(ask); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatalf("%v, %d bits: the screen was never whole", encodings, f.BitsPerPixel)
	return nil, nil
}

// same fails where pictures differ by more than most of 255 on average.
func same(t *testing.T, name string, got, want image.Image, most float64) {
	t.Helper()
	if got.Bounds().Size() != want.Bounds().Size() {
		t.Errorf("%s: %v, want %v", name, got.Bounds(), want.Bounds())
		return
	}
	if by := difference(got, want); by > most {
		t.Errorf("%s: the pictures differ by %.2f of 255%s", name, by, keepPictures(t, name, got, want))
	}
}

// difference is how far the channels of two pictures are apart, on average.
func difference(a, b image.Image) float64 {
	size := a.Bounds()
	x, y := rgba(a, size), rgba(b, size)
	sum := 0
	for i := range x.Pix {
		if i%4 != 3 {
			sum += max(int(x.Pix[i])-int(y.Pix[i]), int(y.Pix[i])-int(x.Pix[i]))
		}
	}
	return float64(sum) / float64(3*size.Dx()*size.Dy())
}

func rgba(img image.Image, size image.Rectangle) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, size.Dx(), size.Dy()))
	draw.Draw(out, out.Rect, img, img.Bounds().Min, draw.Src)
	return out
}

// keepPictures leaves two pictures to be looked at where the environment names a
// folder for them.
func keepPictures(t *testing.T, name string, got, want image.Image) string {
	dir := os.Getenv("VNCGATE_PICTURES")
	if dir == "" {
		return ""
	}
	for kind, img := range map[string]image.Image{"got": got, "want": want} {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, strings.Map(pathRune, t.Name()+" "+name)+"-"+kind+".png")
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return ", see " + dir
}

func pathRune(r rune) rune {
	if strings.ContainsRune("/ ,", r) {
		return '-'
	}
	return r
}
