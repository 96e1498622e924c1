package rfb_test

import (
	"testing"

	"vncgate/rfb"
)

// BenchmarkServerFilter has display's bytes cut, in the pieces that a relay
// reads, with what is in the way withheld.
func BenchmarkServerFilter(b *testing.B) {
	paint := newPainter(1, 4)
	cutText := rfb.AppendServerCutText(nil, string(make([]byte, 100)))
	large := func(e rfb.Encoding) []byte {
		return update(true, append(rfb.AppendRect(nil, 0, 0, 1024, 256, e), painted[e](paint, 1024, 256)...))
	}
	var tight, zrle [][]byte
	for range 64 {
		body := append([]byte{0}, compactLen(3000)...)
		tight = append(tight, append(rfb.AppendRect(nil, 0, 0, 64, 64, rfb.EncodingTight), append(body, make([]byte, 3000)...)...))
		zrle = append(zrle, append(rfb.AppendRect(nil, 0, 0, 64, 64, rfb.EncodingZRLE), append([]byte{0, 0, 3, 0}, make([]byte, 768)...)...))
	}
	for _, bb := range []struct {
		name string
		unit []byte
		size int
	}{
		{"raw/64KiB", large(rfb.EncodingRaw), 64 << 10},
		{"tight/64KiB", update(true, tight...), 64 << 10},
		{"zrle/2KiB", update(true, zrle...), 2 << 10},
		{"hextile/64KiB", large(rfb.EncodingHextile), 64 << 10},
		{"trle/64KiB", large(rfb.EncodingTRLE), 64 << 10},
		{"bells and texts/2KiB", join([]byte{2}, cutText, []byte{150}), 2 << 10},
	} {
		b.Run(bb.name, func(b *testing.B) {
			var stream []byte
			for len(stream) < 1<<20 {
				stream = append(stream, bb.unit...)
			}
			_, s := newCutter(rfb.Policy{}, paint.format())
			buf := make([]byte, 16+bb.size)
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				for at := 0; at < len(stream); at += bb.size {
					n := copy(buf[16:], stream[at:min(at+bb.size, len(stream))])
					if _, err := s.Cut(buf[:16+n], 16); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}
