package bridge

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	"vncgate/layers"
	"vncgate/layers/layertest"
)

// TestTapped: who is watched notices nothing.
func TestTapped(t *testing.T) {
	watched := func(_ context.Context, c net.Conn) (net.Conn, error) {
		tap := &tap{traffic: &lockedWriter{w: new(bytes.Buffer)}}
		return tap.target(c), nil
	}
	layertest.TestLayer(t, layertest.Subject{Near: watched, Far: watched, Sparse: true})
	near, _ := layertest.TCP(t)
	c, _ := watched(context.Background(), near)
	if got := layers.Describe(c); got != "tcp" {
		t.Errorf("described as %s", got)
	}
}

// TestTapMarksParts of messages that could not be written whole.
func TestTapMarksParts(t *testing.T) {
	var seen bytes.Buffer
	near, far := layertest.Pipe()
	c := (&tap{traffic: &seen}).target(near)
	_ = far.Close()
	for range 3 {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			break
		}
	}
	if !strings.HasSuffix(seen.String(), ">.") {
		t.Errorf("saw %q", seen.String())
	}
}

// TestNoTap leaves a session's connections as they are, or the relay would copy
// every byte once more.
func TestNoTap(t *testing.T) {
	x := &session{cfg: &Config{}, log: slog.New(slog.DiscardHandler)}
	near, _ := layertest.Pipe()
	if tap := newTap(x); tap != nil || tap.target(near) != near {
		t.Errorf("a tap %v that nobody asked for", tap)
	}
	(*tap)(nil).close()
}
