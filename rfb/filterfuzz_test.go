package rfb_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"vncgate/rfb"
)

// FuzzFilterPolicies: however policies change between pieces of a stream,
// between two changes nothing comes out that the policy of the time withholds,
// but releases right at the change; and in the end nothing is down.
func FuzzFilterPolicies(f *testing.F) {
	busy := join(key(true, 'a'), move(1, 2, 3), qkey(true, 'b', 0x30), key(false, 'a'), rfb.AppendClientCutText(nil, "text"),
		move(5, 4, 4), []byte{255, 1, 0, 0}, key(true, 'c'), move(0, 1, 1), rfb.AppendXvp(nil, 2))
	busy = join(busy, giiKey(true, 0x80, 1, 2), giiButton(true, 0, 1, 3), giiKey(false, 0x80, 1, 2))
	f.Add(bytes.Repeat(busy, 5), uint64(1))
	for _, tr := range transcripts(f) {
		f.Add(tr.viewer, uint64(2))
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		var display safeBuffer
		p := policyOf(uint8(random.Uint32()))
		filter := rfb.NewFilter(&display, p)
		held := map[string]bool{}
		framing := rfb.ClientFraming{Tight: true}
		var err error
		for len(in) > 0 && err == nil {
			n := 1 + random.IntN(min(len(in), 30))
			if _, err = filter.Write(in[:n]); err != nil {
				break
			}
			in = in[n:]
			watch(t, held, &framing, display.take(), p)
			if random.IntN(3) > 0 {
				continue
			}
			p = policyOf(uint8(random.Uint32()))
			if filter.SetPolicy(p) != nil {
				return
			}
			_, err = filter.Write(nil) // waits for what SetPolicy has begun
			watch(t, held, &framing, display.take(), rfb.Policy{Keyboard: true, Pointer: true})
			for what := range held {
				gii := what[0] == 'g'
				if (gii || what[0] == rfb.MsgPointerEvent) && !p.Pointer || (gii || what[0] != rfb.MsgPointerEvent) && !p.Keyboard {
					t.Fatalf("%x is down without the right to it", what)
				}
			}
		}
		if err := filter.Release(); err != nil {
			t.Fatal(err)
		}
		watch(t, held, &framing, display.take(), everything)
		if len(held) > 0 {
			t.Fatalf("in the end %d are down: %v", len(held), held)
		}
	})
}

// watch reads out as a display does, keeps track of what is held down, and
// demands that p allows all of it.
func watch(t *testing.T, held map[string]bool, framing *rfb.ClientFraming, out []byte, p rfb.Policy) {
	messages := rfb.NewClientReader(bytes.NewReader(out))
	messages.Framing = *framing
	defer func() { *framing = messages.Framing }()
	for {
		msg, err := messages.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%x: %v", out, err)
		}
		if !needs(msg)(p) {
			t.Fatalf("%x came out", msg)
		}
		down, what := false, ""
		switch {
		case msg[0] == rfb.MsgKeyEvent:
			down, what = msg[1] != 0, "key"+string(msg[4:8])
		case msg[0] == rfb.MsgQEMU && msg[1] == 0:
			down, what = msg[2]|msg[3] != 0, "key"+string(msg[4:12])
		case msg[0] == rfb.MsgPointerEvent:
			down, what = msg[1] != 0 || len(msg) == 7 && msg[6] != 0, string([]byte{rfb.MsgPointerEvent})
		case msg[0] == rfb.MsgGii && msg[1]&0x7f == 0:
			watchGii(held, msg)
			continue
		default:
			continue
		}
		if down {
			held[what] = true
		} else {
			release(held, what)
		}
	}
}

// watchGii keeps track of what is held on devices of the viewer's.
func watchGii(held map[string]bool, msg []byte) {
	for e := msg[4:]; len(e) > 1 && e[0] > 1 && int(e[0]) <= len(e); e = e[e[0]:] {
		device, which := "", ""
		switch {
		case (e[1] == 5 || e[1] == 6) && e[0] >= 24:
			device, which = string(e[4:8]), "key"+string(e[16:24])
		case (e[1] == 10 || e[1] == 11) && e[0] >= 12:
			device, which = string(e[4:8]), "button"+string(e[8:12])
		default:
			continue
		}
		what := fmt.Sprintf("gii %x %q %q", msg[1]&0x80, device, which)
		if e[1] == 5 || e[1] == 10 {
			held[what] = true
		} else {
			delete(held, what)
		}
	}
}

// release lets a key go, in whichever form and by whichever symbol.
func release(held map[string]bool, what string) {
	delete(held, what)
	if what[0] != 'k' {
		return
	}
	for other := range held {
		if other[0] == 'k' && (other[3:7] == what[3:7] && (len(other) == 7 || len(what) == 7 || other[7:] == "\x00\x00\x00\x00" || what[7:] == "\x00\x00\x00\x00") ||
			len(other) > 7 && len(what) > 7 && other[7:] == what[7:] && other[7:] != "\x00\x00\x00\x00") {
			delete(held, other)
		}
	}
}
