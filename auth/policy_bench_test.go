package auth

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// Decide with a hundred rules of which the last one fits: what each viewer
// costs at its start, and each session again when it is reviewed.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct{ name, rule string }{
		{"names", "who=group:g%d who=user:u%d target=vm-%d-* allow=view"},
		{"addresses", "who=* from=10.%d.0.0/16 from=2001:db8:%d::/48 target=vm-%d allow=view"},
		{"hours", "who=* target=* hours=%02d:00-%02d:30 zone=Europe/Berlin name=r%d allow=view"},
		{"conditions", `who=* target=* if="user == 'u%d' && target.startsWith('vm-%d') && claims.level == %d" allow=view`},
	} {
		b.Run(c.name, func(b *testing.B) {
			var rules []Rule
			for i := range 99 {
				if c.name == "hours" {
					rules = append(rules, ok(ParseRule(fmt.Sprintf(c.rule, i%8, i%8, i)))(b))
				} else {
					rules = append(rules, ok(ParseRule(fmt.Sprintf(c.rule, i, i, i)))(b))
				}
			}
			rules = append(rules, ok(ParseRule("who=alice target=build allow=control"))(b))
			p := ok(NewPolicy(rules))(b)
			req := Request{
				Identities: []Identity{{Name: "alice", Method: "x509-plain", Groups: []string{"ops", "dev"}}},
				Target:     "build", Address: netip.MustParseAddr("192.0.2.7"), Now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC),
				Claims: map[string]any{"level": 3.0},
			}
			if d := p.Decide(req); d.Rule != 100 {
				b.Fatal(d)
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(req)
			}
		})
	}
}

// One condition, from the request to its answer.
func BenchmarkCondition(b *testing.B) {
	p := policyOf(b, `who=* target=* if="'ops' in groups && claims.level >= 3 && now.getHours() >= 8 && cidr('10.0.0.0/8').containsIP(address)" allow=view`)
	req := Request{
		Identities: []Identity{{Name: "alice", Groups: []string{"dev", "ops"}}}, Target: "t",
		Address: netip.MustParseAddr("10.1.2.3"), Now: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Claims: map[string]any{"level": 3.0},
	}
	if d := p.Decide(req); !d.Allowed() {
		b.Fatal(d)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Decide(req)
	}
}

// A policy of a hundred conditions, as it is loaded.
func BenchmarkNewPolicy(b *testing.B) {
	var rules []Rule
	for i := range 100 {
		rules = append(rules, Rule{Who: []string{"*"}, Targets: []string{"*"}, If: fmt.Sprintf("user == 'u%d' && claims.level == %d", i, i)})
	}
	for b.Loop() {
		if _, err := NewPolicy(rules); err != nil {
			b.Fatal(err)
		}
	}
}

// Limits of policy, token and listener made into one.
func BenchmarkNarrow(b *testing.B) {
	other := Limits{Session: time.Hour, Encodings: []string{"zrle", "raw"}, ClipboardFormats: []string{"text"}}
	b.ReportAllocs()
	for b.Loop() {
		_ = wholeLimits.Narrow(other)
	}
}
