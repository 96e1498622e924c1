package auth

import "testing"

// What has to be meant is not met by a rule for everything.
func TestTargetsThatHaveToBeNamed(t *testing.T) {
	p := ok(NewPolicy([]Rule{
		{Who: []string{"*"}, Targets: []string{"*"}, Allow: AllRights},
		{Who: []string{"*"}, Targets: []string{"vm", "recording/v*"}, Allow: View},
	}))(t)
	for _, c := range []struct {
		target string
		named  bool
		rule   int
	}{
		{"recording/vm", false, 1}, {"recording/vm", true, 2}, {"recording/desk", true, 0}, {"vm", true, 2}, {"desk", true, 0},
	} {
		if d := p.Decide(Request{Target: c.target, Named: c.named}); d.Rule != c.rule {
			t.Errorf("%s, named %v: %s", c.target, c.named, d)
		}
	}
}
