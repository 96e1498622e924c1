package recording

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"vncgate/rfb"
)

// A viewer that talks to a display which says nothing fills no memory: what holds
// once the display begins is kept, and no more.
func TestEarlyInputIsBounded(t *testing.T) {
	batch := rfb.AppendPointerEvent(rfb.AppendSetEncodings(nil, rfb.EncodingZRLE), 0, 7, 8)
	encodings, pointer := batch[:len(batch)-6], batch[len(batch)-6:]
	var early []inputAt
	for i := range 1000 {
		early = keepLast(early, inputAt{msg: rfb.AppendPointerEvent(nil, 0, uint16(i), 0)})
		early = keepLast(early, inputAt{msg: encodings})
	}
	early = keepLast(early, inputAt{msg: pointer})
	if len(early) != 2 || !bytes.Equal(early[0].msg, encodings) || !bytes.Equal(early[1].msg, pointer) {
		t.Errorf("kept are %v", early)
	}
	clear(batch)
	if early[1].msg[0] != rfb.MsgPointerEvent {
		t.Error("what is kept is the batch's")
	}
}

// Marks that a viewer brings about wait like all else, and count like it.
func TestMarksAreBounded(t *testing.T) {
	const most = 64 << 10
	r := &Recorder{o: Options{Queue: most}, wake: make(chan struct{}, 1), full: make(chan struct{}, 1)}
	r.clock, r.input.redact.Clipboard = func() time.Duration { return 0 }, true
	cut := rfb.AppendClientCutText(nil, "")
	var err error
	for n := 0; err == nil; n++ {
		if n > most/markSize {
			t.Fatalf("%d marks wait, and nobody writes them", len(r.queue.items))
		}
		err = r.Viewer(cut)
	}
	if !errors.Is(err, ErrSlow) {
		t.Error(err)
	}
	if r.queued != r.queue.held {
		t.Errorf("%d bytes are queued, and %d will be given back", r.queued, r.queue.held)
	}
}
