package video

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"path/filepath"
	"time"
)

// An encoder writes pictures into a file, each for one FPS'th of a second. It is
// for one goroutine.
type encoder interface {
	// frame appends img, which is lent; same says that it is the one of before.
	frame(img *image.RGBA, same bool) error
	// written is how many bytes the file has, about.
	written() int64
	// close ends the file.
	close() error
	// abort ends the encoder, whatever is under way. It may be called after close.
	abort()
}

// export is one Export under way.
type export struct {
	o      Options
	src    Source
	out    encoder
	screen *canvas
	report Report

	begun   bool          // From is reached
	drawn   bool          // something was
	last    time.Duration // when the picture was another last
	dirty   bool          // the canvas is older than the screen
	elapsed time.Duration // of the video, where the recording is now
}

// errLimit ends an export early, with all that is there.
var errLimit = errors.New("a limit is reached")

// run makes the file in a folder beside its place.
func (e *export) run(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".vncgate-video-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	part := filepath.Join(dir, "out"+filepath.Ext(path))
	defer func() {
		if e.out != nil {
			e.out.abort()
		}
	}()
	if err := e.play(ctx, dir, part); err != nil {
		return err
	}
	if err := e.out.close(); err != nil {
		return err
	}
	made, err := os.Stat(part)
	if err != nil {
		return err
	}
	e.report.Bytes = made.Size()
	if err := os.Chmod(part, modeOf(path)); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// modeOf is that of the file that is replaced. A new one shows a screen, and is
// its owner's alone, as recordings and pictures are.
func modeOf(path string) os.FileMode {
	if there, err := os.Stat(path); err == nil {
		return there.Mode().Perm()
	}
	return 0o600
}

// play brings the recording up to its end, or to where the video ends.
func (e *export) play(ctx context.Context, dir, part string) error {
	for ctx.Err() == nil {
		at, err := e.src.Next()
		if err != nil {
			return e.finish(ctx, dir, part, err)
		}
		if e.o.To > 0 && at > e.o.To {
			return e.finish(ctx, dir, part, io.EOF)
		}
		if err := e.until(ctx, dir, part, at); err != nil {
			return e.stopped(err)
		}
		changed, err := e.src.Draw()
		if err != nil {
			return e.finish(ctx, dir, part, err)
		}
		if changed {
			e.last, e.dirty, e.drawn = at, true, true
		}
	}
	return context.Cause(ctx)
}

// until shows the picture as it is until the recording is at a later place.
func (e *export) until(ctx context.Context, dir, part string, at time.Duration) error {
	if at < e.o.From {
		return nil
	}
	if !e.begun {
		if e.src.Image().Rect.Empty() {
			return nil
		}
		e.begun, e.last, e.dirty = true, max(e.last, e.o.From), true
		e.report.Reached = e.o.From
		if err := e.open(ctx, dir, part); err != nil {
			return err
		}
	}
	return e.advance(at)
}

// advance writes the frames that are due before the recording is at a place. Of a
// pause that is longer than it may be the rest passes in no time.
func (e *export) advance(at time.Duration) error {
	from := e.report.Reached
	if at <= from {
		return nil
	}
	shown := at - from
	if e.o.CutIdle > 0 {
		left := max(e.last+e.o.CutIdle-from, 0)
		if shown > left {
			e.report.Skipped += shown - left
			shown = left
		}
	}
	end := e.elapsed + time.Duration(float64(shown)/e.o.Speed)
	for {
		due := e.due()
		if due >= end {
			break
		}
		e.report.Reached = min(from+time.Duration(float64(due-e.elapsed)*e.o.Speed), at)
		if err := e.frame(); err != nil {
			return err
		}
	}
	e.elapsed, e.report.Reached = end, at
	return nil
}

// due is when the next frame comes, in the time of the video.
func (e *export) due() time.Duration {
	return time.Duration(int64(e.report.Frames) * int64(time.Second) / int64(e.o.FPS))
}

// frame writes one.
func (e *export) frame() error {
	if e.o.MaxDuration > 0 && e.due() >= e.o.MaxDuration {
		e.report.CutOff = "time"
		return errLimit
	}
	if e.out.written() >= e.o.MaxSize {
		e.report.CutOff = "size"
		return errLimit
	}
	if e.dirty {
		e.screen.draw(e.src, !e.o.NoPointer)
	}
	if err := e.out.frame(e.screen.img, !e.dirty && e.report.Frames > 0); err != nil {
		return err
	}
	e.dirty = false
	e.report.Frames++
	e.report.Duration = e.due()
	if e.o.Progress != nil {
		e.o.Progress(Progress{At: e.report.Reached, End: e.end(), Frames: e.report.Frames, Bytes: e.out.written()})
	}
	return nil
}

// end is where the video ends in the recording, as far as that is known.
func (e *export) end() time.Duration {
	end := e.src.Duration()
	if e.o.To > 0 && (end == 0 || e.o.To < end) {
		end = e.o.To
	}
	return end
}

// finish shows the last picture until the end: of the part that is wanted, or of
// the recording.
func (e *export) finish(ctx context.Context, dir, part string, why error) error {
	if !errors.Is(why, io.EOF) && !errors.Is(why, io.ErrUnexpectedEOF) {
		if e.report.Broken = why; !e.drawn {
			return why
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	end := max(e.end(), e.last)
	if err := e.until(ctx, dir, part, end); err != nil {
		return e.stopped(err)
	}
	switch {
	case !e.begun && e.o.From > 0:
		return fmt.Errorf("the recording lasts %v, and the part that is wanted begins at %v", end.Round(time.Millisecond), e.o.From)
	case !e.begun:
		return errors.New("the recording shows nothing")
	case e.report.Frames == 0: // shorter than a frame
		return e.stopped(e.frame())
	}
	return nil
}

// stopped is nil where a limit has ended the video.
func (e *export) stopped(err error) error {
	if errors.Is(err, errLimit) && e.report.Frames > 0 {
		return nil
	}
	return err
}

// open makes the canvas, of the size of the screen now, and the file.
func (e *export) open(ctx context.Context, dir, part string) (err error) {
	size := sizeOf(e.src.Image().Rect.Size(), e.o.Size, e.o.Codec)
	e.screen = newCanvas(size)
	e.report.Size = size
	if e.o.Codec == GIF {
		e.out, err = newGIF(part, size, e.o.FPS)
		return err
	}
	w, err := startWorker(ctx, dir, part, size, &e.o)
	if err != nil {
		return err
	}
	e.out = w
	return nil
}
