package layers

import (
	"bytes"
	"crypto/tls"
	"net"
	"reflect"
)

// Rest has the layers of c give up the memory that nothing is in, for nothing is
// expected from its peer for a while: the next Read takes it anew. Nobody may be
// in a Read of c meanwhile.
func Rest(c net.Conn) {
	for l := range Walk(c) {
		if r, ok := l.(interface{ rest() }); ok {
			r.rest()
		}
	}
}

// rest frees what crypto/tls has read into: it keeps for good the room that the
// longest record has needed, up to 32 KiB, and that of the handshake, which is
// most of what an idle connection takes. It has no means to give them up, so
// they are found by their names; where another version of Go names them
// otherwise, they stay.
func (t *TLSConn) rest() {
	input := fieldOf[bytes.Reader](t.Conn, "input")
	if input == nil || input.Len() > 0 { // it lies in rawInput
		return
	}
	input.Reset(nil)
	for _, name := range []string{"rawInput", "hand"} {
		if b := fieldOf[bytes.Buffer](t.Conn, name); b != nil && b.Len() == 0 {
			*b = bytes.Buffer{}
		}
	}
}

// fieldOf is the field of that name and type, or nil.
func fieldOf[T any](c *tls.Conn, name string) *T {
	f := reflect.ValueOf(c).Elem().FieldByName(name)
	if !f.IsValid() || f.Type() != reflect.TypeFor[T]() {
		return nil
	}
	return (*T)(f.Addr().UnsafePointer())
}
