package netlab

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

// lost is how long a tunnel may be dead before the gateway and the agent say
// so: a ping after 15 s, 10 s for its answer, and as much again for a machine
// that has other things to do.
const lost = 50 * time.Second

// ends waits until the viewer's connection has been closed, and returns how
// long that took.
func (v *viewer) ends(within time.Duration) (time.Duration, error) {
	begin := time.Now()
	_ = v.SetDeadline(begin.Add(within))
	b := make([]byte, 64<<10)
	for {
		if _, err := v.Read(b); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return within, fmt.Errorf("the session is still open after %v", within)
			}
			return time.Since(begin), nil
		}
	}
}

// types is an error unless a key is answered.
func (v *viewer) types() error {
	_ = v.SetDeadline(time.Now().Add(patience))
	defer func() { _ = v.SetDeadline(time.Time{}) }()
	_, err := v.key(7)
	return err
}

// works waits until a viewer gets in and types, and returns how long that took.
func (s *tunnelled) works(t testing.TB) time.Duration {
	t.Helper()
	return eventually(t, "a new viewer", func() error {
		v, err := s.lab.viewer.open(t.Context(), frontAt)
		if err != nil {
			return err
		}
		defer v.Close()
		return v.types()
	})
}

func TestCablePulled(t *testing.T) {
	l := newLab(t, setup{conditions: near})
	l.startDisplay(t)
	s := startTunnel(t, l, 1)
	v := l.viewer.mustOpen(t, frontAt)
	if err := v.types(); err != nil {
		t.Fatal(err)
	}

	// For a moment: TCP sends again what was lost.
	l.path.pull()
	pressed := make(chan error, 1)
	go func() { pressed <- v.types() }()
	time.Sleep(3 * time.Second)
	l.path.put()
	if err := <-pressed; err != nil {
		t.Fatalf("a session has not survived three seconds without the cable: %v", err)
	}

	l.path.pull()
	took, err := v.ends(lost)
	if err != nil {
		t.Error(err)
	}
	t.Logf("the session ended %.1f s after the cable was pulled", took.Seconds())
	s.audited(t, "tunnel")
	if _, err := l.viewer.open(t.Context(), frontAt); err == nil {
		t.Error("a viewer came in while the cable was out")
	} else {
		t.Logf("a viewer who comes meanwhile is told: %v", err)
	}
	l.path.put()
	t.Logf("a new viewer was let in %.1f s after it was put back", s.works(t).Seconds())
}

func TestAddressOfTheAgentChanges(t *testing.T) {
	l := newLab(t, setup{conditions: near})
	l.startDisplay(t)
	s := startTunnel(t, l, 1)
	v := l.viewer.mustOpen(t, frontAt)
	if err := v.types(); err != nil {
		t.Fatal(err)
	}
	// Nobody tells the gateway: what it sends to the old address is lost.
	l.nat.run(t, `ip address del `+natAddress+`/24 dev path
		ip address add `+natLater+`/24 dev path
		ip route add default via `+gatewayAddress)
	t.Logf("a new viewer was let in %.1f s after the address had changed", s.works(t).Seconds())
	took, err := v.ends(lost)
	if err != nil {
		t.Error(err)
	}
	t.Logf("the session of before ended %.1f s later", took.Seconds())
	eventually(t, "the agent's address", func() error {
		a, err := s.state()
		if err == nil && (len(a.Tunnels) != 1 || a.Tunnels[0].From[:len(natLater)] != natLater) {
			err = fmt.Errorf("the agent is said to be at %+v", a.Tunnels)
		}
		return err
	})
}

func TestGatewayRestarts(t *testing.T) {
	l := newLab(t, setup{conditions: near})
	l.startDisplay(t)
	s := startTunnel(t, l, 2)
	v := l.viewer.mustOpen(t, frontAt)
	s.gateway.kill()
	if _, err := v.ends(lost); err != nil {
		t.Error(err)
	}
	s.startGateway(t)
	t.Logf("a new viewer was let in %.1f s after the gateway was back", s.works(t).Seconds())
	eventually(t, "both connections of the agent", s.connected)
}

func TestGatewayUpgrades(t *testing.T) {
	l := newLab(t, setup{conditions: near})
	l.startDisplay(t)
	s := startTunnel(t, l, 1)
	typist := l.viewer.mustOpen(t, frontAt)
	flooded := l.viewer.mustOpen(t, frontAt)
	ended := make(chan error, 1)
	go func() { ended <- flooded.flood() }()
	if err := typist.types(); err != nil {
		t.Fatal(err)
	}
	if err := s.ctl(nil, "upgrade"); err != nil {
		t.Fatal(err)
	}
	t.Logf("a new viewer was let in %.1f s after the upgrade", s.works(t).Seconds())
	before := flooded.bytes.Load()
	if err := typist.types(); err != nil {
		t.Errorf("the session of before the upgrade: %v", err)
	}
	eventually(t, "the flood goes on", func() error {
		select {
		case err := <-ended:
			return fatal{fmt.Errorf("it has ended: %w", err)}
		default:
		}
		if flooded.bytes.Load() < before+8<<20 {
			return errors.New("it stands still")
		}
		return nil
	})
	// Both processes are asked: each has a connection of the agent.
	eventually(t, "the agent's connections", func() error {
		agents, err := s.agents()
		if err == nil && len(agents) == 0 {
			err = fmt.Errorf("they say %+v", agents)
		}
		return err
	})
}
