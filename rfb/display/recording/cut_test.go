package recording_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display/recording"
)

// tiny is a session on a screen of 4×2 pixels, in which each update draws another
// colour.
func tiny() (rfb.ServerInit, []step) {
	init := rfb.ServerInit{Width: 4, Height: 2, Format: rfb.Format32(), Name: "tiny"}
	steps := []step{{true, rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 4, 2)}}
	for i := range byte(3) {
		u := rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 4, 2, rfb.EncodingRaw)
		steps = append(steps, step{false, append(u, bytes.Repeat([]byte{i + 1, 0, 0, 0}, 8)...)}, step{true, rfb.AppendKeyEvent(nil, true, 'a')})
	}
	return init, steps
}

// TestCutAnywhere cuts each of the files at each byte: what is left is played, and
// what is on the screen then is what was on it once.
func TestCutAnywhere(t *testing.T) {
	init, steps := tiny()
	for _, name := range []string{"plain", "zstd"} {
		t.Run(name, func(t *testing.T) {
			path := record(t, recording.Options{Init: init, Compress: name == "zstd", Workers: recording.NewWorkers(1, 1<<20), KeyframeEvery: 1}, steps)
			files := inMemory(t, path)
			for file, whole := range files {
				most := -1
				for n := range len(whole) + 1 {
					if n%stride(name) != 0 && n != len(whole) {
						continue
					}
					files[file] = whole[:n]
					got, err := lastColour(files)
					switch {
					case err != nil && n > 150 && (name == "plain" || strings.Contains(file, ".index")): // of both files that is the head
						t.Fatalf("%s cut at %d: %v", file, n, err)
					case err == nil && got < most:
						t.Fatalf("%s cut at %d: the picture is %d, and was %d with less", file, n, got, most)
					case err == nil:
						most = got
					}
					if report, err := recording.Verify("one", recording.VerifyOptions{Files: files}); n < len(whole) && err == nil && report.Intact() {
						t.Fatalf("%s cut at %d is verified", file, n)
					}
				}
				if most != 3 {
					t.Errorf("all of it shows picture %d", most)
				}
				files[file] = whole
			}
		})
	}
}

// stride is how far apart the bytes are that are looked at: what is plain is, at
// each byte.
func stride(kind string) int {
	switch kind {
	case "zstd":
		return 7
	case "encrypted":
		return 23
	}
	return 1
}

// memory is the files of a recording.
type memory map[string][]byte

func inMemory(t testing.TB, path string) memory {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil {
		t.Fatal(err)
	}
	m := memory{}
	for _, f := range files {
		if m[filepath.Base(f)], err = os.ReadFile(f); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m memory) Open(name string) (recording.File, error) {
	b, ok := m[name]
	if !ok {
		return nil, os.ErrNotExist
	}
	return memoryFile{bytes.NewReader(b)}, nil
}

type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

// lastColour is the colour on a tiny screen in the end: how many updates there were.
func lastColour(files memory) (int, error) {
	r, err := recording.Open("one", recording.OpenOptions{Files: files})
	if err != nil {
		return 0, err
	}
	defer r.Close()
	p, err := r.At(time.Hour)
	if err != nil {
		return 0, err
	}
	defer p.Close()
	c := p.Follower().Image().RGBAAt(3, 1)
	return int(c.B), nil
}

// TestWithoutClose plays a recording that is being written, or whose gateway has
// died: all is there that was said some time ago.
func TestWithoutClose(t *testing.T) {
	steps := session(20)
	want := follow(t, steps)
	for name, kind := range kinds(t) {
		if name == "encrypted" {
			continue // age holds back 64 KiB for some seconds
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			kind.o.Name, kind.o.Init, kind.o.Queue = "one", screen(), 64<<20
			r, err := recording.New(recording.Directory(dir), kind.o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				r.Close("")
				<-r.Done()
			}()
			say(t, r, steps)
			eventually(t, func() error {
				display, _ := r.Files()
				p, err := recording.Open(filepath.Join(dir, display), recording.OpenOptions{Identities: kind.keys})
				if err != nil {
					return err
				}
				defer p.Close()
				if closed, _ := p.Closed(); closed {
					return errors.New("it says it was ended")
				}
				head, err := p.At(time.Hour)
				if err != nil {
					return err
				}
				defer head.Close()
				if !bytes.Equal(head.Follower().Image().Pix, want.Image().Pix) {
					return errors.New("it shows another picture")
				}
				return nil
			})
		})
	}
}

// eventually waits until f has no error.
func eventually(t testing.TB, f func() error) {
	t.Helper()
	var err error
	for range 600 {
		if err = f(); err == nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
}

// stuck is a Destination that takes nothing until it is let.
type stuck struct {
	recording.Directory
	let chan struct{}
}

func (s stuck) Create(name string) (io.WriteCloser, error) {
	f, err := s.Directory.Create(name)
	return stuckFile{f, s.let, strings.Contains(name, ".fbs")}, err
}

type stuckFile struct {
	io.WriteCloser
	let  chan struct{}
	slow bool
}

func (f stuckFile) Write(b []byte) (int, error) {
	if f.slow {
		<-f.let
	}
	return f.WriteCloser.Write(b)
}

// TestSlow has the disk stand still: the tap never does, and the recording ends
// with what there was room for.
func TestSlow(t *testing.T) {
	for _, mayStop := range []bool{false, true} {
		t.Run(fmt.Sprint("may stop ", mayStop), func(t *testing.T) {
			to := stuck{recording.Directory(t.TempDir()), make(chan struct{})}
			failed := make(chan error, 1)
			r, err := recording.New(to, recording.Options{
				Name: "one", Init: screen(), Queue: 200 << 10, MayStop: mayStop, OnError: func(err error) { failed <- err },
			})
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 50<<10)
			var refused error
			for range 100 {
				if refused = r.Display(b); refused != nil {
					break
				}
			}
			if err := <-failed; !errors.Is(err, recording.ErrSlow) || !errors.Is(r.Err(), recording.ErrSlow) {
				t.Error(err)
			}
			if mayStop != (refused == nil) || refused != nil && !errors.Is(refused, recording.ErrSlow) {
				t.Errorf("the session is told %v", refused)
			}
			if n := r.Stats().Queued; n > 200<<10 {
				t.Errorf("%d bytes are queued", n)
			}
			close(to.let)
			<-r.Done()
			if report := verify(t, filepath.Join(string(to.Directory), "one.fbs"), recording.VerifyOptions{}); !report.Intact() || !strings.Contains(report.Reason, "too slow") {
				t.Errorf("%+v", report)
			}
		})
	}
}

// full is a Destination that has room for n bytes.
type full struct {
	recording.Directory
	n *int
}

func (f full) Create(name string) (io.WriteCloser, error) {
	w, err := f.Directory.Create(name)
	return fullFile{w, f.n}, err
}

type fullFile struct {
	io.WriteCloser
	n *int
}

var errFull = errors.New("no space left on device")

func (f fullFile) Write(b []byte) (int, error) {
	if *f.n -= len(b); *f.n < 0 {
		return 0, errFull
	}
	return f.WriteCloser.Write(b)
}

// TestFull has the disk be full: the session is told, or goes on, and what is there
// is played.
func TestFull(t *testing.T) {
	steps := session(40)
	for _, mayStop := range []bool{false, true} {
		room := 60 << 10
		dir := t.TempDir()
		failed := make(chan error, 1)
		r, err := recording.New(full{recording.Directory(dir), &room}, recording.Options{
			Name: "one", Init: screen(), Queue: 64 << 20, MayStop: mayStop, OnError: func(err error) { failed <- err }, Workers: recording.NewWorkers(1, 1<<20),
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			if !s.viewer {
				_ = r.Display(s.b)
			}
		}
		if err := <-failed; !errors.Is(err, errFull) {
			t.Error(err)
		}
		<-r.Done()
		if err := r.Display([]byte{1}); mayStop != (err == nil) {
			t.Errorf("the session is told %v", err)
		}
		r.Close("")
		path := filepath.Join(dir, "one.fbs")
		if report, err := recording.Verify(path, recording.VerifyOptions{}); err == nil && report.Intact() {
			t.Errorf("%+v", report)
		}
		p := at(t, open(t, path), time.Hour)
		if p.Follower().Image().Rect.Dx() != 320 {
			t.Error("it shows nothing")
		}
	}
}

// TestWorkersThatDoNotKeepUp gives them no room: there are no keyframes, and all
// else is as ever.
func TestWorkersThatDoNotKeepUp(t *testing.T) {
	steps := session(10)
	path := record(t, recording.Options{Workers: recording.NewWorkers(1, 10), KeyframeEvery: 1}, steps)
	if open(t, path).Keyframes() != 0 || marks(t, path, "keyframes-end") != 1 {
		t.Error("there are keyframes")
	}
	samePicture(t, last(t, path), follow(t, steps))
}
