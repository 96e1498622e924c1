package rfb_test

import (
	"bytes"
	"testing"

	"vncgate/rfb"
)

func TestFilterViewOnly(t *testing.T) {
	var out bytes.Buffer
	f := rfb.NewFilter(&out, rfb.Policy{})
	request := []byte{3, 1, 0, 0, 0, 0, 0, 9, 0, 9}
	key := []byte{4, 1, 0, 0, 0, 0, 0, 0x61}
	in := append(append(append([]byte{}, request...), key...), request...)
	if _, err := f.Write(in); err != nil {
		t.Fatal(err)
	}
	if want := append(append([]byte{}, request...), request...); !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got %x, want %x", out.Bytes(), want)
	}
	if f.Passed() != 2 || f.Dropped() != 1 {
		t.Errorf("passed %d, dropped %d", f.Passed(), f.Dropped())
	}
}
