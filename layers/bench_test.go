package layers_test

import (
	"fmt"
	"io"
	"net"
	"testing"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// benchStacks are the stacks worth comparing, over TCP.
func benchStacks(b *testing.B) map[string][2]layers.Layer {
	certs := layertest.Certificates(b)
	ws := [2]layers.Layer{layers.WebSocketClient(wsURL, nil), layers.WebSocketServer(layers.WebSocketConfig{})}
	tls := [2]layers.Layer{layers.TLSClient(certs.Client), layers.TLSServer(certs.Server)}
	return map[string][2]layers.Layer{
		"tcp": {stack(), stack()}, "tls": tls, "ws": ws, "sasl": {saslSides, saslSides},
		"wss": {stack(tls[0], ws[0]), stack(tls[1], ws[1])},
	}
}

// BenchmarkWrite sends from the server, which is the display's direction, to a
// client that drops everything.
func BenchmarkWrite(b *testing.B) {
	stacks := benchStacks(b)
	for _, name := range []string{"tcp", "tls", "ws", "wss", "sasl"} {
		for _, size := range []int{1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("%s/%dKiB", name, size>>10), func(b *testing.B) {
				benchWrite(b, stacks[name], size, func(c net.Conn, payload []byte) error {
					_, err := c.Write(payload)
					return err
				})
			})
		}
	}
}

// BenchmarkWriteHeadroom is BenchmarkWrite without the copy.
func BenchmarkWriteHeadroom(b *testing.B) {
	stacks := benchStacks(b)
	for _, name := range []string{"ws", "wss"} {
		b.Run(name+"/64KiB", func(b *testing.B) {
			room := make([]byte, 10+64<<10)
			benchWrite(b, stacks[name], 64<<10, func(c net.Conn, _ []byte) error {
				_, err := c.(layers.HeadroomWriter).WriteHeadroom(room)
				return err
			})
		})
	}
}

func benchWrite(b *testing.B, sides [2]layers.Layer, size int, write func(net.Conn, []byte) error) {
	near, far := layertest.TCP(b)
	client, server := join(b, near, far, sides[0], sides[1])
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			if _, err := client.Read(buf); err != nil {
				return
			}
		}
	}()
	payload := make([]byte, size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		if err := write(server, payload); err != nil {
			b.Fatal(err)
		}
	}
	_ = server.Close()
	<-done
}

// BenchmarkReadPointer reads what a viewer sends most: pointer events of six
// bytes, one to a frame. It must not allocate.
func BenchmarkReadPointer(b *testing.B) {
	stacks := benchStacks(b)
	for _, name := range []string{"tcp", "tls", "ws", "wss"} {
		b.Run(name, func(b *testing.B) {
			near, far := layertest.TCP(b)
			client, server := join(b, near, far, stacks[name][0], stacks[name][1])
			event := make([]byte, 6)
			buf := make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Write(event); err != nil {
					b.Fatal(err)
				}
				if n, err := server.Read(buf); err != nil || n != len(event) {
					b.Fatal(n, err)
				}
			}
		})
	}
}

// TestReadPointerDoesNotAllocate is the promise behind the benchmark.
func TestReadPointerDoesNotAllocate(t *testing.T) {
	server, peer := rawPeer(t, false)
	events := masked(binaryFrame, "\x05\x00\x00\x0a\x00\x14")
	buf := make([]byte, 4096)
	small := make([]byte, 6)
	// Beside the read the pipe allocates for what is written; that comes first.
	const runs = 100
	for range 2 * (runs + 1) {
		_, _ = peer.Write(events)
	}
	peer.Chunk(len(events))
	if n := testing.AllocsPerRun(runs, func() { _, _ = server.Read(buf) }); n != 0 {
		t.Errorf("%v allocations a read", n)
	}
	if n := testing.AllocsPerRun(runs, func() { _, _ = io.ReadFull(server, small) }); n != 0 {
		t.Errorf("%v allocations an exact read", n)
	}
}
