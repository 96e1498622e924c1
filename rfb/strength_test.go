package rfb_test

import (
	"testing"

	"vncgate/rfb"
)

// TestStrength: each type is stronger than the one before it.
func TestStrength(t *testing.T) {
	order := []rfb.SecurityType{
		rfb.TypeNone, rfb.TypeIdent, rfb.TypePlain, rfb.TypeMSLogonII, rfb.TypeVncAuth, rfb.TypeARD, rfb.TypeSASL,
		rfb.TypeRA2ne, rfb.TypeRAne256, rfb.TypeX509None, rfb.TypeX509Ident, rfb.TypeX509Vnc,
		rfb.TypeRA2, rfb.TypeRA256, rfb.TypeX509Plain, rfb.TypeX509SASL,
	}
	for i, s := range order[1:] {
		if rfb.Strength(s) <= rfb.Strength(order[i]) {
			t.Errorf("%s is not stronger than %s", s, order[i])
		}
	}
	for _, s := range []rfb.SecurityType{rfb.TypeInvalid, rfb.TypeNone, rfb.TypeTight, rfb.TypeVeNCrypt, rfb.TypeTLSVnc, 99, 1 << 20} {
		if rfb.Strength(s) != 0 {
			t.Errorf("%s has a strength", s)
		}
	}
}
