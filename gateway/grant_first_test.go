package gateway

import (
	"context"
	"testing"

	"vncgate/auth"
)

// What a session is held to while it comes in stays, though its grant is asked for
// again because a review has begun meanwhile.
func TestHeldWhileItComesIn(t *testing.T) {
	g := &Gateway{}
	asked := 0
	g.Authorize = func(context.Context, auth.Request) (auth.Grant, error) {
		switch asked++; asked {
		case 1:
			g.reviews.count.Add(1)
		case 2:
			if held := g.HoldTo(func(SessionInfo) bool { return true }, auth.Viewing); held.Sessions != 1 {
				t.Errorf("held: %+v", held)
			}
		}
		return auth.Grant{Rights: auth.AllRights}, nil
	}
	s, err := g.Admit(Front{Target: "display"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release()
	if err := s.authorize(t.Context(), []auth.Identity{{}}); err != nil || asked != 2 {
		t.Fatalf("asked %d times: %v", asked, err)
	}
	if got, want := s.granted().Rights, auth.AllRights&auth.Viewing; got != want {
		t.Errorf("it may do %v, want %v", got, want)
	}
}
