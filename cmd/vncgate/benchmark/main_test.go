package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain is the fake display and the load clients, too: the harness starts
// itself for them.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == asDisplay || os.Args[1] == asLoad) {
		if err := run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// vncgate builds the program that is measured.
func vncgate(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vncgate")
	if out, err := exec.Command("go", "build", "-o", path, "vncgate/cmd/vncgate").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

// small are options that make every measurement short.
func small(path string, more ...string) []string {
	return append([]string{
		"-binary", "vncgate=" + path, "-rounds", "1", "-seconds", "0.1", "-warm-up", "0.05",
		"-stall", "0.2", "-settle", "50ms", "-sessions", "2", "-idle", "20",
	}, more...)
}

// TestEveryScenario measures vncgate in each of them, over each way in at least
// once. The streams' numbers are looked at as they come, so a measurement that
// is there is one of a stream that arrived as it was sent.
func TestEveryScenario(t *testing.T) {
	path := vncgate(t)
	lines := filepath.Join(t.TempDir(), "lines.json")
	want := map[string][]string{ // what each must have measured
		sceneDown: {inMBs, inCPU, inShare}, sceneUp: {inMBs, inCPU}, scenePing: {inP50, inP99}, sceneFair: {inP50, inP99, inMBs},
		sceneChurn: {inSessions, inCPUEach}, sceneResumed: {inSessions, inResumed}, sceneIdle: {inKB, "wake " + inP50}, sceneStall: {inGrowth, inP99},
		sceneClass: {inP50, inP99, inSameP99, inAnswers},
	}
	for _, part := range []struct{ scenarios, vias string }{
		{"", viaWSS}, {"down,up", viaWS}, {"down,ping", viaX509}, {"up,stall", viaTCP}, {"ping,resumed", viaTLS}, {"ping", viaWS},
	} {
		args := small(path, "-subjects", "direct,vncgate", "-vias", part.vias, "-out", lines)
		if part.vias == viaWS {
			args = append(args, "-keep-of-sessions", "audit,nothing", "-subjects", "vncgate,vncgate+audit,vncgate+nothing")
		}
		if part.scenarios != "" {
			args = append(args, "-scenarios", part.scenarios)
		}
		var out, progress bytes.Buffer
		if err := run(args, nil, &out, &progress); err != nil {
			t.Errorf("%v\n%s", err, progress.String())
		}
		if !strings.Contains(out.String(), part.vias) {
			t.Errorf("the table has no %s:\n%s", part.vias, out.String())
		}
	}
	f, err := os.Open(lines)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	list, err := readLines(f)
	if err != nil {
		t.Fatal(err)
	}
	for name, units := range want {
		i := slices.IndexFunc(list, func(m measurement) bool { return m.Name == name && m.Subject == "vncgate" })
		if i < 0 {
			t.Errorf("%s was not measured", name)
			continue
		}
		for _, unit := range units {
			if _, ok := list[i].Values[unit]; !ok {
				t.Errorf("%s: no %s in %v", name, unit, list[i].Values)
			}
		}
	}
	if err := run([]string{"-table", lines}, nil, io.Discard, io.Discard); err != nil {
		t.Error(err)
	}
}

// TestPeers lets a stream run through each peer that is installed, over each way
// in that it has.
func TestPeers(t *testing.T) {
	for _, c := range contestants(nil, nil) {
		if c.start == nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if _, err := find(c.program); err != nil {
				if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
					t.Fatal(err)
				}
				t.Skip(err)
			}
			var progress bytes.Buffer
			err := run(small("", "-subjects", c.name, "-scenarios", "down"), nil, io.Discard, &progress)
			if err != nil {
				t.Errorf("%v\n%s", err, progress.String())
			}
			if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" && strings.Contains(progress.String(), "left out") {
				t.Errorf("not all of it was measured: %s", progress.String())
			}
		})
	}
}

func TestMissingPeerIsNamed(t *testing.T) {
	r := &runner{o: &options{builds: []build{{"old", "/nowhere/vncgate"}}}, progress: &bytes.Buffer{}}
	list, err := r.present()
	if err != nil || list[0].name != direct {
		t.Fatalf("%v, %v", list, err)
	}
	if words := r.progress.(*bytes.Buffer).String(); !strings.Contains(words, "old is left out") {
		t.Errorf("it says %q", words)
	}
	r.o.subjects = []string{"old"}
	if _, err := r.present(); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("with nothing to measure: %v", err)
	}
}

// TestFailureIsTold measures something that is no gateway.
func TestFailureIsTold(t *testing.T) {
	program := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var progress bytes.Buffer
	err := run(small(program, "-subjects", "vncgate", "-scenarios", "ping", "-vias", "ws"), nil, io.Discard, &progress)
	if err == nil || !strings.Contains(progress.String(), "failed") {
		t.Errorf("%v: %s", err, progress.String())
	}
}

func TestOptions(t *testing.T) {
	o, err := parse([]string{"-binary", "old=/a", "-binary", "/b", "-sessions", "1,4", "-vias", "ws", "-scenarios", "down,resumed"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(o.builds, []build{{"old", "/a"}, {"vncgate", "/b"}}) {
		t.Errorf("builds %v", o.builds)
	}
	plan, err := o.plan()
	if err != nil || len(plan) != 2 || plan[1] != (scenario{sceneDown, viaWS, 4}) {
		t.Errorf("plan %v, %v", plan, err)
	}
	for _, bad := range [][]string{{"-sessions", "none"}, {"-idle", "0"}, {"rest"}, {"-table"}, {"-nonsense"}, {"-keep-of-sessions", "all"}} {
		if _, err := parse(bad, io.Discard); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := (&options{scenarios: []string{"up", "sideways"}}).plan(); err == nil {
		t.Error("a scenario that there is not is planned")
	}
	if err := run([]string{"-table", "/nowhere"}, nil, io.Discard, io.Discard); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a table of nothing: %v", err)
	}
}
