package gateway

import "testing"

// While a display takes nothing, nobody reads what its viewer answers. A viewer
// is given up only if it was silent twice and could have been heard both times.
func TestSilenceThatMeansNothing(t *testing.T) {
	const (
		writing = iota // blocked at the display
		moved          // no longer, but it was
		reading
	)
	for _, test := range []struct {
		name  string
		steps []int
		gone  bool
	}{
		{"silent once", []int{reading}, false},
		{"silent twice", []int{reading, reading}, true},
		{"blocked", []int{writing, writing, writing}, false},
		{"was blocked until the second time", []int{reading, moved}, false},
		{"moved before, silent since", []int{moved, reading}, true},
		{"blocked in between", []int{reading, writing, reading}, false},
		{"blocked, then silent twice", []int{writing, reading, reading}, true},
	} {
		gone := false
		p := &pinger{up: &pump{relay: &relay{}}, gone: func() { gone = true }, over: true} // so that no heartbeat begins
		for _, step := range test.steps {
			p.up.writing.Store(step == writing)
			if step == moved {
				p.up.moved.Add(8)
			}
			p.silent()
		}
		if gone != test.gone {
			t.Errorf("%s: gone is %v", test.name, gone)
		}
	}
	gone := false
	p := &pinger{gone: func() { gone = true }, over: true}
	p.silent()
	p.silent()
	if !gone {
		t.Error("a viewer that is always heard is not given up")
	}
}
