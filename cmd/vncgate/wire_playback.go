package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"vncgate/gateway"
	"vncgate/rfb"
	"vncgate/rfb/display/player"
	"vncgate/rfb/display/recording"
)

// Recordings as displays: recording/NAME, to look at, for each session from its
// beginning.

// recordingPrefix is what the names of recordings begin with.
const recordingPrefix = "recording/"

// playbacks are the recordings that are being watched. The zero value is ready.
type playbacks struct {
	catalog catalog

	mu   sync.Mutex
	open int
	of   map[string]*playback // by the ID of the session that watches
}

// playback is one that is being watched, by one session.
type playback struct {
	*player.Player
	name      string
	recording *recording.Recording
	thumbs    thumbs
	search    bool         // who watches may search what was typed
	asked     atomic.Int32 // requests of its page that take long
	session   string       // that watches; "" until it is open
	from      string       // by whom
	over      bool         // nobody watches any more
}

// recordingName is the name of a recording: of a file, and no path.
var recordingName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@+-]{0,199}$`)

// What those are told who cannot watch a recording.
const (
	wordsEncrypted    = "This recording is encrypted, and the gateway has no key to it. Whoever has one can play it with vncgate recording play."
	wordsNotPlayable  = "This recording cannot be played; the gateway's log says why."
	wordsManyPlayback = "As many recordings are watched as may be. Try again later."
)

// recordingFolder is where the recordings are that can be watched; "": none can.
func (w *wiring) recordingFolder() string {
	cfg := w.now().cfg
	if cfg.Playback == nil {
		return ""
	}
	folder := cfg.Playback.Directory
	if folder == "" && cfg.Recordings != nil {
		folder = cfg.Recordings.Directory
	}
	return filepath.Clean(folder)
}

// findRecording is find for recording/NAME. Whoever asks has a grant.
func (w *wiring) findRecording(name string) (*gateway.Target, error) {
	if _, err := w.recorded(strings.TrimPrefix(name, recordingPrefix)); err != nil {
		return nil, err
	}
	var opened *playback
	t := &gateway.Target{
		Name: name,
		Dial: func(context.Context) (c net.Conn, err error) {
			c, opened, err = w.play(strings.TrimPrefix(name, recordingPrefix))
			return c, err
		},
		Security: func() []rfb.Security { return []rfb.Security{rfb.None{}} },
	}
	t.Opened = func(s gateway.SessionInfo) { w.playbacks.belongs(opened, s) }
	return t, nil
}

// recorded is what there is to know of a recording, or why it cannot be played.
func (w *wiring) recorded(name string) (recordedSession, error) {
	folder := w.recordingFolder()
	if folder == "" || !recordingName.MatchString(name) {
		return recordedSession{}, fmt.Errorf("%w: %q", gateway.ErrNoTarget, recordingPrefix+name)
	}
	r, err := w.playbacks.catalog.one(w.opener(), folder, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return r, fmt.Errorf("%w: %q", gateway.ErrNoTarget, recordingPrefix+name)
	case errors.Is(err, recording.ErrEncrypted):
		return r, &rfb.Refusal{Reason: wordsEncrypted, Err: err}
	case err != nil:
		return r, &rfb.Refusal{Reason: wordsNotPlayable, Err: err}
	}
	return r, nil
}

// opener opens recordings with the keys of the configuration.
func (w *wiring) opener() func(path string) (*recording.Recording, error) {
	cfg := w.now().cfg.Playback
	return func(path string) (*recording.Recording, error) {
		keys, err := cfg.identities()
		if err != nil {
			return nil, err
		}
		return recording.Open(path, recording.OpenOptions{Identities: keys})
	}
}

// play opens a recording for one session: c is the display's end.
func (w *wiring) play(name string) (c net.Conn, p *playback, err error) {
	if !w.playbacks.enter(w.now().cfg.Playback.viewers()) {
		return nil, nil, &rfb.Refusal{Reason: wordsManyPlayback}
	}
	defer func() {
		if err != nil {
			w.playbacks.leave(nil)
		}
	}()
	r, err := w.opener()(filepath.Join(w.recordingFolder(), name))
	if err != nil {
		return nil, nil, err
	}
	p = &playback{name: name, recording: r, search: w.now().cfg.Playback.Search}
	p.Player, err = player.New(player.TapeOf(r), player.Options{Label: func(name string) string { return "recording of " + name }, MaxViewers: 1})
	if err != nil {
		r.Close()
		return nil, nil, err
	}
	ours, theirs, err := inProcess()
	if err != nil {
		p.end()
		return nil, nil, err
	}
	go w.playbacks.serve(p, theirs)
	return ours, p, nil
}

// serve plays until the session has ended.
func (a *playbacks) serve(p *playback, c net.Conn) {
	_ = p.ServeConn(context.Background(), c) // its session says how it ended
	p.end()
	a.leave(p)
}

// end closes what was opened.
func (p *playback) end() {
	p.Close()
	p.thumbs.close()
	p.recording.Close()
}

// enter counts one more, if there may be one.
func (a *playbacks) enter(most int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open >= most {
		return false
	}
	a.open++
	return true
}

func (a *playbacks) leave(p *playback) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	if p == nil {
		return
	}
	if p.over = true; a.of[p.session] == p {
		delete(a.of, p.session)
	}
}

// belongs says whose playback it is: nobody else may steer it.
func (a *playbacks) belongs(p *playback, s gateway.SessionInfo) {
	if p == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.over {
		return
	}
	if a.of == nil {
		a.of = map[string]*playback{}
	}
	p.session, p.from = s.ID, s.Identity.String()
	a.of[s.ID] = p
}

// get is the playback of a session.
func (a *playbacks) get(session string) (*playback, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.of[session]
	return p, ok
}

// list are all that belong to a session.
func (a *playbacks) list() []*playback {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]*playback, 0, len(a.of))
	for _, p := range a.of {
		all = append(all, p)
	}
	return all
}
