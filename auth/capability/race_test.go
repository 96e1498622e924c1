package capability

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// childEnv tells the test's program, run again, what to do: a directory, a
// token and a holder, between blanks.
const childEnv = "CAPABILITY_TEST_CHILD"

// runChild uses a token and ends without releasing it: 0 when it got in, 1 when
// it came too late.
func runChild(what string) int {
	fields := strings.Fields(what)
	s, err := openChild(fields[0])
	if err == nil {
		err = s.Use(fields[1], fields[2], time.Now())
	}
	switch {
	case err == nil:
		fmt.Println("in")
		_, _ = os.Stdin.Read(make([]byte, 1)) // the session runs until somebody ends it
		return 0
	case errors.Is(err, ErrUsed):
		return 1
	}
	fmt.Fprintln(os.Stderr, err)
	return 2
}

// openChild opens the store of a directory, or of a server at redis:ADDRESS.
func openChild(where string) (*Store, error) {
	address, ok := strings.CutPrefix(where, "redis:")
	if !ok {
		return OpenStore(where, StoreConfig{})
	}
	a, err := OpenRedis(redisStoreAt(address), StoreConfig{}, RingConfig{})
	if err != nil {
		return nil, err
	}
	return a.Store, nil
}

// child runs the test's program once more.
func child(t testing.TB, dir, id, holder string) *exec.Cmd {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), childEnv+"="+dir+" "+id+" "+holder)
	return cmd
}

// TestProcessesRaceForTheLastUse: of several processes one gets in.
func TestProcessesRaceForTheLastUse(t *testing.T) {
	t.Parallel()
	a := open(t, t.TempDir(), time.Now)
	testProcessesRace(t, a, dirOf(a.Store))
}

func testProcessesRace(t *testing.T, a *Authority, where string) {
	tok := token(time.Now())
	tok.Uses = 1
	_, issued := issue(t, a, tok)
	var in, late atomic.Int64
	var all sync.WaitGroup
	for i := range 6 {
		cmd := child(t, where, issued.ID, fmt.Sprint("holder", i))
		all.Go(func() {
			out, err := cmd.CombinedOutput()
			if code := cmd.ProcessState.ExitCode(); code == 0 {
				in.Add(1)
			} else if code == 1 {
				late.Add(1)
			} else {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	all.Wait()
	if in.Load() != 1 || late.Load() != 5 {
		t.Errorf("%d got in, %d came too late", in.Load(), late.Load())
	}
	if got, err := a.Store.Get(issued.ID); err != nil || got.Used != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}
