package display_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// TestResumeOnRealDisplays plays what Xvnc, x11vnc and QEMU have said, in every
// encoding that they have: whoever resumes from the keyframe behind any message
// sees in the end what one sees who has seen all, and one without keyframes.
func TestResumeOnRealDisplays(t *testing.T) {
	files, err := filepath.Glob("../rfbtest/testdata/encodings/*.fbs")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d transcripts, %v", len(files), err)
	}
	made, missing := 0, 0
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			init, said := transcript(t, file)
			plain, all := follow(t, init), follow(t, init)
			if err := plain.Display(said); err != nil {
				t.Fatal(err)
			}
			type keyframe struct {
				place int64
				b     []byte
			}
			var keyframes []keyframe
			all.Each = func(display.Message) {
				k, err := all.Keyframe(nil)
				if err != nil {
					missing++
					return
				}
				keyframes = append(keyframes, keyframe{all.Offset(), k})
			}
			for b := range chunks(said, 1000) {
				if err := all.Display(b); err != nil {
					t.Fatal(err)
				}
			}
			sameFollower(t, "with keyframes", all, plain)
			if len(keyframes) == 0 {
				t.Error("no keyframe can be made of it")
			}
			for _, k := range keyframes {
				f, err := display.Resume(k.b)
				if err != nil {
					t.Fatal(err)
				}
				if err := f.Display(said[k.place:]); err != nil {
					t.Fatalf("resumed at %d: %v", k.place, err)
				}
				sameFollower(t, "resumed", f, plain)
				f.Close()
			}
			made += len(keyframes)
		})
	}
	t.Logf("%d keyframes, %d messages behind which none can be made", made, missing)
}

// transcript is what a display has said behind ServerInit.
func transcript(t *testing.T, file string) (rfb.ServerInit, []byte) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	fbs, init, err := display.NewFBSReader(in)
	if err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(fbs)
	if err != nil {
		t.Fatal(err)
	}
	return init, said
}
