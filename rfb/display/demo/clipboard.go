package demo

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxClipboard bounds a text, on the wire and inflated, in bytes. Peers allow
// between 256 KiB (TigerVNC) and 1 MiB (QEMU, libvncserver).
const maxClipboard = 1 << 20

// echoPrefix is put before a text that is sent back. A text that has it already
// is not sent again: viewers that share a clipboard would pass it around for
// ever.
const echoPrefix = "echo: "

// Flags of the extended clipboard (rfbproto, "Extended Clipboard
// Pseudo-Encoding"). An action's body is given where it has one.
const (
	clipText    = 1 << 0
	clipFormats = 0xffff  // one bit a format
	clipCaps    = 1 << 24 // U32 a format: the most that may be sent unasked
	clipRequest = 1 << 25
	clipPeek    = 1 << 26
	clipNotify  = 1 << 27
	clipProvide = 1 << 28 // zlib: for each format a U32 size and the data
)

// appendCutText appends a ServerCutText with text in Latin-1 (RFC 6143, 7.6.4).
func appendCutText(b []byte, text string) []byte {
	latin := make([]byte, 0, len(text))
	for _, r := range text {
		if r > 0xff {
			r = '?'
		}
		latin = append(latin, byte(r))
	}
	b = append(b, msgServerCutText, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(latin)))
	return append(b, latin...)
}

// appendClip appends a ServerCutText of the extended kind: its length is
// negative, and flags come before the body.
func appendClip(b []byte, flags uint32, body []byte) []byte {
	b = append(b, msgServerCutText, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(-int32(4+len(body))))
	b = binary.BigEndian.AppendUint32(b, flags)
	return append(b, body...)
}

// appendClipCaps appends what we can do with the clipboard.
func appendClipCaps(b []byte) []byte {
	const can = clipCaps | clipRequest | clipPeek | clipNotify | clipProvide | clipText
	return appendClip(b, can, binary.BigEndian.AppendUint32(nil, maxClipboard))
}

// appendClipProvide appends text as the extended clipboard carries it: UTF-8
// with CRLF and a NUL, compressed by a zlib stream of its own.
func appendClipProvide(b []byte, text string) []byte {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", "\r\n") + "\x00"
	var body bytes.Buffer
	z := zlib.NewWriter(&body) // writes into memory cannot fail
	_, _ = z.Write(binary.BigEndian.AppendUint32(nil, uint32(len(text))))
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return appendClip(b, clipProvide|clipText, body.Bytes())
}

// parseClipProvide returns the text in the body of a provide action. Formats
// come in the order of their bits, so the text is the first.
func parseClipProvide(body []byte) (string, error) {
	z, err := zlib.NewReader(bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("demo: clipboard: %w", err)
	}
	var size [4]byte
	if _, err := io.ReadFull(z, size[:]); err != nil {
		return "", fmt.Errorf("demo: clipboard: %w", err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxClipboard {
		return "", fmt.Errorf("demo: clipboard: text of %d bytes", n)
	}
	text, err := io.ReadAll(io.LimitReader(z, int64(n)))
	if err != nil {
		return "", fmt.Errorf("demo: clipboard: %w", err)
	}
	if len(text) < int(n) {
		return "", errors.New("demo: clipboard: text cut short")
	}
	clean := strings.ToValidUTF8(strings.TrimRight(string(text), "\x00"), "\uFFFD")
	return strings.ReplaceAll(clean, "\r\n", "\n"), nil
}

// latin1 decodes the text of a plain ClientCutText.
func latin1(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}

// clipboard acts on the body of an extended ClientCutText.
func (v *viewer) clipboard(body []byte) error {
	if len(body) < 4 {
		return fmt.Errorf("demo: clipboard: message of %d bytes", len(body))
	}
	flags := binary.BigEndian.Uint32(body)
	switch {
	case flags&clipCaps != 0:
		v.post(func(p *pending) { p.noNotify = flags&clipNotify == 0 })
	case flags&clipNotify != 0 && flags&clipText != 0:
		v.post(func(p *pending) { p.clipRequest = true })
	case flags&clipPeek != 0:
		v.post(func(p *pending) { p.clipNotify = true })
	case flags&clipRequest != 0 && flags&clipText != 0:
		v.post(func(p *pending) { p.clipProvide = true })
	case flags&clipProvide != 0 && flags&clipText != 0:
		text, err := parseClipProvide(body[4:])
		if err != nil {
			return err
		}
		v.display.paste(text)
	}
	return nil
}
