package rfb

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"math"
	"strings"
)

// The flags of an extended clipboard message (rfbproto, "Extended Clipboard
// Pseudo-Encoding"): what formats it is about and what it does.
const (
	ClipboardText    uint32 = 1 << 0 // UTF-8, lines ended by CR LF, with a NUL
	ClipboardRTF     uint32 = 1 << 1
	ClipboardHTML    uint32 = 1 << 2
	ClipboardDIB     uint32 = 1 << 3
	ClipboardFiles   uint32 = 1 << 4
	ClipboardCaps    uint32 = 1 << 24 // body: a U32 for each format, the most bytes to send unasked
	ClipboardRequest uint32 = 1 << 25
	ClipboardPeek    uint32 = 1 << 26
	ClipboardNotify  uint32 = 1 << 27
	ClipboardProvide uint32 = 1 << 28 // body: zlib of U32 length and data for each format
)

// Clipboard is an extended ClientCutText or ServerCutText.
type Clipboard struct {
	Flags uint32
	Body  []byte
}

// append appends c behind the message type: its length is negative.
func (c Clipboard) append(b []byte) []byte {
	b = be.AppendUint32(append(b, 0, 0, 0), uint32(-int32(4+len(c.Body))))
	return append(be.AppendUint32(b, c.Flags), c.Body...)
}

// ParseClipboard reads a whole ClientCutText or ServerCutText that has a
// negative length; ok is false for others.
func ParseClipboard(msg []byte) (c Clipboard, ok bool) {
	if len(msg) < 12 || int32(be.Uint32(msg[4:])) >= 0 {
		return Clipboard{}, false
	}
	return Clipboard{Flags: be.Uint32(msg[8:]), Body: msg[12:]}, true
}

// ClipboardCapabilities announces every action on text of at most max bytes.
func ClipboardCapabilities(max uint32) Clipboard {
	return Clipboard{
		Flags: ClipboardCaps | ClipboardRequest | ClipboardPeek | ClipboardNotify | ClipboardProvide | ClipboardText,
		Body:  be.AppendUint32(nil, max),
	}
}

// ProvideText returns the message that hands over text.
func ProvideText(text string) Clipboard {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n") + "\x00"
	var body bytes.Buffer
	z := zlib.NewWriter(&body)
	_, _ = z.Write(appendCounted(nil, text)) // a Buffer takes everything
	_ = z.Close()
	return Clipboard{Flags: ClipboardProvide | ClipboardText, Body: body.Bytes()}
}

// Text returns the text that c hands over, with LF at the ends of lines. A
// text of more than max bytes is an error, however small it was compressed.
func (c Clipboard) Text(max int) (string, error) {
	if c.Flags&ClipboardProvide == 0 || c.Flags&ClipboardText == 0 {
		return "", errors.New("rfb: clipboard message provides no text")
	}
	z, err := zlib.NewReader(bytes.NewReader(c.Body))
	if err != nil {
		return "", fmt.Errorf("rfb: clipboard: %w", err)
	}
	text, err := readCounted(z, uint32(min(max, math.MaxInt32)), "clipboard text")
	if err != nil {
		return "", err
	}
	return strings.ReplaceAll(strings.TrimSuffix(string(text), "\x00"), "\r\n", "\n"), nil
}

// appendCutText appends a cut text behind the message type.
func appendCutText(b []byte, text string) []byte {
	at := len(b) + 3
	b = append(b, 0, 0, 0, 0, 0, 0, 0)
	for _, r := range text {
		if r > 0xff {
			r = '?'
		}
		b = append(b, uint8(r))
	}
	be.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// CutText returns the text of a whole ClientCutText or ServerCutText in
// Latin-1; ok is false for others.
func CutText(msg []byte) (text string, ok bool) {
	if len(msg) < 8 || int32(be.Uint32(msg[4:])) < 0 {
		return "", false
	}
	var s strings.Builder
	for _, c := range msg[8:] {
		s.WriteRune(rune(c))
	}
	return s.String(), true
}
