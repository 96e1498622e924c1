package rfbtest_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// theSecret is what somebody copies on a display while it is viewed.
const theSecret = "nobody-must-read-this"

// A screen is a real display with something on it.
type screen struct {
	name      string
	start     func(*recording) (x string) // DISPLAY=…, "" if it is none of X's
	encodings []rfb.Encoding
}

var screens = []screen{
	{"Xvnc", (*recording).bigXvnc, []rfb.Encoding{0, 2, 5, 7, 16, 21}},
	{"x11vnc", (*recording).bigX11vnc, []rfb.Encoding{0, 1, 2, 4, 5, 6, 7, 9, 16, 17, -260, 7}},
	{"QEMU", (*recording).bigQEMU, []rfb.Encoding{0, 5, 6, 7, 16, 17, -260}},
}

func (r *recording) bigXvnc() string {
	number := 100 + r.port%800
	r.run(nil, "Xtigervnc", fmt.Sprintf(":%d", number), "-rfbport", fmt.Sprint(r.port), "-localhost", "-geometry", "300x220",
		"-depth", "24", "-SecurityTypes", "None", "-nolisten", "tcp", "-Log", "*:stderr:0")
	return fmt.Sprintf("DISPLAY=:%d", number)
}

func (r *recording) bigX11vnc() string {
	x := r.xvfb()
	r.run([]string{x}, "x11vnc", "-rfbport", fmt.Sprint(r.port), "-localhost", "-no6", "-noshm", "-quiet", "-forever", "-shared", "-noxdamage")
	return x
}

func (r *recording) bigQEMU() string {
	r.run(nil, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-machine", "pc,accel=tcg", "-m", "16", "-vga", "std",
		"-display", "none", "-vnc", fmt.Sprintf("127.0.0.1:%d,lossy=on", r.port-5900))
	return ""
}

// paint has something new on the screen, and copies the secret.
func paint(x string, round int) {
	if x == "" {
		return
	}
	run := func(name string, args ...string) {
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), x)
		cmd.Stdin = strings.NewReader(fmt.Sprint(theSecret, round))
		_ = cmd.Run()
	}
	run("xsetroot", "-mod", fmt.Sprint(3+round), "5", "-fg", "red", "-bg", []string{"blue", "green", "gray50"}[round%3])
	for _, selection := range []string{"primary", "clipboard"} {
		run("xclip", "-selection", selection)
	}
}

// TestFiltersOnDisplays has real displays paint in every encoding that they
// have, in three pixel formats, while somebody copies: what comes through is
// what a reading of whole messages leaves of it, and not the text.
func TestFiltersOnDisplays(t *testing.T) {
	if testing.Short() {
		t.Skip("starts displays")
	}
	for _, s := range screens {
		t.Run(s.name, func(t *testing.T) {
			installed(t, map[string]string{"Xvnc": "Xtigervnc", "x11vnc": "x11vnc", "QEMU": "qemu-system-x86_64"}[s.name], "Xvfb", "xsetroot", "xclip")
			r := &recording{t: t, name: s.name, dir: t.TempDir(), port: freePort(t)}
			x := s.start(r)
			told := false
			for i, e := range s.encodings {
				for _, bits := range []uint8{32, 16, 8} {
					if bits != 32 && !ofPixels[e] {
						continue // its length does not go by the format
					}
					told = viewFiltered(r, x, e, bits, i) || told
				}
			}
			if !told && s.name == "Xvnc" { // x11vnc tells nothing in the first 15 s
				t.Error("the display never told what was copied")
			}
		})
	}
}

// ofPixels are the encodings whose lengths go by the pixel format.
var ofPixels = map[rfb.Encoding]bool{0: true, 2: true, 4: true, 5: true, 7: true}

// formatOf is a pixel format of so many bits.
func formatOf(bits uint8) rfb.PixelFormat {
	switch bits {
	case 8:
		return rfb.PixelFormat{BitsPerPixel: 8, Depth: 8, TrueColour: true, RedMax: 7, GreenMax: 7, BlueMax: 3, GreenShift: 3, BlueShift: 6}
	case 16:
		return rfb.PixelFormat{BitsPerPixel: 16, Depth: 16, TrueColour: true, RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5}
	}
	return rfb.Format32()
}

// viewFiltered views the display in e for a few updates and reports whether it
// told what was copied.
func viewFiltered(r *recording, x string, e rfb.Encoding, bits uint8, round int) (told bool) {
	t := r.t
	c := r.dial()
	defer c.Close()
	v, err := rfbtest.NewViewer(within(t), c, rfb.None{})
	if err != nil {
		t.Fatal(err)
	}
	all := rfb.Policy{ClipboardOut: true, Bell: true, Audio: true}
	up := rfb.NewFilter(v, rfb.Policy{})
	strict := rfb.NewServerFilter(up, v.Init)
	open := rfb.NewServerFilter(rfb.NewFilter(io.Discard, all), rfb.ServerInit{Format: formatOf(bits)})
	say := func(b []byte) {
		if _, err := up.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	say(rfb.AppendSetPixelFormat(nil, formatOf(bits)))
	say(rfb.AppendSetEncodings(nil, e, -224, -223, -239, -257, -258, -261, -307, -308, -314, -312, -313, -32+5, rfb.Encoding(-256+round%2*3)))
	ask := rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, v.Init.Width, v.Init.Height)
	say(ask)
	var heard, left bytes.Buffer
	buf := make([]byte, 5000)
	for seen := uint64(0); seen < 6; {
		_ = v.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := v.Read(buf)
		if err != nil {
			t.Fatalf("%s, %d bits: after %d bytes: %v", e, bits, heard.Len(), err)
		}
		heard.Write(buf[:n])
		whole, err := open.Cut(bytes.Clone(buf[:n]), 0)
		if err != nil || !bytes.Equal(whole, buf[:n]) {
			t.Fatalf("%s, %d bits: with all allowed %d bytes of %d, %v", e, bits, len(whole), n, err)
		}
		out, err := strict.Cut(bytes.Clone(buf[:n]), 0)
		if err != nil {
			t.Fatalf("%s, %d bits: after %d bytes: %v", e, bits, heard.Len(), err)
		}
		left.Write(out)
		if now := strict.Passed(); now > seen {
			seen = now
			if seen%2 == 0 {
				paint(x, round*3+int(seen))
			}
			say(ask)
		}
	}
	if bytes.Contains(left.Bytes(), []byte(theSecret)) {
		t.Errorf("%s, %d bits: the secret came through", e, bits)
	}
	if held := heard.Len() - left.Len(); held > 0 && strict.Dropped() == 0 && held > 73 {
		t.Errorf("%s, %d bits: %d bytes left of %d, and nothing was withheld", e, bits, left.Len(), heard.Len())
	}
	return bytes.Contains(heard.Bytes(), []byte(theSecret))
}

// TestFormatChangesOnXvnc has a viewer change its pixel format again and again
// while updates are under way, which only fences can put in order.
func TestFormatChangesOnXvnc(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a display")
	}
	installed(t, "Xtigervnc", "xsetroot", "xclip")
	r := &recording{t: t, name: "Xvnc", dir: t.TempDir(), port: freePort(t)}
	x := r.bigXvnc()
	c := r.dial()
	defer c.Close()
	v, err := rfbtest.NewViewer(within(t), c, rfb.None{})
	if err != nil {
		t.Fatal(err)
	}
	up := rfb.NewFilter(v, rfb.Policy{})
	down := rfb.NewServerFilter(up, v.Init)
	say := func(b []byte) {
		if _, err := up.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	ask := rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, v.Init.Width, v.Init.Height)
	say(append(rfb.AppendSetEncodings(nil, rfb.EncodingHextile, -224, -239, -312, -313), ask...))
	buf := make([]byte, 3000)
	var heard []byte
	changes, seen := 0, uint64(0)
	for seen < 40 {
		_ = v.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := v.Read(buf)
		if err != nil {
			t.Fatalf("after %d changes: %v", changes, err)
		}
		out, err := down.Cut(buf[:n], 0)
		if err != nil {
			t.Fatalf("after %d changes: %v", changes, err)
		}
		if heard = answerFences(append(heard, out...), say); len(heard) > 100 {
			heard = heard[len(heard)-100:]
		}
		now := down.Passed()
		if now == seen {
			continue
		}
		seen = now
		if seen > 3 { // by then it has told of its fences
			say(rfb.AppendSetPixelFormat(nil, formatOf([]uint8{8, 32, 16}[changes%3])))
			changes++
		}
		if seen%8 == 0 {
			paint(x, int(seen/8))
		}
		say(ask)
	}
	if changes < 8 {
		t.Errorf("only %d changes", changes)
	}
}

// answerFences answers the fences in b, as a display wants before it sends
// more, and returns what lies behind them. Nothing on the screens here looks
// like one.
func answerFences(b []byte, say func([]byte)) []byte {
	for {
		at := bytes.Index(b, []byte{rfb.MsgFence, 0, 0, 0, 0x80, 0, 0})
		if at < 0 || len(b) < at+9 || len(b) < at+9+int(b[at+8]) {
			return b
		}
		fence := b[at : at+9+int(b[at+8])]
		say(rfb.AppendFence(nil, uint32(fence[7])&(rfb.FenceBlockBefore|rfb.FenceBlockAfter), fence[9:]))
		b = b[at+len(fence):]
	}
}
