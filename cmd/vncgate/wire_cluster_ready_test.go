package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"vncgate/gateway/cluster"
	"vncgate/rfb"
)

// TestReadyWithoutRedis: a gateway that never reached Redis lets nobody in, unless
// the rule says otherwise, and where Redis is is not for strangers.
func TestReadyWithoutRedis(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	defer client.Close()
	for alone, ready := range map[cluster.Alone]bool{cluster.Closed: false, cluster.Local: true} {
		c, err := cluster.Open(cluster.Config{Client: client, Node: "a", Alone: alone})
		must(t, err)
		defer c.Close(t.Context())
		err = (&clustered{Cluster: c}).ready()
		if (err == nil) != ready {
			t.Errorf("%s: %v", alone, err)
		}
		if told, ok := errors.AsType[*rfb.Refusal](err); !ready && (!ok || strings.Contains(told.Reason, "127.0.0.1")) {
			t.Errorf("strangers are told: %v", err)
		}
	}
	if err := (*clustered)(nil).ready(); err != nil {
		t.Errorf("one gateway alone: %v", err)
	}
}
