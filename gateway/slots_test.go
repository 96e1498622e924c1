package gateway

import (
	"net/netip"
	"testing"
)

// crowdIn has places for n handshakes, and who is in them, oldest first.
func crowdIn(n int, addresses ...string) (*slots, []*Session) {
	t := &slots{limits: Limits{Handshakes: n}.WithDefaults()}
	var list []*Session
	for _, address := range addresses {
		s := &Session{}
		if t.enter(s) != nil {
			return nil, nil
		}
		if address != "" {
			t.locate(s, netip.MustParseAddr(address))
		}
		list = append(list, s)
	}
	return t, list
}

func TestWhoMakesRoom(t *testing.T) {
	for _, test := range []struct {
		what      string
		addresses []string
		proved    []int
		loser     int // -1: nobody
	}{
		{"the oldest, where all are strangers to each other", []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, nil, 0},
		{"the oldest of the address that has most", []string{"192.0.2.1", "192.0.2.2", "192.0.2.2"}, nil, 1},
		{"a /64 is one address", []string{"192.0.2.1", "2001:db8::1", "2001:db8::2"}, nil, 1},
		{"unix sockets are told apart by nothing", []string{"", "", "192.0.2.1", "192.0.2.1"}, nil, 2},
		{"nobody who has shown who he is", []string{"192.0.2.2", "192.0.2.2", "192.0.2.1"}, []int{0}, 1},
		{"not even where an address has many", []string{"192.0.2.2", "192.0.2.2", "192.0.2.1"}, []int{0, 1}, 2},
		{"and nobody where all have", []string{"192.0.2.2", "192.0.2.1"}, []int{0, 1}, -1},
	} {
		places, list := crowdIn(len(test.addresses), test.addresses...)
		for _, i := range test.proved {
			list[i].proved.Store(true)
		}
		newcomer := &Session{}
		if err := places.enter(newcomer); (err != nil) != (test.loser < 0) {
			t.Errorf("%s: the newcomer gets %v", test.what, err)
		}
		for i, s := range list {
			if _, stopped := s.stoppedEnd(); stopped != (i == test.loser) {
				t.Errorf("%s: session %d lost its place: %v", test.what, i, stopped)
			}
		}
	}
}

// TestCountOfAnAddress follows it through all ways out of the handshakes.
func TestCountOfAnAddress(t *testing.T) {
	places, list := crowdIn(10, "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1")
	where := netip.MustParsePrefix("192.0.2.1/32")
	places.locate(list[0], netip.MustParseAddr("192.0.2.9")) // a PROXY header says so
	places.leave(list[1])
	if err := places.establish(list[2]); err != nil {
		t.Fatal(err)
	}
	if n := places.from[where]; n != 1 {
		t.Errorf("%d are counted", n)
	}
	for _, s := range list {
		places.leave(s)
		places.leave(s)                                             // again
		places.locate(s, netip.MustParseAddr("192.0.2.1"))          // too late
		if places.evict(nil); places.handshakes.Len() > len(list) { // nothing strange
			t.Fatal("places grow")
		}
	}
	if len(places.from) != 0 || places.established != 0 {
		t.Errorf("left: %v, %d established", places.from, places.established)
	}
}
