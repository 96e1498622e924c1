package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"
)

// stage is one subject, up and running, in one scenario.
type stage struct {
	r       *runner
	s       scenario
	at      entrance
	busy    string // address of the crowd's class in the scenario of classes
	gateway int    // process; 0: none
}

// firstSource is where the loopback addresses of load clients begin.
const firstSource = 10

// begin starts a load client on a job.
func (st *stage) begin(j job) (*child, error) {
	j.At, j.Gateway, j.Stall, j.WarmUp = st.at, st.gateway, st.r.o.stall, st.r.o.warmUp
	if j.Seconds == 0 {
		j.Seconds = st.r.o.seconds
	}
	if j.Sessions == 0 {
		j.Sessions = st.s.Sessions
	}
	if j.Source == 0 {
		j.Source = firstSource
	}
	c, err := start(filepath.Join(st.r.dir, "load.log"), true, st.r.self, asLoad)
	if err != nil {
		return nil, err
	}
	if err := json.NewEncoder(c.in).Encode(j); err != nil {
		c.stop()
		return nil, err
	}
	return c, nil
}

// load runs one job to its end.
func (st *stage) load(j job) (outcome, error) {
	c, err := st.begin(j)
	if err != nil {
		return outcome{}, err
	}
	defer c.stop()
	return c.told()
}

// beside is a viewer that works beside others who do another job, of which unit
// is told as well.
func (st *stage) beside(others job, unit string) (outcome, error) {
	c, err := st.begin(others)
	if err != nil {
		return outcome{}, err
	}
	defer c.stop()
	o, err := st.load(job{Kind: jobPing})
	if err != nil {
		return o, err
	}
	told, err := c.told()
	if err != nil {
		return o, fmt.Errorf("the others: %w", err)
	}
	o.Values[unit] = told.Values[unit]
	return o, nil
}

// perClient is how many sessions one load client holds: descriptors are
// limited for each process.
const perClient = 9000

// idle is what sessions cost that do nothing.
func (st *stage) idle() (outcome, error) {
	o := outcome{Values: map[string]float64{}}
	before := pssOf(st.gateway)
	var clients []*child
	defer func() {
		for _, c := range clients {
			c.stop()
		}
	}()
	for left, source := st.s.Sessions, firstSource; left > 0; left -= perClient {
		c, err := st.begin(job{Kind: jobIdle, Sessions: min(left, perClient), Source: source})
		if err != nil {
			return o, err
		}
		clients = append(clients, c)
		if told, err := c.told(); err != nil || told.Event == "" {
			return o, fmt.Errorf("opening sessions: %w", err)
		}
		source += perClient/perSource + 1
	}
	opened := pssOf(st.gateway)
	time.Sleep(st.r.o.settle)
	spent := cpuOf(st.gateway)
	time.Sleep(time.Second)
	spent = cpuOf(st.gateway) - spent
	o.Values[inKB] = float64(pssOf(st.gateway)-before) / 1024 / float64(st.s.Sessions)
	o.Values["kB/session at once"] = float64(opened-before) / 1024 / float64(st.s.Sessions)
	o.Values["cpu ms/s"] = spent.Seconds() * 1000
	o.Values["threads"] = float64(threadsOf(st.gateway))
	return st.wake(o, clients)
}

// wake has the load clients ask some of their sessions something.
func (st *stage) wake(o outcome, clients []*child) (outcome, error) {
	for i, c := range clients {
		_ = c.in.Close()
		woken, err := c.told()
		if err != nil {
			return o, err
		}
		if i == 0 {
			for k, v := range woken.Values {
				o.Values[k] = v
			}
		}
		o.Cipher = woken.Cipher
	}
	return o, nil
}

// stall is a viewer that stops reading while its display floods, beside another
// that works all the while.
func (st *stage) stall() (outcome, error) {
	other, err := st.begin(job{Kind: jobPing, Sessions: 1, Seconds: 2*st.r.o.seconds + st.r.o.stall})
	if err != nil {
		return outcome{}, err
	}
	defer other.stop()
	time.Sleep(time.Duration(st.r.o.warmUp * float64(time.Second)))
	before := pssOf(st.gateway)
	c, err := st.begin(job{Kind: jobStall, Sessions: 1})
	if err != nil {
		return outcome{}, err
	}
	defer c.stop()
	if told, err := c.told(); err != nil || told.Event != "stalled" {
		return outcome{}, fmt.Errorf("before the pause: %w", err)
	}
	flooded := pssOf(st.gateway)
	over, most := make(chan struct{}), make(chan int64)
	go func() { most <- mostOf(st.gateway, over) }()
	resumed, err := c.told()
	close(over)
	peak := <-most
	if err != nil || resumed.Event != "resumed" {
		return outcome{}, fmt.Errorf("the pause: %w", err)
	}
	intact, err := c.told()
	if err != nil {
		return intact, err
	}
	o, err := other.told()
	if err != nil {
		return o, fmt.Errorf("the other viewer: %w", err)
	}
	o.Values[inGrowth] = float64(peak-before) / 1e6
	o.Values["growth in the pause MB"] = float64(peak-flooded) / 1e6
	o.Values["messages intact"] = intact.Values["messages intact"]
	return o, nil
}

// mostOf looks at the memory of a family until over.
func mostOf(pid int, over <-chan struct{}) int64 {
	most := pssOf(pid)
	for {
		select {
		case <-over:
			return max(most, pssOf(pid))
		case <-time.After(200 * time.Millisecond):
			most = max(most, pssOf(pid))
		}
	}
}
