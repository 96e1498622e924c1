package display

import (
	"fmt"
	"runtime/debug"
)

// A Fault is a mistake of this package's that a message of a display has met. It
// ends what was being decoded and nothing else: a gateway decodes beside sessions
// that have nothing to do with it.
type Fault struct {
	Value any    // of the panic
	Stack []byte // as runtime/debug has it
}

func (f *Fault) Error() string { return fmt.Sprintf("display: fault: %v", f.Value) }

// contain makes a panic the error of Next.
func (d *Decoder) contain(err *error) {
	if v := recover(); v != nil {
		d.fault = &Fault{v, debug.Stack()}
		*err = d.fault
	}
}
