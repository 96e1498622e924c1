package gateway

import (
	"context"
	"errors"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/layers"
)

// A fault between the handshakes and the relay leaves nothing behind that runs.
func TestFaultBeforeTheRelay(t *testing.T) {
	r := newRelayed(t, auth.Grant{Rights: auth.AllRights, Limits: auth.Limits{Session: time.Hour}})
	defer r.close()
	r.g.Observe = func(e Event) {
		if e.Kind == SessionOpened {
			panic("it opens")
		}
	}
	var end error
	r.done = func(err error) { end = err }
	r.relaySafely(context.Background())
	if fault, ok := errors.AsType[*panicked](end); !ok || fault.what != "a panic with a string" {
		t.Errorf("it ended with %v", end)
	}
	if !r.times.over || r.times.alarm.index != 0 {
		t.Error("its clock runs on")
	}
	if n := r.g.Sessions(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	if _, err := r.display.Conn.Write([]byte{0}); err == nil {
		t.Error("its display is still connected")
	}
}

// One behind the start of the relay ends it, and the session once.
func TestFaultBehindTheStart(t *testing.T) {
	r := newRelayed(t, auth.Grant{Rights: auth.AllRights})
	defer r.close()
	ended := make(chan error, 2)
	r.done = func(err error) { ended <- err }
	r.relay(context.Background())
	end := ending{reasonInternal, wordsFault, layers.CloseServerError, ErrClosed}
	r.fails(end)
	if err := <-ended; !errors.Is(err, ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
	r.fails(end)
	if len(ended) != 0 {
		t.Error("it ended twice")
	}
}
