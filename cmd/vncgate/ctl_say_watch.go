package main

import (
	"fmt"
	"io"
	"time"
)

// showRecordings writes what there is to watch, and in what state.
func showRecordings(w io.Writer, results []result) error {
	head := []string{"RECORDING", "SINCE", "DURATION", "USER", "TARGET", "SIZE", "STATE"}
	return showList(w, results, "There are no recordings.", head, func(r recordedSession) []string {
		when := ""
		if !r.Since.IsZero() {
			when = r.Since.Local().Format(time.DateTime)
		}
		state := r.State
		if r.Reason != "" {
			state += ": " + r.Reason
		}
		return []string{r.Name, when, clockSeconds(r.Seconds), r.User, r.Target, bytesText(r.Bytes), state}
	})
}

// showPlaybacks writes who watches what, and how far it is.
func showPlaybacks(w io.Writer, results []result) error {
	head := []string{"ID", "USER", "RECORDING", "AT", "OF", "SPEED", "STATE"}
	return showList(w, results, "Nobody watches a recording.", head, func(p playbackEntry) []string {
		state := "paused"
		switch {
		case p.Error != "":
			state = p.Error
		case p.AtEnd:
			state = "at the end"
		case p.Playing:
			state = "playing"
		}
		return []string{p.Session, p.User, p.Recording, clockSeconds(p.Position), clockSeconds(p.Duration), fmt.Sprintf("%gx", p.Speed), state}
	})
}

// clockSeconds is a time of a recording, to the second.
func clockSeconds(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}
