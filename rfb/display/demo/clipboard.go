package demo

import (
	"fmt"
	"strings"

	"vncgate/rfb"
)

// maxClipboard bounds a text that is kept and sent back, in bytes. Peers allow
// between 256 KiB (TigerVNC) and 1 MiB (QEMU, libvncserver).
const maxClipboard = 1 << 20

// echoPrefix is put before a text that is sent back. A text that has it already
// is not sent again: viewers that share a clipboard would pass it around for
// ever.
const echoPrefix = "echo: "

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
		s, err := c.Text(maxClipboard)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		v.display.paste(strings.ToValidUTF8(s, "\uFFFD"))
	}
	return nil
}

// appendClipboard adds the messages about the clipboard that are due: what the
// display has goes out in the form that the viewer knows, whole or as a word
// that it is there.
func (v *viewer) appendClipboard(b []byte, j job) []byte {
	if j.todo.clipCaps {
		b = rfb.AppendServerClipboard(b, rfb.ClipboardCapabilities(maxClipboard))
	}
	if j.todo.clipRequest {
		b = rfb.AppendServerClipboard(b, rfb.Clipboard{Flags: rfb.ClipboardRequest | rfb.ClipboardText})
	}
	if !j.todo.cutText && !j.todo.clipNotify && !j.todo.clipProvide {
		return b
	}
	text := v.display.clipboard()
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
