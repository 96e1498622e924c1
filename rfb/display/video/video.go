// Package video makes video files of recordings: MP4 (H.264), WebM (VP8 or VP9),
// AVI (Motion JPEG) and GIF.
//
//	report, err := video.Export(ctx, "desk.mp4", recording, video.Options{Speed: 4})
//
// The files are written by the encoders of github.com/amitbet/vnc2video, and GIF
// by our own on image/gif. Those of vnc2video never end the ffmpeg that they
// start, print where they should return errors, look for ffmpeg in the working
// directory and have a few frames a second, half a megabit and a window of
// 1024×768 pixels written into them. They run in a process of their own, therefore,
// which is this program again: its main function has to call Worker first.
//
//	Export ──frames──▶ Worker: vnc2video ──PPM──▶ Worker: "ffmpeg" ──▶ ffmpeg
//
// The ffmpeg that vnc2video starts is this program once more. It sets right what
// ffmpeg is told, and says how it ended. When the frames are at their end so is the
// first process, by which ffmpeg gets to the end of its input. Whatever goes wrong
// ends all of them, and leaves no file.
package video

import (
	"context"
	"errors"
	"fmt"
	"image"
	"path/filepath"
	"strings"
	"time"

	"vncgate/rfb/display"
)

// Codec is how pictures are put together.
type Codec string

// The codecs there are, with the ends of the files that hold them.
const (
	H264  Codec = "h264"  // .mp4, by ffmpeg with libx264
	VP8   Codec = "vp8"   // .webm, by ffmpeg with libvpx
	VP9   Codec = "vp9"   // .webm, by ffmpeg with libvpx-vp9
	MJPEG Codec = "mjpeg" // .avi
	GIF   Codec = "gif"   // .gif
)

// containers are the ends of file names, and what they may hold, the default first.
var containers = map[string][]Codec{".mp4": {H264}, ".webm": {VP8, VP9}, ".avi": {MJPEG}, ".gif": {GIF}}

// Bounds on what is made.
const (
	// MaxFPS is the highest rate of frames.
	MaxFPS = 60
	// maxSide is the longest side of a video; libvpx has 16383.
	maxSide = 8192
	// DefaultMaxSize is how large a file may become where nothing else is said;
	// MaxAVI is the end of what AVI can hold.
	DefaultMaxSize = 2 << 30
	MaxAVI         = 4 << 30 * 15 / 16
)

// ErrCodec is what CodecOf says of a file that is not made.
var ErrCodec = errors.New("video: files are made that end in .mp4, .webm, .avi or .gif")

// CodecOf says what a file of that name is made with. wanted is a codec that it
// shall have, "" the default.
func CodecOf(path, wanted string) (Codec, error) {
	list, ok := containers[strings.ToLower(filepath.Ext(path))]
	if !ok {
		return "", ErrCodec
	}
	if wanted == "" {
		return list[0], nil
	}
	for _, c := range list {
		if string(c) == strings.ToLower(wanted) {
			return c, nil
		}
	}
	return "", fmt.Errorf("video: %s files do not have %s here; %v is what they may have", filepath.Ext(path), wanted, list)
}

// A Source is what a video is made of: a recording that is played, from the place
// on where the video begins, or from an earlier one.
type Source interface {
	// Next says when the next change comes, since the beginning: in order. The
	// error is io.EOF at the end; io.ErrUnexpectedEOF, where a recording breaks
	// off, is as good.
	Next() (time.Duration, error)
	// Draw draws it, and says whether the picture is another now.
	Draw() (changed bool, err error)
	// Image is the screen now; what is not known of it is transparent.
	Image() *image.RGBA
	// Cursor is the pointer now.
	Cursor() display.Cursor
	// Duration is when the last change comes; 0: nobody knows.
	Duration() time.Duration
}

// Options say what is made of a Source. Zero fields mean the defaults.
type Options struct {
	Codec Codec // that of the file's name
	// From and To are the part that is shown, in the time of the recording.
	From, To time.Duration
	// Speed is how many seconds of the recording go into one (1).
	Speed float64
	// FPS is how many pictures a second there are (15, of a GIF 10).
	FPS int
	// Size is a box that the picture is fitted into (that of the first screen). Of
	// the screens that follow, those of other sizes are fitted into the first's.
	Size image.Point
	// CutIdle is how long the screen may stay as it is; the rest of longer pauses
	// is left out. 0 leaves nothing out.
	CutIdle time.Duration
	// MaxDuration and MaxSize end the video early: after this time of its own, or
	// at about so many bytes (DefaultMaxSize).
	MaxDuration time.Duration
	MaxSize     int64
	// NoPointer leaves the pointer out.
	NoPointer bool
	// FFmpeg is the program; "" finds it by PATH.
	FFmpeg string
	// Progress is told at each frame; nil is nobody.
	Progress func(Progress)
}

// Progress says how far an Export is.
type Progress struct {
	// At is the place in the recording, and End the last that is shown, 0 where
	// it is not known.
	At, End time.Duration
	Frames  int
	Bytes   int64 // that were written, about
}

// Report is what an Export has made.
type Report struct {
	Size     image.Point
	Frames   int
	Duration time.Duration // of the video
	Bytes    int64
	// Reached is the place in the recording where the video ends, and CutOff why
	// that is early: "size", "time", or "" if it is not.
	Reached time.Duration
	CutOff  string
	// Skipped is what was left out of pauses.
	Skipped time.Duration
	// Broken says why the recording could not be followed to its end; the video
	// ends there.
	Broken error
}

// Export makes a video. The file is put in its place when it is whole: after an
// error, or once ctx has ended, there is none, or the one of before.
func Export(ctx context.Context, path string, src Source, o Options) (Report, error) {
	if err := o.complete(path); err != nil {
		return Report{}, err
	}
	e := &export{o: o, src: src}
	if err := e.run(ctx, path); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return Report{}, fmt.Errorf("video: %w", err)
	}
	return e.report, nil
}

// complete fills the defaults in, and refuses what cannot be.
func (o *Options) complete(path string) error {
	codec, err := CodecOf(path, string(o.Codec))
	if err != nil {
		return err
	}
	o.Codec = codec
	if err := o.Check(); err != nil {
		return err
	}
	if o.Speed == 0 {
		o.Speed = 1
	}
	if o.FPS == 0 {
		o.FPS = 15
		if codec == GIF {
			o.FPS = 10
		}
	}
	if o.MaxSize == 0 {
		o.MaxSize = DefaultMaxSize
	}
	if codec == MJPEG {
		o.MaxSize = min(o.MaxSize, MaxAVI)
	}
	return nil
}

// Check refuses what cannot be.
func (o *Options) Check() error {
	switch {
	case o.FPS < 0 || o.FPS > MaxFPS:
		return fmt.Errorf("video: %d frames a second; from 1 to %d are possible", o.FPS, MaxFPS)
	case o.Speed != 0 && !(o.Speed >= 0.01 && o.Speed <= 1000):
		return fmt.Errorf("video: a speed of %v; from 0.01 to 1000 are possible", o.Speed)
	case o.From < 0 || o.To < 0 || o.To > 0 && o.To <= o.From:
		return fmt.Errorf("video: from %v to %v is nothing", o.From, o.To)
	case o.CutIdle < 0 || o.MaxDuration < 0 || o.MaxSize < 0:
		return errors.New("video: times and sizes are not negative")
	}
	return nil
}
