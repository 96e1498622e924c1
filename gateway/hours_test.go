package gateway_test

import (
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
)

// A schedule that closes while a viewer waits for its turn keeps it out, though
// a place is free by then.
func TestHoursEndInTheQueue(t *testing.T) {
	t.Parallel()
	g := newGoverned(t, auth.Grant{Limits: auth.Limits{PerTarget: 1, Busy: auth.BusyQueue}}, gateway.Front{})
	first := g.view(t)
	closes := time.Now().Add(100 * time.Millisecond)
	g.set(func(a *authority) { a.grant.Review = closes })
	c, refused := g.dial(t), make(chan error, 1)
	go func() {
		_, err := viewOver(c)
		refused <- err
	}()
	eventually(t, "it waits", func() bool { return strings.Contains(g.log.String(), "waiting for a place") })
	time.Sleep(time.Until(closes))
	g.set(func(a *authority) { a.err = gateway.ErrDenied })
	_ = first.Close()
	if err := <-refused; told(err) != "This display is not open to you at this time." {
		t.Errorf("told %v", err)
	}
	if strings.Count(g.log.String(), "session opened") != 1 {
		t.Error("its session was opened")
	}
}
