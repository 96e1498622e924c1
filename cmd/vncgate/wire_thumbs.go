package main

import (
	"bytes"
	"errors"
	"sync"
	"time"

	"vncgate/rfb/display/recording"
	"vncgate/rfb/display/still"

	"image"
)

// thumbs makes small pictures of one recording, one at a time, and keeps some. The
// zero value is ready.
type thumbs struct {
	mu     sync.Mutex
	closed bool
	kept   map[time.Duration][]byte
}

const (
	// thumbStep is how far two small pictures are apart at least.
	thumbStep = time.Second
	// maxThumbs is how many are kept: about 10 KB each.
	maxThumbs = 256
)

// thumbSize is the most that a small picture measures, in pixels.
var thumbSize = image.Pt(240, 160)

var errThumbsClosed = errors.New("the recording is closed")

// at is the small picture of a moment, a JPEG.
func (t *thumbs) at(r *recording.Recording, at time.Duration) ([]byte, error) {
	at = min(max(at, 0), r.Duration()).Truncate(thumbStep)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, errThumbsClosed
	}
	if b, ok := t.kept[at]; ok {
		return b, nil
	}
	head, err := r.At(at)
	if err != nil {
		return nil, err
	}
	defer head.Close()
	var b bytes.Buffer
	if err := still.Encode(&b, still.Fit(head.Follower().Image(), thumbSize), still.JPEG, 0); err != nil {
		return nil, err
	}
	if t.kept == nil || len(t.kept) >= maxThumbs {
		t.kept = map[time.Duration][]byte{}
	}
	t.kept[at] = b.Bytes()
	return b.Bytes(), nil
}

// close waits for the one that is being made, and makes no more.
func (t *thumbs) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}
