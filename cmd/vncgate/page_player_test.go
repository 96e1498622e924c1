package main

import (
	"context"
	"encoding/json"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/rfb/display/recording"
	shown "vncgate/rfb/display/screen"
	"vncgate/rfb/display/screen/screentest"
)

const playerYAML = `
listeners: [{address: "127.0.0.1:0", web: {}, sources: [capabilities], token: optional, security: [none]}]
capabilities: {store: %q}
targets: {desk: {address: %s}}
playback: {directory: %q, search: true}
shadow: {rules: [{watch: notice}]}
admin:
  address: 127.0.0.1:0
  tokens: [{name: boss, role: admin, token: boss-secret-of-sixteen}]
`

// TestRecordingsInChromium has the page and the dashboard show and steer
// recordings and a running session of a real gateway.
func TestRecordingsInChromium(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	ui := filepath.Join(root, "web", "ui")
	needFile(t, filepath.Join(ui, "node_modules", "playwright-core"), "run 'make build' with Node installed")
	needFile(t, filepath.Join(ui, "dist", dashboardFile), "run 'make build' with Node installed")
	needFile(t, "/usr/bin/chromium", "install the package chromium")
	folder := t.TempDir()
	name := typedRecording(t, folder)
	g := newGate(t, playerYAML, t.TempDir(), stillDemo(t), folder)
	viewer := g.watcher(0, "/websockify?target=desk")
	viewer.Picture()
	eventually(t, "a session", func() bool { return len(g.gate.List()) == 1 })
	var links []string
	for range 3 {
		link, err := g.recordingLink(t.Context(), boss, recordingLinkArgs{Name: name})
		must(t, err)
		links = append(links, link.Link)
	}
	b, err := json.Marshal(map[string]any{"admin": "http://" + g.admin.ln.Addr().String() + "/", "links": links})
	must(t, err)
	limit, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(limit, "npm", "run", "--silent", "e2e", "--", "player")
	cmd.WaitDelay = browserDelay
	cmd.Dir = ui
	cmd.Env = append(os.Environ(), "VNCGATE_PLAYER="+string(b), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("npm run e2e: %v", err)
	}
}

// typedRecording is a recording of five minutes, so that it is not over before a
// browser looks, in which a text is typed and pictures change. Its times are made
// up.
func typedRecording(t *testing.T, folder string) (name string) {
	t.Helper()
	name = "20260501-120000-desk-alice-a1b2c3d4"
	s := shown.New(shown.Options{Name: "desk", Size: image.Pt(640, 400), Input: shown.Input{Key: func(int, shown.Key) {}}})
	defer s.Close()
	var rec *recording.Recorder
	var gone atomic.Int64
	w, _ := screentest.Tapped(t, s.ServeConn, func(init rfb.ServerInit) screentest.Follower {
		var err error
		rec, err = recording.New(recording.Directory(folder), recording.Options{
			Name: name, Init: init, Meta: recording.Meta{Session: "a1b2c3d4", Target: "desk", User: "alice", From: "192.0.2.7"},
			Clock: func() time.Duration { return time.Duration(gone.Load()) },
		})
		must(t, err)
		return rec
	})
	w.Encodings(rfb.EncodingZRLE)
	for n := range 30 {
		s.Show(striped(n), nil)
		w.Picture()
		gone.Add(int64(10 * time.Second))
		if n == 8 {
			for _, k := range "hello" {
				w.Send(rfb.AppendKeyEvent(nil, true, uint32(k)), rfb.AppendKeyEvent(nil, false, uint32(k)))
			}
		}
	}
	rec.Mark(string(gateway.SessionPaused), "at the end")
	rec.Close("viewer left")
	<-rec.Done()
	must(t, rec.Err())
	return name
}

// striped is a picture like no other.
func striped(n int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, 640, 400))
	for i := range 640 * 400 {
		x, y := i%640, i/640
		c := color.RGBA{byte(30 + x/4), byte(60 + y/3), byte(n * 8), 255}
		if (x/20+n)%8 == 0 || (y/20+n)%9 == 0 {
			c = color.RGBA{240, 200, 80, 255}
		}
		img.SetRGBA(x, y, c)
	}
	return img
}
