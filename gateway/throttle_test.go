package gateway

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"vncgate/auth"
	"vncgate/rfb"
)

// rationed is a grant with rates, in bytes a second.
func rationed(down, up int64) auth.Grant {
	return auth.Grant{Rights: auth.AllRights, Limits: auth.Limits{DownRate: down, UpRate: up}}
}

func TestDownRate(t *testing.T) {
	for _, test := range []struct {
		name string
		rate int64
		size int
	}{
		{"slow", 10_000, 100_000},
		{"slower than a burst", 1000, 30_000},
		{"fast", 1 << 20, 10 << 20},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelayed(t, rationed(test.rate, 0))
				ended := r.start(t)
				begun := time.Now()
				if _, err := r.atDisplay.Write(make([]byte, test.size)); err != nil {
					t.Fatal(err)
				}
				for r.seen() < test.size {
					time.Sleep(10 * time.Millisecond)
				}
				took, want := time.Since(begun), time.Duration(test.size)*time.Second/time.Duration(test.rate)
				if took > want+100*time.Millisecond || took < want*9/10-time.Duration(maxBurst)*time.Second/time.Duration(test.rate) {
					t.Errorf("%d bytes took %s at %d a second", test.size, took, test.rate)
				}
				r.stop(endShutdown)
				<-ended
				r.close()
			})
		})
	}
}

// What is rationed is the same bytes in the same order, whatever they are.
func TestUpRateChangesNoBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelayed(t, rationed(0, 5000))
		ended := r.start(t)
		var typed []byte
		for i := range 5000 {
			typed = rfb.AppendKeyEvent(typed, i%2 == 0, uint32(i/2))
		}
		begun := time.Now()
		if _, err := r.atViewer.Write(typed); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		r.seenMu.Lock()
		same := bytes.Equal(r.got.Bytes(), typed)
		r.seenMu.Unlock()
		if !same {
			t.Error("the display got something else")
		}
		if took := time.Since(begun); took < 7*time.Second {
			t.Errorf("took %s", took)
		}
		r.stop(endShutdown)
		<-ended
		r.close()
	})
}

// A session that is cut while it waits for its bytes ends at once.
func TestRationedSessionEndsAtOnce(t *testing.T) {
	for name, end := range map[string]func(*relayed){
		"cut":            func(r *relayed) { r.stop(endWithdrawn) },
		"viewer leaves":  func(r *relayed) { _ = r.atViewer.Close() },
		"display leaves": func(r *relayed) { _ = r.atDisplay.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRelayed(t, rationed(10_000, 0))
				ended := r.start(t)
				go func() { _, _ = r.atDisplay.Write(make([]byte, 1<<20)) }()
				time.Sleep(time.Minute)
				begun := time.Now()
				end(r)
				<-ended
				if took := time.Since(begun); took > 2*linger {
					t.Errorf("took %s", took)
				}
				r.close()
			})
		})
	}
}

// A rate that a review brings holds for a session that runs, and one that it
// takes away does no longer.
func TestRatesChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRelayed(t, auth.Grant{Rights: auth.AllRights})
		ended := r.start(t)
		seconds := func(size int) time.Duration {
			begun, before := time.Now(), r.seen()
			if _, err := r.atDisplay.Write(make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			for r.seen() < before+size {
				time.Sleep(10 * time.Millisecond)
			}
			return time.Since(begun).Round(time.Second) / time.Second
		}
		if took := seconds(100_000); took != 0 {
			t.Errorf("without a rate it took %d s", took)
		}
		r.hold(rationed(10_000, 0))
		if took := seconds(100_000); took < 8 {
			t.Errorf("with a rate it took %d s", took)
		}
		r.hold(auth.Grant{Rights: auth.AllRights})
		if took := seconds(100_000); took != 0 {
			t.Errorf("without it again it took %d s", took)
		}
		r.stop(endShutdown)
		<-ended
		r.close()
	})
}
