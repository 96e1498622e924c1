package recording

import (
	"strings"
	"time"
	"unicode"
)

// Typed is a run of keys that make a text.
type Typed struct {
	At, End time.Duration
	Text    string
}

// typedPause ends a run of keys.
const typedPause = 3 * time.Second

// Typed returns what was typed, as far as it is recorded, in runs: a run ends with
// Return, with a pause, or with a click. What was deleted with BackSpace is not in
// it. It is for searching, not for knowing what arrived where.
func (r *Recording) Typed() ([]Typed, error) {
	events, err := r.Events()
	var runs []Typed
	var text []rune
	var now Typed
	end := func() {
		if now.Text = strings.TrimRightFunc(string(text), unicode.IsSpace); now.Text != "" {
			runs = append(runs, now)
		}
		text, now = text[:0], Typed{}
	}
	for _, e := range events {
		if e.Kind == EventPointer || len(text) > 0 && e.At-now.End > typedPause {
			end()
		}
		if e.Kind != EventKey {
			continue
		}
		if len(text) == 0 {
			now.At = e.At
		}
		now.End = e.At
		switch e.Keysym {
		case keyReturn, keyKeypadEnter:
			end()
		case keyBackSpace:
			text = text[:max(len(text)-1, 0)]
		default:
			if c := runeOf(e.Keysym); c != 0 {
				text = append(text, c)
			}
		}
	}
	end()
	return runs, err
}

// Keysyms that are no characters (X11, keysymdef.h).
const (
	keyBackSpace   = 0xff08
	keyTab         = 0xff09
	keyReturn      = 0xff0d
	keyKeypadEnter = 0xff8d
	keyKeypadStar  = 0xffaa // and the characters behind it in ASCII, up to
	keyKeypad9     = 0xffb9
)

// runeOf is the character of a keysym, 0 if it has none: Latin-1 has its own
// numbers, Unicode has 0x01000000 in front.
func runeOf(k uint32) rune {
	switch {
	case k == keyTab:
		return ' '
	case k >= 0x20 && k <= 0x7e, k >= 0xa0 && k <= 0xff:
		return rune(k)
	case k >= 0x01000100 && k <= 0x0110ffff:
		return rune(k - 0x01000000)
	case k >= keyKeypadStar && k <= keyKeypad9:
		return rune(k - keyKeypadStar + '*')
	}
	return 0
}
