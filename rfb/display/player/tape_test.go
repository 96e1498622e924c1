package player

import (
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display/recording"
	"vncgate/rfb/display/screen"

	"image"
)

// A recording that was made of a session is played, and sought in, as the session
// was.
func TestPlayerOfARecording(t *testing.T) {
	s := screen.New(screen.Options{Name: "desk", Size: image.Pt(80, 60)})
	defer s.Close()
	folder := recording.Directory(t.TempDir())
	var rec *recording.Recorder
	se := join(t, s, func(init rfb.ServerInit) follower {
		var err error
		if rec, err = recording.New(folder, recording.Options{Name: "one", Init: init}); err != nil {
			t.Fatal(err)
		}
		return rec
	})
	se.viewer.Encodings(rfb.EncodingZRLE, rfb.EncodingDesktopSize)
	const count = 4
	for n := range count {
		s.Show(page(n, 2), nil)
		sees(t, se.viewer, page(n, 2))
	}
	_ = se.viewer.Leave()
	rec.Close("left")
	<-rec.Done()
	r, err := recording.Open(string(folder)+"/one", recording.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := play(t, TapeOf(r), Options{Speed: MaxSpeed})
	w := look(t, p)
	eventually(t, "the end", func() bool { return p.State().AtEnd })
	sees(t, w, page(count-1, 2))
	p.Pause()
	p.Seek(0)
	p.Seek(r.Duration() + time.Second)
	sees(t, w, page(count-1, 2))
}
