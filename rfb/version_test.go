package rfb_test

import (
	"testing"

	"vncgate/rfb"
)

func TestParseVersion(t *testing.T) {
	for _, tt := range []struct {
		line         string
		major, minor int
		ok           bool
	}{
		{"RFB 003.008\n", 3, 8, true},
		{"RFB 003.889\n", 3, 889, true},
		{"RFB 005.000\n", 5, 0, true},
		{"RFB 000.000\n", 0, 0, true},
		{"RFB 003.008\r", 0, 0, false},
		{"RFB 003,008\n", 0, 0, false},
		{"RFB 0x3.008\n", 0, 0, false},
		{"RFB 003.00:\n", 0, 0, false},
		{"rfb 003.008\n", 0, 0, false},
		{"RFB 003.008", 0, 0, false},
		{"RFB 003.008\n\n", 0, 0, false},
		{"", 0, 0, false},
	} {
		major, minor, err := rfb.ParseVersion([]byte(tt.line))
		if major != tt.major || minor != tt.minor || (err == nil) != tt.ok {
			t.Errorf("%q: %d.%d, %v", tt.line, major, minor, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{rfb.Version38.String(), "3.8"},
		{rfb.TypeX509SASL.String(), "x509-sasl"},
		{rfb.SecurityType(99).String(), "type-99"},
		{rfb.EncodingExtendedClipboard.String(), "ExtendedClipboard"},
		{rfb.Encoding(-26).String(), "QualityLevel6"},
		{rfb.Encoding(-254).String(), "CompressLevel2"},
		{rfb.Encoding(-1).String(), "encoding -1"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// TestSwappedSubtypes pins the numbers of X509SASL and TLSSASL: rfbproto's
// text has them the other way round than QEMU, gtk-vnc and libvncclient.
func TestSwappedSubtypes(t *testing.T) {
	if rfb.TypeX509SASL != 263 || rfb.TypeTLSSASL != 264 {
		t.Error("X509SASL is 263 and TLSSASL 264 in every program there is")
	}
}
