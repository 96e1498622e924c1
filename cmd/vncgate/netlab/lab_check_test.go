package netlab

import (
	"context"
	"io"
	"net"
	"strconv"
	"testing"
	"time"
)

func itoa(n int) string { return strconv.Itoa(n) }

// The laboratory is what it says: otherwise no figure from it means anything.
func TestLab(t *testing.T) {
	l := newLab(t, setup{conditions: near})
	t.Run("the agent reaches the gateway, who sees the nat", func(t *testing.T) {
		ln := l.gateway.listen(t, gatewayAddress+":7000")
		start := time.Now()
		c, err := l.agent.dial(t.Context(), gatewayAddress+":7000")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if took := time.Since(start); took < 20*time.Millisecond {
			t.Errorf("connected in %v, through a round trip of 20ms", took)
		}
		peer, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		if from, _, _ := net.SplitHostPort(peer.RemoteAddr().String()); from != natAddress {
			t.Errorf("the gateway sees %s, want the nat at %s", from, natAddress)
		}
	})
	t.Run("the gateway does not reach the agent", func(t *testing.T) {
		l.agent.listen(t, agentAddress+":7001")
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if c, err := l.gateway.dial(ctx, natAddress+":7001"); err == nil {
			c.Close()
			t.Error("the gateway reached the agent through the nat")
		}
	})
	t.Run("the viewer reaches the forwarded port", func(t *testing.T) {
		ln := l.agent.listen(t, agentAddress+":"+displayPort)
		go answer(ln)
		c, err := l.viewer.dial(t.Context(), natAddress+":"+displayPort)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, "x"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Error(err)
		}
	})
}

// answer echoes one connection after the other.
func answer(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(c, c)
		c.Close()
	}
}

// How much the laboratory itself carries, with one plain connection: no figure
// can be higher.
func TestLabCarries(t *testing.T) {
	for _, test := range []struct {
		name string
		setup
	}{
		{"as fast as it goes", setup{offload: true, buffers: 64 << 20}},
		{"1 Gbit/s, 100 ms", setup{conditions: far, offload: true, buffers: 64 << 20}},
		{"100 Mbit/s, 20 ms", setup{conditions: near}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := newLab(t, test.setup)
			ln := l.agent.listen(t, agentAddress+":"+displayPort)
			go pour(ln)
			c, err := l.viewer.dial(t.Context(), natAddress+":"+displayPort)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			rate, err := rateOf(c, 3*time.Second, 5*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%.0f Mbit/s; %d packets carried, %d dropped", rate/1e6, l.path.up.carried.Load(), l.path.up.dropped.Load())
		})
	}
}

// pour sends zeroes to whoever connects.
func pour(ln net.Listener) {
	b := make([]byte, 256<<10)
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		for {
			if _, err := c.Write(b); err != nil {
				break
			}
		}
		c.Close()
	}
}

// rateOf reads for a while, after a time that does not count, and returns bits
// a second.
func rateOf(c net.Conn, before, during time.Duration) (float64, error) {
	b := make([]byte, 256<<10)
	start := time.Now().Add(before)
	var n int64
	for {
		got, err := c.Read(b)
		if err != nil {
			return 0, err
		}
		now := time.Now()
		if now.Before(start) {
			continue
		}
		n += int64(got)
		if took := now.Sub(start); took >= during {
			return float64(n) * 8 / took.Seconds(), nil
		}
	}
}
