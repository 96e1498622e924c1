package recording

import (
	"fmt"

	"vncgate/rfb"
)

// maxClipboard is how much of a viewer's clipboard is written down, in bytes.
const maxClipboard = 256 << 10

// An input takes apart what a viewer says, and leaves out what is not written
// down.
type input struct {
	redact  Redact
	secret  bool // what is typed is a password
	framing rfb.ClientFraming
	format  rfb.PixelFormat // after the last SetPixelFormat
	held    []byte          // a message, as far as it has come
	skip    int             // bytes of one that is not written down
	lost    bool            // nothing is understood any more
	marks   []marked        // what has to be said of it
}

type marked struct{ kind, words string }

// take hands each message of which the end is in b to each, if it may be written
// down.
func (in *input) take(b []byte, each func(msg []byte)) {
	for !in.lost {
		if in.skip > 0 {
			n := min(in.skip, len(b))
			in.skip, b = in.skip-n, b[n:]
		}
		msg := b
		if len(in.held) > 0 {
			msg = in.held
		}
		if len(msg) == 0 {
			return
		}
		n, err := in.framing.Len(msg)
		switch {
		case err != nil:
			in.lost = true
			in.mark("input-end", "what the viewer says is not understood from here on: "+err.Error())
		case n > maxClipboard:
			in.skip, in.held = n-len(in.held), in.held[:0]
			in.mark("clipboard-long", fmt.Sprintf("%d bytes from the viewer, which are not recorded", n))
		case n > len(msg):
			take := min(n-len(in.held), len(b))
			if take == 0 {
				return
			}
			in.held, b = append(in.held, b[:take]...), b[take:]
		default:
			if len(in.held) == 0 {
				b = b[n:]
			}
			in.whole(msg[:n], each)
			in.held = in.held[:0]
		}
	}
}

func (in *input) mark(kind, words string) { in.marks = append(in.marks, marked{kind, words}) }

// whole takes a whole message.
func (in *input) whole(msg []byte, each func(msg []byte)) {
	in.framing.Saw(msg)
	switch msg[0] {
	case rfb.MsgSetPixelFormat:
		if f, err := rfb.ParsePixelFormat(msg[4:]); err == nil {
			in.format = f
		}
	case rfb.MsgKeyEvent, rfb.MsgQEMU, rfb.MsgGii, rfb.MsgTextChat:
		if in.redact.Keys == KeysNone || in.redact.Keys == KeysMarked && in.secret {
			return
		}
	case rfb.MsgClientCutText:
		if in.redact.Clipboard {
			in.mark("clipboard", fmt.Sprintf("%d bytes from the viewer", len(msg)-8))
			return
		}
	}
	each(msg)
}
