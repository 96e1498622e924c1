package display_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"vncgate/rfb"
	"vncgate/rfb/display"
)

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// What goes wrong in one message is the error of that Decoder, with the place.
func TestFaultIsContained(t *testing.T) {
	init := screenOf(32, 20, rfb.Format32())
	d, err := display.NewDecoder(io.MultiReader(strings.NewReader(string(rfb.AppendBell(nil))), readerFunc(func([]byte) (int, error) {
		panic("met in a test")
	})), init)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := d.Next(); err != nil || m.Type != rfb.MsgBell {
		t.Fatalf("%v, %v", m, err)
	}
	for range 2 {
		_, err = d.Next()
		var fault *display.Fault
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), "met in a test") || !strings.Contains(string(fault.Stack), "fault_test.go") {
			t.Fatalf("%v", err)
		}
	}
}
