package cluster_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/auth/tickets/redistest"
	"vncgate/gateway/cluster"
)

// logged is what a node has logged.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// Two machines of one name are told of it; two processes at one place, of which
// one takes over from the other, are as it should be.
func TestOneNameAtTwoMachines(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var told logged
	soon := func(cfg *cluster.Config) { cfg.Expire = time.Second }
	first := joined(t, of(t, server), "a", soon, func(cfg *cluster.Config) { cfg.Log = slog.New(slog.NewTextHandler(&told, nil)) })
	heir := joined(t, of(t, server), "a", soon)
	twin := joined(t, of(t, server), "a", soon, func(cfg *cluster.Config) { cfg.Address = "elsewhere.internal:7443" })
	eventually(t, "all are there", func() bool { return first.names() == "a a a" })
	eventually(t, "nobody is warned", func() bool { return told.has("other_instance=" + twin.Instance()) })
	if told.has("other_instance=" + heir.Instance()) {
		t.Error("a process that takes over is warned of")
	}
}

// Whoever comes in the moment in which a node begins waits for the first answer of
// Redis, and is not sent away.
func TestEnterAtOnce(t *testing.T) {
	t.Parallel()
	p := join(t, of(t, redistest.Start(t)), "a")
	if got := p.enters(seat("s", auth.Limits{PerTarget: 1})); got != "in" {
		t.Errorf("%s", got)
	}
	if !p.State().Joined {
		t.Error("it has not joined")
	}
}
