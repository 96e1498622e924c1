package web

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Playback lets pages steer what they show, where that is a recording. A session
// is named by its key (gateway.Front.NoticeKey); an error that is a *Refusal is
// answered as it is. What the funcs return is the page's: it is marshalled.
type Playback struct {
	// Shows reports whether the session of key is for a recording.
	Shows func(key string) bool
	// Do does what the page of a session wants of its recording.
	Do func(ctx context.Context, key string, want PlayRequest) (any, error)
}

// PlayRequest is what a page wants of the recording that it shows.
type PlayRequest struct {
	// Do is one of "" (how far is it?), play, pause, seek, speed, timeline (what
	// happens when), thumbnail and search.
	Do string `json:"do"`
	// Position is where to, in seconds: for seek and thumbnail.
	Position float64 `json:"position"`
	// Speed and SkipIdle are for speed; the latter in seconds, 0 skips nothing.
	Speed    float64 `json:"speed"`
	SkipIdle float64 `json:"skip_idle"`
	// Text is for search.
	Text string `json:"text"`
}

// Looks reports whether it takes a look into the recording, which may take a while.
func (r *PlayRequest) Looks() bool {
	return r.Do == "thumbnail" || r.Do == "timeline" || r.Do == "search"
}

// maxPosition is the longest that a recording is thought to be.
const maxPosition = 10 * 365 * 24 * time.Hour

// At is Position, as far as one can be.
func (r *PlayRequest) At() time.Duration { return seconds(r.Position) }

// Skip is SkipIdle, as far as it can be.
func (r *PlayRequest) Skip() time.Duration { return seconds(r.SkipIdle) }

func seconds(n float64) time.Duration {
	switch {
	case !(n > 0): // nor is it a number
		return 0
	case n > maxPosition.Seconds():
		return maxPosition
	}
	return time.Duration(n * float64(time.Second))
}

var (
	errNoPlayback    = &Refusal{http.StatusNotFound, "This session shows no recording."}
	errPlaybackFault = &Refusal{http.StatusBadGateway, "The recording could not be steered. Try again in a moment."}
)

// play does what a page wants of its recording.
func (e *endpoint) play(ctx context.Context, key string, want PlayRequest) (any, error) {
	if e.cfg.Playback == nil {
		return nil, errNoPlayback
	}
	answer, err := e.cfg.Playback.Do(ctx, key, want)
	var no *Refusal
	if err == nil || errors.As(err, &no) {
		return answer, err
	}
	e.failures.Do(func() {
		e.cfg.Log.Error("steering a recording failed", "listener", e.cfg.Front.Name, "error", withoutToken(err, key))
	})
	return nil, errPlaybackFault
}
