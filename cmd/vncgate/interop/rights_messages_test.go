package interop

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// enterRaw is a viewer by the byte at a target, which throws away what comes.
func (g *ruled) enterRaw(t *testing.T, target string) *rawViewer {
	t.Helper()
	r := g.knock(t, target)
	go func() { _, _ = io.Copy(io.Discard, r) }()
	return r
}

// knock is enterRaw for a test that reads.
func (g *ruled) knock(t *testing.T, target string) *rawViewer {
	t.Helper()
	r, err := openRaw(g.ports[target])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	if reason, _, err := r.enterNone(); err != nil || reason != "" {
		t.Fatalf("it is refused: %q, %v", reason, err)
	}
	return r
}

// say sends messages.
func (r *rawViewer) say(t *testing.T, messages ...[]byte) {
	t.Helper()
	if err := r.send(slices.Concat(messages...)); err != nil {
		t.Fatal(err)
	}
}

// Messages of RFC 6143, 7.5, and of its extensions.

func setEncodings(encodings ...int32) []byte {
	b := binary.BigEndian.AppendUint16([]byte{2, 0}, uint16(len(encodings)))
	for _, e := range encodings {
		b = binary.BigEndian.AppendUint32(b, uint32(e))
	}
	return b
}

// typed is a key pressed and released.
func typed(k key) []byte {
	b := binary.BigEndian.AppendUint32([]byte{4, 1, 0, 0}, uint32(k.keysym))
	return binary.BigEndian.AppendUint32(append(b, 4, 0, 0, 0), uint32(k.keysym))
}

// setDesktopSize asks for one screen of that size.
func setDesktopSize(size image.Point) []byte {
	wide, high := uint16(size.X), uint16(size.Y)
	b := binary.BigEndian.AppendUint16([]byte{251, 0}, wide)
	b = append(binary.BigEndian.AppendUint16(b, high), 1, 0)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, wide)
	return append(binary.BigEndian.AppendUint16(b, high), 0, 0, 0, 0)
}

const (
	extendedDesktopSize = -308
	xvpEncoding         = -309
)

// xvpReset asks for a reset of the machine.
var xvpReset = []byte{250, 0, 1, 4}

// TestResizeNeedsItsRight asks an Xvnc for another size, without the right to
// and with it.
func TestResizeNeedsItsRight(t *testing.T) {
	t.Parallel()
	d := newDesk(t, "resized")
	g := startRuled(t, map[string]*display{"desk": d}, map[string]string{"desk": most})
	r := g.enterRaw(t, "desk")
	xev, err := d.x.watchInput(testScope(t))
	if err != nil {
		t.Fatal(err)
	}
	r.say(t, setEncodings(extendedDesktopSize, 0))
	size := image.Pt(800, 600)
	g.regrant(t, "desk", "allow=control,clipboard,power")
	r.say(t, setDesktopSize(size), typed(keyX))
	eventually(t, "a key arrives", func() error { return sawEvent(xev, "KeyRelease", keyX.shown()) })
	if got, err := d.x.size(); err != nil || got != image.Pt(cardWidth, cardHeight) {
		t.Fatalf("without the right to, the display is now %v (%v)", got, err)
	}
	g.regrant(t, "desk", most)
	r.say(t, setDesktopSize(size))
	eventually(t, "the display takes the size", func() error {
		got, err := d.x.size()
		if err == nil && got != size {
			err = fmt.Errorf("it is %v", got)
		}
		return err
	})
}

// TestPowerNeedsItsRight asks a machine that ends with a reset for one.
func TestPowerNeedsItsRight(t *testing.T) {
	t.Parallel()
	needQEMU(t)
	d, err := startQEMU(testScope(t), qemuConfig{security: "vnc", password: secrets.qemu, power: true})
	if err == nil {
		err = d.control().do(`{"execute":"cont"}`)
	}
	if err != nil {
		t.Fatal(err)
	}
	g := startRuled(t, map[string]*display{"machine": d}, map[string]string{"machine": most})
	r := g.enterRaw(t, "machine")
	r.say(t, setEncodings(xvpEncoding, 0))
	g.regrant(t, "machine", "allow=control,clipboard,resize")
	r.say(t, xvpReset, typed(keyX))
	eventually(t, "a key arrives", func() error { return d.log.has(0, "qcode x, down 0") })
	if err := d.control().do(`{"execute":"query-status"}`); err != nil {
		t.Fatal(err)
	}
	g.regrant(t, "machine", most)
	r.say(t, xvpReset)
	eventually(t, "the machine ends", func() error {
		if d.alive() == nil {
			return errors.New("it runs on")
		}
		return nil
	})
}

// fileList asks UltraVNC's file transfer, which libvncserver has, for the
// drives: message 7, content 1 (directory), parameter 2 (drives), no name.
var fileList = []byte{7, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// drives is how the answer begins: content 2 (directory), parameter 3 (drives).
var drives = []byte{7, 2, 3, 0}

// TestFileTransferNeedsItsRight asks an x11vnc for a list of files. The
// lengths in such messages cannot be relied on, so whoever may not send them is
// not listened to any further.
func TestFileTransferNeedsItsRight(t *testing.T) {
	t.Parallel()
	d := newX11vncWith(t, "-ultrafilexfer")
	g := startRuled(t, map[string]*display{"all": d, "files": d},
		map[string]string{"all": "allow=all", "files": "allow=all,file-transfer,opaque"})
	r := g.knock(t, "all")
	r.say(t, fileList, typed(keyX))
	if said, err := r.ends(); err != nil || bytes.Contains(said, drives) {
		t.Errorf("it said %q, %v", said, err)
	}
	eventually(t, "the gateway says why", func() error { return g.log.has(0, `reason="message not allowed"`) })
	r = g.knock(t, "files")
	r.say(t, fileList)
	var said []byte
	for !bytes.Contains(said, drives) {
		b, err := r.receive(1)
		if err != nil {
			t.Fatalf("with the right to, the display said %q, %v", said, err)
		}
		said = append(said, b...)
	}
}

// TestKeyRateOnX types as fast as it can. At most a second's worth of keys comes
// through at once, and each that is pressed is released.
func TestKeyRateOnX(t *testing.T) {
	t.Parallel()
	const rate = 40
	d := newDesk(t, "typed")
	g := startRuled(t, map[string]*display{"desk": d}, map[string]string{"desk": fmt.Sprintf("allow=all limits=keys=%d", rate)})
	r := g.enterRaw(t, "desk")
	xev, err := d.x.watchInput(testScope(t))
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	r.say(t, bytes.Repeat(typed(keyX), 500))
	eventually(t, "a later key arrives", func() error {
		r.say(t, typed(keyReturn))
		return sawEvent(xev, "KeyRelease", keyReturn.shown())
	})
	took := time.Since(begun)
	if err := pressed(xev); err != nil {
		t.Error(err)
	}
	presses := strings.Count(xev.log.String(), "KeyPress event")
	if most := int(rate*(1+took.Seconds())) + 1; presses > most || presses < rate {
		t.Errorf("the display saw %d keys in %v, not %d to %d", presses, took, rate, most)
	}
	t.Logf("of 500 keys %d came through in %v", presses, took.Round(time.Millisecond))
}
