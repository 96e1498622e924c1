package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/archive"
	"vncgate/rfb"
	"vncgate/rfb/display/recording"
)

// Words for viewers whose session has to be recorded.
const (
	wordsRecordFull = "This session has to be recorded, and there is no room for recordings. Tell the gateway's administrator."
	wordsRecordSlow = "This session has to be recorded, and its recording could not be written fast enough. Connect again, and tell the gateway's administrator."
	wordsRecordFail = "This session has to be recorded, and its recording cannot be written. Tell the gateway's administrator."
)

// Causes of recordings that fail, as events and metrics name them.
const (
	causeSlow = "slow"
	causeFull = "full"
	causeFail = "failing"

	causeUpload = "upload"
)

// recorded is a session that is recorded. Once that has failed, and the rule lets
// it go on, nothing is recorded any more.
type recorded struct {
	w       *wiring
	rule    *recordRule
	session gateway.SessionInfo
	name    string
	to      *recording.Recorder
	place   *archive.Writing
	began   time.Time
	ended   func() // is called when it has

	fail sync.Once
	told error // what failed has come to
}

// Display is gateway.Recorder's.
func (r *recorded) Display(b []byte) error {
	if err := r.to.Display(b); err != nil {
		return r.failed(err)
	}
	return nil
}

// Viewer is gateway.Recorder's.
func (r *recorded) Viewer(b []byte) error {
	if err := r.to.Viewer(b); err != nil {
		return r.failed(err)
	}
	return nil
}

// Mark is gateway.Marker's.
func (r *recorded) Mark(kind gateway.EventKind, words string) { r.to.Mark(string(kind), words) }

// DesktopName is gateway.Namer's.
func (r *recorded) DesktopName(name string) string { return name + r.rule.how.Title }

// Notice is gateway.Announcer's.
func (r *recorded) Notice() string { return string(r.rule.how.Notice) }

// Close has the rest written by others than the session's goroutine, which must
// not wait for a disk.
func (r *recorded) Close(reason string) {
	r.to.Close(reason)
	r.w.house.ending.Go(func() { r.finish(reason) })
}

// finish waits until everything is written.
func (r *recorded) finish(reason string) {
	<-r.to.Done()
	r.place.End()
	r.ended()
	r.w.house.leave(r)
	stats := r.to.Stats()
	e := gateway.Event{
		Kind: gateway.RecordingStopped, Session: &r.session, Reason: reason, Duration: time.Since(r.began),
		Details: map[string]string{"recording": r.name, "bytes": strconv.FormatInt(stats.Written, 10)},
	}
	if err := r.to.Err(); err != nil {
		e.Err = err
		e.Details["complete"] = "false"
	} else {
		r.w.house.failing.Store(nil)
	}
	r.w.gate.Emit(e)
}

// gaveUp is told that the recording has ended for good, maybe while nothing passes
// in the session.
func (r *recorded) gaveUp(err error) {
	told := r.failed(err)
	var why *rfb.Refusal
	if errors.As(told, &why) {
		r.w.gate.End(func(s gateway.SessionInfo) bool { return s.ID == r.session.ID }, gateway.Ending{Reason: "recording failed", Words: why.Reason})
	}
}

// failed says once, to all who should know, that the session cannot be recorded,
// and returns why it ends; nil: it goes on.
func (r *recorded) failed(err error) error {
	r.fail.Do(func() { r.told = r.tell(err) })
	return r.told
}

func (r *recorded) tell(err error) error {
	cause, words, ends := causeFail, wordsRecordFail, r.rule.fullEnds()
	switch {
	case errors.Is(err, recording.ErrSlow):
		cause, words, ends = causeSlow, wordsRecordSlow, r.rule.slowEnds()
	case errors.Is(err, archive.ErrNoRoom), noSpace(err):
		cause, words = causeFull, wordsRecordFull
	}
	then, key := "the session goes on unrecorded", "full: alarm"
	if ends {
		then, key = "the session ends", "full: end"
	}
	if cause == causeSlow {
		key = "slow" + key[len("full"):]
	}
	text := fmt.Sprintf("%s: %v", cause, err)
	r.w.house.failing.Store(&text)
	r.w.log.Error("recording failed: "+then+" ("+key+"); make room, or mend what is written to", "session", r.session.ID, "target", r.session.Target, "recording", r.name, "cause", cause, "error", err)
	r.w.gate.Emit(gateway.Event{
		Kind: gateway.RecordingFailed, Session: &r.session, Reason: cause, Err: err,
		Details: map[string]string{"recording": r.name, "then": then},
	})
	if ends {
		return &rfb.Refusal{Reason: words, Err: err}
	}
	return nil
}

// hostOf is the address in what a session says of where it is from.
func hostOf(from string) netip.Addr {
	at, err := netip.ParseAddrPort(from)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}

// recordingRemoved is told of recordings that are there no longer.
func (w *wiring) recordingRemoved(k archive.Removed) {
	w.log.Info("recording removed", "recording", k.Name, "reason", k.Reason, "bytes", k.Bytes, "ended", k.Ended.UTC().Format(time.RFC3339))
	w.gate.Emit(gateway.Event{
		Kind: gateway.RecordingRemoved, Reason: k.Reason,
		Details: map[string]string{"recording": k.Name, "bytes": strconv.FormatInt(k.Bytes, 10), "ended": k.Ended.UTC().Format(time.RFC3339)},
	})
}

// recordingStays is told why a recording cannot be removed.
func (w *wiring) recordingStays(err error) {
	w.log.Error("a recording that should be removed stays", "error", err)
}
