package video

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// What a Worker says on its standard output, a line each. Whatever else stands
// there is an error of vnc2video's.
const (
	saysReady = "ready" // frames may come
	saysEnded = "ended" // and the exit code of ffmpeg; 0 of what needs none
)

const (
	// startTime is how long a Worker may take to begin, and endTime how long to
	// write what it has left once there are no more frames.
	startTime = 30 * time.Second
	endTime   = 10 * time.Minute
	// lastWords is how long those that have failed may go on to say why.
	lastWords = 5 * time.Second
	// maxSaid bounds what is kept of the words of ffmpeg.
	maxSaid = 4 << 10
)

// worker is an encoder in a process of its own.
type worker struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	part string
	size image.Point
	row  []byte // of one frame, red, green and blue
	avi  bool

	ready  chan struct{} // closed when frames may come, or never will
	done   chan struct{} // closed when the process, and all that it has started, are gone
	noted  sync.Once
	said   tail // on standard error
	errors tail // on standard output
	ended  string
	frames int
	bytes  int64
	ctx    context.Context
	gone   bool
}

// startWorker has this program run again as a Worker, in a group of its own.
func startWorker(ctx context.Context, dir, part string, size image.Point, o *Options) (*worker, error) {
	ffmpeg, err := o.findFFmpeg()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if err := os.Symlink(self, filepath.Join(dir, ffmpegName)); err != nil {
		return nil, err
	}
	w := &worker{
		cmd: exec.Command(self), part: part, size: size, row: make([]byte, 3*size.X*size.Y), avi: o.Codec == MJPEG,
		ready: make(chan struct{}), done: make(chan struct{}), ctx: ctx,
	}
	w.cmd.Dir = dir
	w.cmd.Env = append(os.Environ(), workerEnv+"="+workerEncode, ffmpegEnv+"="+ffmpeg,
		jobEnv+"="+job{o.Codec, size, o.FPS, filepath.Base(part)}.String())
	ownGroup(w.cmd)
	return w, w.start()
}

// findFFmpeg is where ffmpeg is, if it is needed.
func (o *Options) findFFmpeg() (string, error) {
	if o.Codec == MJPEG || o.Codec == GIF {
		return "", nil
	}
	if o.FFmpeg != "" {
		return o.FFmpeg, nil
	}
	path, err := exec.LookPath("ffmpeg")
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("%s is made by ffmpeg, and there is none in PATH: install the package ffmpeg, or make an .avi or a .gif, which need none", o.Codec)
	}
	return path, nil
}

// start begins, and reads what the process says until all that hold its output
// have ended.
func (w *worker) start() error {
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return err
	}
	out, outWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	errs, errsWrite, err := os.Pipe()
	if err != nil {
		_, _ = out.Close(), outWrite.Close()
		return err
	}
	w.cmd.Stdout, w.cmd.Stderr = outWrite, errsWrite
	err = w.cmd.Start()
	_, _ = outWrite.Close(), errsWrite.Close()
	if err != nil {
		_, _ = out.Close(), errs.Close()
		return err
	}
	var reading sync.WaitGroup
	reading.Go(func() { w.listen(out) })
	reading.Go(func() { _, _ = io.Copy(&w.said, errs); _ = errs.Close() })
	go func() {
		_ = w.cmd.Wait()
		reading.Wait()
		close(w.done)
	}()
	return nil
}

// listen reads what it says.
func (w *worker) listen(out *os.File) {
	defer out.Close()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch word, rest, _ := strings.Cut(lines.Text(), " "); word {
		case saysReady:
			w.noted.Do(func() { close(w.ready) })
		case saysEnded:
			w.ended = rest
		default:
			_, _ = w.errors.Write([]byte(lines.Text() + "\n"))
			w.noted.Do(func() { close(w.ready) })
		}
	}
	_, _ = io.Copy(io.Discard, out)
}

func (w *worker) frame(img *image.RGBA, same bool) error {
	if w.frames == 0 {
		if err := w.wait(w.ready, startTime); err != nil {
			return err
		}
		if w.errors.String() != "" {
			return w.failed()
		}
	}
	if !same {
		w.pack(img)
	}
	if err := w.send(); err != nil {
		return err
	}
	if w.frames++; w.frames%16 == 0 {
		if text := w.errors.String(); text != "" {
			return w.failed()
		}
		if there, err := os.Stat(w.part); err == nil {
			w.bytes = there.Size()
		}
	}
	return nil
}

// pack leaves alpha out.
func (w *worker) pack(img *image.RGBA) {
	to := w.row
	for y := range w.size.Y {
		line := img.Pix[y*img.Stride:][:4*w.size.X]
		for len(line) > 0 {
			to[0], to[1], to[2] = line[0], line[1], line[2]
			to, line = to[3:], line[4:]
		}
	}
}

// send writes a frame, which takes as long as the encoder needs for those before.
func (w *worker) send() error {
	stop := context.AfterFunc(w.ctx, w.kill)
	defer stop()
	if _, err := w.in.Write(w.row); err != nil {
		if w.ctx.Err() != nil {
			return context.Cause(w.ctx)
		}
		return w.failed()
	}
	return nil
}

func (w *worker) wait(what <-chan struct{}, most time.Duration) error {
	late := time.NewTimer(most)
	defer late.Stop()
	select {
	case <-what:
		return nil
	case <-w.done:
		if what == w.done {
			return nil
		}
		return w.failed()
	case <-w.ctx.Done():
		return context.Cause(w.ctx)
	case <-late.C:
		return fmt.Errorf("the encoder does nothing for %v", most)
	}
}

// written is what the file has; encoders keep some of it back.
func (w *worker) written() int64 { return w.bytes }

// close waits until the file is written.
func (w *worker) close() error {
	_ = w.in.Close()
	if err := w.wait(w.done, endTime); err != nil {
		return err
	}
	w.gone = true
	if w.ended != "0" || w.errors.String() != "" {
		return w.failed()
	}
	if w.avi {
		return mendAVI(w.part, w.size)
	}
	return nil
}

// abort ends the process and all that it has started.
func (w *worker) abort() {
	if w.gone {
		return
	}
	w.gone = true
	w.kill()
	_ = w.in.Close()
	<-w.done
}

func (w *worker) kill() {
	select {
	case <-w.done: // its number may be another's by now
	default:
		killGroup(w.cmd)
	}
}

// failed says why, in the words of whoever said any. They have a moment for that.
func (w *worker) failed() error {
	_ = w.in.Close()
	if w.wait(w.done, lastWords) != nil {
		w.kill()
	}
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	text := strings.TrimSpace(w.said.String())
	if text == "" {
		text = strings.TrimSpace(w.errors.String())
	}
	if strings.Contains(text, "Unknown encoder") {
		return fmt.Errorf("this ffmpeg cannot make that: %s; another build of it can, or make an .avi or a .gif, which need none", lastLine(text))
	}
	if text == "" {
		return errors.New("the encoder has ended, and says nothing of why")
	}
	return fmt.Errorf("the encoder: %s", lastLine(text))
}

// lastLine is the one that counts; of a program that breaks, the first.
func lastLine(text string) string {
	lines := strings.Split(text, "\n")
	for _, line := range lines {
		if strings.HasPrefix(line, "panic:") {
			return line
		}
	}
	return lines[len(lines)-1]
}

// tail keeps the end of what is written into it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write keeps the last maxSaid bytes.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if len(t.b) > 2*maxSaid {
		t.b = append(t.b[:0], t.b[len(t.b)-maxSaid:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// job is what a Worker is to make.
type job struct {
	codec Codec
	size  image.Point
	fps   int
	file  string
}

func (j job) String() string {
	return fmt.Sprintf("%s %d %d %d %s", j.codec, j.size.X, j.size.Y, j.fps, j.file)
}

func parseJob(text string) (job, error) {
	f := strings.Fields(text)
	if len(f) != 5 {
		return job{}, errors.New("video: no job")
	}
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(f[1+i]); err != nil || n[i] < 1 || n[i] > maxSide+1 {
			return job{}, fmt.Errorf("video: a job of %q", text)
		}
	}
	return job{Codec(f[0]), image.Pt(n[0], n[1]), n[2], f[4]}, nil
}
