package gateway

import (
	"testing"

	"vncgate/auth"
	"vncgate/rfb"
)

func TestFilterPolicy(t *testing.T) {
	p := filterPolicy(&auth.Grant{Rights: auth.AllRights})
	if p.ParsesServer() || !p.Keyboard || !p.Pointer || !p.ClipboardIn || !p.ClipboardOut || !p.Resize || !p.Power || !p.Bell || !p.Audio || p.FileTransfer || p.Opaque || p.Encodings != nil {
		t.Errorf("all rights: %+v", p)
	}
	if p := filterPolicy(&auth.Grant{Rights: auth.EveryRight}); !p.FileTransfer || !p.Opaque {
		t.Errorf("every right: %+v", p)
	}
	for _, taken := range []auth.Rights{auth.Bell, auth.Audio, auth.ClipboardOut} {
		if p := filterPolicy(&auth.Grant{Rights: auth.AllRights &^ taken}); !p.ParsesServer() {
			t.Errorf("without %s the display's messages are not read", taken)
		}
	}
	limits := auth.Limits{
		KeyRate: 10, PointerRate: 100, ClipboardIn: 1000, ClipboardOut: 2000,
		Quality: auth.Levels{Min: 1, Max: 6, Bound: true}, Compression: auth.Levels{Max: 2, Bound: true},
	}
	p = filterPolicy(&auth.Grant{Rights: auth.AllRights, Limits: limits})
	if p.KeyRate != 10 || p.PointerRate != 100 || p.ClipboardMax != 1000 || p.ClipboardOutMax != 2000 ||
		p.Quality != (rfb.Levels{Min: 1, Max: 6, Bound: true}) || p.Compression != (rfb.Levels{Max: 2, Bound: true}) || !p.ParsesServer() {
		t.Errorf("limits: %+v", p)
	}
}

// Every name that limits have is that of an encoding, and bounding them leaves
// features alone.
func TestFilterPolicyEncodings(t *testing.T) {
	numbers := map[string]rfb.Encoding{}
	for e := rfb.Encoding(-1 << 15); e < 1<<15; e++ {
		if isPixels(e) {
			for _, name := range auth.EncodingNames() {
				if encodingsIn([]string{name})(e) {
					numbers[name] = e
				}
			}
		}
	}
	for _, name := range auth.EncodingNames() {
		if _, ok := numbers[name]; !ok {
			t.Errorf("no encoding is called %s", name)
		}
	}
	keep := encodingsIn([]string{"tight", "copyrect"})
	for e, want := range map[rfb.Encoding]bool{
		rfb.EncodingTight: true, rfb.EncodingCopyRect: true, rfb.EncodingTightPNG: false, rfb.EncodingH264: false, rfb.EncodingRaw: false, 9: false,
		rfb.EncodingCursor: true, rfb.EncodingFence: true, rfb.EncodingQualityLevel9: true, rfb.EncodingWMVi: true, rfb.EncodingExtendedClipboard: true,
	} {
		if keep(e) != want {
			t.Errorf("%s: %v", e, !want)
		}
	}
	if encodingsIn(nil) != nil {
		t.Error("no limit is a limit")
	}
}

func TestFilterPolicyFormats(t *testing.T) {
	for _, name := range auth.ClipboardFormatNames() {
		if p := filterPolicy(&auth.Grant{Rights: auth.AllRights, Limits: auth.Limits{ClipboardFormats: []string{name}}}); p.ClipboardFormats == 0 || !p.ClipboardIn {
			t.Errorf("%s: %+v", name, p)
		}
	}
	if p := filterPolicy(&auth.Grant{Rights: auth.AllRights, Limits: auth.Limits{ClipboardFormats: []string{}}}); p.ClipboardIn || p.ClipboardOut {
		t.Errorf("none: %+v", p)
	}
}
