package rfb_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"vncgate/rfb"
)

// everything is the policy that lets all through.
var everything = rfb.Policy{
	Keyboard: true, Pointer: true, ClipboardIn: true, Resize: true, Power: true, FileTransfer: true,
	ClipboardOut: true, Bell: true, Audio: true,
}

// policyOf makes a policy of bits, for tables and fuzzing.
func policyOf(bits uint8) rfb.Policy {
	return rfb.Policy{
		Keyboard: bits&1 != 0, Pointer: bits&2 != 0, ClipboardIn: bits&4 != 0,
		Resize: bits&8 != 0, Power: bits&16 != 0, FileTransfer: bits&32 != 0,
		ClipboardOut: bits&64 != 0, Audio: bits&128 != 0, Bell: true,
	}
}

// needs names the right each kind of message needs, in words of its own: the
// filter's code is not asked.
func needs(msg []byte) (granted func(rfb.Policy) bool) {
	keyboard := func(p rfb.Policy) bool { return p.Keyboard }
	both := func(p rfb.Policy) bool { return p.Keyboard && p.Pointer }
	switch t := msg[0]; {
	case t == 4, t == 11, t == 255 && msg[1] == 0:
		return keyboard
	case t == 5:
		return func(p rfb.Policy) bool { return p.Pointer }
	case t == 6:
		return func(p rfb.Policy) bool { return needsClipboard(p, msg) }
	case t == 255 && msg[1] == 1:
		return func(p rfb.Policy) bool { return p.Audio }
	case t == 250:
		return func(p rfb.Policy) bool { return p.Power }
	case t == 251:
		return func(p rfb.Policy) bool { return p.Resize }
	case t >= 130 && t <= 136:
		return func(p rfb.Policy) bool { return p.FileTransfer }
	case t == 9, t == 10, t == 20, t == 21, t == 253 && msg[1]&0x7f != 1:
		return both
	}
	return func(rfb.Policy) bool { return true }
}

// needsClipboard decides on a ClientCutText, which may be extended.
func needsClipboard(p rfb.Policy, msg []byte) bool {
	if msg[4]&0x80 == 0 {
		return p.ClipboardIn && len(msg)-8 <= 1<<20
	}
	actions, formats := msg[8], uint32(msg[10])<<8|uint32(msg[11])
	if actions&1 != 0 { // caps
		return p.ClipboardIn || p.ClipboardOut
	}
	out := actions&(2|4) != 0 // request, peek
	in := actions&(8|16) != 0 // notify, provide
	odd := actions&0xe0 != 0 || msg[9] != 0
	if !in && !out && !odd || (in || odd) && !p.ClipboardIn || (out || odd) && !p.ClipboardOut {
		return false
	}
	if actions&2 != 0 && formats == 0 {
		return false
	}
	return actions&16 == 0 || unpacks(msg[12:], bits.OnesCount32(formats))
}

// unpacks reports whether body holds so many things, and nothing else, of 4 MiB
// at most.
func unpacks(body []byte, n int) bool {
	z, err := zlib.NewReader(bytes.NewReader(body))
	if err != nil {
		return false
	}
	all, _ := io.ReadAll(io.LimitReader(z, 5<<20))
	total := 0
	for range n {
		if len(all) < 4 {
			return false
		}
		size := int(binary.BigEndian.Uint32(all))
		if size > len(all)-4 {
			return false
		}
		total += size
		all = all[4+size:]
	}
	return len(all) == 0 && total <= 4<<20
}

// withholdsNothing reports whether p, made by policyOf, grants every right.
func withholdsNothing(p rfb.Policy) bool {
	return p.Keyboard && p.Pointer && p.ClipboardIn && p.Resize && p.Power && p.FileTransfer &&
		p.ClipboardOut && p.Audio
}

// expected is what p leaves of the messages, and whether they end in one that
// cannot be understood.
func expected(p rfb.Policy, in []byte) (out []byte, broken bool) {
	framing := rfb.ClientFraming{Tight: true}
	full := withholdsNothing(p)
	var hand heldKeys
	for len(in) > 0 {
		n, err := framing.Len(in)
		if err != nil {
			return out, true
		}
		if n > len(in) {
			return out, false // a message cut short: its start may be out or not
		}
		msg := in[:n]
		in = in[n:]
		if msg[0] == 2 {
			var kept []rfb.Encoding
			for i := 4; i < len(msg); i += 4 {
				e := rfb.Encoding(int32(uint32(msg[i])<<24 | uint32(msg[i+1])<<16 | uint32(msg[i+2])<<8 | uint32(msg[i+3])))
				if e == -316 && !full || e == -259 && !p.Audio || uint32(e) == 0xc0a1e5ce && !p.ClipboardIn && !p.ClipboardOut {
					continue
				}
				kept = append(kept, e)
			}
			pad := msg[1]
			msg = rfb.AppendSetEncodings(nil, kept...)
			msg[1] = pad
		}
		framing.Saw(msg)
		if needs(msg)(p) {
			out = append(append(out, hand.takes(msg)...), msg...)
		}
	}
	return out, false
}

// heldKeys are the keys that are down, oldest first: no hand holds more than 64.
type heldKeys []heldKey

type heldKey struct {
	qemu         bool
	symbol, code uint32
}

// takes returns the release of the key that one more makes room for.
func (h *heldKeys) takes(msg []byte) []byte {
	var k heldKey
	down := false
	switch {
	case msg[0] == rfb.MsgKeyEvent:
		k, down = heldKey{symbol: binary.BigEndian.Uint32(msg[4:])}, msg[1] != 0
	case msg[0] == rfb.MsgQEMU && msg[1] == rfb.QEMUKeyEvent:
		k, down = heldKey{true, binary.BigEndian.Uint32(msg[4:]), binary.BigEndian.Uint32(msg[8:])}, msg[2]|msg[3] != 0
	default:
		return nil
	}
	at := slices.IndexFunc(*h, func(other heldKey) bool {
		return k.qemu == other.qemu && k.code == other.code && (k.code != 0 || k.symbol == other.symbol)
	})
	var release []byte
	switch {
	case !down && at >= 0:
		*h = slices.Delete(*h, at, at+1)
	case down && at < 0:
		if len(*h) == 64 {
			release = (*h)[0].release()
			*h = slices.Delete(*h, 0, 1)
		}
		*h = append(*h, k)
	}
	return release
}

func (k heldKey) release() []byte {
	if k.qemu {
		return rfb.AppendQEMUKeyEvent(nil, false, k.symbol, k.code)
	}
	return rfb.AppendKeyEvent(nil, false, k.symbol)
}

// inPieces filters in, cut into pieces by cut, and returns what came out.
func inPieces(p rfb.Policy, in []byte, cut func(left int) int) ([]byte, error) {
	var out bytes.Buffer
	f := rfb.NewFilter(&out, p)
	for len(in) > 0 {
		n := cut(len(in))
		piece := bytes.Clone(in[:n])
		k, err := f.Write(piece)
		if err != nil {
			return out.Bytes(), err
		}
		if k != n || !bytes.Equal(piece, in[:n]) {
			return nil, fmt.Errorf("wrote %d of %d, or into the caller's slice", k, n)
		}
		in = in[n:]
	}
	return out.Bytes(), nil
}

// session is a stream with every kind of message. Under a policy that denies
// anything there is no extended PointerEvent, because no display has agreed
// to it.
func session(t testing.TB, p rfb.Policy) []byte {
	in := rfb.AppendSetEncodings(nil, 16, 7, rfb.EncodingExtendedClipboard, -239, rfb.EncodingExtendedMouseButtons)
	in = rfb.AppendPointerEvent(in, 1, 2, 3)
	if withholdsNothing(p) {
		in = rfb.AppendExtendedPointerEvent(in, 1|1<<9, 4, 5)
	}
	in = rfb.AppendSetEncodings(in, 16, 7)
	for _, tt := range clientMessages {
		if !tt.framing.ExtendedPointer && tt.n < 1<<12 {
			in = append(in, whole(t, tt.msg, tt.n)...)
		}
	}
	return in
}

func TestFilterEveryPolicyAndPiece(t *testing.T) {
	for bits := 0; bits < 256; bits += 3 {
		p := policyOf(uint8(bits))
		in := session(t, p)
		want, broken := expected(p, in)
		if broken {
			t.Fatalf("policy %08b: the test's stream is broken", bits)
		}
		for _, size := range []int{len(in), 1, 11} {
			got, err := inPieces(p, in, func(left int) int { return min(size, left) })
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("policy %08b, pieces of %d: %d bytes, want %d, %v", bits, size, len(got), len(want), err)
			}
		}
	}
}

// TestFilterEverySplit cuts a session in two at each byte.
func TestFilterEverySplit(t *testing.T) {
	for _, p := range []rfb.Policy{{}, everything} {
		in := session(t, p)
		want, _ := expected(p, in)
		for at := range in {
			first := true
			got, err := inPieces(p, in, func(left int) int {
				if first && at > 0 {
					first = false
					return at
				}
				return left
			})
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("cut at %d: %d bytes, want %d, %v", at, len(got), len(want), err)
			}
		}
	}
}

// TestFilterViewOnly spells out what a viewer may do who may only look.
func TestFilterViewOnly(t *testing.T) {
	for _, tt := range clientMessages {
		if tt.framing.ExtendedPointer {
			continue
		}
		msg := whole(t, tt.msg, tt.n)
		var out bytes.Buffer
		f := rfb.NewFilter(&out, rfb.Policy{})
		if _, err := f.Write(msg); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		denied := map[byte]bool{4: true, 5: true, 6: true, 9: true, 10: true, 11: true, 20: true, 21: true,
			130: true, 131: true, 132: true, 133: true, 134: true, 135: true, 136: true, 250: true, 251: true}
		deny := denied[msg[0]] || msg[0] == 255
		if deny != (out.Len() == 0) || f.Dropped() != uint64(b2i(deny)) || f.Passed() != uint64(1-b2i(deny)) {
			t.Errorf("%s: %d bytes out, passed %d, dropped %d", tt.name, out.Len(), f.Passed(), f.Dropped())
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestFilterGii: a device that a viewer makes, or takes away, is there for all
// who use the display.
func TestFilterGii(t *testing.T) {
	version := unhex(t, "fd 81 0002 0001")
	for name, msg := range map[string][]byte{
		"events":           unhex(t, "fd 80 0001 00"),
		"events, little":   unhex(t, "fd 00 0100 00"),
		"a device is made": unhex(t, "fd 82 0002 0001"),
		"a device goes":    unhex(t, "fd 83 0004 00000001"),
		"little-endian":    unhex(t, "fd 03 0400 01000000"),
	} {
		for bits := range uint8(4) {
			got, err := inPieces(policyOf(bits), join(version, msg), func(left int) int { return left })
			want := version
			if bits == 3 {
				want = join(version, msg)
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s, %02b: %x, %v", name, bits, got, err)
			}
		}
	}
}

func TestFilterClipboardLimit(t *testing.T) {
	p := everything
	p.ClipboardMax = 10
	in := rfb.AppendClientCutText(nil, "0123456789")
	in = rfb.AppendClientCutText(in, "0123456789a")
	in = rfb.AppendKeyEvent(in, true, 1)
	want := rfb.AppendKeyEvent(rfb.AppendClientCutText(nil, "0123456789"), true, 1)
	if got, err := inPieces(p, in, func(int) int { return 1 }); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFilterEncodings(t *testing.T) {
	p := everything
	p.Encodings = func(e rfb.Encoding) bool { return e == rfb.EncodingRaw || e == rfb.EncodingZRLE }
	in := rfb.AppendSetEncodings(nil, rfb.EncodingTight, rfb.EncodingZRLE, rfb.EncodingJPEG, rfb.EncodingRaw)
	want := rfb.AppendSetEncodings(nil, rfb.EncodingZRLE, rfb.EncodingRaw)
	for _, size := range []int{1, 5, len(in)} {
		got, err := inPieces(p, in, func(left int) int { return min(left, size) })
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("pieces of %d: %x, %v", size, got, err)
		}
	}
}

func TestFilterUnknown(t *testing.T) {
	key := rfb.AppendKeyEvent(nil, true, 1)
	for _, bad := range []string{"07 01 02", "ff 07", "06 000000 7fffffff"} {
		in := append(append(bytes.Clone(key), unhex(t, bad)...), key...)
		for _, size := range []int{1, len(in)} {
			got, err := inPieces(everything, in, func(left int) int { return min(left, size) })
			var unknown *rfb.UnknownMessage
			var long *rfb.MessageTooLongError
			if !errors.As(err, &unknown) && !errors.As(err, &long) || !bytes.Equal(got, key) {
				t.Errorf("%s: %x, %v", bad, got, err)
			}
			open := everything
			open.Opaque = true
			if got, err := inPieces(open, in, func(left int) int { return min(left, size) }); err != nil || !bytes.Equal(got, in) {
				t.Errorf("%s, opaque: %x, %v", bad, got, err)
			}
			open.Power = false
			if _, err := inPieces(open, in, func(left int) int { return min(left, size) }); err == nil {
				t.Errorf("%s: opaque although something is denied", bad)
			}
		}
	}
}

func TestFilterStaysFailed(t *testing.T) {
	var out bytes.Buffer
	f := rfb.NewFilter(&out, everything)
	_, first := f.Write([]byte{7})
	n, second := f.Write(rfb.AppendKeyEvent(nil, true, 1))
	if first == nil || second != first || n != 0 || out.Len() != 0 {
		t.Errorf("%v, then %d, %v, %x", first, n, second, out.Bytes())
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestFilterDisplayGone(t *testing.T) {
	list := rfb.AppendSetEncodings(nil, rfb.EncodingExtendedClipboard)
	key := rfb.AppendKeyEvent(nil, true, 1)
	for _, tt := range []struct {
		p  rfb.Policy
		in []byte
	}{{everything, key}, {rfb.Policy{}, list}, {rfb.Policy{Keyboard: true}, append(bytes.Clone(key), list...)}} {
		f := rfb.NewFilter(brokenWriter{}, tt.p)
		if _, err := f.Write(tt.in); err != io.ErrClosedPipe {
			t.Errorf("%x: %v", tt.in, err)
		}
	}
}

// countWrites counts the Writes that reach a display.
type countWrites struct{ n int }

func (c *countWrites) Write(b []byte) (int, error) { c.n++; return len(b), nil }

func TestFilterWritesRuns(t *testing.T) {
	var in []byte
	for i := range 1000 {
		in = rfb.AppendPointerEvent(in, 0, uint16(i), 0)
	}
	var w countWrites
	f := rfb.NewFilter(&w, everything)
	if _, err := f.Write(in); err != nil || w.n != 1 {
		t.Errorf("%d writes, %v", w.n, err)
	}
}

// FuzzFilter: whatever the pieces, exactly what is allowed comes out, and what
// comes out is nothing but what is allowed as a display reads it.
func FuzzFilter(f *testing.F) {
	f.Add(session(f, rfb.Policy{}), uint8(0), uint64(1))
	f.Add(session(f, everything), uint8(63), uint64(2))
	var fingers []byte // more than there are
	for i := range uint32(70) {
		fingers = join(fingers, key(true, i), qkey(true, i%3, i))
	}
	f.Add(fingers, uint8(255), uint64(4))
	for _, tt := range clientMessages {
		f.Add(unhex(f, tt.msg), uint8(31), uint64(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, bits uint8, seed uint64) {
		p := policyOf(bits)
		random := rand.New(rand.NewPCG(seed, 0))
		got, err := inPieces(p, in, func(left int) int { return 1 + random.IntN(min(left, 40)) })
		want, broken := expected(p, in)
		var unknown *rfb.UnknownMessage
		var long *rfb.MessageTooLongError
		if err != nil && !errors.As(err, &unknown) && !errors.As(err, &long) {
			t.Fatal(err)
		}
		if broken != (err != nil) {
			t.Fatalf("error %v, want one: %v", err, broken)
		}
		if !bytes.HasPrefix(got, want) {
			t.Fatalf("got %.200x, want %.200x", got, want)
		}
		onlyAllowed(t, p, got)
	})
}

// onlyAllowed reads out as a display does, up to a message cut short; where
// anything is withheld, as one that has not heard of ExtendedMouseButtons.
func onlyAllowed(t *testing.T, p rfb.Policy, out []byte) {
	framing := rfb.ClientFraming{Tight: true}
	for len(out) > 0 {
		n, err := framing.Len(out)
		if err != nil {
			t.Fatalf("what came out is not a message: %v", err)
		}
		msg := out[:min(n, len(out))]
		if n <= len(out) && !needs(msg)(p) {
			t.Fatalf("a message of type %d came out", msg[0])
		}
		framing.Saw(msg)
		framing.ExtendedPointer = framing.ExtendedPointer && withholdsNothing(p)
		out = out[len(msg):]
	}
}

func BenchmarkFilter(b *testing.B) {
	mixed := rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, 1920, 1080)
	mixed = rfb.AppendKeyEvent(rfb.AppendKeyEvent(mixed, true, 0x61), false, 0x61)
	for range 20 {
		mixed = rfb.AppendPointerEvent(mixed, 0, 100, 100)
	}
	for _, bb := range []struct {
		name string
		p    rfb.Policy
		unit []byte
		size int
	}{
		{"all/pointer/64KiB", everything, rfb.AppendPointerEvent(nil, 0, 1, 2), 64 << 10},
		{"all/mixed/1KiB", everything, mixed, 1 << 10},
		{"all/mixed/1", everything, mixed, 1},
		{"view-only/mixed/1KiB", rfb.Policy{}, mixed, 1 << 10},
	} {
		b.Run(bb.name, func(b *testing.B) {
			stream := bytes.Repeat(bb.unit, 64<<10/len(bb.unit))
			f := rfb.NewFilter(io.Discard, bb.p)
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				for at := 0; at < len(stream); at += bb.size {
					if _, err := f.Write(stream[at:min(at+bb.size, len(stream))]); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
