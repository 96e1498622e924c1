package interop

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// flooders are how many connections hold a port at once.
const flooders = 1000

// floods are what strangers do with a connection that they hold.
var floods = map[string]func(net.Conn){
	"silent":   func(net.Conn) {},
	"garbage":  func(c net.Conn) { _, _ = c.Write([]byte(rand.Text() + rand.Text())) },
	"half TLS": func(c net.Conn) { _, _ = c.Write([]byte{0x16, 3, 1, 2, 0, 1}) },
	"half HTTP": func(c net.Conn) {
		_, _ = c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nX-"))
	},
	"slow writer": func(c net.Conn) {
		for range 20 {
			if _, err := c.Write([]byte("I")); err != nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	},
}

// flood opens connections to a port and keeps them until the test ends.
func flood(t *testing.T, port int, does func(net.Conn)) {
	t.Helper()
	var held []net.Conn
	var wg sync.WaitGroup
	t.Cleanup(func() {
		for _, c := range held {
			c.Close()
		}
		wg.Wait()
	})
	for range flooders {
		c, err := endpoint{host: "127.0.0.1", port: port}.dial()
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
		wg.Go(func() { does(c) })
	}
}

// TestFloodedPortForAll has strangers hold the port for all by every means.
// Good viewers of each kind still come in at their first attempt.
func TestFloodedPortForAll(t *testing.T) {
	t.Parallel()
	g, _ := serveComers(t)
	for name, does := range floods {
		t.Run(name, func(t *testing.T) {
			flood(t, g.ports["all"], does)
			began := time.Now()
			at := g.at("all")
			err := errors.Join(entersAt(at, "north"),
				reaches(fmt.Sprintf("wss://%s/websockify", at.address()), "north"),
				reaches(fmt.Sprintf("ws://%s/websockify", at.address()), "north"))
			if err != nil {
				t.Error(err)
			}
			t.Logf("three viewers were in after %v", time.Since(began).Round(time.Millisecond))
		})
	}
}

// TestFloodedArrivals has strangers hold the port that displays dial. One that
// is wanted still arrives.
func TestFloodedArrivals(t *testing.T) {
	t.Parallel()
	needDiallers(t)
	g := serveArrivals(t)
	for name, does := range floods {
		t.Run(name, func(t *testing.T) {
			flood(t, g.ports["displays"], does)
			s := testScope(t)
			d, err := startDialler(s, 5, fmt.Sprintf("repeater=ID:77+127.0.0.1:%d", g.ports["displays"]))
			if err != nil {
				t.Fatal(err)
			}
			if err := entersAt(g.at("second"), "card 5"); err != nil {
				t.Error(err)
			}
			d.stop()
		})
	}
}
