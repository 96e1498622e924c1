package layers

import (
	"fmt"
	"net"
	"runtime/debug"
)

// contain is deferred where c is looked at: a fault in the program ends c and
// nothing else. Of the panic's value only the type is shown, for it may have been
// put together from what a viewer has sent.
func (s *Split) contain(c net.Conn) {
	if v := recover(); v != nil {
		s.config.Log.Error("fault in the program; the connection alone ends", "error", fmt.Sprintf("a panic with a %T", v), "stack", string(debug.Stack()))
		_ = c.Close()
	}
}
