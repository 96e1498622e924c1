package recording_test

import (
	"bytes"
	"compress/zlib"
	"crypto/ed25519"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/recording"
)

// screen is what most of these tests record.
func screen() rfb.ServerInit {
	return rfb.ServerInit{Width: 320, Height: 200, Format: rfb.Format32(), Name: "a desk"}
}

func shorter() rfb.PixelFormat {
	return rfb.PixelFormat{BitsPerPixel: 16, Depth: 16, TrueColour: true, RedMax: 31, GreenMax: 63, BlueMax: 31, RedShift: 11, GreenShift: 5}
}

// step is what one end says.
type step struct {
	viewer bool
	b      []byte
}

// sessions are those that have been made.
var sessions sync.Map

// session is what both ends say for a while: n updates through a stream of zlib
// and as they are, keys between them, a change of format in the middle.
func session(n int) []step {
	if made, ok := sessions.Load(n); ok {
		return slices.Clone(made.([]step))
	}
	made := makeSession(n)
	sessions.Store(n, made)
	return slices.Clone(made)
}

func makeSession(n int) []step {
	init := screen()
	rnd := rand.New(rand.NewPCG(1, uint64(n)))
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	bytesPerPixel := 4
	ask := step{true, rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, init.Width, init.Height)}
	steps := []step{{true, rfb.AppendSetEncodings(nil, rfb.EncodingZlib, rfb.EncodingRaw)}, ask}
	for i := range n {
		if i == n/2 {
			steps = append(steps, step{true, rfb.AppendSetPixelFormat(nil, shorter())})
			bytesPerPixel = 2
		}
		w, h := 1+rnd.IntN(160), 1+rnd.IntN(100)
		x, y := rnd.IntN(320-w+1), rnd.IntN(200-h+1)
		pixels := make([]byte, w*h*bytesPerPixel)
		pattern := make([]byte, 97+i)
		for j := range pattern {
			pattern[j] = byte(rnd.IntN(2 + i%9))
		}
		for j := range pixels {
			pixels[j] = pattern[j%len(pattern)]
		}
		u := rfb.AppendFramebufferUpdate(nil, 1)
		if i%3 == 0 {
			u = append(rfb.AppendRect(u, uint16(x), uint16(y), uint16(w), uint16(h), rfb.EncodingRaw), pixels...)
		} else {
			out.Reset()
			_, _ = z.Write(pixels)
			_ = z.Flush()
			u = rfb.AppendRect(u, uint16(x), uint16(y), uint16(w), uint16(h), rfb.EncodingZlib)
			n := out.Len()
			u = append(append(u, byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), out.Bytes()...)
		}
		steps = append(steps, step{false, u}, ask)
		if i%4 == 0 {
			steps = append(steps, step{true, rfb.AppendKeyEvent(nil, true, uint32('a'+i%26))}, step{true, rfb.AppendPointerEvent(nil, 1, uint16(i), 7)})
		}
	}
	return steps
}

// follow is a Follower of all that has been said.
func follow(t testing.TB, steps []step) *display.Follower {
	t.Helper()
	f, err := display.NewFollower(screen())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	for _, s := range steps {
		feed(t, f, s)
	}
	return f
}

func feed(t testing.TB, f *display.Follower, s step) {
	t.Helper()
	say := f.Display
	if s.viewer {
		say = f.Viewer
	}
	if err := say(s.b); err != nil {
		t.Fatal(err)
	}
}

// record records what is said, in a folder of its own, and returns the path of
// the display's file.
func record(t testing.TB, o recording.Options, steps []step) string {
	t.Helper()
	dir := t.TempDir()
	o.Name, o.Queue = "one", 64<<20
	if o.Init.Width == 0 {
		o.Init = screen()
	}
	var now time.Duration
	if o.Clock == nil {
		o.Clock = func() time.Duration { now += 200 * time.Millisecond; return now }
	}
	r, err := recording.New(recording.Directory(dir), o)
	if err != nil {
		t.Fatal(err)
	}
	say(t, r, steps)
	r.Close("viewer left")
	<-r.Done()
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	name, _ := r.Files()
	return filepath.Join(dir, name)
}

// say has a Recorder hear what is said, in pieces.
func say(t testing.TB, r *recording.Recorder, steps []step) {
	t.Helper()
	for i, s := range steps {
		to := r.Display
		if s.viewer {
			to = r.Viewer
		}
		cut := len(s.b) * (i % 4) / 4
		for _, b := range [][]byte{s.b[:cut], s.b[cut:]} {
			if err := to(b); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func open(t testing.TB, path string, keys ...age.Identity) *recording.Recording {
	t.Helper()
	r, err := recording.Open(path, recording.OpenOptions{Identities: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// at is a Playhead that the test closes.
func at(t testing.TB, r *recording.Recording, when time.Duration) *recording.Playhead {
	t.Helper()
	p, err := r.At(when)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// samePicture compares what two show.
func samePicture(t testing.TB, got, want *display.Follower) {
	t.Helper()
	if !bytes.Equal(got.Image().Pix, want.Image().Pix) || got.Format() != want.Format() || got.Cursor().At != want.Cursor().At {
		t.Errorf("the picture is another: %v, %+v, want %v, %+v", got.Format(), got.Cursor(), want.Format(), want.Cursor())
	}
}

// kinds are the ways in which a recording is written.
func kinds(t testing.TB) map[string]struct {
	o    recording.Options
	keys []age.Identity
} {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	_, signer, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	type kind = struct {
		o    recording.Options
		keys []age.Identity
	}
	return map[string]kind{
		"plain":     {recording.Options{}, nil},
		"zstd":      {recording.Options{Compress: true, Signer: signer}, nil},
		"encrypted": {recording.Options{Signer: signer, Recipients: []age.Recipient{key.Recipient()}}, []age.Identity{key}},
	}
}

func TestRecording(t *testing.T) {
	steps := session(40)
	want := follow(t, steps)
	for name, kind := range kinds(t) {
		t.Run(name, func(t *testing.T) {
			kind.o.Workers, kind.o.KeyframeEvery = recording.NewWorkers(1, 64<<20), 1<<18
			kind.o.Meta = recording.Meta{Target: "desk", User: "alice"}
			path := record(t, kind.o, steps)
			if suffix := map[string]string{"plain": ".fbs", "zstd": ".fbs.zst", "encrypted": ".fbs.zst.age"}[name]; !strings.HasSuffix(path, "one"+suffix) {
				t.Errorf("the file is %s", path)
			}
			r := open(t, path, kind.keys...)
			if m := r.Meta(); m.User != "alice" || m.Name != "a desk" || m.Width != 320 || m.Since.IsZero() || (m.Key == "") != (name == "plain") {
				t.Errorf("%+v", m)
			}
			if closed, reason := r.Closed(); !closed || reason != "viewer left" {
				t.Errorf("closed %v: %s", closed, reason)
			}
			if r.Keyframes() == 0 {
				t.Error("there are no keyframes")
			}
			samePicture(t, at(t, r, time.Hour).Follower(), want)
			p := at(t, r, 0)
			for {
				if _, err := p.Next(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatal(err)
				}
			}
			samePicture(t, p.Follower(), want)
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := recording.Open(filepath.Join(dir, "none.fbs"), recording.OpenOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := record(t, recording.Options{Recipients: []age.Recipient{key.Recipient()}}, session(3))
	for _, keys := range [][]age.Identity{nil, {other}} {
		if _, err := recording.Open(path, recording.OpenOptions{Identities: keys}); !errors.Is(err, recording.ErrEncrypted) {
			t.Error(err)
		}
	}
}

// TestNothingSaid records a session that ends at once.
func TestNothingSaid(t *testing.T) {
	path := record(t, recording.Options{}, nil)
	r := open(t, path)
	if closed, _ := r.Closed(); !closed || r.Init() != screen() || len(heard(t, path)) > 0 || !verifyIntact(t, path, nil) {
		t.Errorf("%+v", r.Init())
	}
	if p := at(t, r, time.Hour); p.Follower().Image().Rect.Dx() != 320 {
		t.Error("it has no screen")
	}
	if err := func() error {
		_, err := recording.New(recording.Directory(filepath.Dir(path)), recording.Options{Name: "one", Init: screen()})
		return err
	}(); !errors.Is(err, os.ErrExist) {
		t.Errorf("it is written over: %v", err)
	}
	for _, name := range []string{"", "../one", "a/b"} {
		if _, err := recording.New(recording.Directory(t.TempDir()), recording.Options{Name: name, Init: screen()}); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
}
