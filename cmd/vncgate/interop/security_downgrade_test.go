package interop

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
)

// A meddler is a man between the gateway and a display who edits what the
// display offers.
type meddler struct {
	types    func([]byte) []byte // security types
	subtypes []uint32            // of VeNCrypt, in place of the display's; nil leaves them
}

// stand puts the man before a display.
func (m meddler) stand(t *testing.T, display endpoint) endpoint {
	at := serve(t, func(gateway net.Conn) {
		c, err := display.dial()
		if err != nil {
			return
		}
		defer c.Close()
		if m.greet(gateway, c) != nil {
			return
		}
		go func() {
			_, _ = io.Copy(c, gateway)
			c.Close()
		}()
		_, _ = io.Copy(gateway, c)
	})
	at.host, at.ca, at.password = "localhost", display.ca, display.password
	return at
}

// greet passes the greeting on as far as there is something to edit.
func (m meddler) greet(gateway, display net.Conn) error {
	for _, way := range [][2]net.Conn{{gateway, display}, {display, gateway}} {
		if _, err := io.CopyN(way[0], way[1], 12); err != nil {
			return err
		}
	}
	types, err := counted(display, 1)
	if err != nil {
		return err
	}
	if m.types != nil {
		types = m.types(types)
	}
	if _, err := gateway.Write(append([]byte{byte(len(types))}, types...)); err != nil || m.subtypes == nil {
		return err
	}
	// The choice of VeNCrypt, both versions and the acknowledgement.
	for _, pass := range []struct {
		to, from net.Conn
		n        int64
	}{{display, gateway, 1}, {gateway, display, 2}, {display, gateway, 2}, {gateway, display, 1}} {
		if _, err := io.CopyN(pass.to, pass.from, pass.n); err != nil {
			return err
		}
	}
	if _, err := counted(display, 4); err != nil {
		return err
	}
	list := []byte{byte(len(m.subtypes))}
	for _, subtype := range m.subtypes {
		list = binary.BigEndian.AppendUint32(list, subtype)
	}
	_, err = gateway.Write(list)
	return err
}

// counted reads a list of n elements of size bytes each.
func counted(c net.Conn, size int) ([]byte, error) {
	n := make([]byte, 1)
	if _, err := io.ReadFull(c, n); err != nil {
		return nil, err
	}
	list := make([]byte, int(n[0])*size)
	_, err := io.ReadFull(c, list)
	return list, err
}

// men are those who take away what is strong.
func men() map[string]meddler {
	const plain, x509None = 256, 260
	return map[string]meddler{
		"strips VeNCrypt":            {types: func(list []byte) []byte { return bytes.ReplaceAll(list, []byte{19}, nil) }},
		"leaves None":                {types: func([]byte) []byte { return []byte{1} }},
		"leaves X509None":            {subtypes: []uint32{x509None}},
		"leaves None in VeNCrypt":    {types: func([]byte) []byte { return []byte{19} }, subtypes: []uint32{1}},
		"leaves VncAuth in VeNCrypt": {types: func([]byte) []byte { return []byte{19} }, subtypes: []uint32{2}},
		"leaves Plain in VeNCrypt":   {types: func([]byte) []byte { return []byte{19} }, subtypes: []uint32{plain}},
	}
}

// TestDowngrade lets a man in the middle take away what is strong. Where the
// target demands TLS, by name or as its minimum, he gets nowhere. Where nothing
// is demanded the gateway takes the best of what it is shown, so that he can
// have it prove itself weakly, or to nobody: demand something on every network
// that is not trusted.
func TestDowngrade(t *testing.T) {
	display := theTiger(t).at // X509None, X509Vnc, X509Plain, Plain, VncAuth, None
	demands := map[string]block{
		"nothing": nil, "minimum x509-none": {"minimum": "x509-none"}, "minimum x509-vnc": {"minimum": "x509-vnc"},
		"x509-vnc": {"security": []string{"x509-vnc"}}, "any x509": {"security": []string{"x509-vnc", "x509-none"}},
	}
	weak := map[[2]string]string{ // how he is let in
		{"nothing", "strips VeNCrypt"}:           "vnc",
		{"nothing", "leaves None"}:               "none",
		{"nothing", "leaves X509None"}:           "x509-none",
		{"minimum x509-none", "leaves X509None"}: "x509-none", // TLS to the true display, as demanded
		{"any x509", "leaves X509None"}:          "x509-none",
	}
	set := setup{listeners: map[string]block{}, targets: map[string]block{}}
	for man, m := range men() {
		at := m.stand(t, display)
		for demand, more := range demands {
			name := demand + ", " + man
			b := block{"address": at.address(), "password": at.password, "tls": block{"ca": at.ca, "name": "localhost"}}
			for key, value := range more {
				b[key] = value
			}
			set.targets[name], set.listeners[name] = b, listener(t, "none", name)
		}
	}
	g := startSecured(t, set)
	for man := range men() {
		for demand := range demands {
			name := demand + ", " + man
			t.Run(name, func(t *testing.T) {
				by, let := weak[[2]string{demand, man}]
				if !let {
					g.decides(t, name, notWanted, "no common security")
					return
				}
				said := g.log.len()
				g.decides(t, name, "", "")
				if got := g.session(t, said, g.ports[name])["display_security"]; got != by {
					t.Errorf("the display was reached by %s, not %s", got, by)
				}
			})
		}
	}
}
