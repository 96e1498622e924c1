package cluster_test

import (
	"context"
	"fmt"

	"vncgate/auth/tickets"
	"vncgate/gateway"
	"vncgate/gateway/cluster"
)

// A gateway that counts its sessions together with those of others, and refuses
// newcomers while it cannot.
func Example() {
	client, err := tickets.RedisConfig{Addresses: []string{"127.0.0.1:1"}}.NewClient()
	if err != nil {
		panic(err)
	}
	defer client.Close()
	g := &gateway.Gateway{}
	c, err := cluster.Open(cluster.Config{
		Client: client, Node: "a", Address: "a.internal:7443", Alone: cluster.Closed,
		Sessions: g.List, MakeRoom: g.MakeRoom, Emit: g.Emit,
	})
	if err != nil {
		panic(err)
	}
	defer c.Close(context.Background())
	g.Seats = c
	fmt.Println(c.State().Connected, len(c.Nodes()), c.State().Alone)
	// Output: false 1 closed
}
