package recording

import (
	"fmt"
	"image"
)

// Redact says what of a session is not written down. The zero Redact writes down
// all of it.
type Redact struct {
	// Keys says which keys are left out.
	Keys Keys `json:"keys"`
	// Clipboard leaves out what either end says of its clipboard. For the
	// display's this takes a decoder in the recorder: see Regions.
	Clipboard bool `json:"clipboard,omitempty"`
	// Regions of the screen are black. What the display sends is then decoded and
	// encoded again before it is written: it takes as much work as a viewer and a
	// display have, and what is written is ZRLE of the picture and no longer the
	// display's own bytes. Where the display is not understood, the recording ends.
	Regions []image.Rectangle `json:"regions,omitempty"`
}

// Keys says which keys a recording leaves out.
type Keys int

// What of the keys may be written down.
const (
	KeysAll    Keys = iota // all are
	KeysMarked             // those are not that are typed while Recorder.Secret
	KeysNone               // none are
)

var keysNames = [...]string{KeysAll: "all", KeysMarked: "unmarked", KeysNone: "none"}

// String is how k is written in an index: which keys there are.
func (k Keys) String() string {
	if k < 0 || int(k) >= len(keysNames) {
		return fmt.Sprintf("keys-%d", int(k))
	}
	return keysNames[k]
}

// MarshalText writes k as String does.
func (k Keys) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads what MarshalText has written.
func (k *Keys) UnmarshalText(b []byte) error {
	for i, name := range keysNames {
		if string(b) == name {
			*k = Keys(i)
			return nil
		}
	}
	return fmt.Errorf("recording: keys %q", b)
}
