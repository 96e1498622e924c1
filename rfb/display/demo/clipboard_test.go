package demo

import (
	"strings"
	"testing"

	"vncgate/rfb"
)

func TestPlainClipboardComesBack(t *testing.T) {
	d := still(t, Options{})
	a, b := watch(t, d), watch(t, d)
	a.send(rfb.AppendClientCutText(nil, "Grüße"))
	for _, w := range []*watcher{a, b} {
		if w.next(); len(w.cuts) != 1 || w.cuts[0] != "echo: Grüße" {
			t.Errorf("received %q", w.cuts)
		}
	}
	// What has been sent back already, and nothing at all, stay here.
	a.send(rfb.AppendClientCutText(nil, "echo: Grüße"), rfb.AppendClientCutText(nil, ""))
	if a.picture(); len(a.cuts) != 1 {
		t.Errorf("received %q", a.cuts)
	}
}

func TestExtendedClipboardComesBack(t *testing.T) {
	const text = "naïve 漢字 €\nline two"
	d := still(t, Options{})
	plain, w := watch(t, d), watch(t, d)
	w.encodings(rfb.EncodingRaw, rfb.EncodingExtendedClipboard)
	expect := func(flags uint32) rfb.Clipboard {
		t.Helper()
		w.clips = nil
		if w.next(); len(w.clips) != 1 || w.clips[0].Flags != flags {
			t.Fatalf("received %+v instead of flags %#x", w.clips, flags)
		}
		return w.clips[0]
	}
	expect(rfb.ClipboardCapabilities(0).Flags)

	w.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardPeek}))
	expect(rfb.ClipboardNotify) // there is nothing yet
	w.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardNotify | rfb.ClipboardText}))
	expect(rfb.ClipboardRequest | rfb.ClipboardText)
	w.send(rfb.AppendClientClipboard(nil, rfb.ProvideText(text)))
	expect(rfb.ClipboardNotify | rfb.ClipboardText)
	w.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardPeek}))
	expect(rfb.ClipboardNotify | rfb.ClipboardText)
	w.send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardRequest | rfb.ClipboardText}))
	got, err := expect(rfb.ClipboardProvide | rfb.ClipboardText).Text(maxClipboard)
	if err != nil || got != "echo: "+text {
		t.Errorf("received %q, %v", got, err)
	}
	if plain.next(); len(plain.cuts) != 1 || plain.cuts[0] != "echo: naïve ?? ?\nline two" {
		t.Errorf("the other viewer received %q", plain.cuts)
	}
}

// A viewer that does not want to be notified is sent the text at once.
func TestClipboardWithoutNotify(t *testing.T) {
	w := watch(t, still(t, Options{Width: 320, Height: 200}))
	w.encodings(rfb.EncodingExtendedClipboard)
	caps := rfb.Clipboard{Flags: rfb.ClipboardCaps | rfb.ClipboardProvide | rfb.ClipboardText, Body: []byte{0, 1, 0, 0}}
	w.send(rfb.AppendClientClipboard(nil, caps), rfb.AppendClientClipboard(nil, rfb.ProvideText("x")))
	for len(w.clips) < 2 {
		w.next()
	}
	if text, err := w.clips[1].Text(100); err != nil || text != "echo: x" {
		t.Errorf("received %q, %v", text, err)
	}
}

func TestBadClipboardEndsTheSession(t *testing.T) {
	for name, c := range map[string]rfb.Clipboard{
		"no zlib":  {Flags: rfb.ClipboardProvide | rfb.ClipboardText, Body: []byte("plain")},
		"too long": rfb.ProvideText(strings.Repeat("x", maxClipboard+1)),
	} {
		w := watch(t, still(t, Options{Width: 320, Height: 200}))
		w.send(rfb.AppendClientClipboard(nil, c))
		if err := w.ended(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLongTextIsNotKept(t *testing.T) {
	d := still(t, Options{Width: 320, Height: 200})
	w := watch(t, d)
	w.send(rfb.AppendClientCutText(nil, strings.Repeat("x", maxClipboard+1)))
	w.picture()
	if d.clipboard() != "" || !strings.Contains(d.input.notice, "1048577 bytes") {
		t.Errorf("kept %d bytes, notice %q", len(d.clipboard()), d.input.notice)
	}
}
