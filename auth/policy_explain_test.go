package auth

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExplain(t *testing.T) {
	p := policyOf(t, `
		who=group:dev who=bob target=* allow=view
		who=* method=x509-* method=link target=* allow=view
		who=* from=10.0.0.0/8 from=unix target=* allow=view
		who=from:192.0.2.0/24 target=* allow=view
		who=* target=lab-* target=demo allow=view
		name=night who=* target=* day=fri hours=22:00-06:00 zone=Europe/Berlin allow=view
		name=longer who=* target=* if="user == 'bob'" allow=view
		name=open who=alice target=* day=mon-fri hours=08:00-18:00 allow=control deny=bell limits="session=8h"
		name=unclear who=alice target=* if="claims.level > 3" allow=view
		who=alice target=* allow=view deny=view
		who=alice target=* if="now > timestamp('2020-01-01T00:00:00Z')" allow=power
	`)
	req := Request{
		Identities: ok(ParseIdentities("alice[ops]/plain"))(t), Target: "build",
		Address: netip.MustParseAddr("198.51.100.3"), Now: ok(ParseMoment("2026-03-02T09:00"))(t),
	}
	want := []string{
		"rule 1 does not fit alice: is for group:dev, bob",
		"rule 2 does not fit alice: is for the methods x509-*, link",
		"rule 3 does not fit alice: is for 10.0.0.0/8, unix, and not 198.51.100.3",
		"rule 4 does not fit alice: is for 192.0.2.0/24, and not 198.51.100.3",
		"rule 5 does not fit alice: is for the targets lab-*, demo, and not build",
		"rule 6 (night) does not fit alice: is closed until Fri 2026-03-06 22:00:00 CET",
		"rule 7 (longer) does not fit alice: its condition is false: user == 'bob'",
		"rule 8 (open) decides for alice: picture,audio,keyboard,pointer within session=8h, to be asked again Mon 2026-03-02 18:00:00 UTC",
		"rule 9 (unclear) does not fit alice: nothing, if: has no value: no such key: level; ask has(…) first",
		"rule 10 would fit alice: nothing",
		"rule 11 would fit alice: power, to be asked again Mon 2026-03-02 09:00:01 UTC",
	}
	if diff := cmp.Diff(want, lines(p.Explain(req))); diff != "" {
		t.Error(diff)
	}
	if v := p.Explain(req)[7]; v.Rights != Control&^Bell || v.Limits.String() != "session=8h" || !v.Fits {
		t.Errorf("%+v", v)
	}
	req.Address = netip.Addr{}
	if v := p.Explain(req)[3].String(); v != "rule 4 does not fit alice: is for 192.0.2.0/24, and not who has no address" {
		t.Error(v)
	}
}

// Each of several identities is told what decides about it, a condition without
// a value included.
func TestExplainSeveral(t *testing.T) {
	p := policyOf(t, `
		who=alice target=* if="claims.level > 3" allow=view
		who=* target=* allow=all
	`)
	got := lines(p.Explain(Request{Target: "t", Identities: ok(ParseIdentities("alice + /vnc"))(t)}))
	want := []string{
		"rule 1 decides for alice: nothing, if: has no value: no such key: level; ask has(…) first",
		"rule 2 would fit alice: " + AllRights.String(),
		"rule 1 does not fit (vnc): is for alice",
		"rule 2 decides for (vnc): " + AllRights.String(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := p.Explain(Request{}); len(got) != 2 || !got[1].Decides {
		t.Errorf("nobody: %v", got)
	}
}

func lines(verdicts []Verdict) []string {
	var all []string
	for _, v := range verdicts {
		all = append(all, v.String())
	}
	return all
}
