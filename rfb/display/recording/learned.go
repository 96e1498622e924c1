package recording

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"vncgate/rfb/display"
)

// learned are keyframes that are made while a recording is played which has none
// there: of another program, or whose workers did not keep up.
type learned struct {
	mu   sync.Mutex
	all  []learnedFrame // by their places
	held int
	zstd *zstd.Encoder
}

type learnedFrame struct {
	at    time.Duration
	place int64
	b     []byte // in zstd
}

const (
	// maxLearned bounds what is learned of a recording, in bytes.
	maxLearned = 64 << 20
	// learnAfter is how long playing takes from one keyframe to the next that is
	// learned.
	learnAfter = 80 * time.Millisecond
)

// before returns the last keyframe at a time.
func (l *learned) before(t time.Duration) (learnedFrame, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range slices.Backward(l.all) {
		if k.at <= t {
			return k, true
		}
	}
	return learnedFrame{}, false
}

// learn makes a keyframe of f, which is between two messages.
func (l *learned) learn(f *display.Follower, at time.Duration, place int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, known := slices.BinarySearchFunc(l.all, place, func(k learnedFrame, to int64) int { return int(min(max(k.place-to, -1), 1)) })
	if known || l.held > maxLearned {
		return
	}
	raw, err := f.Keyframe(nil)
	if errors.Is(err, display.ErrNotResumable) {
		return
	}
	if l.zstd == nil {
		if l.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest)); err != nil {
			return
		}
	}
	b := l.zstd.EncodeAll(raw, nil)
	l.held += len(b)
	l.all = slices.Insert(l.all, i, learnedFrame{at, place, b})
}
