package display_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

// recorded is a recording of blocks, a second apart.
func recorded(t testing.TB, init rfb.ServerInit, blocks ...[]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := display.NewFBSWriter(&out, init)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range blocks {
		if err := w.Block(time.Duration(i+1)*time.Second, b); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func TestFBS(t *testing.T) {
	init := screenOf(4, 2, rfb.Format32())
	init.Name = "a desk"
	first, second := update(body(init, rfb.EncodingRaw, bytes.Repeat(red, 8)...)), update(body(init, rfb.EncodingRaw, bytes.Repeat(blue, 8)...))
	file := recorded(t, init, first, append(bytes.Clone(second), 2), []byte{2})
	want := []byte("FBS 001.000\n" +
		"\x00\x00\x00\x2eRFB 003.003\n\x00\x00\x00\x01\x00\x04\x00\x02\x20\x18\x00\x01\x00\xff\x00\xff\x00\xff\x10\x08\x00\x00\x00\x00\x00\x00\x00\x06a desk\x00\x00\x00\x00\x00\x00")
	if !bytes.HasPrefix(file, want) {
		t.Errorf("it begins with %q", file[:len(want)])
	}
	r, got, err := display.NewFBSReader(bytes.NewReader(file))
	if err != nil || got != init {
		t.Fatalf("%+v, %v", got, err)
	}
	for i, part := range [][]byte{first, append(bytes.Clone(second), 2), {2}} {
		b := make([]byte, len(part))
		if _, err := io.ReadFull(r, b); err != nil || !bytes.Equal(b, part) || r.At() != time.Duration(i+1)*time.Second {
			t.Errorf("block %d: %d bytes at %v, %v", i, len(b), r.At(), err)
		}
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("behind the end %d, %v", n, err)
	}
}

// TestFBSCut plays recordings that break off anywhere: all that is there is
// played, and what breaks off in a block is not the end.
func TestFBSCut(t *testing.T) {
	init := screenOf(4, 2, rfb.Format32())
	said := update(body(init, rfb.EncodingRaw, bytes.Repeat(red, 8)...))
	file := recorded(t, init, said, []byte{2})
	hello := len(recorded(t, init))
	for cut := hello; cut <= len(file); cut++ {
		r, _, err := display.NewFBSReader(bytes.NewReader(file[:cut]))
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		b, err := io.ReadAll(r)
		if !bytes.HasPrefix(append(bytes.Clone(said), 2), b) || len(b) < min(len(said), cut-hello-4) {
			t.Errorf("cut at %d: %d bytes", cut, len(b))
		}
		whole := cut == hello || cut == len(file) || cut == len(file)-12
		if (err == nil) != whole {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
}

func TestFBSRefuses(t *testing.T) {
	good := recorded(t, screenOf(4, 2, rfb.Format32()))
	long := append(bytes.Clone(good), 0x7f, 0, 0, 0)
	for name, file := range map[string][]byte{
		"nothing": nil, "another": []byte("a recording of something else"),
		"a password": bytes.Replace(good, []byte{0, 0, 0, 1, 0, 4}, []byte{0, 0, 0, 2, 0, 4}, 1),
	} {
		if _, _, err := display.NewFBSReader(bytes.NewReader(file)); !errors.Is(err, display.ErrNotFBS) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := display.NewFBSReader(bytes.NewReader(nil)); err == nil || !strings.Contains(err.Error(), "it is empty") {
		t.Errorf("of an empty file: %v", err)
	}
	r, _, err := display.NewFBSReader(bytes.NewReader(long))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil {
		t.Error("a block of 2 GB is read")
	}
}

// FuzzFBS reads anything: what is read can be written, and is the same then.
func FuzzFBS(f *testing.F) {
	init := screenOf(4, 2, rfb.Format32())
	f.Add(recorded(f, init, []byte{2}, []byte("more of it")))
	f.Add(recorded(f, init, bytes.Repeat([]byte("long"), 1000))[:1234])
	f.Fuzz(func(t *testing.T, file []byte) {
		r, init, err := display.NewFBSReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		said, _ := io.ReadAll(r)
		again, init2, err := display.NewFBSReader(bytes.NewReader(recorded(t, init, said)))
		if err != nil || init2 != init {
			t.Fatalf("%+v, %+v, %v", init, init2, err)
		}
		if b, err := io.ReadAll(again); err != nil || !bytes.Equal(b, said) {
			t.Errorf("%d bytes of %d, %v", len(b), len(said), err)
		}
	})
}
