package interop

import (
	"errors"
	"image"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	vnc "vncgate/rfb"
	"vncgate/rfb/display/recording"
	"vncgate/rfb/display/screen"
	"vncgate/rfb/display/screen/screentest"
)

// TestPlaybackToViewers has viewers of others look at one recording together, in
// the middle of it: they see what was on the screen then, pixel by pixel.
func TestPlaybackToViewers(t *testing.T) {
	kinds := []*viewerKind{&vncViewer, &libVNCClient}
	for _, k := range kinds {
		k.needs(t)
	}
	s := testScope(t)
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	at := playback(t, s, recordCards(t, dir, 7, 8, 9))
	for _, k := range kinds {
		v, err := k.open(s, at)
		if err != nil {
			t.Fatalf("%s: %v", k.label, err)
		}
		sees(t, v, numberedCard(8))
	}
}

// recordCards is a recording that shows each of the cards for an hour.
func recordCards(t *testing.T, dir string, cards ...int) (file string) {
	t.Helper()
	s := screen.New(screen.Options{Name: "cards", Size: image.Pt(cardWidth, cardHeight)})
	defer s.Close()
	var rec *recording.Recorder
	var gone atomic.Int64
	w, _ := screentest.Tapped(t, s.ServeConn, func(init vnc.ServerInit) screentest.Follower {
		var err error
		rec, err = recording.New(recording.Directory(dir), recording.Options{
			Name: "cards", Init: init, Clock: func() time.Duration { return time.Duration(gone.Load()) },
		})
		if err != nil {
			t.Fatal(err)
		}
		return rec
	})
	w.Encodings(vnc.EncodingZRLE)
	for _, n := range cards {
		s.Show(numberedCard(n), nil)
		w.Picture()
		gone.Add(int64(time.Hour))
	}
	rec.Close("viewer left")
	<-rec.Done()
	if err := rec.Err(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "cards")
}

var playsAt = regexp.MustCompile(`to viewers at (127\.0\.0\.1):(\d+);`)

// playback has the program play a recording from its second hour on.
func playback(t *testing.T, s *scope, file string) endpoint {
	t.Helper()
	p, err := start(s, "recording play", exec.Command(program(t), "recording", "play", file, "--from", "90m", "--listen", "127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	at := endpoint{security: "none"}
	eventually(t, "the recording is played", func() error {
		m := playsAt.FindStringSubmatch(p.log.String())
		if m == nil {
			return errors.Join(p.alive(), errors.New("it has not said where"))
		}
		at.host = m[1]
		at.port, err = strconv.Atoi(m[2])
		return err
	})
	return at
}
