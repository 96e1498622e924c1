package rfb_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

// needsServer decides on a message of a display's.
func needsServer(p rfb.Policy, msg []byte) bool {
	switch msg[0] {
	case 2:
		return p.Bell
	case 255:
		return p.Audio
	case 130, 131, 132, 133:
		return p.FileTransfer
	case 3:
		if msg[4]&0x80 == 0 {
			return p.ClipboardOut
		}
		// The display's side of it is the viewer's the other way around.
		p.ClipboardIn, p.ClipboardOut = p.ClipboardOut, p.ClipboardIn
		if msg[8]&(1|16) == 16 { // without a limit nobody looks inside
			msg = append([]byte{3, 0, 0, 0, 0xff, 0, 0, 0, msg[8]&^16 | 8}, msg[9:]...)
		}
		return needsClipboard(p, msg)
	}
	return true
}

// expectedServer is what p leaves of in, and whether it ends in nonsense.
func expectedServer(p rfb.Policy, f rfb.PixelFormat, in []byte) (want []byte, broken bool) {
	r := &reading{b: in}
	r.take(f)
	for r.at < len(in) {
		msg, err := r.next()
		if err != nil {
			// A filter may look at a few bytes at once before it sees.
			return want, err == errNonsense && len(in)-r.at > 12
		}
		if needsServer(p, msg) {
			want = append(want, msg...)
		}
	}
	return want, false
}

// TestOracle: the two who know the protocol agree.
func TestOracle(t *testing.T) {
	for seed := range uint64(30) {
		paint := newPainter(seed, []int{1, 2, 4}[seed%3])
		p := policyOf(uint8(seed * 7))
		in, want := under(p, paint.everything())
		if got, broken := expectedServer(p, paint.format(), in); broken || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %d bytes, want %d, the same %d, broken: %v", seed, len(got), len(want), common(got, want), broken)
		}
	}
}

// FuzzServerFilter: whatever the pieces, nothing that is withheld comes out,
// and everything else does, unchanged and in order.
func FuzzServerFilter(f *testing.F) {
	for seed := range uint64(12) {
		paint := newPainter(seed, []int{1, 2, 4}[seed%3])
		all := paint.everything()
		in, _ := under(everything, all[:8])
		f.Add(in, uint8(seed*21), seed)
	}
	for _, m := range newPainter(1, 4).everything() {
		if len(m.msg) < 4000 {
			f.Add(m.msg, uint8(0), uint64(2))
		}
	}
	for _, tr := range transcripts(f) {
		f.Add(tr.display, uint8(0), uint64(2))
	}
	f.Fuzz(func(t *testing.T, in []byte, bits uint8, seed uint64) {
		p := policyOf(bits)
		p.Bell = seed&8 != 0
		format := newPainter(0, []int{1, 2, 4}[seed%3]).format()
		_, s := newCutter(p, format)
		random := rand.New(rand.NewPCG(seed, 0))
		got, err := cutPieces(s, in, func(left int) int { return 1 + random.IntN(min(left, 60)) })
		want, broken := expectedServer(p, format, in)
		var stream *rfb.StreamError
		var hazard *rfb.PixelFormatError
		if err != nil && !errors.As(err, &stream) && !errors.As(err, &hazard) {
			t.Fatal(err)
		}
		if broken && err == nil || !bytes.HasPrefix(got, want) {
			t.Fatalf("got %.300x, want %.300x, %v, broken: %v", got, want, err, broken)
		}
		// Of what comes behind whole messages, only the start of one that passes.
		if rest := got[len(want):]; len(rest) > 0 && rest[0] == 3 && !p.ClipboardOut && !p.ClipboardIn || len(rest) > 0 && rest[0] == 255 && !p.Audio {
			t.Fatalf("the start of a message that is withheld: %x", rest)
		}
	})
}

// A heard is what both sides of a recorded session said behind their handshake.
type heard struct {
	name            string
	viewer, display []byte
	format          rfb.PixelFormat // as in ServerInit
}

// transcripts are the sessions with real viewers that went beyond the
// handshake, and whose bytes are readable.
func transcripts(t testing.TB) (all []heard) {
	paths, err := filepath.Glob(filepath.Join("rfbtest", "testdata", "viewers", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		tr, err := rfbtest.LoadTranscript(path)
		if err != nil {
			t.Fatal(err)
		}
		// ServerInit ends in the name; 8 bytes more are Tight's.
		name := []byte("\x00\x00\x00\x0atranscript")
		before, display, ok := bytes.Cut(tr.Said(rfbtest.ByDisplay), name)
		if !ok {
			continue
		}
		format, err := rfb.ParsePixelFormat(before[len(before)-rfb.PixelFormatLen:])
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(path, "-tight-") {
			display = display[8:]
		}
		all = append(all, heard{filepath.Base(path), said(tr), display, format})
	}
	return all
}

// said is what the viewer of tr said behind ClientInit: as many bytes as its
// messages had, of which the result keeps count.
func said(tr *rfbtest.Transcript) []byte {
	_, list, _ := strings.Cut(tr.Result, "\nmessages ")
	list, _, _ = strings.Cut(list, "\n")
	n := 0
	for _, m := range strings.Fields(list) {
		_, size, _ := strings.Cut(m, ":")
		k, _ := strconv.Atoi(size)
		n += k
	}
	all := tr.Said(rfbtest.ByViewer)
	return all[len(all)-n:]
}

// TestTranscriptsThroughFilters: what real viewers said to a display of ours,
// and were told, passes as it is where nothing is withheld, and follows the
// oracle where much is.
func TestTranscriptsThroughFilters(t *testing.T) {
	all := transcripts(t)
	if len(all) < 10 {
		t.Fatalf("only %d transcripts", len(all))
	}
	for _, tr := range all {
		for bits := 255; bits >= 0; bits -= 15 {
			p := policyOf(uint8(bits))
			for _, size := range []int{1, 7, 1 << 20} {
				f, s := newCutter(p, tr.format)
				if _, err := f.Write(tr.viewer); err != nil {
					t.Fatalf("%s: %v", tr.name, err)
				}
				got, err := cutPieces(s, tr.display, piecesOf(size))
				if err != nil || !bytes.Equal(got, tr.display) {
					t.Errorf("%s, policy %08b: %d bytes of %d, %v", tr.name, bits, len(got), len(tr.display), err)
				}
				want, broken := expected(p, tr.viewer)
				if got, err := inPieces(p, tr.viewer, piecesOf(size)); err != nil || broken || !bytes.Equal(got, want) {
					t.Errorf("%s, policy %08b: %d bytes of %d, %v", tr.name, bits, len(got), len(want), err)
				}
			}
		}
		if got, err := inPieces(everything, tr.viewer, piecesOf(1)); err != nil || !bytes.Equal(got, tr.viewer) {
			t.Errorf("%s, all allowed: %d bytes of %d, %v", tr.name, len(got), len(tr.viewer), err)
		}
	}
}
