// Command benchmark measures vncgate from outside, beside the display without
// any gateway and beside the peers that it finds on the machine: throughput and
// the processor time it costs, latency alone and beside a flood, whole sessions
// per second, memory per idle session, and what a viewer costs that does not
// read.
//
//	go run ./cmd/vncgate/benchmark -subjects vncgate,websockify -scenarios down,ping
//
// A fake display and the load clients run in processes of their own. Rounds go
// over all subjects before the next one begins, so that what changes on the
// machine meanwhile changes for all; of the rounds the median counts. Each
// measurement is one line of JSON; the table at the end has the medians, how far
// the rounds lay apart, and ratios.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Names by which this program starts itself.
const (
	asDisplay = "as-display"
	asLoad    = "as-load"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

func run(args []string, in io.Reader, out, errOut io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case asDisplay:
			return beDisplay(args[1:], in, out)
		case asLoad:
			raiseFiles()
			return runLoad(in, out)
		}
	}
	o, err := parse(args, errOut)
	if err != nil {
		return err
	}
	if o.size > 0 {
		printSizes(out, o.size)
		return nil
	}
	if len(o.tables) > 0 {
		return printFiles(out, o.tables)
	}
	r, err := newRunner(o, errOut)
	if err != nil {
		return err
	}
	defer r.close()
	list, err := r.all()
	if len(list) > 0 {
		fmt.Fprintln(out, machine())
		printTable(out, list)
	}
	return err
}

// options are what the command line says.
type options struct {
	builds    []build
	records   []string
	subjects  []string
	scenarios []string
	vias      []string
	sessions  []int
	idle      []int
	rounds    int
	seconds   float64
	warmUp    float64
	stall     float64
	settle    time.Duration
	out       string
	extra     string
	keep      bool
	tables    []string
	size      int
}

func parse(args []string, errOut io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("benchmark", flag.ContinueOnError)
	f.SetOutput(errOut)
	f.Func("binary", "[`NAME=]PATH` of a build of vncgate; several times to compare builds (default vncgate=bin/vncgate)", func(s string) error {
		name, path, ok := strings.Cut(s, "=")
		if !ok {
			name, path = "vncgate", s
		}
		o.builds = append(o.builds, build{name, path})
		return nil
	})
	f.Func("subjects", "`NAMES` of what to measure, with commas (default all that are installed)", words(&o.subjects))
	f.Func("scenarios", "`NAMES` out of "+strings.Join(scenarioNames(), ",")+" (default all)", words(&o.scenarios))
	f.Func("keep-of-sessions", "`NAMES` out of audit,nothing: measure vncgate with metrics and its audit log, and with neither, as subjects of their own beside metrics alone", words(&o.records))
	f.Func("vias", "`NAMES` out of tcp,tls,x509,ws,wss (default all)", words(&o.vias))
	f.Func("sessions", "`NUMBERS` of sessions that flood at once (default 1,16)", numbers(&o.sessions))
	f.Func("idle", "`NUMBERS` of idle sessions (default 500,5000); websockify gets 500 at most", numbers(&o.idle))
	f.IntVar(&o.rounds, "rounds", 3, "how often everything is measured")
	f.Float64Var(&o.seconds, "seconds", 2, "how long one measurement takes")
	f.Float64Var(&o.warmUp, "warm-up", 0.4, "seconds before it that are not counted")
	f.Float64Var(&o.stall, "stall", 5, "seconds for which a viewer stops reading")
	f.DurationVar(&o.settle, "settle", 5*time.Second, "how long idle sessions are left alone before memory is looked at")
	f.StringVar(&o.out, "out", "", "`FILE` that gets one JSON line for each measurement, behind what it has")
	f.StringVar(&o.extra, "extra", "", "`FILE` of YAML that is added to vncgate's configuration")
	f.BoolVar(&o.keep, "keep", false, "keep the folder with configurations and logs, and say where it is")
	f.IntVar(&o.size, "size", 0, "measure nothing: print how many gateways so `MANY` sessions need")
	table := f.Bool("table", false, "measure nothing: print the table of the files of JSON lines that follow")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	switch {
	case *table && f.NArg() == 0:
		return nil, errors.New("-table: name the files of JSON lines to print")
	case *table:
		o.tables = f.Args()
	case slices.ContainsFunc(o.records, func(s string) bool { return s != keepAudit && s != keepNothing }):
		return nil, fmt.Errorf("-keep-of-sessions: %v: there are audit and nothing", o.records)
	case f.NArg() > 0:
		return nil, fmt.Errorf("%q: arguments go with -table only", f.Args())
	}
	o.defaults()
	return o, nil
}

func (o *options) defaults() {
	if len(o.builds) == 0 {
		o.builds = []build{{"vncgate", filepath.Join("bin", "vncgate")}}
	}
	if len(o.sessions) == 0 {
		o.sessions = []int{1, 16}
	}
	if len(o.idle) == 0 {
		o.idle = []int{500, 5000}
	}
}

func words(list *[]string) func(string) error {
	return func(s string) error { *list = strings.Split(s, ","); return nil }
}

func numbers(list *[]int) func(string) error {
	return func(s string) error {
		for word := range strings.SplitSeq(s, ",") {
			n, err := strconv.Atoi(word)
			if err != nil || n < 1 {
				return fmt.Errorf("%q is no number of sessions", word)
			}
			*list = append(*list, n)
		}
		return nil
	}
}

// beDisplay is the fake display's process: it has its certificate and addresses
// from args, and goes on until its input ends.
func beDisplay(args []string, in io.Reader, out io.Writer) error {
	var addresses displayAddresses
	if len(args) != 3 {
		return errors.New("the display wants certificate, key and addresses")
	}
	if err := json.Unmarshal([]byte(args[2]), &addresses); err != nil {
		return err
	}
	cert, err := keyPair{cert: args[0], key: args[1]}.config()
	if err != nil {
		return err
	}
	raiseFiles()
	failed := make(chan error, 2)
	go func() {
		failed <- runDisplay(addresses, cert, func() { fmt.Fprintln(out, "{}") })
	}()
	go func() { _, err := io.Copy(io.Discard, in); failed <- err }()
	return <-failed
}
