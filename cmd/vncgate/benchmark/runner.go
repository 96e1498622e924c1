package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// measurement is one line of JSON.
type measurement struct {
	Time    string `json:"time"`
	Machine string `json:"machine"`
	Subject string `json:"subject"`
	scenario
	Round  int                `json:"round"`
	Values map[string]float64 `json:"values,omitempty"`
	Cipher string             `json:"cipher,omitempty"`
	Error  string             `json:"error,omitempty"`
}

// runner measures what its options say.
type runner struct {
	o        *options
	progress io.Writer
	dir      string // of the run: configurations and logs
	self     string // this program
	pair     keyPair
	extra    string
	addr     displayAddresses
	display  *child
	subjects []contestant
	plan     []scenario
	out      *os.File // nil: no lines of JSON
}

// newRunner finds the subjects and starts the fake display.
func newRunner(o *options, progress io.Writer) (*runner, error) {
	r := &runner{o: o, progress: progress}
	raiseFiles()
	var err error
	if r.plan, err = o.plan(); err != nil {
		return nil, err
	}
	if r.subjects, err = r.present(); err != nil {
		return nil, err
	}
	if r.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if r.dir, err = os.MkdirTemp("", "vncgate-benchmark-"); err != nil {
		return nil, err
	}
	if err := r.prepare(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *runner) prepare() error {
	var err error
	if r.pair, err = makeKeyPair(r.dir); err != nil {
		return err
	}
	if r.o.extra != "" {
		b, err := os.ReadFile(r.o.extra)
		if err != nil {
			return err
		}
		r.extra = string(b)
	}
	if r.o.out != "" {
		if r.out, err = os.OpenFile(r.o.out, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return err
		}
	}
	return r.startDisplay()
}

func (r *runner) startDisplay() error {
	list, err := freeAddresses(4)
	if err != nil {
		return err
	}
	r.addr = displayAddresses{list[0], list[1], list[2], list[3]}
	b, err := json.Marshal(r.addr)
	if err != nil {
		return err
	}
	r.display, err = start(filepath.Join(r.dir, "display.log"), true, r.self, asDisplay, r.pair.cert, r.pair.key, string(b))
	if err != nil {
		return err
	}
	_, err = r.display.told()
	return err
}

// close ends what runs, and takes the files away.
func (r *runner) close() {
	if r.display != nil {
		r.display.stop()
	}
	if r.out != nil {
		_ = r.out.Close()
	}
	if r.o.keep {
		fmt.Fprintln(r.progress, "configurations and logs:", r.dir)
		return
	}
	_ = os.RemoveAll(r.dir)
}

// present are the subjects that can be measured; those that are not installed
// are named.
func (r *runner) present() ([]contestant, error) {
	all := contestants(r.o.builds, r.o.records)
	for _, name := range r.o.subjects {
		if !slices.ContainsFunc(all, func(c contestant) bool { return c.name == name }) {
			return nil, fmt.Errorf("no subject %q", name)
		}
	}
	var list []contestant
	for _, c := range all {
		if len(r.o.subjects) > 0 && !slices.Contains(r.o.subjects, c.name) {
			continue
		}
		if c.program != "" {
			path, err := find(c.program)
			if err != nil {
				fmt.Fprintf(r.progress, "%s is left out: %v\n", c.name, err)
				continue
			}
			if c.program, err = filepath.Abs(path); err != nil {
				return nil, err
			}
		}
		if _, pipes := nginxStream(c.program); c.name == "nginx" && !pipes {
			fmt.Fprintln(r.progress, "nginx has no stream module: it is left out where it would be a pipe (tcp, tls)")
			c.vias = []string{viaWS, viaWSS}
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, errors.New("nothing to measure; 'make build' makes bin/vncgate")
	}
	return list, nil
}

// all measures everything, round by round. What fails is told and left out; the
// first failure of vncgate's is the error in the end.
func (r *runner) all() ([]measurement, error) {
	var list []measurement
	var failed error
	total, n := r.o.rounds*r.count(), 0
	for round := 1; round <= r.o.rounds; round++ {
		for _, s := range r.plan {
			for i := range r.subjects {
				c := &r.subjects[i]
				if !c.fits(s) {
					continue
				}
				n++
				m := r.one(c, s, round)
				fmt.Fprintf(r.progress, "[%d/%d] round %d, %v, %s: %s\n", n, total, round, s, c.name, m.words())
				list = append(list, m)
				if err := r.record(m); err != nil {
					return list, err
				}
				if m.Error != "" && failed == nil {
					failed = fmt.Errorf("%v, %s: %s", s, c.name, m.Error)
				}
			}
		}
	}
	return list, failed
}

func (r *runner) count() int {
	n := 0
	for _, s := range r.plan {
		for i := range r.subjects {
			if r.subjects[i].fits(s) {
				n++
			}
		}
	}
	return n
}

func (r *runner) record(m measurement) error {
	if r.out == nil {
		return nil
	}
	return json.NewEncoder(r.out).Encode(m)
}

// one measures one subject in one scenario, freshly started.
func (r *runner) one(c *contestant, s scenario, round int) measurement {
	m := measurement{Time: time.Now().UTC().Format(time.RFC3339), Machine: machine(), Subject: c.name, scenario: s, Round: round}
	o, err := r.stage(c, s)
	m.Values, m.Cipher = o.Values, o.Cipher
	if err != nil {
		m.Error, m.Values = err.Error(), nil
	}
	return m
}

func (r *runner) stage(c *contestant, s scenario) (outcome, error) {
	st := &stage{r: r, s: s, at: entrance{Via: s.Via, Path: "/websockify", Password: password}}
	if c.start == nil {
		st.at.Address = map[string]string{viaTCP: r.addr.TCP, viaTLS: r.addr.TLS, viaWS: r.addr.WS, viaWSS: r.addr.WSS}[s.Via]
		return sceneRuns[s.Name](st)
	}
	p := &place{program: c.program, records: c.records, display: r.addr, pair: r.pair, extra: r.extra, listen: map[string]string{}}
	list, err := freeAddresses(6)
	if err != nil {
		return outcome{}, err
	}
	for i, via := range []string{viaTCP, viaTLS, viaX509, viaWS, viaWSS} {
		p.listen[via] = list[i]
	}
	if s.Name == sceneClass {
		p.listen[viaBusy], p.crowded = list[5], s.Via
		st.busy = list[5]
	}
	if p.dir, err = os.MkdirTemp(r.dir, c.name+"-"); err != nil {
		return outcome{}, err
	}
	g, err := c.start(p)
	if err != nil {
		return outcome{}, err
	}
	defer g.stop()
	st.at.Address, st.gateway = p.listen[s.Via], g.pid()
	if c.classes {
		st.at.Path += "?token=" + token
	}
	if err := g.answers(st.at.Address); err != nil {
		return outcome{}, err
	}
	return sceneRuns[s.Name](st)
}

// words are the values in short.
func (m *measurement) words() string {
	if m.Error != "" {
		return "failed: " + m.Error
	}
	var list []string
	for _, k := range sortedKeys(m.Values) {
		list = append(list, fmt.Sprintf("%s %s", short(m.Values[k]), k))
	}
	return strings.Join(list, ", ")
}

// machine names what all was measured on.
func machine() string {
	model := runtime.GOARCH
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == "model name" {
			model = strings.TrimSpace(v)
			break
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	release, _, _ := strings.Cut(strings.TrimSpace(string(kernel)), "-")
	return fmt.Sprintf("%s, %d cores, Linux %s, %s", model, runtime.NumCPU(), release, runtime.Version())
}
