package gateway

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Alarms ring in the order of their times, whatever they were set to before, and
// those that were stopped not at all.
func TestAlarmsRingInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var in, other alarms
		var mu sync.Mutex
		var rang []string
		start := time.Now()
		set := make([]*alarm, 200)
		var want []string
		for i := range set {
			set[i] = &alarm{}
			set[i].ring = func() {
				mu.Lock()
				defer mu.Unlock()
				rang = append(rang, fmt.Sprintf("%04d", time.Since(start)/time.Second))
			}
			set[i].set([]*alarms{&in, &other}[i%2], start.Add(time.Duration(rand.IntN(100))*time.Second))
		}
		for _, i := range rand.Perm(len(set)) {
			if i%5 == 0 {
				set[i].stop()
				continue
			}
			at := rand.IntN(1000)
			set[i].set(&in, start.Add(time.Duration(at)*time.Second))
			want = append(want, fmt.Sprintf("%04d", at))
		}
		slices.Sort(want)
		time.Sleep(1001 * time.Second)
		synctest.Wait()
		if !slices.Equal(rang, want) {
			t.Errorf("rang at %s\nwant %s", strings.Join(rang, " "), strings.Join(want, " "))
		}
		if len(in.heap)+len(other.heap) != 0 {
			t.Errorf("%d and %d alarms are left", len(in.heap), len(other.heap))
		}
	})
}

// One that is set again by its own ring goes on.
func TestAlarmSetsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var in alarms
		n := 0
		a := &alarm{}
		a.ring = func() {
			if n++; n < 5 {
				a.set(&in, time.Now().Add(time.Second))
			}
		}
		a.set(&in, time.Now())
		time.Sleep(time.Minute)
		synctest.Wait()
		if n != 5 {
			t.Errorf("rang %d times", n)
		}
		a.stop() // has rung already
	})
}
