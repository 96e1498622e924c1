package rfb_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"vncgate/rfb"
)

// TestFilterLongMessages sends clipboards of all lengths in pieces of all
// lengths through several filters at once, which lend each other memory.
func TestFilterLongMessages(t *testing.T) {
	var sessions sync.WaitGroup
	for session := range 4 {
		sessions.Go(func() {
			var sent, got bytes.Buffer
			f := rfb.NewFilter(&got, rfb.Policy{Pointer: true, ClipboardIn: true})
			for i := range 40 {
				var msg []byte
				n := rand.IntN(1 << rand.IntN(21))
				msg = rfb.AppendClientCutText(msg, string(bytes.Repeat([]byte{byte('a' + session)}, n)))
				msg = rfb.AppendPointerEvent(msg, 0, uint16(i), uint16(session))
				sent.Write(msg)
				for len(msg) > 0 {
					k := min(len(msg), 1+rand.IntN(1<<rand.IntN(20)))
					if _, err := f.Write(msg[:k]); err != nil {
						t.Error(err)
						return
					}
					msg = msg[k:]
				}
			}
			if !bytes.Equal(got.Bytes(), sent.Bytes()) {
				t.Errorf("session %d: %d bytes in, %d out, or other ones", session, sent.Len(), got.Len())
			}
		})
	}
	sessions.Wait()
}

// TestFilterTooLong: beyond what memory is lent for, a policy may still allow.
func TestFilterTooLong(t *testing.T) {
	for _, most := range []int{0, 3 << 20} {
		var got bytes.Buffer
		f := rfb.NewFilter(&got, rfb.Policy{ClipboardIn: true, ClipboardMax: most})
		msg := rfb.AppendClientCutText(nil, string(make([]byte, 2<<20)))
		for b := msg; len(b) > 0; {
			k := min(len(b), 64<<10)
			if _, err := f.Write(b[:k]); err != nil {
				t.Fatal(err)
			}
			b = b[k:]
		}
		if want := most > 0; bytes.Equal(got.Bytes(), msg) != want || !want && got.Len() > 0 {
			t.Errorf("most %d: %d bytes passed", most, got.Len())
		}
	}
}

// BenchmarkFilterLongMessage passes clipboards of 1 MiB that come in pages, and
// leaves little to the garbage collector.
func BenchmarkFilterLongMessage(b *testing.B) {
	f := rfb.NewFilter(io.Discard, rfb.Policy{ClipboardIn: true})
	msg := rfb.AppendClientCutText(nil, string(make([]byte, 1<<20)))
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		for rest := msg; len(rest) > 0; {
			k := min(len(rest), 64<<10)
			if _, err := f.Write(rest[:k]); err != nil {
				b.Fatal(err)
			}
			rest = rest[k:]
		}
	}
}
