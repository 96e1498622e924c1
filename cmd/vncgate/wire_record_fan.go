package main

import (
	"context"
	"errors"
	"sync/atomic"

	"vncgate/gateway"
	"vncgate/rfb"
)

// recorderFor says who takes what passes in a session that opens; nil: this one
// does not. An error refuses the session.
type recorderFor func(ctx context.Context, session gateway.SessionInfo, init rfb.ServerInit) (gateway.Recorder, error)

// record is the gateway's Record: it asks all of w.recorders.
func (w *wiring) record(ctx context.Context, session gateway.SessionInfo, init rfb.ServerInit) (gateway.Recorder, error) {
	if _, configured := w.now().cfg.Targets[session.Target]; isWatched(session.Target) && !configured {
		return nil, nil // what it shows is recorded where it happens, or is a recording
	}
	var all fanOut
	for _, ask := range w.recorders {
		rec, err := ask(ctx, session, init)
		if err != nil {
			all.Close("not recorded")
			return nil, err
		}
		if rec != nil {
			all = append(all, &member{Recorder: rec})
		}
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0].Recorder, nil
	}
	return all, nil
}

// fanOut hands what passes to several. The error of one ends the session.
type fanOut []*member

// member is one of them. What it has failed with, it is not asked about again.
type member struct {
	gateway.Recorder
	failed atomic.Bool
}

// Display is gateway.Recorder's.
func (f fanOut) Display(b []byte) error {
	return f.each(func(r gateway.Recorder) error { return r.Display(b) })
}

// Viewer is gateway.Recorder's.
func (f fanOut) Viewer(b []byte) error {
	return f.each(func(r gateway.Recorder) error { return r.Viewer(b) })
}

func (f fanOut) each(call func(gateway.Recorder) error) error {
	var failed error
	for _, m := range f {
		if m.failed.Load() {
			continue
		}
		if err := call(m.Recorder); err != nil {
			m.failed.Store(true)
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// Close is gateway.Recorder's.
func (f fanOut) Close(reason string) {
	for _, m := range f {
		m.Close(reason)
	}
}

// Mark is gateway.Marker's.
func (f fanOut) Mark(kind gateway.EventKind, words string) {
	for _, m := range f {
		if marker, ok := m.Recorder.(gateway.Marker); ok {
			marker.Mark(kind, words)
		}
	}
}

// DesktopName is gateway.Namer's.
func (f fanOut) DesktopName(name string) string {
	for _, m := range f {
		if n, ok := m.Recorder.(gateway.Namer); ok {
			name = n.DesktopName(name)
		}
	}
	return name
}

// Notice is gateway.Announcer's.
func (f fanOut) Notice() string {
	for _, m := range f {
		if a, ok := m.Recorder.(gateway.Announcer); ok {
			if words := a.Notice(); words != "" {
				return words
			}
		}
	}
	return ""
}
