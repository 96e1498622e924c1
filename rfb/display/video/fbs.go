package video

import (
	"errors"
	"fmt"
	"image"
	"io"
	"time"

	"vncgate/rfb/display"
)

// FBS is a recording in FBS 001.000 as a Source.
type FBS struct {
	in     *display.FBSReader
	screen *display.Follower
	block  []byte
	drawn  bool
	length time.Duration
}

// OpenFBS reads a recording, twice: the first time to see how long it is. The
// FBS has to be closed; r is the caller's.
func OpenFBS(r io.ReadSeeker) (*FBS, error) {
	length, err := lengthOf(r)
	if err == nil {
		_, err = r.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, err
	}
	in, init, err := display.NewFBSReader(r)
	if err != nil {
		return nil, err
	}
	screen, err := display.NewFollower(init)
	if err != nil {
		return nil, err
	}
	f := &FBS{in: in, screen: screen, length: length, block: make([]byte, 256<<10)}
	screen.Each = func(m display.Message) { f.drawn = f.drawn || !m.Drawn.Empty() || m.Resized || m.Pointer }
	return f, nil
}

// lengthOf is when the last block came. One that breaks off is shorter.
func lengthOf(r io.Reader) (time.Duration, error) {
	in, _, err := display.NewFBSReader(r)
	if err != nil {
		return 0, err
	}
	if _, err = io.Copy(io.Discard, in); errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return in.At(), err
}

// Next reads on.
func (f *FBS) Next() (time.Duration, error) {
	n, err := f.in.Read(f.block[:cap(f.block)])
	if err != nil {
		return 0, err
	}
	f.block = f.block[:n]
	return f.in.At(), nil
}

// Draw draws what was read.
func (f *FBS) Draw() (bool, error) {
	f.drawn = false
	if err := f.screen.Display(f.block); err != nil {
		return f.drawn, fmt.Errorf("recording at %v: %w", f.in.At(), err)
	}
	return f.drawn, nil
}

// Image is the screen.
func (f *FBS) Image() *image.RGBA { return f.screen.Image() }

// Cursor is the pointer.
func (f *FBS) Cursor() display.Cursor { return f.screen.Cursor() }

// Duration is when the last block came.
func (f *FBS) Duration() time.Duration { return f.length }

// Close gives back what the recording holds.
func (f *FBS) Close() { f.screen.Close() }
