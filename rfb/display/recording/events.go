package recording

import (
	"fmt"
	"image"
	"slices"
	"time"

	"vncgate/rfb"
)

// An Event is something that happened in a session.
type Event struct {
	At   time.Duration
	Kind EventKind
	// Keysym is the key of an EventKey, as X11 numbers it.
	Keysym uint32
	// Place is where the pointer was pressed, Size the screen's from then on.
	Place, Size image.Point
	// Name is the kind of an EventMark, Text its words, or what is in a clipboard.
	Name, Text string
}

// EventKind is what an Event is.
type EventKind uint8

// The kinds of events.
const (
	EventKey       EventKind = iota // a key went down
	EventPointer                    // a button went down
	EventClipboard                  // the viewer sent its clipboard
	EventSize                       // the screen has another size
	EventFormat                     // the viewer chose a format
	EventMark                       // the gateway had something to say
)

var eventNames = [...]string{"key", "pointer", "clipboard", "size", "format", "mark"}

// String names k in a word.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "event"
}

// Activity is how much happened in a part of a recording.
type Activity struct {
	Display int64 // bytes that the display said
	Keys    int   // that went down and up, as far as they are recorded
	Pointer int   // events
}

// Activity returns how much happened in each of n parts of the recording, which
// are equally long. It knows whole seconds.
func (r *Recording) Activity(n int) ([]Activity, error) {
	if n < 1 || n > 1<<16 {
		n = 1
	}
	parts := make([]Activity, n)
	for _, at := range r.refs {
		if at.kind != TypeActivity {
			continue
		}
		b, err := r.body(at)
		if err != nil {
			return nil, err
		}
		if len(b) < 12 {
			continue
		}
		i := 0
		if r.duration > 0 {
			i = min(int(int64(n)*int64(at.at)/int64(r.duration+1)), n-1)
		}
		parts[i].Display += int64(be.Uint32(b))
		parts[i].Keys += int(be.Uint32(b[4:]))
		parts[i].Pointer += int(be.Uint32(b[8:]))
	}
	return parts, nil
}

const (
	// maxEvents bounds what Events returns.
	maxEvents = 1 << 20
	// maxEventText bounds the texts of clipboards in that, in bytes: a session can
	// have sent more of them than there is memory.
	maxEventText = 16 << 20
)

// Events returns what happened, in its order. Of pointers and keys it has what goes
// down. Of clipboards it has the texts of the first 16 MiB, and of later ones that
// they were sent.
func (r *Recording) Events() ([]Event, error) {
	var events []Event
	buttons, room := uint16(0), maxEventText
	for _, at := range r.refs {
		if at.kind == TypeKeyframe || at.kind == TypeActivity || len(events) > maxEvents {
			continue
		}
		b, err := r.body(at)
		if err != nil {
			return events, err
		}
		switch at.kind {
		case TypeInput:
			eachInput(record{at: at.at, place: at.place, body: b}, func(in inputAt) {
				e, ok := eventOf(in, &buttons)
				if !ok {
					return
				}
				if e.Kind == EventClipboard {
					if room -= len(e.Text); room < 0 {
						e.Text, room = "", 0
					}
				}
				events = append(events, e)
			})
		case TypeSize:
			if len(b) == 4 {
				events = append(events, Event{At: at.at, Kind: EventSize, Size: image.Pt(int(be.Uint16(b)), int(be.Uint16(b[2:])))})
			}
		case TypeMark:
			if len(b) > 0 && len(b) > int(b[0]) {
				events = append(events, Event{At: at.at, Kind: EventMark, Name: string(b[1 : 1+b[0]]), Text: string(b[1+b[0]:])})
			}
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return int(min(max(a.At-b.At, -1), 1)) })
	return events, nil
}

// eventOf is what a message of the viewer's is as an Event.
func eventOf(in inputAt, buttons *uint16) (Event, bool) {
	m := in.msg
	switch {
	case m[0] == rfb.MsgKeyEvent && len(m) == 8 && m[1] != 0:
		return Event{At: in.at, Kind: EventKey, Keysym: be.Uint32(m[4:])}, true
	case m[0] == rfb.MsgQEMU && len(m) == 12 && m[1] == rfb.QEMUKeyEvent && be.Uint16(m[2:]) != 0:
		return Event{At: in.at, Kind: EventKey, Keysym: be.Uint32(m[4:])}, true
	case m[0] == rfb.MsgPointerEvent && len(m) >= 6:
		now := uint16(m[1])
		if len(m) == 7 {
			now = now&0x7f | uint16(m[6])<<7
		}
		down := now &^ *buttons
		*buttons = now
		return Event{At: in.at, Kind: EventPointer, Place: image.Pt(int(be.Uint16(m[2:])), int(be.Uint16(m[4:])))}, down != 0
	case m[0] == rfb.MsgClientCutText && len(m) >= 8 && int32(be.Uint32(m[4:])) >= 0:
		return Event{At: in.at, Kind: EventClipboard, Text: latin1(m[8:])}, true
	case m[0] == rfb.MsgSetPixelFormat && len(m) == 20:
		f, err := rfb.ParsePixelFormat(m[4:])
		return Event{At: in.at, Kind: EventFormat, Text: formatText(f)}, err == nil
	}
	return Event{}, false
}

func latin1(b []byte) string {
	out := make([]rune, len(b))
	for i, c := range b {
		out[i] = rune(c)
	}
	return string(out)
}

func formatText(f rfb.PixelFormat) string {
	return fmt.Sprintf("%d bits a pixel, %d used", f.BitsPerPixel, f.Depth)
}
