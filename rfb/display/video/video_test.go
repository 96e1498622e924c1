package video_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vncgate/rfb/display"
	"vncgate/rfb/display/video"
)

// patience bounds what must happen; only failures wait for it.
const patience = 2 * time.Minute

// need skips a test whose peer is missing, or fails it where peers are required.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
				t.Fatalf("%s is missing", p)
			}
			t.Skipf("%s is missing", p)
		}
	}
}

// film is a Source of changes at given times.
type film struct {
	screen  *image.RGBA
	changes []change
	next    int
	broken  error
	cursor  display.Cursor
}

type change struct {
	at   time.Duration
	draw func(f *film)
}

func (f *film) Next() (time.Duration, error) {
	if f.next == len(f.changes) {
		if f.broken != nil {
			return 0, f.broken
		}
		return 0, io.EOF
	}
	return f.changes[f.next].at, nil
}

func (f *film) Draw() (bool, error) {
	c := f.changes[f.next]
	f.next++
	if c.draw == nil {
		return false, nil
	}
	c.draw(f)
	return true, nil
}

func (f *film) Image() *image.RGBA     { return f.screen }
func (f *film) Cursor() display.Cursor { return f.cursor }
func (f *film) Duration() time.Duration {
	if len(f.changes) == 0 {
		return 0
	}
	return f.changes[len(f.changes)-1].at
}

var colours = []color.RGBA{{200, 30, 30, 255}, {30, 160, 60, 255}, {40, 60, 200, 255}, {220, 200, 40, 255}}

// fill paints the screen, with a pattern of text-like lines in its middle.
func fill(c color.RGBA) func(f *film) {
	return func(f *film) {
		draw.Draw(f.screen, f.screen.Rect, image.NewUniform(c), image.Point{}, draw.Src)
		size := f.screen.Rect.Size()
		for y := size.Y / 4; y < size.Y/2; y++ {
			for x := size.X / 4; x < size.X/2; x++ {
				if y%4 == 0 || x%8 == 0 {
					f.screen.SetRGBA(x, y, color.RGBA{250, 250, 250, 255})
				}
			}
		}
	}
}

// newFilm is of 320×200 pixels, another colour each second.
func newFilm(seconds int) *film {
	f := &film{screen: image.NewRGBA(image.Rect(0, 0, 320, 200))}
	for i := range seconds {
		f.changes = append(f.changes, change{time.Duration(i) * time.Second, fill(colours[i%len(colours)])})
	}
	f.changes = append(f.changes, change{time.Duration(seconds) * time.Second, nil})
	return f
}

// frameOf is what a film of newFilm shows at a time.
func frameOf(second int) *image.RGBA {
	f := newFilm(0)
	fill(colours[second%len(colours)])(f)
	return f.screen
}

// probed is what ffprobe says of a file.
type probed struct {
	Streams []struct {
		Codec  string `json:"codec_name"`
		Width  int    `json:"width"`
		Height int    `json:"height"`
		Pixels string `json:"pix_fmt"`
		Rate   string `json:"r_frame_rate"`
		Frames string `json:"nb_read_frames"`
	} `json:"streams"`
	Format struct {
		Name     string `json:"format_name"`
		Duration string `json:"duration"`
	} `json:"format"`
}

func ffprobe(t *testing.T, path string) probed {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", path)
	var words bytes.Buffer
	cmd.Stderr = &words
	out, err := cmd.Output()
	if err != nil || words.Len() > 0 {
		t.Fatalf("ffprobe: %v: %s", err, words.String())
	}
	var p probed
	if err := json.Unmarshal(out, &p); err != nil || len(p.Streams) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	return p
}

// frameAt is the picture that ffmpeg sees at a time.
func frameAt(t *testing.T, path string, at time.Duration) image.Image {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ffmpeg", "-v", "error", "-i", path, "-vf", fmt.Sprintf(`fps=100,select=eq(n\,%d)`, at.Milliseconds()/10), "-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg: %v", err)
	}
	img, err := png.Decode(bytes.NewReader(out))
	if err != nil {
		t.Fatalf("%v in %d bytes", err, len(out))
	}
	return img
}

// psnr compares pictures, in decibels.
func psnr(a, b image.Image) float64 {
	var sum float64
	n := 0
	r := a.Bounds().Intersect(b.Bounds())
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			r1, g1, b1, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			for _, d := range []float64{float64(r1>>8) - float64(r2>>8), float64(g1>>8) - float64(g2>>8), float64(b1>>8) - float64(b2>>8)} {
				sum += d * d
				n++
			}
		}
	}
	if sum == 0 {
		return math.Inf(1)
	}
	return 10 * math.Log10(255*255*float64(n)/sum)
}

// TestExport has ffprobe look at each kind of file, and compares frames.
func TestExport(t *testing.T) {
	for _, tt := range []struct {
		file        string
		codec       video.Codec
		name, inner string
		least       float64 // PSNR
		needs       []string
	}{
		{"a.mp4", "", "mp4", "h264", 28, []string{"ffmpeg", "ffprobe"}},
		{"a.webm", "", "webm", "vp8", 28, []string{"ffmpeg", "ffprobe"}},
		{"a.webm", video.VP9, "webm", "vp9", 28, []string{"ffmpeg", "ffprobe"}},
		{"a.avi", "", "avi", "mjpeg", 28, []string{"ffprobe", "ffmpeg"}},
		{"a.gif", "", "gif", "gif", 60, []string{"ffprobe", "ffmpeg"}},
	} {
		t.Run(tt.inner, func(t *testing.T) {
			t.Parallel()
			need(t, tt.needs...)
			dir := t.TempDir()
			path := filepath.Join(dir, tt.file)
			heard := 0
			report, err := video.Export(t.Context(), path, newFilm(4), video.Options{Codec: tt.codec, FPS: 10, Progress: func(p video.Progress) {
				if heard++; p.Frames != heard || p.End != 4*time.Second || p.At > p.End {
					t.Errorf("%+v", p)
				}
			}})
			if err != nil {
				t.Fatal(err)
			}
			if report.Frames != 40 || report.Duration != 4*time.Second || report.Size != image.Pt(320, 200) || report.Bytes < 500 || report.CutOff != "" || report.Broken != nil || heard != 40 {
				t.Errorf("%+v", report)
			}
			p := ffprobe(t, path)
			s := p.Streams[0]
			length, _ := strconv.ParseFloat(p.Format.Duration, 64)
			if !strings.Contains(p.Format.Name, tt.name) || s.Codec != tt.inner || s.Width != 320 || s.Height != 200 || math.Abs(length-4) > 0.15 {
				t.Errorf("%+v", p)
			}
			if tt.inner != "gif" && (s.Frames != "40" || s.Rate != "10/1") {
				t.Errorf("%+v", p)
			}
			if (tt.inner == "h264" || strings.HasPrefix(tt.inner, "vp")) && s.Pixels != "yuv420p" {
				t.Errorf("browsers do not show %s", s.Pixels)
			}
			for _, second := range []int{0, 3} {
				at := time.Duration(second)*time.Second + 500*time.Millisecond
				if db := psnr(frameAt(t, path, at), frameOf(second)); db < tt.least {
					t.Errorf("at %v: %.1f dB", at, db)
				}
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 {
				t.Errorf("%v is left behind", left)
			}
			if made, err := os.Stat(path); err != nil || made.Mode().Perm() != 0o600 {
				t.Errorf("others can read it: %v, %v", made, err)
			}
		})
	}
}

// TestExportPart goes through what of a recording is shown, without an encoder.
func TestExportPart(t *testing.T) {
	for _, tt := range []struct {
		name    string
		o       video.Options
		frames  int
		reached time.Duration
		skipped time.Duration
		cutOff  string
	}{
		{"all", video.Options{}, 100, 10 * time.Second, 0, ""},
		{"from", video.Options{From: 4 * time.Second}, 60, 10 * time.Second, 0, ""},
		{"to", video.Options{To: 2500 * time.Millisecond}, 25, 2500 * time.Millisecond, 0, ""},
		{"part", video.Options{From: 2 * time.Second, To: 5 * time.Second}, 30, 5 * time.Second, 0, ""},
		{"to behind the end", video.Options{To: time.Hour}, 100, 10 * time.Second, 0, ""},
		{"fast", video.Options{Speed: 4}, 25, 10 * time.Second, 0, ""},
		{"slow", video.Options{Speed: 0.5, To: 2 * time.Second}, 40, 2 * time.Second, 0, ""},
		{"idle", video.Options{CutIdle: 300 * time.Millisecond}, 30, 10 * time.Second, 7 * time.Second, ""},
		{"long", video.Options{MaxDuration: 3 * time.Second}, 30, 3 * time.Second, 0, "time"},
		{"large", video.Options{MaxSize: 1}, 0, 0, 0, "size"},
	} {
		o := tt.o
		o.FPS = 10
		path := filepath.Join(t.TempDir(), "a.gif")
		report, err := video.Export(t.Context(), path, newFilm(10), o)
		if tt.frames == 0 {
			if _, there := os.Stat(path); err == nil || there == nil {
				t.Errorf("%s: %+v, %v", tt.name, report, err)
			}
			continue
		}
		if err != nil || report.Frames != tt.frames || report.Reached != tt.reached || report.Skipped != tt.skipped || report.CutOff != tt.cutOff {
			t.Errorf("%s: %+v, %v", tt.name, report, err)
		}
	}
}

// TestExportBreaksOff: what can be shown of a broken recording is.
func TestExportBreaksOff(t *testing.T) {
	f := newFilm(2)
	f.broken = io.ErrUnexpectedEOF
	report, err := video.Export(t.Context(), filepath.Join(t.TempDir(), "a.gif"), f, video.Options{})
	if err != nil || report.Broken != nil || report.Duration != 2*time.Second {
		t.Errorf("a file that is cut: %+v, %v", report, err)
	}
	f = newFilm(2)
	f.broken = errors.New("no such encoding")
	report, err = video.Export(t.Context(), filepath.Join(t.TempDir(), "a.gif"), f, video.Options{})
	if err != nil || report.Broken != f.broken || report.Duration != 2*time.Second {
		t.Errorf("one that is not understood: %+v, %v", report, err)
	}
	f = &film{screen: image.NewRGBA(image.Rect(0, 0, 8, 8)), broken: errors.New("nothing at all")}
	if _, err = video.Export(t.Context(), filepath.Join(t.TempDir(), "a.gif"), f, video.Options{}); !errors.Is(err, f.broken) {
		t.Errorf("%v", err)
	}
}

// TestExportSizes sees pictures fitted, and screens that change their size.
func TestExportSizes(t *testing.T) {
	need(t, "ffmpeg", "ffprobe")
	f := newFilm(1)
	f.changes = []change{
		{0, func(f *film) { f.screen = image.NewRGBA(image.Rect(0, 0, 301, 201)); fill(colours[0])(f) }},
		{time.Second, func(f *film) { f.screen = image.NewRGBA(image.Rect(0, 0, 100, 400)); fill(colours[1])(f) }},
		{2 * time.Second, nil},
	}
	f.screen = image.NewRGBA(image.Rect(0, 0, 301, 201))
	path := filepath.Join(t.TempDir(), "a.avi")
	report, err := video.Export(t.Context(), path, f, video.Options{FPS: 4})
	if err != nil || report.Size != image.Pt(302, 202) {
		t.Fatalf("%+v, %v", report, err)
	}
	if s := ffprobe(t, path).Streams[0]; s.Width != 302 || s.Height != 202 || s.Frames != "8" {
		t.Errorf("%+v", s)
	}
	img := frameAt(t, path, 1500*time.Millisecond)
	if r, g, _, _ := img.At(151, 150).RGBA(); g>>8 < 130 || r>>8 > 60 {
		t.Errorf("in the middle is %v", img.At(151, 150))
	}
	if r, g, b, _ := img.At(20, 150).RGBA(); r>>8+g>>8+b>>8 > 40 {
		t.Errorf("beside it is %v", img.At(20, 150))
	}
	path = filepath.Join(t.TempDir(), "b.avi")
	report, err = video.Export(t.Context(), path, newFilm(1), video.Options{FPS: 4, Size: image.Pt(101, 101)})
	if err != nil || report.Size != image.Pt(100, 64) && report.Size != image.Pt(100, 62) {
		t.Errorf("%+v, %v", report, err)
	}
	if s := ffprobe(t, path).Streams[0]; s.Width != report.Size.X || s.Height != report.Size.Y {
		t.Errorf("%+v", s)
	}
}

func TestExportRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		file, says string
		o          video.Options
		seconds    int
	}{
		{"a.mov", ".mp4, .webm, .avi or .gif", video.Options{}, 1},
		{"a.mp4", "do not have vp9", video.Options{Codec: video.VP9}, 1},
		{"a.gif", "frames a second", video.Options{FPS: 61}, 1},
		{"a.gif", "speed", video.Options{Speed: -1}, 1},
		{"a.gif", "speed", video.Options{Speed: math.NaN()}, 1},
		{"a.gif", "is nothing", video.Options{From: 2, To: 1}, 1},
		{"a.gif", "not negative", video.Options{CutIdle: -1}, 1},
		{"a.gif", "lasts 1s", video.Options{From: time.Minute}, 1},
		{"none/a.gif", "no such file", video.Options{}, 1},
		{"a.mp4", "no such file", video.Options{FFmpeg: "/none/ffmpeg"}, 1},
	} {
		_, err := video.Export(t.Context(), filepath.Join(dir, tt.file), newFilm(tt.seconds), tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s %+v: %v", tt.file, tt.o, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v is left behind", left)
	}
}

// TestWithoutFFmpeg names the package, and what there is without it.
func TestWithoutFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := t.TempDir()
	_, err := video.Export(t.Context(), filepath.Join(dir, "a.mp4"), newFilm(1), video.Options{})
	if err == nil || !strings.Contains(err.Error(), "install the package ffmpeg") || !strings.Contains(err.Error(), ".avi") {
		t.Errorf("%v", err)
	}
	for _, file := range []string{"a.avi", "a.gif"} {
		if report, err := video.Export(t.Context(), filepath.Join(dir, file), newFilm(1), video.Options{}); err != nil || report.Bytes == 0 {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// script is a program in place of ffmpeg.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFFmpegFails: its words are told, and nothing is left.
func TestFFmpegFails(t *testing.T) {
	for name, tt := range map[string]struct{ text, says string }{
		"at once":    {"echo 'Conversion failed!' >&2\nexit 1", "Conversion failed!"},
		"at the end": {"cat >/dev/null\necho 'disk full' >&2\nexit 1", "disk full"},
		"codec":      {"echo \"Unknown encoder 'libx264'\" >&2\nexit 1", "another build"},
		"silently":   {"exit 3", "the encoder"},
	} {
		dir := t.TempDir()
		_, err := video.Export(t.Context(), filepath.Join(dir, "a.mp4"), newFilm(3), video.Options{FFmpeg: script(t, tt.text)})
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("%s: %v is left behind", name, left)
		}
	}
}

// TestExportIsBrokenOff: an encoder that does nothing, and what it has started,
// end when ctx does.
func TestExportIsBrokenOff(t *testing.T) {
	pid := filepath.Join(t.TempDir(), "pid")
	dir := t.TempDir()
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	started := make(chan struct{})
	go func() {
		defer close(started)
		for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if b, _ := os.ReadFile(pid); bytes.HasSuffix(b, []byte("\n")) {
				break
			}
		}
		cancel(enough)
	}()
	_, err := video.Export(ctx, filepath.Join(dir, "a.mp4"), newFilm(3), video.Options{FFmpeg: script(t, "sleep 600 &\necho $! > "+pid+"\nwait")})
	<-started
	if !errors.Is(err, enough) {
		t.Fatalf("%v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("%v is left behind", left)
	}
	b, _ := os.ReadFile(pid)
	number, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); alive(number); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what ffmpeg has started runs on")
		}
	}
}

// alive reports whether a process runs; one that nobody has waited for does not.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && !strings.Contains(string(b), ") Z ")
}

// TestReplaces: the file of before stays until there is another.
func TestReplaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.gif")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := video.Export(t.Context(), path, newFilm(1), video.Options{From: time.Hour}); err == nil {
		t.Error("there was nothing to show")
	}
	if b, _ := os.ReadFile(path); string(b) != "before" {
		t.Errorf("%q", b)
	}
	if _, err := video.Export(t.Context(), path, newFilm(1), video.Options{}); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(path); !bytes.HasPrefix(b, []byte("GIF89a")) {
		t.Errorf("%q", b[:min(len(b), 8)])
	}
}
