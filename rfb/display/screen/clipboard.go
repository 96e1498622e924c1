package screen

import (
	"fmt"
	"strings"

	"vncgate/rfb"
)

// MaxCutText bounds a text of the clipboard, in bytes. Peers allow between 256
// KiB (TigerVNC) and 1 MiB (QEMU, libvncserver).
const MaxCutText = 1 << 20

// clipboard acts on an extended ClientCutText (rfbproto, "Extended Clipboard
// Pseudo-Encoding").
func (v *viewer) clipboard(c rfb.Clipboard) error {
	text := c.Flags&rfb.ClipboardText != 0
	switch {
	case c.Flags&rfb.ClipboardCaps != 0:
		v.post(func(p *pending) { p.noNotify = c.Flags&rfb.ClipboardNotify == 0 })
	case c.Flags&rfb.ClipboardNotify != 0 && text:
		v.post(func(p *pending) { p.clipRequest = true })
	case c.Flags&rfb.ClipboardPeek != 0:
		v.post(func(p *pending) { p.clipNotify = true })
	case c.Flags&rfb.ClipboardRequest != 0 && text:
		v.post(func(p *pending) { p.clipProvide = true })
	case c.Flags&rfb.ClipboardProvide != 0 && text:
		s, err := c.Text(MaxCutText)
		if err != nil {
			return fmt.Errorf("screen: %w", err)
		}
		v.input().cutText(v.id, strings.ToValidUTF8(s, "\uFFFD"))
	}
	return nil
}

// cutText acts on a ClientCutText of either kind. What nobody is told of is not
// looked into.
func (v *viewer) cutText(msg []byte) error {
	if v.input().CutText == nil {
		return nil
	}
	if c, ok := rfb.ParseClipboard(msg); ok {
		return v.clipboard(c)
	}
	text, _ := rfb.CutText(msg)
	v.input().cutText(v.id, text)
	return nil
}

// appendClipboard adds the messages about the clipboard that are due: what the
// display has goes out in the form that the viewer knows, whole or as a word
// that it is there.
func (v *viewer) appendClipboard(b []byte, j job) []byte {
	if j.todo.clipCaps {
		b = rfb.AppendServerClipboard(b, rfb.ClipboardCapabilities(MaxCutText))
	}
	if j.todo.clipRequest {
		b = rfb.AppendServerClipboard(b, rfb.Clipboard{Flags: rfb.ClipboardRequest | rfb.ClipboardText})
	}
	if !j.todo.cutText && !j.todo.clipNotify && !j.todo.clipProvide {
		return b
	}
	text := v.screen.Text()
	switch {
	case !j.can.clipboard:
		return rfb.AppendServerCutText(b, text)
	case text == "":
		return rfb.AppendServerClipboard(b, rfb.Clipboard{Flags: rfb.ClipboardNotify})
	case j.todo.clipProvide || j.todo.noNotify:
		return rfb.AppendServerClipboard(b, rfb.ProvideText(text))
	}
	return rfb.AppendServerClipboard(b, rfb.Clipboard{Flags: rfb.ClipboardNotify | rfb.ClipboardText})
}
