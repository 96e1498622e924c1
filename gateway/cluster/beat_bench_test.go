package cluster

import (
	"context"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/gateway"
)

// BenchmarkBeat is a sign of life of a node with 1000 sessions: of which none has
// changed, and of which all have.
func BenchmarkBeat(b *testing.B) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		b.Skip("redis-server is missing: apt install redis-server")
	}
	path := b.TempDir() + "/redis.sock"
	cmd := exec.Command("redis-server", "--port", "0", "--save", "", "--unixsocket", path)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: path, Protocol: 2, DisableIdentity: true})
	defer client.Close()
	e := full(b)
	list := make([]gateway.SessionInfo, 1000)
	for i := range list {
		list[i] = *e.Session
		list[i].ID = fmt.Sprint("s", i)
	}
	c, err := Open(Config{Client: client, Node: "a", Sessions: func() []gateway.SessionInfo { return list }})
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
