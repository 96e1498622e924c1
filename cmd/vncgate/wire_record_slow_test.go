package main

import (
	"context"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/archive"
	"vncgate/rfb"
	"vncgate/rfb/display/recording"
)

// slowRecorder records to a disk of the test's, as a rule says.
func slowRecorder(r *recordingGate, disk recording.Destination, place *archive.Writing, slow string) recorderFor {
	return func(_ context.Context, s gateway.SessionInfo, init rfb.ServerInit) (gateway.Recorder, error) {
		rec := &recorded{w: r.wiring, session: s, name: "slow", place: place, began: time.Now(), ended: func() {}}
		rec.rule = &recordRule{how: recordHow{Slow: slow}}
		var err error
		rec.to, err = recording.New(disk, recording.Options{Name: "slow", Init: init, Queue: 128 << 10, OnError: rec.gaveUp})
		if err == nil {
			r.house.enter(rec)
		}
		return rec, err
	}
}
