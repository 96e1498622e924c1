package main

import (
	"context"
	"encoding/base64"
	"math"
	"net/http"
	"strings"
	"time"

	"vncgate/rfb/display/player"
	"vncgate/rfb/display/recording"
	"vncgate/web"
)

// What a page may do with the recording that its session shows. Who may watch it
// may steer it: each session has a playback of its own.

var (
	errNotPlayed   = &web.Refusal{Status: http.StatusNotFound, Words: "This session shows no recording."}
	errPlayHow     = &web.Refusal{Status: http.StatusBadRequest, Words: "A recording cannot be played like that."}
	errAskedMuch   = &web.Refusal{Status: http.StatusTooManyRequests, Words: "This page asks for more than can be looked up at once. Try again in a moment."}
	errNoThumbnail = &web.Refusal{Status: http.StatusNotFound, Words: "There is no small picture of that moment."}
)

// showsRecording reports whether the session of key is for a recording.
func (w *wiring) showsRecording(key string) bool {
	s, ok := w.gate.SessionOf(key)
	return ok && strings.HasPrefix(s.Target, recordingPrefix)
}

// steerByPage does what the page of a session wants of its recording.
func (w *wiring) steerByPage(_ context.Context, key string, want web.PlayRequest) (any, error) {
	s, ok := w.gate.SessionOf(key)
	if !ok {
		return nil, errNotPlayed
	}
	p, ok := w.playbacks.get(s.ID)
	if !ok {
		return nil, errNotPlayed
	}
	switch want.Do {
	case "":
	case "play":
		p.Play()
	case "pause":
		p.Pause()
	case "seek":
		p.Seek(want.At())
	case "speed":
		if p.setSpeed(want.Speed, want.Skip()) != nil {
			return nil, errPlayHow
		}
	default:
		if want.Looks() {
			return p.lookUp(want)
		}
		return nil, errPlayHow
	}
	return p.entry(), nil
}

// maxAsked is how many requests of a page may look into a recording at once: each
// takes a while, a good deal of memory, and a place that other pages want too.
const maxAsked = 8

// lookUp answers what takes a look into the recording.
func (p *playback) lookUp(want web.PlayRequest) (any, error) {
	defer p.asked.Add(-1)
	if p.asked.Add(1) > maxAsked {
		return nil, errAskedMuch
	}
	switch want.Do {
	case "thumbnail":
		return p.thumbnail(want)
	case "timeline":
		return p.timeline()
	}
	return p.find(want.Text)
}

// smallPicture is what there was to see at a moment.
type smallPicture struct {
	Position float64 `json:"position"`
	Picture  string  `json:"picture"` // a data: URL
}

func (p *playback) thumbnail(want web.PlayRequest) (any, error) {
	at := min(want.At(), p.recording.Duration())
	b, err := p.thumbs.at(p.recording, at)
	if err != nil {
		return nil, errNoThumbnail
	}
	return smallPicture{at.Seconds(), "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(b)}, nil
}

// timeline is what happens in a recording, and when.
type timeline struct {
	Duration float64    `json:"duration"`        // in seconds
	Activity []int      `json:"activity"`        // of equal parts of it, from 0 to 100
	Marks    []mark     `json:"marks,omitempty"` // what is worth a jump
	Speeds   [2]float64 `json:"speeds"`          // the least and the most
	Search   bool       `json:"search"`          // there is typed text to look in
}

// mark is a moment of a recording.
type mark struct {
	At   float64 `json:"at"`   // in seconds
	Kind string  `json:"kind"` // typed, click, clipboard, size or mark
	Text string  `json:"text,omitempty"`
}

const (
	// timelineParts is how fine the activity is told.
	timelineParts = 240
	// maxMarks bounds those of one recording: more could not be told apart.
	maxMarks = 400
	// maxFound bounds what a search finds.
	maxFound = 100
	// maxSearch is the longest text that is looked for, in bytes.
	maxSearch = 200
)

func (p *playback) timeline() (any, error) {
	t := timeline{Duration: p.recording.Duration().Seconds(), Speeds: [2]float64{player.MinSpeed, player.MaxSpeed}}
	parts, err := p.recording.Activity(timelineParts)
	if err != nil {
		return nil, err
	}
	t.Activity = levels(parts)
	events, err := p.recording.Events()
	if err != nil {
		return nil, err
	}
	t.Marks = marksOf(events)
	typed, err := p.recording.Typed()
	t.Search = p.search && len(typed) > 0
	return t, err
}

// levels are how much happened in each part, of 100 where most did: what the
// display said by its order of size, so that a video leaves something to see of
// the rest, and what the viewer did.
func levels(parts []recording.Activity) []int {
	weights, most := make([]float64, len(parts)), 0.0
	for i, a := range parts {
		weights[i] = math.Log1p(float64(a.Display)/256) + math.Log1p(float64(a.Keys)) + math.Log1p(float64(a.Pointer)/4)
		most = max(most, weights[i])
	}
	list := make([]int, len(parts))
	for i, w := range weights {
		if most > 0 {
			list[i] = int(math.Ceil(100 * w / most))
		}
	}
	return list
}

// marksOf is what of the events is worth a jump: where typing begins, and all that
// is rare. Nothing of what was typed is in it.
func marksOf(events []recording.Event) (list []mark) {
	var typing time.Duration = -time.Hour
	for _, e := range events {
		kind := ""
		switch e.Kind {
		case recording.EventKey:
			if e.At-typing > typingPause {
				kind = "typed"
			}
			typing = e.At
		case recording.EventClipboard:
			kind = "clipboard"
		case recording.EventSize:
			kind = "size"
		case recording.EventMark:
			kind = "mark"
		}
		if kind != "" && len(list) < maxMarks {
			m := mark{At: e.At.Seconds(), Kind: kind}
			if kind == "mark" {
				m.Text = strings.TrimSpace(e.Name + " " + e.Text)
			}
			list = append(list, m)
		}
	}
	return list
}

// typingPause is between two times of typing.
const typingPause = 5 * time.Second

// find looks for a text in what was typed, whatever its letters' case.
func (p *playback) find(text string) (any, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	if !p.search || text == "" || len(text) > maxSearch {
		return nil, errNoSearch
	}
	typed, err := p.recording.Typed()
	if err != nil {
		return nil, err
	}
	found := []mark{}
	for _, t := range typed {
		if len(found) < maxFound && strings.Contains(strings.ToLower(t.Text), text) {
			found = append(found, mark{At: t.At.Seconds(), Kind: "typed", Text: t.Text})
		}
	}
	return map[string][]mark{"found": found}, nil
}

var errNoSearch = &web.Refusal{Status: http.StatusForbidden, Words: "What was typed cannot be searched here."}
