package gateway

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"vncgate/rfb"
)

func TestOutlaws(t *testing.T) {
	var o outlaws
	o.add([]string{"alice", "ticket 7"}, at(0), 30*time.Second)
	for _, test := range []struct {
		after time.Duration
		key   string
		out   bool
	}{
		{time.Second, "bob", false},
		{29 * time.Second, "alice", true},
		{58 * time.Second, "alice", true},  // each try begins it anew
		{88 * time.Second, "alice", false}, // 30 s without one
		{89 * time.Second, "alice", false},
		{90 * time.Second, "ticket 7", false},
	} {
		err := o.check([]string{test.key}, at(test.after))
		var told *rfb.Refusal
		if (err != nil) != test.out || test.out && (!errors.As(err, &told) || !errors.Is(err, errKicked)) {
			t.Errorf("%s after %s: %v", test.key, test.after, err)
		}
	}
	if len(o.until) != 0 {
		t.Errorf("%d are kept", len(o.until))
	}
	o.add([]string{"alice"}, at(0), 0)
	if err := o.check([]string{"alice"}, at(0)); err != nil {
		t.Error(err)
	}
}

func TestOutlawsAreBounded(t *testing.T) {
	var o outlaws
	for i := range maxOutlaws + 100 {
		o.add([]string{fmt.Sprint(i)}, at(time.Duration(i)*time.Millisecond), time.Hour)
	}
	if len(o.until) != maxOutlaws {
		t.Errorf("%d are kept", len(o.until))
	}
	now := at(time.Minute)
	if o.check([]string{fmt.Sprint(maxOutlaws + 99)}, now) == nil || o.check([]string{"0"}, now) != nil {
		t.Error("the wrong ones were forgotten")
	}
}
