package tunnel

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"vncgate/layers"
)

const (
	smallPiece = 1 << 10  // what a direction reads with while little moves
	largePiece = 32 << 10 // the same while much does: two frames of a mux
)

// largePieces are lent to a direction while much moves, so that sessions in
// which nothing happens cost little.
var largePieces = sync.Pool{New: func() any { b := make([]byte, largePiece); return &b }}

// join moves bytes between the two until both directions have ended, or one of
// them has failed. An end of one direction is passed on. The caller closes both.
//
// Once the viewer has left, the display has a moment to take what is left and to
// end: one that hangs would keep the stream for ever.
func join(stream *layers.MuxStream, display net.Conn) error {
	both := [2]error{}
	var ways, watch sync.WaitGroup
	over := make(chan struct{})
	watch.Go(func() {
		select {
		case <-stream.Gone():
			_ = display.SetDeadline(time.Now().Add(displayPatience))
		case <-over:
		}
	})
	way := func(i int, dst, src net.Conn) {
		err := move(dst, src)
		if err == nil {
			err = layers.CloseWrite(dst)
		}
		if err != nil { // nothing more comes of the other direction
			_ = dst.Close()
			_ = src.Close()
		}
		both[i] = err
	}
	ways.Go(func() { way(0, display, stream) })
	ways.Go(func() { way(1, stream, display) })
	ways.Wait()
	close(over)
	watch.Wait()
	return firstOf(both[0], both[1])
}

// firstOf is the error that tells most: not that we have closed the connection
// for the sake of the other direction, nor that a peer has just gone.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, layers.ErrNoHalfClose) && !errors.Is(err, io.ErrClosedPipe) {
			return err
		}
	}
	return nil
}

// move copies until src ends, which is no error.
func move(dst io.Writer, src io.Reader) error {
	var small [smallPiece]byte
	var large *[]byte
	defer func() { giveBack(large) }()
	for {
		piece := small[:]
		if large != nil {
			piece = *large
		}
		n, err := src.Read(piece)
		if n > 0 {
			if _, err := dst.Write(piece[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case large == nil && n == len(piece):
			large = largePieces.Get().(*[]byte)
		case large != nil && n <= smallPiece:
			giveBack(large)
			large = nil
		}
	}
}

func giveBack(b *[]byte) {
	if b != nil {
		largePieces.Put(b)
	}
}
