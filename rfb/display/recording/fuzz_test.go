package recording

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"time"

	"vncgate/rfb"
)

// FuzzIndex reads anything: what is read and written again is the same, and
// however it comes in pieces.
func FuzzIndex(f *testing.F) {
	b := []byte(indexMagic)
	for i, r := range []record{
		{kind: TypeMeta, body: []byte(`{"version":1}`)},
		{kind: TypeInput, at: time.Second, place: 7, body: []byte{1, 0, 8, 4, 1, 0, 0, 0, 0, 0, 'a'}},
		{kind: TypeKeyframe, at: 2 * time.Second, place: 9, body: []byte{1, 2, 3}},
		{kind: TypeSeal, at: 3 * time.Second, place: 9, body: new(seal).append(nil)},
	} {
		r.number = uint32(i)
		b = r.append(b)
		f.Add(bytes.Clone(b))
	}
	f.Add(b[:len(b)-3])
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, wholeErr := readAll(&indexReader{in: bytes.NewReader(b)})
		pieces, pieceErr := readAll(&indexReader{in: iotest.OneByteReader(bytes.NewReader(b))})
		light, lightErr := readAll(&indexReader{in: newBuffered(bytes.NewReader(b)), light: true})
		if len(whole) != len(pieces) || wholeErr.Error() != pieceErr.Error() {
			t.Fatalf("%d records, %v; in pieces %d, %v", len(whole), wholeErr, len(pieces), pieceErr)
		}
		if len(light) < len(whole) {
			t.Fatalf("%d records, %v; at a glance %d, %v", len(whole), wholeErr, len(light), lightErr)
		}
		again := []byte(indexMagic)
		for i, r := range whole {
			again = r.append(again)
			if light[i].kind != r.kind || light[i].start != r.start || light[i].end != r.end {
				t.Fatalf("record %d at a glance is %+v, not %+v", i, light[i], r)
			}
		}
		if len(whole) > 0 && !bytes.HasPrefix(b, again) {
			t.Error("it is written otherwise than it was")
		}
	})
}

func readAll(r *indexReader) (all []record, err error) {
	for {
		rec, err := r.read()
		if err != nil {
			return all, err
		}
		rec.body = bytes.Clone(rec.body)
		all = append(all, rec)
	}
}

// FuzzInput takes anything apart: what comes out is within what went in, in its
// order.
func FuzzInput(f *testing.F) {
	var in inputs
	in.add(rfb.AppendKeyEvent(nil, true, 'a'), time.Second, 5)
	in.add(rfb.AppendPointerEvent(nil, 1, 2, 3), 2*time.Second, 5)
	in.add(rfb.AppendClientCutText(nil, "text"), 3*time.Second, 50)
	f.Add(in.b)
	f.Fuzz(func(t *testing.T, b []byte) {
		before := inputAt{at: time.Second, place: 5}
		n := 0
		eachInput(record{at: time.Second, place: 5, body: b}, func(in inputAt) {
			if in.at < before.at || in.place < before.place || len(in.msg) == 0 {
				t.Errorf("%+v behind %+v", in, before)
			}
			before, n = in, n+len(in.msg)
			buttons := uint16(0)
			_, _ = eventOf(in, &buttons)
		})
		if n > len(b) {
			t.Errorf("%d bytes out of %d", n, len(b))
		}
	})
}

// FuzzViewer has a viewer say anything, in pieces or not: the same messages may be
// written down, and no key of a password is among them.
func FuzzViewer(f *testing.F) {
	said := bytes.Join([][]byte{
		rfb.AppendSetEncodings(nil, rfb.EncodingExtendedMouseButtons), rfb.AppendKeyEvent(nil, true, 'a'),
		rfb.AppendExtendedPointerEvent(nil, 300, 1, 2), rfb.AppendClientCutText(nil, "text"), rfb.AppendSetPixelFormat(nil, rfb.Format32()),
	}, nil)
	f.Add(said, uint8(3))
	f.Add(said[:40], uint8(0))
	f.Fuzz(func(t *testing.T, said []byte, piece uint8) {
		redact := Redact{Keys: KeysNone, Clipboard: true}
		at, pieces := input{redact: redact}, input{redact: redact}
		var a, b []byte
		take := func(to *[]byte) func([]byte) {
			return func(msg []byte) {
				if msg[0] == rfb.MsgKeyEvent || msg[0] == rfb.MsgQEMU || msg[0] == rfb.MsgClientCutText {
					t.Errorf("%x is written down", msg)
				}
				*to = append(*to, msg...)
			}
		}
		at.take(said, take(&a))
		for rest := said; len(rest) > 0; {
			n := min(len(rest), int(piece)+1)
			pieces.take(rest[:n], take(&b))
			rest = rest[n:]
		}
		if !bytes.Equal(a, b) || at.lost != pieces.lost {
			t.Errorf("at once %d bytes, in pieces %d", len(a), len(b))
		}
	})
}

func TestCut(t *testing.T) {
	if !cut(io.EOF) || !cut(io.ErrUnexpectedEOF) || cut(errors.New("another")) || cut(&indexError{1, "no"}) {
		t.Error("what is cut is not told from what is changed")
	}
}
