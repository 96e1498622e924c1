package video

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"os"
)

// Places in the header of an AVI as github.com/icza/mjpeg writes it: width and
// height in avih and in the BITMAPINFOHEADER of strf, and the size of a picture
// there (Microsoft, "AVI RIFF File Reference").
const (
	aviMainSize   = 64
	aviBitmap     = 172 // biSize
	aviBitmapSize = aviBitmap + 4
	aviImageSize  = aviBitmap + 20
	aviHeader     = aviImageSize + 4
)

// mendAVI writes the size of the pictures into the header: vnc2video's encoder
// says 1024×768 of all.
func mendAVI(path string, size image.Point) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	head := make([]byte, aviHeader)
	if _, err := f.ReadAt(head, 0); err != nil {
		return fmt.Errorf("avi: %w", err)
	}
	le := binary.LittleEndian
	if string(head[:4]) != "RIFF" || string(head[24:28]) != "avih" || string(head[aviBitmap-8:aviBitmap-4]) != "strf" || le.Uint32(head[aviBitmap:]) != 40 {
		return errors.New("avi: the header is not as it was known")
	}
	for _, at := range []int{aviMainSize, aviBitmapSize} {
		le.PutUint32(head[at:], uint32(size.X))
		le.PutUint32(head[at+4:], uint32(size.Y))
	}
	le.PutUint32(head[aviImageSize:], uint32(3*size.X*size.Y))
	_, err = f.WriteAt(head, 0)
	return err
}
