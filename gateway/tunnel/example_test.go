package tunnel_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"vncgate/gateway/tunnel"
	"vncgate/layers/layertest"
)

// An agent reaches the gateway, and the gateway a display through it.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	hub := &tunnel.Hub{}
	display := func(context.Context) (net.Conn, error) {
		near, far := layertest.Pipe()
		go func() { _, _ = io.WriteString(far, "RFB 003.008\n"); _ = far.Close() }()
		return near, nil
	}
	agent := &tunnel.Agent{
		Services: []tunnel.Service{{Name: "desk", Dial: display}},
		Connect: func(context.Context) (net.Conn, error) { // TLS, and whatever is on the way
			near, far := layertest.Pipe()
			running.Go(func() { _ = hub.Serve(ctx, far, tunnel.Peer{Name: "lab", Services: []string{"desk*"}}) })
			return near, nil
		},
	}
	running.Go(func() { _ = agent.Run(ctx) })

	c, err := hub.Dial(ctx, "lab", "desk") // waits until the agent is there
	if err != nil {
		fmt.Println(err)
		return
	}
	greeting, err := io.ReadAll(c)
	fmt.Printf("%s: %s", c.RemoteAddr(), greeting)
	if err != nil {
		fmt.Println(err)
	}
	_ = c.Close()
	// Output: lab/desk: RFB 003.008
}
