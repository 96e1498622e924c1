package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// clockTick is the unit of times in /proc/PID/stat: USER_HZ, which is 100 on
// every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// family is pid and all that descend from it: websockify has a process for each
// session, nginx one for each core.
func family(pid int) []int {
	if pid == 0 {
		return nil
	}
	parents := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if child, err := strconv.Atoi(e.Name()); err == nil {
			if f, err := stat(child); err == nil {
				parent, _ := strconv.Atoi(string(f[1]))
				parents[parent] = append(parents[parent], child)
			}
		}
	}
	found := []int{pid}
	for i := 0; i < len(found); i++ {
		found = append(found, parents[found[i]]...)
	}
	return found
}

// stat returns the fields of /proc/PID/stat behind the name, which may hold
// anything: the first is the state.
func stat(pid int) ([][]byte, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
	if len(f) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(f))
	}
	return f, nil
}

// cpuOf is the processor time that a family has used, those of it that have
// ended and were waited for included.
func cpuOf(pid int) time.Duration {
	var ticks int64
	for _, p := range family(pid) {
		f, err := stat(p)
		if err != nil {
			continue
		}
		for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime
			n, _ := strconv.ParseInt(string(f[i]), 10, 64)
			ticks += n
		}
	}
	return time.Duration(ticks) * clockTick
}

// pssOf is the memory of a family in bytes, pages that several share counted in
// parts.
func pssOf(pid int) int64 {
	var sum int64
	for _, p := range family(pid) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		if err != nil {
			continue
		}
		for line := range bytes.Lines(b) {
			if f := bytes.Fields(line); len(f) > 1 && string(f[0]) == "Pss:" {
				kB, _ := strconv.ParseInt(string(f[1]), 10, 64)
				sum += kB << 10
			}
		}
	}
	return sum
}

// threadsOf is how many threads a family has.
func threadsOf(pid int) int {
	sum := 0
	for _, p := range family(pid) {
		if f, err := stat(p); err == nil {
			n, _ := strconv.Atoi(string(f[17]))
			sum += n
		}
	}
	return sum
}
