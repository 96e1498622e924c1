package rfb

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"sync"
)

// The lengths of rectangles depend on the pixel format, and nothing in what a
// display sends says where one ends and the next begins: it switches when it
// reads SetPixelFormat, and what it had under way by then is in the old one. A
// parser that guesses wrong takes pixels for messages, or messages for pixels,
// and lets pass what it should not. So a change of format passes only where its
// place in the display's stream is certain:
//
//   - where it changes no length;
//   - where the display answers fences: one with SyncNext is put in front, and
//     its answer, which is taken out again, marks the place (rfbproto,
//     "ClientFence");
//   - where every request for an update has been answered, by an update of its
//     own or one that is arriving: the format then changes at its end, which is
//     what a careful viewer waits for (TigerVNC common/rfb/CConnection.cxx).
//
// Everything else is a *PixelFormatError. Most viewers choose their format
// before they ask for anything, and none of this concerns them.
type formats struct {
	mu        sync.Mutex
	now       pixelLens // at the place where the parser is, or at the next update
	asked     pixelLens // after the last SetPixelFormat
	markers   []marker  // fences whose answers are to come
	atEnd     pixelLens // from the end of the update under way on; zero if nothing changes
	requests  uint64    // sent
	answered  uint64    // updates with pixels that have ended
	arriving  bool      // an update is under way
	pushed    bool      // continuous updates were on: requests tell nothing any more
	fences    bool      // the display answers them
	listed    bool      // a SetEncodings has been sent: cursors may come unasked
	unsure    bool      // of the format of cursors that come unasked
	extended  bool      // the display knows the extended PointerEvent
	relative  bool      // the display takes PointerEvents for movements (QEMU)
	afterSync bool      // the viewer's last message was a fence that is about the next one

	tag  [markerLen]byte // nobody else's fences look like ours
	made uint64

	viewerTrip, displayTrip fenceTrip // of the answers of either
}

// marker is a fence of ours, and what holds behind its answer.
type marker struct {
	payload [markerLen]byte
	then    pixelLens
}

const (
	markerLen = 16
	// maxMarkers is how many changes of format may be on their way at once.
	maxMarkers = 8
)

// PixelFormatError is a SetPixelFormat that cannot be let through while what
// the display sends has to be understood.
type PixelFormatError struct{ Why string }

func (e *PixelFormatError) Error() string { return "rfb: change of pixel format: " + e.Why }

// pixelLens is how many bytes pixels take.
type pixelLens struct {
	raw     int // as in Raw
	tight   int // TPIXEL; 0 if displays do not agree
	compact int // CPIXEL
}

// lensOf returns the lengths of pixels in f.
func lensOf(f PixelFormat) pixelLens {
	n := int(f.BitsPerPixel) / 8
	l := pixelLens{raw: n, tight: n, compact: n}
	if !f.TrueColour || n != 4 {
		return l
	}
	if f.RedMax == 255 && f.GreenMax == 255 && f.BlueMax == 255 {
		l.tight = 3
		if f.Depth != 24 {
			// QEMU does not look at the depth, TigerVNC and libvncserver do.
			l.tight = 0
		}
	}
	bits := uint32(f.RedMax)<<f.RedShift | uint32(f.GreenMax)<<f.GreenShift | uint32(f.BlueMax)<<f.BlueShift
	if f.Depth <= 24 && (bits < 1<<24 || bits&0xff == 0) {
		l.compact = 3
	}
	return l
}

func newFormats(f PixelFormat) *formats {
	l := lensOf(f)
	s := &formats{now: l, asked: l}
	_, _ = rand.Read(s.tag[:8]) // never fails (crypto/rand)
	return s
}

// knowsExtendedPointer reports whether the display has said that it reads
// PointerEvents of seven bytes.
func (s *formats) knowsExtendedPointer() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.extended
}

// seeFormats takes note of a message that is about to go to the display.
func (f *Filter) seeFormats(msg []byte) error {
	s := f.formats
	s.mu.Lock()
	defer s.mu.Unlock()
	afterSync := s.afterSync
	s.afterSync = false
	switch msg[0] {
	case MsgFramebufferUpdateRequest:
		s.requests++
	case MsgEnableContinuousUpdates:
		s.pushed = s.pushed || msg[1] != 0
	case MsgSetEncodings:
		s.listed = true
	case MsgFence:
		flags := be.Uint32(msg[4:])
		s.afterSync = flags&FenceRequest != 0 && flags&FenceSyncNext != 0
		if flags&FenceRequest != 0 {
			s.displayTrip.asked(msg[9:])
		} else {
			s.viewerTrip.answered(msg[9:])
		}
	case MsgSetPixelFormat:
		marker, err := s.change(msg[4:], afterSync)
		if marker != nil {
			f.before = marker
		}
		return err
	}
	return nil
}

// change has the format in b hold from the right place on. It returns the fence
// that marks the place, if one is needed.
func (s *formats) change(b []byte, afterSync bool) (fence []byte, err error) {
	format, err := ParsePixelFormat(b)
	if err != nil {
		return nil, &PixelFormatError{err.Error()}
	}
	if !format.TrueColour && format.BitsPerPixel != 8 {
		return nil, &PixelFormatError{fmt.Sprintf("a colour map of %d bits, which displays replace by one of their own", format.BitsPerPixel)}
	}
	next := lensOf(format)
	switch {
	case next == s.asked:
		return nil, nil
	case s.fences && !afterSync:
		return s.mark(next)
	case s.pushed || s.requests > s.answered+uint64(u8(s.arriving)):
		return nil, &PixelFormatError{"while updates in the old one are under way"}
	}
	s.asked = next
	s.unsure = s.unsure || s.listed
	if s.arriving {
		s.atEnd = next
	} else {
		s.now = next
	}
	return nil, nil
}

// mark has next hold from the answer to a fence on.
func (s *formats) mark(next pixelLens) ([]byte, error) {
	if len(s.markers) == maxMarkers {
		return nil, &PixelFormatError{"too many at once"}
	}
	s.made++
	be.PutUint64(s.tag[8:], s.made)
	s.markers = append(s.markers, marker{payload: s.tag, then: next})
	s.asked = next
	s.displayTrip.asked(s.tag[:])
	return AppendFence(nil, FenceRequest|FenceSyncNext|FenceBlockBefore, s.tag[:]), nil
}

// fence takes note of a fence of the display's and reports whether it answers
// one of ours.
func (s *formats) fence(flags uint32, payload []byte) (ours bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if flags&FenceRequest != 0 {
		s.fences = true
		s.viewerTrip.asked(payload)
		return false, nil
	}
	s.displayTrip.answered(payload)
	if len(s.markers) == 0 || !bytes.Equal(payload, s.markers[0].payload[:]) {
		return false, nil
	}
	if flags&FenceSyncNext == 0 {
		return true, &PixelFormatError{"the display does not synchronise with fences"}
	}
	s.now, s.unsure = s.markers[0].then, false
	s.markers = append(s.markers[:0], s.markers[1:]...)
	return true, nil
}

// updateBegins returns the lengths of pixels in an update, and whether those of
// a cursor that comes alone are certain.
func (s *formats) updateBegins() (lens pixelLens, sure bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arriving = true
	return s.now, !s.unsure
}

// updateEnds takes note of the end of an update; pixels says whether it had
// any, which makes it the answer to a request.
func (s *formats) updateEnds(pixels bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arriving = false
	changes := s.atEnd != pixelLens{}
	if pixels {
		// Some displays answer a request in several pieces.
		s.answered = min(s.answered+1, s.requests)
		// Sent for a request that came behind the last change.
		s.unsure = s.unsure && changes
	}
	if changes {
		if !pixels {
			return &PixelFormatError{"while updates in the old one are under way"}
		}
		s.now, s.atEnd = s.atEnd, pixelLens{}
	}
	return nil
}

// displayMode takes note of a format that the display has changed to by itself.
func (s *formats) displayMode(f PixelFormat) (pixelLens, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.markers) > 0 || s.atEnd != (pixelLens{}) {
		return pixelLens{}, &PixelFormatError{"while the display changes its own"}
	}
	s.now = lensOf(f)
	s.asked = s.now
	return s.now, nil
}

// confirmExtendedPointer takes note of the display's word for it.
func (s *formats) confirmExtendedPointer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extended = true
}

// pointerMotion takes note of whether a display takes PointerEvents for
// movements, around noMovement, instead of places (rfbproto, "QEMU Pointer
// Motion Change Pseudo-encoding").
func (s *formats) pointerMotion(relative bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.relative = relative
}

// noMovement is the x and y of a PointerEvent that moves nothing.
const noMovement = 0x7fff

// takesMovements reports what pointerMotion was told.
func (s *formats) takesMovements() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.relative
}
