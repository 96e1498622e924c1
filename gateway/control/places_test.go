package control_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"vncgate/gateway/control"
	"vncgate/layers"
)

// Whose role is still looked up holds up nobody else.
func TestLookUpsHoldUpNobody(t *testing.T) {
	var asked atomic.Int32
	answer := make(chan struct{})
	path := serve(t, &control.Server{Table: echoTable(), Permit: func(layers.Credentials) control.Role {
		if asked.Add(1) == 1 {
			<-answer
		}
		return control.Viewer
	}})
	slow := connect(t, path)
	eventually(t, "the first is looked up", func() bool { return asked.Load() == 1 })
	connect(t, path).begin(t, false)
	close(answer)
	slow.begin(t, false)
}

// Those who may only look, or steer, leave some places to admins.
func TestPlacesForAdmins(t *testing.T) {
	var role atomic.Int32
	role.Store(int32(control.Operator))
	s := &control.Server{Table: echoTable(), Permit: func(layers.Credentials) control.Role { return control.Role(role.Load()) }}
	path := serve(t, s)
	for range control.MaxClients - control.AdminPlaces {
		connect(t, path).next(t)
	}
	if got := connect(t, path).next(t); !strings.Contains(got, "clients already") {
		t.Errorf("one too many: %s", got)
	}
	role.Store(int32(control.Admin))
	for range control.AdminPlaces {
		connect(t, path).begin(t, false)
	}
	if got := connect(t, path).next(t); !strings.Contains(got, "clients already") {
		t.Errorf("an admin too many: %s", got)
	}
	if n := s.Clients(); n != control.MaxClients {
		t.Errorf("%d clients", n)
	}
}
