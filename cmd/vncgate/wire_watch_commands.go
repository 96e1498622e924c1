package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/rfb/display/player"
)

// watchCommands are the commands about recordings and about looking on.
func watchCommands(w *wiring) []control.Command {
	return []control.Command{
		control.New("query-recordings", control.Viewer, "List the recordings that there are", w.queryRecordings),
		control.New("recording-link", control.Admin, "Make a link by which one viewer watches a recording", w.recordingLink),
		control.New("session-watch", control.Operator, "Make a link by which one viewer looks on in a running session", w.sessionWatch),
		control.New("playback-status", control.Viewer, "Say which recordings are being watched, and how far they are", w.playbackStatus),
		control.New("playback-play", control.Operator, "Have the playing of a recording go on", w.playbackPlay),
		control.New("playback-pause", control.Operator, "Have the playing of a recording stand still", w.playbackPause),
		control.New("playback-seek", control.Operator, "Have a recording played from another moment on", w.playbackSeek),
		control.New("playback-speed", control.Operator, "Have a recording played faster or slower", w.playbackSpeed),
	}
}

// recordingQuery are the arguments of query-recordings.
type recordingQuery struct {
	Target string `json:"target,omitempty" doc:"those of this display" of:"target"`
	User   string `json:"user,omitempty" doc:"those of this viewer" of:"user"`
	control.Paging
}

// recordingList is a page of recordings, the newest first.
type recordingList struct {
	Recordings []recordedSession `json:"recordings" doc:"the newest first"`
	Next       string            `json:"next,omitempty" doc:"after, for the rest; none: that was all"`
}

func (w *wiring) queryRecordings(_ context.Context, _ *control.Call, q recordingQuery) (recordingList, error) {
	folder := w.recordingFolder()
	if folder == "" {
		return recordingList{}, unavailableHere("recordings cannot be watched here: set playback: in the configuration")
	}
	all, err := w.playbacks.catalog.all(w.opener(), folder)
	if err != nil {
		return recordingList{}, err
	}
	all = slices.DeleteFunc(all, func(r recordedSession) bool {
		return q.Target != "" && r.Target != q.Target || q.User != "" && r.User != q.User
	})
	page, next, err := control.PageOf(q.Paging, all, newestFirst)
	return recordingList{page, next}, err
}

// newestFirst sorts recordings, those without a time last.
func newestFirst(r recordedSession) string {
	return time.Unix(0, 0).UTC().Add(time.Duration(1<<63-1-max(r.Since.UnixMicro(), 0))).Format("2006-01-02T15:04:05.000000000") + " " + r.Name
}

func unavailableHere(words string) error {
	return &control.Error{Class: control.ClassGeneric, Err: control.ErrUnavailable, Desc: words}
}

// linkArgs are the arguments of recording-link and session-watch.
type linkArgs struct {
	TTL  control.Duration `json:"ttl,omitempty" doc:"how long it can be opened (10m)"`
	Note string           `json:"note,omitempty" doc:"what it is for, for people"`
}

// recordingLinkArgs name a recording.
type recordingLinkArgs struct {
	Name string `json:"name" doc:"of the recording" of:"recording"`
	linkArgs
}

// sessionWatchArgs name a session.
type sessionWatchArgs struct {
	ID string `json:"id" doc:"ID of the session" of:"session"`
	linkArgs
}

// watchLinkTime is how long a link to look at something can be opened.
const watchLinkTime = 10 * time.Minute

func (w *wiring) recordingLink(_ context.Context, call *control.Call, a recordingLinkArgs) (sharedLink, error) {
	if _, err := w.recorded(a.Name); err != nil {
		return sharedLink{}, notWatchable(err, "no recording %q; query-recordings lists those there are", a.Name)
	}
	return w.watchLink(call, recordingPrefix+a.Name, a.linkArgs)
}

func (w *wiring) sessionWatch(_ context.Context, call *control.Call, a sessionWatchArgs) (sharedLink, error) {
	if _, err := w.shadowHere(shadowPrefix + a.ID); err != nil {
		return sharedLink{}, notWatchable(err, "no session %q; query-sessions lists those there are", a.ID)
	}
	return w.watchLink(call, shadowPrefix+a.ID, a.linkArgs)
}

// notWatchable puts why something cannot be looked at into a command's answer.
func notWatchable(err error, format string, name string) error {
	if errors.Is(err, gateway.ErrNoTarget) {
		return control.NotFound(format, name)
	}
	if words, ok := gateway.Words(err); ok {
		return &control.Error{Class: control.ClassGeneric, Desc: words, Err: err}
	}
	return err
}

// watchLink issues a token that opens a target for one viewer, and makes a link of
// it.
func (w *wiring) watchLink(call *control.Call, target string, a linkArgs) (sharedLink, error) {
	if w.capabilities == nil {
		return sharedLink{}, unavailableHere("no links are made here: set capabilities: in the configuration, and take its tokens at a listener for browsers (sources: [capabilities])")
	}
	ttl := time.Duration(a.TTL)
	if ttl == 0 {
		ttl = watchLinkTime
	}
	if ttl < time.Second || ttl > maxShareTime || len(a.Note) > maxShareNote {
		return sharedLink{}, control.Wrong("Parameter 'ttl' is from 1s to %s, 'note' at most %d bytes", maxShareTime, maxShareNote)
	}
	text, issued, err := w.capabilities.Issue(capability.Token{
		Targets: []string{target}, Rights: auth.Viewing, Uses: 1, Issuer: call.Actor, Note: a.Note, Expires: time.Now().Add(ttl),
	})
	if err != nil {
		return sharedLink{}, err
	}
	w.gate.Emit(gateway.Event{Kind: gateway.Shared, Target: target, Actor: call.Actor, Details: sharedDetails(issued)})
	link := sharedLink{ID: issued.ID, Token: text, Expires: issued.Expires}
	if page := w.sharePage(); page != "" {
		link.Link = page + "#token=" + text
	}
	return link, nil
}

// playbackID names a playback by the session that watches.
type playbackID struct {
	ID string `json:"id" doc:"ID of the session that watches" of:"session"`
}

// playbackEntry is how far a recording is that is being watched.
type playbackEntry struct {
	Session   string  `json:"session" doc:"ID of the session that watches" of:"session"`
	Recording string  `json:"recording" doc:"name of the recording" of:"recording"`
	Node      string  `json:"node,omitempty" doc:"the gateway that plays it, where there are several" of:"node"`
	User      string  `json:"user,omitempty" doc:"who watches"`
	Position  float64 `json:"position" doc:"how far it is, in seconds"`
	Duration  float64 `json:"duration" doc:"how long it is, in seconds"`
	Speed     float64 `json:"speed" doc:"how many times as fast as it was"`
	Playing   bool    `json:"playing" doc:"it goes on, if it is not at the end"`
	AtEnd     bool    `json:"at_end" doc:"it is at the end"`
	SkipIdle  float64 `json:"skip_idle,omitempty" doc:"leaves out where nothing happens for longer, in seconds"`
	Error     string  `json:"error,omitempty" doc:"why the rest cannot be played"`
}

func (p *playback) entry() playbackEntry {
	s := p.State()
	return playbackEntry{
		Session: p.session, Recording: p.name, User: p.from, Position: s.Position.Seconds(), Duration: s.Duration.Seconds(),
		Speed: s.Speed, Playing: s.Playing, AtEnd: s.AtEnd, SkipIdle: s.SkipIdle.Seconds(), Error: s.Err,
	}
}

// playbackList are those that are being watched.
type playbackList struct {
	Playbacks []playbackEntry `json:"playbacks" doc:"by their sessions"`
	Next      string          `json:"next,omitempty" doc:"after, for the rest; none: that was all"`
	control.Silence
}

func playbackKey(e playbackEntry) string { return e.Session }

// mergePlaybacks makes one page of those that several gateways have returned to the
// same paging.
func mergePlaybacks(lists []playbackList, limit int) (merged playbackList) {
	var pages []control.Page[playbackEntry]
	for _, l := range lists {
		pages = append(pages, control.Page[playbackEntry]{Entries: l.Playbacks, Next: l.Next})
		merged.Silent = append(merged.Silent, l.Silent...)
	}
	page := control.MergePages(limit, pages, playbackKey)
	merged.Playbacks, merged.Next = page.Entries, page.Next
	return merged
}

func (w *wiring) playbackStatus(_ context.Context, _ *control.Call, p control.Paging) (playbackList, error) {
	var all []playbackEntry
	for _, one := range w.playbacks.list() {
		e := one.entry()
		e.Node = w.nodeName()
		all = append(all, e)
	}
	page, next, err := control.PageOf(p, all, playbackKey)
	return playbackList{Playbacks: page, Next: next}, err
}

// steer has something done with the playback of a session.
func (w *wiring) steer(session string, do func(*playback) error) (playbackEntry, error) {
	p, ok := w.playbacks.get(session)
	if !ok {
		return playbackEntry{}, control.NotFound("no session %q watches a recording; playback-status lists those that do", session)
	}
	if err := do(p); err != nil {
		return playbackEntry{}, err
	}
	return p.entry(), nil
}

func (w *wiring) playbackPlay(_ context.Context, _ *control.Call, a playbackID) (playbackEntry, error) {
	return w.steer(a.ID, func(p *playback) error { p.Play(); return nil })
}

func (w *wiring) playbackPause(_ context.Context, _ *control.Call, a playbackID) (playbackEntry, error) {
	return w.steer(a.ID, func(p *playback) error { p.Pause(); return nil })
}

// playbackSeek are the arguments of playback-seek.
type playbackSeek struct {
	playbackID
	Position control.Duration `json:"position" doc:"from the beginning: 90s, 1h2m"`
}

func (w *wiring) playbackSeek(_ context.Context, _ *control.Call, a playbackSeek) (playbackEntry, error) {
	return w.steer(a.ID, func(p *playback) error { p.Seek(time.Duration(a.Position)); return nil })
}

// playbackSpeed are the arguments of playback-speed.
type playbackSpeed struct {
	playbackID
	Speed    float64          `json:"speed" doc:"from 0.1 to 16 times as fast as it was"`
	SkipIdle control.Duration `json:"skip_idle,omitempty" doc:"leave out where nothing happens for longer; without it, leave nothing out"`
}

func (w *wiring) playbackSpeed(_ context.Context, _ *control.Call, a playbackSpeed) (playbackEntry, error) {
	return w.steer(a.ID, func(p *playback) error { return p.setSpeed(a.Speed, time.Duration(a.SkipIdle)) })
}

// setSpeed changes both, or says what they may be.
func (p *playback) setSpeed(speed float64, skip time.Duration) error {
	if err := p.SetSpeed(speed); err != nil {
		return control.Wrong("Parameter 'speed' is from %v to %v", player.MinSpeed, player.MaxSpeed)
	}
	p.SetSkipIdle(skip)
	return nil
}
