package video

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"

	"github.com/amitbet/vnc2video"
	"github.com/amitbet/vnc2video/encoders"
)

// By these variables of its environment the program knows that it is a Worker.
const (
	workerEnv    = "VIDEO_WORKER_OF_VNCGATE"
	workerEncode = "encode" // runs an encoder of vnc2video's
	workerFFmpeg = "ffmpeg" // stands between that and ffmpeg
	ffmpegEnv    = "VIDEO_FFMPEG_OF_VNCGATE"
	jobEnv       = "VIDEO_JOB_OF_VNCGATE"
)

// ffmpegName is what encoders of vnc2video start in the working directory.
var ffmpegName = map[bool]string{false: "ffmpeg", true: "ffmpeg.exe"}[runtime.GOOS == "windows"]

// quality is that of the pictures of an AVI.
const quality = 85

// Worker does the work of an encoder if the program was started for that, and
// returns its exit code; mine is false otherwise. A program that calls Export has
// its main function call it before anything else.
func Worker() (code int, mine bool) {
	var err error
	switch os.Getenv(workerEnv) {
	case workerEncode:
		err = encode(os.Stdin)
	case workerFFmpeg:
		err = runFFmpeg(os.Args[1:])
	default:
		return 0, false
	}
	if _, told := errors.AsType[*exec.ExitError](err); err != nil && !told {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil {
		return 1, true
	}
	return 0, true
}

// encode gives the frames on standard input, red, green and blue, to an encoder.
// It returns at their end: what the encoder has started ends with the process.
func encode(in io.Reader) error {
	j, err := parseJob(os.Getenv(jobEnv))
	if err != nil {
		return err
	}
	if err := os.Setenv(workerEnv, workerFFmpeg); err != nil {
		return err
	}
	if j.codec == MJPEG {
		return encodeAVI(j, in)
	}
	var enc interface{ Encode(image.Image) }
	var run func()
	switch j.codec {
	case H264:
		x := &encoders.X264ImageEncoder{FFMpegBinPath: "./" + ffmpegName, Framerate: j.fps}
		enc, run = x, func() { _ = x.Run(j.file) }
	case VP8:
		x := &encoders.VP8ImageEncoder{FFMpegBinPath: "./" + ffmpegName, Framerate: j.fps}
		enc, run = x, func() { x.Run(j.file) }
	case VP9:
		x := &encoders.DV9ImageEncoder{FFMpegBinPath: "./" + ffmpegName, Framerate: j.fps}
		enc, run = x, func() { x.Run(j.file) }
	default:
		return fmt.Errorf("video: no encoder for %q", j.codec)
	}
	go run() // it ends with ffmpeg, and that with us
	frame := vnc2video.NewRGBImage(image.Rectangle{Max: j.size})
	return frames(in, frame.Pix, func() { enc.Encode(frame) })
}

// frames reads each frame into pix and has it encoded. The first comes when the
// encoder runs: since it holds ForkLock while it starts ffmpeg, all it has done
// before that is seen by those who have taken it after.
func frames(in io.Reader, pix []byte, encode func()) error {
	r := bufio.NewReaderSize(in, 1<<20)
	if _, err := r.Peek(1); err != nil {
		return nil // none have come, and whoever would have sent them knows why
	}
	ranBefore(&syscall.ForkLock)
	for {
		if _, err := io.ReadFull(r, pix); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		encode()
	}
}

// ranBefore returns when nobody has the lock.
func ranBefore(lock *sync.RWMutex) {
	lock.RLock()
	defer lock.RUnlock()
}

// encodeAVI needs no ffmpeg.
func encodeAVI(j job, in io.Reader) error {
	x := &encoders.MJPegImageEncoder{Quality: quality, Framerate: int32(j.fps)}
	x.Init(j.file)
	fmt.Println(saysReady)
	img := image.NewRGBA(image.Rectangle{Max: j.size})
	pix := make([]byte, 3*j.size.X*j.size.Y)
	err := frames(in, pix, func() {
		to, from := img.Pix, pix
		for len(from) > 0 {
			to[0], to[1], to[2], to[3] = from[0], from[1], from[2], 0xff
			to, from = to[4:], from[3:]
		}
		x.Encode(img)
	})
	x.Close()
	if err == nil {
		fmt.Println(saysEnded, 0)
	}
	return err
}

// runFFmpeg runs the real one, and tells how it ended.
func runFFmpeg(args []string) error {
	j, err := parseJob(os.Getenv(jobEnv))
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Getenv(ffmpegEnv), arguments(args, j)...)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println(saysReady)
	err = cmd.Wait()
	fmt.Println(saysEnded, cmd.ProcessState.ExitCode())
	return err
}

// arguments sets right what vnc2video tells ffmpeg: the rate of frames, which is
// fixed for some; -vsync, which newer ones refuse; how good the picture is, and
// that browsers can show it, which have no 4:4:4; the name of the file.
func arguments(given []string, j job) []string {
	args := []string{"-hide_banner", "-nostdin", "-nostats", "-loglevel", "error", "-y"}
	for i := 0; i < len(given)-1; i++ {
		switch given[i] {
		case "-vsync":
			i++
			continue
		case "-i":
			args = append(args, "-r", strconv.Itoa(j.fps))
		}
		args = append(args, given[i])
	}
	args = append(args, "-pix_fmt", "yuv420p", "-color_range", "tv", "-threads", strconv.Itoa(min(runtime.NumCPU(), 8)))
	args = append(args, qualities(j)...)
	return append(args, j.file)
}

// qualities make text legible: vnc2video's are for slow lines. Of options that
// are given twice ffmpeg takes the last.
func qualities(j job) []string {
	rate := strconv.Itoa(max(j.size.X*j.size.Y*j.fps/6, 500_000)) // bits a second
	switch j.codec {
	case H264:
		return []string{"-crf", "25", "-movflags", "+faststart"}
	case VP8:
		return []string{"-crf", "12", "-b:v", rate, "-maxrate", rate, "-minrate", "0", "-qmin", "4", "-qmax", "50", "-deadline", "good", "-cpu-used", "5"}
	case VP9:
		return []string{"-crf", "30", "-b:v", "0", "-maxrate", "0", "-bufsize", "0", "-qmin", "0", "-qmax", "63", "-row-mt", "1", "-cpu-used", "7"}
	}
	return nil
}
