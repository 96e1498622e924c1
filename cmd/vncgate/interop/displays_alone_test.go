package interop

import "testing"

func TestDisplaysStandStill(t *testing.T) {
	for name, the := range map[string]func(testing.TB) *display{
		"xvnc": theXvnc, "x11vnc": theX11vnc, "qemu": theQEMU, "qemu-x509vnc": theQEMUX509Vnc, "qemu-sasl": theQEMUSASL,
	} {
		t.Run(name, func(t *testing.T) {
			d := the(t)
			img, err := d.picture()
			if err != nil {
				t.Fatal(err)
			}
			if err := telling(img); err != nil {
				t.Error(err)
			}
			again, err := d.picture()
			if err != nil {
				t.Fatal(err)
			}
			if err := differ(img, again); err != nil {
				t.Error(err)
			}
		})
	}
}
