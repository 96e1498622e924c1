package rfb_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"

	"vncgate/rfb"
)

// giiMessage is one event in one message; order is bit 7 of its sub-type.
func giiMessage(order, kind uint8, fields ...uint32) []byte {
	write := binary.ByteOrder(binary.LittleEndian)
	if order != 0 {
		write = binary.BigEndian
	}
	e := []byte{0, kind, 0, 0}
	for _, f := range fields {
		e = append(e, 0, 0, 0, 0)
		write.PutUint32(e[len(e)-4:], f)
	}
	e[0] = uint8(len(e))
	msg := []byte{rfb.MsgGii, order, 0, 0}
	write.PutUint16(msg[2:], uint16(len(e)))
	return append(msg, e...)
}

func giiKey(down bool, order uint8, device, label uint32) []byte {
	return giiMessage(order, uint8(6-b2i(down)), device, 0, 'a', label, 7)
}

func giiButton(down bool, order uint8, device, number uint32) []byte {
	return giiMessage(order, uint8(11-b2i(down)), device, number)
}

// TestGiiIsReleased: what is held on devices of the viewer's is let go like
// keys and buttons are.
func TestGiiIsReleased(t *testing.T) {
	released := join(giiKey(false, 0x80, 1, 2), giiButton(false, 0, 1, 3))
	held := join(giiKey(true, 0x80, 1, 2), giiButton(true, 0, 1, 3), giiKey(true, 0, 1, 9),
		giiMessage(0x80, 6, 1, 8, 'A', 9, 7)) // with a shift, and in the other byte order
	slowed := everything
	slowed.KeyRate = 10
	for name, let := range map[string]func(*rfb.Filter) error{
		"keyboard taken": func(f *rfb.Filter) error { return f.SetPolicy(noKeyboard) },
		"pointer taken":  func(f *rfb.Filter) error { return f.SetPolicy(without(func(p *rfb.Policy) { p.Pointer = false })) },
		"rate":           func(f *rfb.Filter) error { return f.SetPolicy(slowed) },
		"lifted":         (*rfb.Filter).Lift,
		"ended":          (*rfb.Filter).Release,
	} {
		var display safeBuffer
		f := rfb.NewFilter(&display, everything)
		if _, err := f.Write(held); err != nil {
			t.Fatal(err)
		}
		display.take()
		if err := let(f); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, _ = f.Write(nil) // waits
		if got := display.take(); !bytes.Equal(got, released) {
			t.Errorf("%s: % x", name, got)
		}
	}
}

// TestGiiOddEvents: what is no event of a key or a button holds nothing.
func TestGiiOddEvents(t *testing.T) {
	cut := giiKey(true, 0, 1, 2)
	cut[4] = 23
	var display safeBuffer
	f := rfb.NewFilter(&display, everything)
	odd := join(unhex(t, "fd 80 0001 00"), unhex(t, "fd 80 0000"), unhex(t, "fd 80 0003 000a00"), unhex(t, "fd 80 0002 ff05"),
		unhex(t, "fd 80 0004 04050000"), giiMessage(0, 8, 1, 2, 3, 4, 5), giiMessage(0, 10, 1), cut, giiButton(false, 0, 9, 9))
	if _, err := f.Write(odd); err != nil || !bytes.Equal(display.take(), odd) {
		t.Error(err)
	}
	if err := f.Release(); err != nil || len(display.take()) > 0 {
		t.Errorf("something is released, %v", err)
	}
}

// TestGiiTooManyHeld: what is down beyond all count cannot be released, so
// whoever is to lose the right to it loses the session.
func TestGiiTooManyHeld(t *testing.T) {
	f := rfb.NewFilter(io.Discard, everything)
	var in []byte
	for i := range uint32(65) {
		in = slices.Concat(in, giiButton(true, 0x80, 1, i))
	}
	if _, err := f.Write(in); err != nil {
		t.Fatal(err)
	}
	if err := f.SetPolicy(everything); err != nil {
		t.Errorf("with all rights: %v", err)
	}
	if err := f.SetPolicy(noKeyboard); !errors.Is(err, rfb.ErrNotFiltered) {
		t.Errorf("without: %v", err)
	}
}

// TestExtendedPointerStaysListed: a viewer whose display has confirmed
// seven-byte PointerEvents may list them again after it has lost a right.
func TestExtendedPointerStaysListed(t *testing.T) {
	list := rfb.AppendSetEncodings(nil, rfb.EncodingExtendedMouseButtons, 16)
	event := rfb.AppendExtendedPointerEvent(nil, 1<<8, 5, 6)
	var display safeBuffer
	f := rfb.NewFilter(&display, everything)
	if _, err := f.Write(list); err != nil {
		t.Fatal(err)
	}
	if err := f.SetPolicy(noKeyboard); err != nil {
		t.Fatal(err)
	}
	display.take()
	update := rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, 1, 1)
	if _, err := f.Write(join(list, event, update)); err != nil {
		t.Fatal(err)
	}
	if got, want := display.take(), join(list, move(0, 5, 6), update); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	shorter := rfb.AppendSetEncodings(nil, 16)
	if _, err := f.Write(join(shorter, list, event, update)); err != nil {
		t.Fatal(err)
	}
	if got, want := display.take(), join(shorter, list, move(0, 5, 6), update); !bytes.Equal(got, want) {
		t.Errorf("listed anew: % x, want % x", got, want)
	}
}
