package rfb

import "testing"

type writes func()

func (w writes) Write(b []byte) (int, error) { w(); return len(b), nil }

// A policy that comes while a Lift has the turn holds once that returns.
func TestLiftSettles(t *testing.T) {
	during := func() {}
	all := Policy{Keyboard: true, Pointer: true}
	f := NewFilter(writes(func() { during() }), all)
	if _, err := f.Write(AppendKeyEvent(nil, true, 'a')); err != nil {
		t.Fatal(err)
	}
	during = func() {
		if err := f.SetPolicy(Policy{Pointer: true}); err != nil {
			t.Error(err)
		}
	}
	if err := f.Lift(); err != nil {
		t.Fatal(err)
	}
	if f.changed.Load() || f.policy.Keyboard || !f.policy.Pointer {
		t.Error("the policy waits for the viewer's next message")
	}
}
