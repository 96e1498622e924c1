package tunnel_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vncgate/gateway/tunnel"
	"vncgate/layers"
	"vncgate/layers/layertest"
)

// bubble runs an agent and its hub with a clock of their own. issue is the end of
// the certificate that a connection of the agent shows, which is good for an hour.
func bubble(t *testing.T, hub *tunnel.Hub, issue func() time.Time, test func(t *testing.T, lost func() string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var serving sync.WaitGroup
		var mu sync.Mutex
		var reasons []string
		hub.Observe = func(e tunnel.Event) {
			if e.Kind == tunnel.Lost {
				mu.Lock()
				reasons = append(reasons, e.Reason)
				mu.Unlock()
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		a := &tunnel.Agent{Services: []tunnel.Service{echo("desk")}, Backoff: tunnel.Backoff{Most: 5 * time.Second}}
		a.Connect = func(context.Context) (net.Conn, error) {
			end := issue()
			if !time.Now().Before(end) {
				return nil, errors.New("the certificate has expired") // as TLS has it
			}
			near, far := layertest.Pipe()
			p := tunnel.Peer{Name: "lab", Means: "certificate", Services: []string{"*"}, Issued: end.Add(-time.Hour), Expires: end}
			serving.Go(func() { _ = hub.Serve(ctx, far, p) })
			return near, nil
		}
		serving.Go(func() { _ = a.Run(ctx) })
		test(t, func() string {
			mu.Lock()
			defer mu.Unlock()
			return strings.Join(reasons, "; ")
		})
		cancel()
		serving.Wait()
	})
}

const runOut = "the agent's certificate has run out and was not renewed"

// opened is a session in a bubble.
func opened(t *testing.T, hub *tunnel.Hub) net.Conn {
	t.Helper()
	c, err := hub.Dial(within(t), "lab", "desk")
	if err != nil {
		t.Fatal(err)
	}
	exchange(t, c, "RFB 003.008\n")
	_ = c.SetDeadline(time.Time{})
	return c
}

// A tunnel lasts for as long as the certificate that proved it, and its sessions
// are told why they end.
func TestTunnelEndsWithItsCertificate(t *testing.T) {
	hub := &tunnel.Hub{}
	var end time.Time
	bubble(t, hub, func() time.Time {
		if end.IsZero() {
			end = time.Now().Add(time.Hour)
		}
		return end
	}, func(t *testing.T, lost func() string) {
		c := opened(t, hub)
		defer c.Close()
		time.Sleep(time.Until(end) - time.Second)
		exchange(t, c, "to the last")
		_ = c.SetDeadline(time.Time{})
		_, err := c.Read(make([]byte, 1))
		if why, ok := errors.AsType[*tunnel.LostError](err); !ok || why.Reason != runOut {
			t.Errorf("read: %v", err)
		}
		if late := time.Since(end); late < 0 || late > 10*time.Second {
			t.Errorf("it ended %v after its certificate", late)
		}
		time.Sleep(time.Minute)
		if got := lost(); !strings.Contains(got, runOut) || len(hub.Agents()) != 0 {
			t.Errorf("told: %s", got)
		}
	})
}

// One that is renewed through the tunnel lasts for as long as the newest, and is
// not asked to connect anew. Where nobody knows whether it was, it goes on.
func TestRenewedTunnelLasts(t *testing.T) {
	var mu sync.Mutex
	var end, renewed time.Time
	away := errors.New("the store is away")
	hub := &tunnel.Hub{Until: func(_ context.Context, agent string) (time.Time, error) {
		switch {
		case agent != "lab":
			return time.Time{}, errors.New("of whom?")
		case time.Now().After(end.Add(-3*time.Minute)) && time.Now().Before(end.Add(3*time.Minute)):
			return time.Time{}, away
		}
		mu.Lock()
		defer mu.Unlock()
		return renewed, nil
	}}
	bubble(t, hub, func() time.Time {
		if end.IsZero() {
			end = time.Now().Add(time.Hour)
		}
		return end
	}, func(t *testing.T, lost func() string) {
		c := opened(t, hub)
		defer c.Close()
		time.Sleep(30 * time.Minute)
		mu.Lock()
		renewed = end.Add(time.Hour) // written down before the agent has it
		mu.Unlock()
		time.Sleep(75 * time.Minute)
		exchange(t, c, "after the first")
		_ = c.SetDeadline(time.Time{})
		if n := len(hub.Agents()[0].Tunnels); n != 1 || hub.Agents()[0].Tunnels[0].Draining || lost() != "" {
			t.Errorf("%d tunnels; lost: %s", n, lost())
		}
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, layers.ErrMuxLost) || time.Since(renewed) < 0 || time.Since(renewed) > 10*time.Second {
			t.Errorf("%v after the second: %v", time.Since(renewed), err)
		}
	})
}

// A tunnel that has outlived its own certificate by the one that this was renewed
// to ends when that is taken back; one whose own is good yet lasts until its end.
func TestTunnelOfARenewalThatIsTakenBack(t *testing.T) {
	for _, test := range []struct {
		name    string
		revoked time.Duration // after the end of the tunnel's own certificate
		away    bool          // the store is, for a while after that
		ends    time.Duration
	}{
		{"after its own has run out", time.Hour, false, time.Hour},
		{"before", -2 * time.Minute, false, 0},
		{"long before", -30 * time.Minute, false, 0},
		{"while the store is away", time.Hour, true, time.Hour + 5*time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			var mu sync.Mutex
			var end, renewed, away time.Time
			hub := &tunnel.Hub{Until: func(context.Context, string) (time.Time, error) {
				mu.Lock()
				defer mu.Unlock()
				if time.Now().Before(away) {
					return time.Time{}, errors.New("the store is away")
				}
				return renewed, nil
			}}
			bubble(t, hub, func() time.Time {
				if end.IsZero() {
					end = time.Now().Add(time.Hour)
				}
				return end
			}, func(t *testing.T, lost func() string) {
				c := opened(t, hub)
				defer c.Close()
				mu.Lock()
				renewed = end.Add(90 * 24 * time.Hour)
				mu.Unlock()
				time.Sleep(time.Until(end.Add(test.revoked)))
				hub.Review() // of another's revocation
				time.Sleep(time.Second)
				exchange(t, c, "still")
				_ = c.SetDeadline(time.Time{})
				mu.Lock()
				if renewed = (time.Time{}); test.away {
					away = end.Add(test.ends)
				}
				mu.Unlock()
				hub.Review()
				_, err := c.Read(make([]byte, 1))
				if why, ok := errors.AsType[*tunnel.LostError](err); !ok || !strings.Contains(why.Reason, "run out") {
					t.Errorf("read: %v", err)
				}
				if late := time.Since(end.Add(test.ends)); late < 0 || late > 15*time.Second {
					t.Errorf("it ended %v after the end of what it lived by", late)
				}
			})
		})
	}
}

// As long as it is not known whether a certificate was renewed, sessions go on.
func TestTunnelLastsWhileTheStoreIsAway(t *testing.T) {
	var end time.Time
	hub := &tunnel.Hub{Until: func(context.Context, string) (time.Time, error) {
		if time.Since(end) < 20*time.Minute {
			return time.Time{}, errors.New("the store is away")
		}
		return time.Time{}, nil
	}}
	bubble(t, hub, func() time.Time {
		if end.IsZero() {
			end = time.Now().Add(time.Hour)
		}
		return end
	}, func(t *testing.T, _ func() string) {
		c := opened(t, hub)
		defer c.Close()
		time.Sleep(time.Until(end) + 19*time.Minute)
		exchange(t, c, "meanwhile")
		_ = c.SetDeadline(time.Time{})
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, layers.ErrMuxLost) || time.Since(end) < 20*time.Minute || time.Since(end) > 21*time.Minute {
			t.Errorf("%v after the end: %v", time.Since(end), err)
		}
	})
}

// An agent whose files somebody replaces shows the newer certificate before the
// older one has run out, and its sessions go on.
func TestTunnelOutlivesItsCertificateByANewerOne(t *testing.T) {
	hub := &tunnel.Hub{}
	var shown time.Time
	bubble(t, hub, func() time.Time {
		shown = time.Now().Add(time.Hour).Truncate(time.Hour)
		if time.Until(shown) < 30*time.Minute { // made 30 minutes before the end of the one before
			shown = shown.Add(time.Hour)
		}
		return shown
	}, func(t *testing.T, lost func() string) {
		c := opened(t, hub)
		defer c.Close()
		first := shown
		time.Sleep(time.Until(first) + 10*time.Minute)
		exchange(t, c, "still")
		if !shown.After(first) || lost() != "" {
			t.Errorf("it has shown the one until %v, lost: %s", shown, lost())
		}
	})
}

// A certificate that has run out as its tunnel is taken in ends it.
func TestTunnelOfACertificateThatHasRunOut(t *testing.T) {
	g := newGate(t, &tunnel.Hub{})
	p := anything
	p.Expires = time.Now().Add(-time.Minute)
	start(t, &tunnel.Agent{Name: "lab", Connect: g.connect(p), Services: []tunnel.Service{echo("desk")}})
	if e := g.await(tunnel.Lost); e.Reason != runOut {
		t.Errorf("told: %+v", e)
	}
}
