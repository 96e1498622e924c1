package gateway_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/rfb"
)

// behindAgent is a target whose agent is connected while up holds.
func behindAgent(t *testing.T) (target *gateway.Target, up *atomic.Bool) {
	target = newDisplay(t, []rfb.Security{rfb.None{}}, echo).target(rfb.None{})
	dial := target.Dial
	up = &atomic.Bool{}
	target.Agent = "lab"
	target.Dial = func(ctx context.Context) (net.Conn, error) {
		if !up.Load() {
			return nil, fmt.Errorf("%w: lab", gateway.ErrNoAgent)
		}
		return dial(ctx)
	}
	return target, up
}

// A viewer is told that it is the agent that is missing, and a session which one
// it goes through.
func TestAgentThatIsNotConnected(t *testing.T) {
	target, up := behindAgent(t)
	g := newGateway(t, target, gateway.Front{})
	if _, err := viewOver(g.dial(t)); told(err) != "The display's agent is not connected." {
		t.Error(err)
	}
	eventually(t, "the reason is logged", func() bool { return strings.Contains(g.log.String(), `reason="agent not connected"`) })
	if down := g.Down(); len(down) != 1 || down[0].Reason != "agent not connected" {
		t.Error(down)
	}
	up.Store(true)
	g.view(t)
	eventually(t, "the session says by which agent", func() bool {
		list := g.List()
		return len(list) == 1 && list[0].Agent == "lab"
	})
}

func TestViewerWaitsForAnAgent(t *testing.T) {
	t.Parallel()
	target, up := behindAgent(t)
	target.Retry = time.Minute
	g := newGateway(t, target, gateway.Front{})
	c := g.dial(t)
	seen := make(chan error, 1)
	go func() {
		_, err := viewOver(c)
		seen <- err
	}()
	eventually(t, "those who ask are told what is missing", func() bool {
		words, _, ok := g.Waiting("display")
		return ok && words == "The display's agent is not connected. Waiting for it."
	})
	up.Store(true)
	if err := <-seen; err != nil {
		t.Error(err)
	}
}
