package demo

import (
	"strings"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display/screen"
	"vncgate/rfb/display/screen/screentest"
)

func TestPlainClipboardComesBack(t *testing.T) {
	d := still(t, Options{})
	a, b := watch(t, d), watch(t, d)
	a.Send(rfb.AppendClientCutText(nil, "Grüße"))
	for _, w := range []*screentest.Watcher{a, b} {
		if w.Next(); len(w.Cuts) != 1 || w.Cuts[0] != "echo: Grüße" {
			t.Errorf("received %q", w.Cuts)
		}
	}
	// What has been sent back already, and nothing at all, stay here.
	a.Send(rfb.AppendClientCutText(nil, "echo: Grüße"), rfb.AppendClientCutText(nil, ""))
	if a.Picture(); len(a.Cuts) != 1 {
		t.Errorf("received %q", a.Cuts)
	}
}

func TestExtendedClipboardComesBack(t *testing.T) {
	const text = "naïve 漢字 €\nline two"
	d := still(t, Options{})
	plain, w := watch(t, d), watch(t, d)
	w.Encodings(rfb.EncodingRaw, rfb.EncodingExtendedClipboard)
	expect := func(flags uint32) rfb.Clipboard {
		t.Helper()
		w.Clips = nil
		if w.Next(); len(w.Clips) != 1 || w.Clips[0].Flags != flags {
			t.Fatalf("received %+v instead of flags %#x", w.Clips, flags)
		}
		return w.Clips[0]
	}
	expect(rfb.ClipboardCapabilities(0).Flags)

	w.Send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardPeek}))
	expect(rfb.ClipboardNotify) // there is nothing yet
	w.Send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardNotify | rfb.ClipboardText}))
	expect(rfb.ClipboardRequest | rfb.ClipboardText)
	w.Send(rfb.AppendClientClipboard(nil, rfb.ProvideText(text)))
	expect(rfb.ClipboardNotify | rfb.ClipboardText)
	w.Send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardPeek}))
	expect(rfb.ClipboardNotify | rfb.ClipboardText)
	w.Send(rfb.AppendClientClipboard(nil, rfb.Clipboard{Flags: rfb.ClipboardRequest | rfb.ClipboardText}))
	got, err := expect(rfb.ClipboardProvide | rfb.ClipboardText).Text(screen.MaxCutText)
	if err != nil || got != "echo: "+text {
		t.Errorf("received %q, %v", got, err)
	}
	if plain.Next(); len(plain.Cuts) != 1 || plain.Cuts[0] != "echo: naïve ?? ?\nline two" {
		t.Errorf("the other viewer received %q", plain.Cuts)
	}
}

// A viewer that does not want to be notified is sent the text at once.
func TestClipboardWithoutNotify(t *testing.T) {
	w := watch(t, still(t, Options{Width: 320, Height: 200}))
	w.Encodings(rfb.EncodingExtendedClipboard)
	caps := rfb.Clipboard{Flags: rfb.ClipboardCaps | rfb.ClipboardProvide | rfb.ClipboardText, Body: []byte{0, 1, 0, 0}}
	w.Send(rfb.AppendClientClipboard(nil, caps), rfb.AppendClientClipboard(nil, rfb.ProvideText("x")))
	for len(w.Clips) < 2 {
		w.Next()
	}
	if text, err := w.Clips[1].Text(100); err != nil || text != "echo: x" {
		t.Errorf("received %q, %v", text, err)
	}
}

func TestBadClipboardEndsTheSession(t *testing.T) {
	for name, c := range map[string]rfb.Clipboard{
		"no zlib":  {Flags: rfb.ClipboardProvide | rfb.ClipboardText, Body: []byte("plain")},
		"too long": rfb.ProvideText(strings.Repeat("x", screen.MaxCutText+1)),
	} {
		w := watch(t, still(t, Options{Width: 320, Height: 200}))
		w.Send(rfb.AppendClientClipboard(nil, c))
		if err := w.Ended(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLongTextIsNotKept(t *testing.T) {
	d := still(t, Options{Width: 320, Height: 200})
	w := watch(t, d)
	w.Send(rfb.AppendClientCutText(nil, strings.Repeat("x", screen.MaxCutText+1)))
	w.Picture()
	if d.screen.Text() != "" || !strings.Contains(d.input.notice, "1048577 bytes") {
		t.Errorf("kept %d bytes, notice %q", len(d.screen.Text()), d.input.notice)
	}
}
