package main

import (
	"context"
	"errors"
	"time"
)

const (
	// sweepEvery is how often it is looked for recordings that have lived for long
	// enough.
	sweepEvery = time.Minute
	// lastWords is how long recordings have to be written to their ends when the
	// program does.
	lastWords = 10 * time.Second
)

// sweepRecordings removes recordings that have lived for long enough, until ctx
// ends.
func (w *wiring) sweepRecordings(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		w.sweepOnce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (w *wiring) sweepOnce(ctx context.Context) {
	_, folders := w.house.all()
	for _, place := range folders {
		f := place.folder
		if err := f.Sweep(ctx); err != nil && !errors.Is(err, context.Canceled) {
			w.log.Error("recordings: cannot be looked through", "directory", f.Path(), "error", err)
		}
	}
}

// closeRecordings waits until what was recorded is written, for a while.
func (w *wiring) closeRecordings() {
	written := make(chan struct{})
	go func() {
		w.house.ending.Wait()
		close(written)
	}()
	select {
	case <-written:
	case <-time.After(lastWords):
		open, _ := w.house.all()
		w.log.Error("recordings: their ends could not be written in time; they play up to where they are cut", "recordings", len(open))
	}
}

// markSession says that what is typed in a session from here on is a password, or
// is none any more; recorded reports whether anybody wanted to know.
func (w *wiring) markSession(session string, secret bool) (recorded bool) {
	r := w.house.of(session)
	if r == nil {
		return false
	}
	r.to.Secret(secret)
	return true
}

// recordingFigures are what metrics tell of recordings.
func (w *wiring) recordingFigures(list map[string]float64) {
	open, folders := w.house.all()
	if len(folders) == 0 {
		return
	}
	var queued, bytes, waiting float64
	for _, r := range open {
		queued += float64(r.to.Stats().Queued)
	}
	for _, place := range folders {
		bytes += float64(place.folder.Used())
		waiting += float64(place.uploads.Waiting())
	}
	list["vncgate_recordings_uploads_waiting"] = waiting
	list["vncgate_recordings_open"] = float64(len(open))
	list["vncgate_recordings_bytes"] = bytes
	list["vncgate_recordings_queue_bytes"] = queued
	list["vncgate_recordings_failing"] = 0
	if w.house.failing.Load() != nil {
		list["vncgate_recordings_failing"] = 1
	}
}
