package rfb_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"vncgate/rfb"
)

// newCutter returns a ServerFilter under p for a display in the format.
func newCutter(p rfb.Policy, format rfb.PixelFormat) (*rfb.Filter, *rfb.ServerFilter) {
	f := rfb.NewFilter(io.Discard, p)
	return f, rfb.NewServerFilter(f, rfb.ServerInit{Width: 64, Height: 48, Format: format})
}

// room is what tests leave in front of what they cut, to see it left alone.
const room = "headroom"

// cutPieces has s cut in, in pieces, and returns what is left of it.
func cutPieces(s *rfb.ServerFilter, in []byte, cut func(left int) int) (out []byte, err error) {
	for len(in) > 0 {
		n := cut(len(in))
		got, err := s.Cut(append([]byte(room), in[:n]...), len(room))
		if !bytes.HasPrefix(got, []byte(room)) {
			return nil, fmt.Errorf("the headroom is %q", got[:len(room)])
		}
		out = append(out, got[len(room):]...)
		if err != nil {
			return out, err
		}
		in = in[n:]
	}
	return out, nil
}

func piecesOf(size int) func(int) int { return func(left int) int { return min(size, left) } }

func TestServerFilterEveryPolicyAndPiece(t *testing.T) {
	for bits := 0; bits < 256; bits += 23 {
		p := policyOf(uint8(bits))
		p.Bell = bits&1 != 0
		paint := newPainter(uint64(bits), []int{1, 2, 4}[bits%3])
		in, want := under(p, paint.everything())
		for _, size := range []int{len(in), 1, 7, 1000} {
			_, s := newCutter(p, paint.format())
			got, err := cutPieces(s, in, piecesOf(size))
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("policy %08b, pieces of %d: %d bytes, want %d, the same %d: %v", bits, size, len(got), len(want), common(got, want), err)
			}
		}
	}
}

// common is how many bytes a and b begin with in common.
func common(a, b []byte) (n int) {
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// TestServerFilterEverySplit cuts each encoding in two at each byte, with
// something that is withheld in front and behind.
func TestServerFilterEverySplit(t *testing.T) {
	for _, n := range []int{1, 2, 4} {
		paint := newPainter(uint64(n), n)
		secret := sent{rfb.AppendServerClipboard(rfb.AppendServerCutText(nil, "secret"), rfb.ProvideText("secret")), func(rfb.Policy) bool { return false }}
		check := func(what string, msg []byte) {
			in, want := under(rfb.Policy{}, []sent{secret, {msg: msg}, secret, {msg: []byte{150}}})
			for at := 1; at < len(in); at++ {
				if at > 200 && at < len(in)-200 && at%17 != 0 {
					continue
				}
				_, s := newCutter(rfb.Policy{}, paint.format())
				first := true
				got, err := cutPieces(s, in, func(left int) int {
					if first {
						first = false
						return at
					}
					return left
				})
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("%s of %d bytes, cut at %d of %d: %d bytes, want %d, %v", what, n, at, len(in), len(got), len(want), err)
				}
			}
		}
		for _, e := range slices.Sorted(maps.Keys(painted)) {
			for range 4 {
				check(e.String(), update(true, paint.rect(e)))
			}
		}
		for _, o := range paint.others() {
			check(o.e.String(), update(false, paint.other(o)))
		}
		for _, m := range paint.messages() {
			if m.need == nil {
				check(fmt.Sprint("message ", m.msg[0]), m.msg)
			}
		}
	}
}

// TestServerFilterInPlace: what is let through is not copied anywhere else.
func TestServerFilterInPlace(t *testing.T) {
	paint := newPainter(1, 4)
	in, want := under(rfb.Policy{}, paint.everything())
	_, s := newCutter(rfb.Policy{}, paint.format())
	b := append([]byte(room), in...)
	got, err := s.Cut(b, len(room))
	if err != nil || &got[0] != &b[0] || !bytes.Equal(got[len(room):], want) {
		t.Errorf("%d bytes elsewhere: %v, %v", len(got), &got[0] != &b[0], err)
	}
	if s.Dropped() == 0 || s.Passed() == 0 {
		t.Errorf("passed %d, dropped %d", s.Passed(), s.Dropped())
	}
}

func TestServerFilterUnparseable(t *testing.T) {
	bell := []byte{2}
	rect := func(e rfb.Encoding, body string) string {
		return fmt.Sprintf("%x%s", rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 32, 32, e), body)
	}
	for _, tt := range []struct{ name, in string }{
		{"UltraVNC's file transfer", "07"}, {"no message", "63"},
		{"QEMU's, unknown", "ff 02 0000"}, {"QEMU's audio, unknown", "ff 01 0003"}, {"audio too long", "ff 01 0002 00100001"},
		{"chat too long", "0b 000000 00001001"}, {"fence too long", "f8 000000 00000000 41"},
		{"cut text too long", "03 000000 04000001"}, {"cut text of the least length", "03 000000 80000000"},
		{"extended cut text without flags", "03 000000 fffffffd"},
		{"encoding unknown", rect(99, "")}, {"encoding private", rect(18, "")}, {"quality as a rectangle", rect(-23, "")},
		{"zlib too long", rect(6, "04000001")}, {"name too long", rect(-307, "ffffffff")},
		{"more subrectangles than pixels", rect(2, "00000401")},
		{"tight control", rect(7, "b0")}, {"tight without zlib, not counted", rect(7, "a0 0000")}, {"png with a filter", rect(-260, "e0")}, {"tight filter", rect(7, "4003")},
		{"trle reused without palette", rect(15, "7f")}, {"trle reused runs", rect(15, "81")}, {"trle 17", rect(15, "11")},
		{"trle runs too long", rect(15, "80 000000 ff ff")}, {"no jpeg", rect(21, "ffd9")}, {"no marker", rect(21, "ffd8 0000")},
		{"jpeg segment of 1", rect(21, "ffd8 ffe0 0001")},
		{"cursor of a copy", rect(-314, "00000001")}, {"cursor of a cursor", rect(-314, "fffffec6")},
		{"VMware's cursor of no kind", rect(0x574d5664, "0200")}, {"display mode that is none", rect(0x574d5669, "07180001 00ff00ff00ff 100800 000000")},
	} {
		in := append(append(bytes.Clone(bell), unhex(t, tt.in)...), bell...)
		for _, size := range []int{1, len(in)} {
			p := rfb.Policy{Bell: true}
			_, s := newCutter(p, rfb.Format32())
			got, err := cutPieces(s, in, piecesOf(size))
			var broken *rfb.StreamError
			if !errors.As(err, &broken) || !bytes.HasPrefix(got, bell) || len(got) >= len(in)-1 && size > 1 {
				t.Errorf("%s: %x, %v", tt.name, got, err)
			}
			if _, again := s.Cut([]byte{2}, 0); again != err {
				t.Errorf("%s: then %v", tt.name, again)
			}
			open := everything
			open.Opaque = true
			_, s = newCutter(open, rfb.Format32())
			if got, err := cutPieces(s, in, piecesOf(size)); err != nil || !bytes.Equal(got, in) {
				t.Errorf("%s, opaque: %d bytes of %d, %v", tt.name, len(got), len(in), err)
			}
		}
	}
}
