package screen

import (
	"image"

	"vncgate/rfb"
)

// Input is what is told of viewers' doings, each by the number of the viewer,
// the lowest that was free as it joined. The functions are called by the
// goroutine of that viewer, one after another, and may call the Screen. What is
// nil, viewers are not offered: a screen with an empty Input is for looking at.
type Input struct {
	// Joined is told of a viewer before that is told anything of the desktop: a
	// picture that is shown, or a name that is given here, is its first one.
	Joined func(viewer int)
	// Left is told when it has gone.
	Left func(viewer int)
	// Key is told of keys, with the code of an extended key event.
	Key func(viewer int, k Key)
	// Pointer is told of its place, and its buttons: bit 0 is button 1.
	Pointer func(viewer int, at image.Point, buttons uint16)
	// CutText is told of a text for the clipboard; with ok false, of one that is
	// longer than MaxCutText, of which there is no more than its length in bytes.
	CutText func(viewer int, text string, length int, ok bool)
	// Power is told what is to become of the machine: rfb.XvpReboot and others.
	Power func(viewer int, code uint8)
	// Resize is told of a SetDesktopSize, to answer it by Screen.Resize or
	// Screen.RefuseResize. Without it, viewers are told that it is prohibited.
	Resize func(viewer int, size image.Point, screens []rfb.Screen)
}

// Key is a key that went down, or up.
type Key struct {
	Down bool
	Sym  uint32 // keysym
	Code uint32 // XT keycode, 0 where the viewer sends none
}

func (in *Input) joined(viewer int) {
	if in.Joined != nil {
		in.Joined(viewer)
	}
}

func (in *Input) left(viewer int) {
	if in.Left != nil {
		in.Left(viewer)
	}
}

func (in *Input) key(viewer int, k Key) {
	if in.Key != nil {
		in.Key(viewer, k)
	}
}

func (in *Input) pointer(viewer int, at image.Point, buttons uint16) {
	if in.Pointer != nil {
		in.Pointer(viewer, at, buttons)
	}
}

func (in *Input) cutText(viewer int, text string) {
	switch n := len(text); {
	case in.CutText == nil:
	case n > MaxCutText:
		in.CutText(viewer, "", n, false)
	default:
		in.CutText(viewer, text, n, true)
	}
}

func (in *Input) power(viewer int, code uint8) {
	if in.Power != nil {
		in.Power(viewer, code)
	}
}
