package gateway

import (
	"errors"
	"slices"
	"strings"
	"time"

	"vncgate/auth"
	"vncgate/layers"
	"vncgate/rfb"
)

// filterPolicy is what the filters let pass between a viewer and a display
// under a grant.
func filterPolicy(grant *auth.Grant) rfb.Policy {
	r, l := grant.Rights, &grant.Limits
	p := rfb.Policy{
		Keyboard:     r.Has(auth.Keyboard),
		Pointer:      r.Has(auth.Pointer),
		ClipboardIn:  r.Has(auth.ClipboardIn),
		ClipboardOut: r.Has(auth.ClipboardOut),
		Resize:       r.Has(auth.Resize),
		Power:        r.Has(auth.Power),
		FileTransfer: r.Has(auth.FileTransfer),
		Bell:         r.Has(auth.Bell),
		Audio:        r.Has(auth.Audio),
		Opaque:       r.Has(auth.Opaque),

		ClipboardMax:    l.ClipboardIn,
		ClipboardOutMax: l.ClipboardOut,
		KeyRate:         l.KeyRate,
		PointerRate:     l.PointerRate,
		Encodings:       encodingsIn(l.Encodings),
		Quality:         rfb.Levels(l.Quality),
		Compression:     rfb.Levels(l.Compression),
	}
	limitFormats(&p, l.ClipboardFormats)
	return p
}

// encodingsIn keeps those encodings of pixels that are named, and everything
// that is none; nil names them all.
func encodingsIn(names []string) func(rfb.Encoding) bool {
	if names == nil {
		return nil
	}
	return func(e rfb.Encoding) bool {
		return !isPixels(e) || slices.Contains(names, strings.ToLower(e.String()))
	}
}

// isPixels reports whether e is an encoding of pixels: rfbproto gives them the
// numbers from 0 on, and Tight's with PNG one among the pseudo-encodings.
// Numbers above are made of letters, by VMware and others for features.
func isPixels(e rfb.Encoding) bool {
	return e >= 0 && e < 1<<16 || e == rfb.EncodingTightPNG
}

// clipboardFormats are the formats of the extended clipboard by the names that
// limits have for them.
var clipboardFormats = map[string]uint32{
	"text": rfb.ClipboardText, "rtf": rfb.ClipboardRTF, "html": rfb.ClipboardHTML,
	"dib": rfb.ClipboardDIB, "files": rfb.ClipboardFiles,
}

// limitFormats lets the named formats pass; nil names them all. Where none is
// left there is no clipboard.
func limitFormats(p *rfb.Policy, names []string) {
	if names == nil {
		return
	}
	for _, name := range names {
		p.ClipboardFormats |= clipboardFormats[name]
	}
	if p.ClipboardFormats == 0 {
		p.ClipboardIn, p.ClipboardOut = false, false
	}
}

// obey has the relay hold to a grant from the next message on. It reports
// whether that can be: what a display sends cannot be taken apart from the
// middle on, and what a viewer asked it to send stays asked for.
func (r *relay) obey(before, now *auth.Grant) bool {
	if before.Rights == now.Rights && before.Limits.Equal(now.Limits) {
		return true
	}
	p := filterPolicy(now)
	if p.ParsesServer() && r.server == nil || !sameEncodings(&before.Limits, &now.Limits) {
		return false
	}
	r.up.setDeadline(r.display.SetWriteDeadline, time.Now().Add(r.up.stall)) // SetPolicy may write
	if r.filter.SetPolicy(p) != nil {
		return false
	}
	r.limit(&now.Limits)
	return true
}

// sameEncodings reports whether a viewer may ask for the same under both.
func sameEncodings(a, b *auth.Limits) bool {
	return (a.Encodings == nil) == (b.Encodings == nil) && slices.Equal(a.Encodings, b.Encodings) &&
		a.Quality == b.Quality && a.Compression == b.Compression
}

// letGo releases the keys and buttons that are down at the display, once the
// viewer says nothing any more.
func (r *relay) letGo() {
	if r.filter == nil {
		return
	}
	_ = r.display.SetWriteDeadline(time.Now().Add(linger))
	if r.tap != nil {
		r.tap.releasing.Store(true)
	}
	_ = r.filter.Release() // a display that is gone has nothing down
}

// filterEnd is the end of a session one of whose filters has given up.
func filterEnd(err error) (ending, bool) {
	var unknown *rfb.UnknownMessage
	var long *rfb.MessageTooLongError
	var format *rfb.PixelFormatError
	var stream *rfb.StreamError
	switch {
	case errors.As(err, &unknown), errors.As(err, &long):
		return ending{"message not allowed", "The viewer sent a message that is not allowed here.", layers.ClosePolicy, err}, true
	case errors.As(err, &format):
		return ending{"pixel format not allowed", "The viewer changed its colours in a way that your rights here do not allow.", layers.ClosePolicy, err}, true
	case errors.As(err, &stream):
		return ending{"display not understood", "The display sent something that cannot be checked against your rights.", layers.CloseServerError, err}, true
	case errors.Is(err, rfb.ErrNotFiltered):
		return endRightsChanged, true
	}
	return ending{}, false
}
