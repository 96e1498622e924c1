package gateway

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"sync"
	"testing"
	"time"
)

// hashes is a Recorder that keeps no more than the hashes of both directions.
type hashes struct {
	mu       sync.Mutex
	down, up hash.Hash
}

func newHashes() *hashes { return &hashes{down: sha256.New(), up: sha256.New()} }

func (h *hashes) Display(b []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.down.Write(b)
	return err
}

func (h *hashes) Viewer(b []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.up.Write(b)
	return err
}

func (h *hashes) Close(string) {}

func (h *hashes) sums() (down, up []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.down.Sum(nil), h.up.Sum(nil)
}

// What is recorded is what arrives, to the byte, through rests, pauses and moves to
// other classes, whatever frames go around it.
func TestRecorderThroughRests(t *testing.T) {
	needLoops(t)
	for _, name := range []string{"tcp", "wss"} {
		t.Run(name, func(t *testing.T) {
			stack := parkStacks(t)[name]
			classes := []*class{newClass(Class{Park: time.Microsecond}), newClass(Class{Park: time.Millisecond})}
			classes[1].force()
			t.Cleanup(classes[1].leave)
			rec := newHashes()
			r := newTappedRelay(t, classes[0], stack[0], stack[1], &tap{rec: rec})
			down, up := sha256.New(), sha256.New()
			over := make(chan struct{})
			var disturbing, both sync.WaitGroup
			disturbing.Go(func() { disturb(r, classes, over) })
			both.Go(func() { sendThroughRests(t, r, &r.down, io.MultiWriter(r.display, down), r.viewer, pixels) })
			both.Go(func() { sendThroughRests(t, r, &r.up, io.MultiWriter(r.viewer, up), r.display, pointers) })
			both.Wait()
			close(over)
			disturbing.Wait()
			gotDown, gotUp := rec.sums()
			if !bytes.Equal(gotDown, down.Sum(nil)) || !bytes.Equal(gotUp, up.Sum(nil)) {
				t.Error("recorded otherwise than sent")
			}
		})
	}
}

// disturb pauses r and moves it between classes until over.
func disturb(r *parkedRelay, classes []*class, over <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case <-over:
			r.resume()
			r.moveTo(classes[0])
			return
		case <-time.After(2 * time.Millisecond):
		}
		r.moveTo(classes[i%len(classes)])
		if i%2 == 0 {
			r.pause()
		} else {
			r.resume()
		}
	}
}
