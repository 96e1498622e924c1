package tickets_test

import (
	"errors"
	"net/netip"
	"testing"

	"vncgate/auth"
	"vncgate/auth/tickets"
)

func TestAdmits(t *testing.T) {
	alice, bob := auth.Identity{Name: "alice", Method: "x509-sasl"}, auth.Identity{Name: "bob"}
	bound := tickets.Ticket{MustBe: "alice"}
	placed := tickets.Ticket{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("fe80::/10")}}
	for i, test := range []struct {
		ticket  tickets.Ticket
		ids     []auth.Identity
		address string
		good    bool
	}{
		{tickets.Ticket{}, nil, "", true}, {tickets.Ticket{}, []auth.Identity{bob}, "::1", true},
		{bound, []auth.Identity{bob, alice}, "", true}, {bound, []auth.Identity{bob}, "", false}, {bound, nil, "", false}, {bound, []auth.Identity{{}}, "", false},
		{placed, nil, "192.0.2.9", true}, {placed, nil, "::ffff:192.0.2.9", true}, {placed, nil, "fe80::1%eth0", true},
		{placed, nil, "192.0.3.1", false}, {placed, nil, "", false},
	} {
		address, _ := netip.ParseAddr(test.address)
		err := test.ticket.Admits(test.ids, address)
		if (err == nil) != test.good || err != nil && !errors.Is(err, tickets.ErrUnknown) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
