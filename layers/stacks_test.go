package layers_test

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// element is a layer with the two sides that a stack in the tests is made of.
type element struct {
	name      string
	near, far layers.Layer
	endMark   bool
}

func everyone(netip.Addr) bool { return true }

// elements are the layers in the order in which they may be stacked.
func elements(t testing.TB) []element {
	certs := layertest.Certificates(t)
	client := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 4711}
	gate := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5900}
	return []element{
		{"proxy", layers.ProxyClient(2, client, gate), layers.ProxyServer(everyone), false},
		{"tls", layers.TLSClient(certs.Client), layers.TLSServer(certs.Server), true},
		{"ws", layers.WebSocketClient(wsURL, nil), layers.WebSocketServer(layers.WebSocketConfig{}), true},
		{"sasl", saslSides, saslSides, false},
	}
}

// saslSides makes a fresh codec for each connection.
func saslSides(ctx context.Context, c net.Conn) (net.Conn, error) {
	return layers.SASL(countingCodec())(ctx, c)
}

// countingCodec is a security layer of no strength: a running number, so that a
// token lost, doubled or out of order shows, and the text inverted.
func countingCodec() layers.SASLCodec {
	var sent, received uint32
	const size = 8192
	var ones [size]byte
	for i := range ones {
		ones[i] = 0xFF
	}
	invert := func(dst, src []byte) []byte {
		n := len(dst)
		dst = append(dst, src...)
		subtle.XORBytes(dst[n:], src, ones[:])
		return dst
	}
	return layers.SASLCodec{
		Wrap: func(b []byte) ([]byte, error) {
			sent++
			return invert(binary.BigEndian.AppendUint32(nil, sent), b), nil
		},
		Unwrap: func(b []byte) ([]byte, error) {
			received++
			if len(b) < 4 || binary.BigEndian.Uint32(b) != received {
				return nil, errors.New("out of order")
			}
			return invert(nil, b[4:]), nil
		},
		MaxSend: size - 4, MaxReceive: size, SSF: 56,
	}
}

// bases are what stacks stand on.
var bases = []struct {
	name string
	pair func(testing.TB) (net.Conn, net.Conn)
}{
	{"pipe", nil},
	{"tcp", layertest.TCP},
	{"unix", layertest.Unix},
	{"command", commandPair},
}

// TestStacks runs the suite on every legal stack of every layer.
func TestStacks(t *testing.T) {
	all := elements(t)
	for _, base := range bases {
		for set := range 1 << len(all) {
			name := []string{base.name}
			subject := layertest.Subject{Base: base.pair}
			var near, far []layers.Layer
			for i, e := range all {
				if set&(1<<i) != 0 {
					name = append(name, e.name)
					near, far = append(near, e.near), append(far, e.far)
					subject.EndMark = subject.EndMark || e.endMark
				}
			}
			if base.name == "command" && len(near) > 1 && len(near) < len(all) {
				continue // a process for each connection takes its time
			}
			subject.Near, subject.Far = stack(near...), stack(far...)
			subject.Sparse = len(near) > 1 || base.name != "pipe"
			subject.Parallel = subject.Sparse // leaks are then Main's to find
			t.Run(strings.Join(name, "-"), func(t *testing.T) { layertest.TestLayer(t, subject) })
		}
	}
}

// TestDescribeStacks names the fullest stack over every base.
func TestDescribeStacks(t *testing.T) {
	all := elements(t)
	var near, far []layers.Layer
	for _, e := range all {
		near, far = append(near, e.near), append(far, e.far)
	}
	for _, base := range bases {
		a, b := layertest.Pipe()
		if base.pair != nil {
			a, b = base.pair(t)
		}
		client, _ := join(t, a, b, stack(near...), stack(far...))
		want := base.name + "→proxy→tls1.3→ws→sasl(ssf=56)"
		if got := layers.Describe(client); got != want {
			t.Errorf("Describe = %q, want %q", got, want)
		}
	}
}
