package tunnel_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vncgate/gateway/tunnel"
	"vncgate/layers"
	"vncgate/layers/layertest"
)

// turnedAway is a connection to a gateway that wants its agent no more, and how
// that has ended.
func turnedAway(t *testing.T) (agent net.Conn, ended <-chan error) {
	t.Helper()
	near, far := layertest.Pipe()
	done := make(chan error, 1)
	go func() { done <- tunnel.TurnAway(context.Background(), far, "its disk was stolen") }()
	return near, done
}

// An agent that is turned away is told so, and does not come again.
func TestTurnAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var results []<-chan error
		connect := func(context.Context) (net.Conn, error) {
			c, ended := turnedAway(t)
			results = append(results, ended)
			return c, nil
		}
		a := &tunnel.Agent{Name: "lab", Connect: connect, Services: []tunnel.Service{echo("desk")}}
		for range 2 {
			if _, err := a.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "its disk was stolen") {
				t.Errorf("the check says %v", err)
			}
		}
		unwanted, ok := errors.AsType[*tunnel.Unwanted](a.Run(t.Context()))
		if !ok || unwanted.Reason != "its disk was stolen" {
			t.Errorf("Run returned %v", unwanted)
		}
		for _, ended := range results {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	})
}

// One that says nothing, says too much, or goes on after it was told, is cut.
func TestTurnedAwayAgentGetsNothing(t *testing.T) {
	hello := `{"hello":{"protocol":1,"oldest":1,"agent":"lab","instance":"x","services":[{"name":"desk"}]}}`
	message := func(text string) []byte {
		return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	}
	for name, c := range map[string]struct {
		act  func(m *layers.Mux) error
		told bool
	}{
		"it says nothing":       {func(*layers.Mux) error { return nil }, false},
		"an empty stream":       {func(m *layers.Mux) error { _, err := m.Open(t.Context()); return err }, false},
		"a message too long":    {func(m *layers.Mux) error { return say(m, []byte{0xff, 0xff, 0xff, 0xff}) }, false},
		"no JSON":               {func(m *layers.Mux) error { return say(m, message("RFB")) }, false},
		"it stays":              {func(m *layers.Mux) error { return say(m, message(hello)) }, true},
		"it asks for more":      {func(m *layers.Mux) error { return say(m, message(hello), message(`{"renew":{"csr":"AAAA"}}`)) }, true},
		"it opens more streams": {func(m *layers.Mux) error { return errors.Join(say(m, message(hello)), opensMore(m)) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, ended := turnedAway(t)
				m, err := layers.NewMux(near, true, layers.MuxConfig{})
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				started := time.Now()
				if err := c.act(m); err != nil {
					t.Error(err)
				}
				if err := <-ended; (err == nil) != c.told {
					t.Errorf("it ended with %v", err)
				}
				<-m.Done()
				if d := time.Since(started); d > 15*time.Second {
					t.Errorf("it was cut after %v", d)
				}
			})
		})
	}
}

// say opens a stream and says something in it.
func say(m *layers.Mux, messages ...[]byte) error {
	s, err := m.Open(context.Background())
	for _, text := range messages {
		if err == nil {
			_, err = s.Write(text)
		}
	}
	return err
}

// opensMore wants another stream, which it is not given.
func opensMore(m *layers.Mux) error {
	s, err := m.Open(context.Background())
	if err != nil {
		return nil
	}
	if n, err := s.Read(make([]byte, 1)); err == nil || err == io.EOF {
		return errors.New("somebody serves another stream: " + string(rune('0'+n)))
	}
	return nil
}
