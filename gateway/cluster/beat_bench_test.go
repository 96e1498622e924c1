package cluster

import (
	"context"
	"fmt"
	"testing"
	"time"

	"vncgate/auth/tickets/redistest"
	"vncgate/gateway"
)

// BenchmarkBeat is a sign of life of a node with 1000 sessions: of which none has
// changed, and of which all have.
func BenchmarkBeat(b *testing.B) {
	server := redistest.Start(b)
	e := full(b)
	list := make([]gateway.SessionInfo, 1000)
	for i := range list {
		list[i] = *e.Session
		list[i].ID = fmt.Sprint("s", i)
	}
	c, err := Open(Config{Client: server.Client, Node: "a", Sessions: func() []gateway.SessionInfo { return list }})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close(context.Background())
	for !c.State().Connected {
		time.Sleep(10 * time.Millisecond)
	}
	c.stop()
	c.running.Wait()
	for _, all := range []bool{false, true} {
		b.Run(map[bool]string{false: "quiet", true: "all changed"}[all], func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				for i := range list {
					if all {
						list[i].Rule = fmt.Sprint("rule ", n)
					}
				}
				if err := c.sign(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
