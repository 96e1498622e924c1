package layers_test

import (
	"io"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// TestHeartbeat lets two hours pass, in a bubble where they take no time.
func TestHeartbeat(t *testing.T) {
	for _, test := range []struct {
		name string
		peer func(client *layers.WebSocketConn, wire *layertest.PipeConn)
		dead time.Duration // since the start; 0: lives
	}{
		{"answers", func(c *layers.WebSocketConn, _ *layertest.PipeConn) { _, _ = io.Copy(io.Discard, c) }, 0},
		{"says nothing", func(*layers.WebSocketConn, *layertest.PipeConn) {}, 35 * time.Second},
		{"speaks and answers nothing", speakEvery(20 * time.Second), 0},
		{"speaks too rarely", speakEvery(40 * time.Second), 35 * time.Second},
		{"is cut off", func(c *layers.WebSocketConn, wire *layertest.PipeConn) {
			time.AfterFunc(time.Hour, func() { wire.StallAfter(0) })
			_, _ = io.Copy(io.Discard, c)
		}, time.Hour + 35*time.Second - 10*time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := websockets(t)
				go test.peer(client, client.NetConn().(*layertest.PipeConn))
				go func() { _, _ = io.Copy(io.Discard, server) }()
				start, died := time.Now(), make(chan time.Duration, 1)
				stop := layers.Heartbeat(server, 10*time.Second, 25*time.Second, func() { died <- time.Since(start) })
				time.Sleep(2 * time.Hour)
				stop()
				stop()
				_ = client.Close()
				_ = server.Close()
				time.Sleep(time.Minute) // until the peer has noticed
				select {
				case after := <-died:
					if test.dead == 0 || after < test.dead || after > test.dead+10*time.Second {
						t.Errorf("dead after %v, want %v", after, test.dead)
					}
				default:
					if test.dead != 0 {
						t.Error("never found dead")
					}
				}
			})
		})
	}
}

func speakEvery(pause time.Duration) func(*layers.WebSocketConn, *layertest.PipeConn) {
	return func(c *layers.WebSocketConn, _ *layertest.PipeConn) {
		for {
			time.Sleep(pause)
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
		}
	}
}

// TestHeartbeatStuck has a peer that neither reads nor writes while we write:
// no ping can go out, and that is found as well.
func TestHeartbeatStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, server := websockets(t)
		go func() {
			for {
				if _, err := server.Write(make([]byte, 60<<10)); err != nil {
					return
				}
			}
		}()
		var dead atomic.Bool
		stop := layers.Heartbeat(server, time.Second, 5*time.Second, func() { dead.Store(true) })
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if dead.Load() {
			t.Error("dead too soon")
		}
		time.Sleep(3 * time.Second)
		stop()
		if !dead.Load() {
			t.Error("never found dead")
		}
		_ = server.NetConn().Close() // the bubble's clock does not run while a Close waits for a lock
		_ = server.Close()
	})
}

// TestHeartbeatSlow writes all the time to a peer that reads slowly and says
// nothing: Writes that come to their end are enough.
func TestHeartbeatSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := websockets(t)
		raw := client.NetConn()
		go func() {
			b := make([]byte, 30<<10)
			for {
				if _, err := io.ReadFull(raw, b); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		// One Write of many frames: between two, a ping could go out, which this
		// peer would never answer.
		go func() { _, _ = server.Write(make([]byte, 30<<20)) }()
		time.Sleep(5 * time.Second) // the pipe is full
		var dead atomic.Bool
		stop := layers.Heartbeat(server, 10*time.Second, 0, func() { dead.Store(true) })
		time.Sleep(10 * time.Minute)
		stop()
		if dead.Load() {
			t.Error("a slow peer was taken for dead")
		}
		_ = server.NetConn().Close()
		_ = server.Close()
		_ = client.Close()
		time.Sleep(time.Second)
	})
}

// TestHeartbeatInterval pings every 25 seconds unless told otherwise, which no
// usual load balancer takes for idle.
func TestHeartbeatInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := websockets(t)
		wire := server.NetConn().(*layertest.PipeConn)
		before := wire.Sent()
		stop := layers.Heartbeat(server, 0, 0, func() {})
		time.Sleep(60 * time.Second)
		stop()
		if got := wire.Sent() - before; got != 2*2 {
			t.Errorf("%d bytes in a minute, want two pings", got)
		}
		_ = client.Close()
	})
}
