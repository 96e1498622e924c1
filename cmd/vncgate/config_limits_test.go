package main

import (
	"math"
	"runtime/debug"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/goccy/go-yaml"
)

func TestLimitsOfNewcomers(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"memory: 2GiB", "memory: 2GiB"},
		{"memory: 500 MB", "memory: 500MB"},
		{"memory: off", "memory: off"},
		{"accept_rate: 200/s", "accept_rate: 200/s"},
		{"accept_rate: 200", "accept_rate: 200/s"},
		{"accept_rate: off", "accept_rate: off"},
		{"accept_exempt: [10.0.0.0/8]", "10.0.0.0/8"},
		{"handshake_cores: 3", "handshake_cores: 3"},
	} {
		var l limitsConfig
		err := yaml.UnmarshalWithOptions([]byte(test.text), &l, yaml.Strict())
		if err == nil {
			err = l.validate()
		}
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		b, err := yaml.Marshal(l)
		if err != nil || !strings.Contains(string(b), test.want) {
			t.Errorf("%s became %s, %v", test.text, b, err)
		}
	}
}

func TestBadLimitsOfNewcomers(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"memory: 512", "write it like 512MiB"},
		{"memory: much", "is no size"},
		{"memory: -1", "is no size"},
		{"accept_rate: 0/s", "write it like 100/s"},
		{"accept_rate: 10/min", "write it like 100/s"},
		{"accept_exempt: [everybody]", "neither an address nor a CIDR range"},
		{"{accept_rate: off, accept_exempt: [10.0.0.1]}", "accept_rate is off"},
		{"handshake_cores: -1", "must not be negative"},
	} {
		var l limitsConfig
		err := yaml.UnmarshalWithOptions([]byte(test.text), &l, yaml.Strict())
		if err == nil {
			err = l.validate()
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.text, err, test.want)
		}
	}
}

func TestMemoryOfTheControlGroup(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	for _, test := range []struct {
		what string
		root fstest.MapFS
		want int64
	}{
		{"no groups", fstest.MapFS{}, 0},
		{"version 2, in a unit", fstest.MapFS{
			"proc/self/cgroup": file("0::/system.slice/vncgate.service\n"),
			"sys/fs/cgroup/system.slice/vncgate.service/memory.max": file("1073741824\n"),
			"sys/fs/cgroup/system.slice/memory.max":                 file("max\n"),
		}, 1 << 30},
		{"the group around it has less", fstest.MapFS{
			"proc/self/cgroup":                   file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max":       file("max\n"),
			"sys/fs/cgroup/a/memory.max":         file("536870912\n"),
			"sys/fs/cgroup/memory.max":           file("1073741824\n"),
			"sys/fs/cgroup/elsewhere/memory.max": file("1\n"),
		}, 512 << 20},
		{"a container with its own view", fstest.MapFS{
			"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("268435456\n"),
		}, 256 << 20},
		{"version 1, named from outside", fstest.MapFS{
			"proc/self/cgroup":                           file("4:cpu,cpuacct:/x\n9:memory:/docker/0123\n0::/x\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("134217728\n"),
		}, 128 << 20},
		{"version 1 without a limit", fstest.MapFS{
			"proc/self/cgroup":                           file("9:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
		}, 0},
		{"nonsense", fstest.MapFS{
			"proc/self/cgroup": file("0:\n::::\n\nx\n0::../../..\n"), "sys/fs/cgroup/memory.max": file("-5\n"),
		}, 0},
	} {
		if got := cgroupMemory(test.root); got != test.want {
			t.Errorf("%s: %d, want %d", test.what, got, test.want)
		}
	}
}

func TestMemoryCeiling(t *testing.T) {
	group := fstest.MapFS{
		"proc/self/cgroup": &fstest.MapFile{Data: []byte("0::/\n")}, "sys/fs/cgroup/memory.max": &fstest.MapFile{Data: []byte("1000000000")},
	}
	for _, test := range []struct {
		configured memoryCeiling
		goLimit    int64
		want       int64
		from       string
	}{
		{1 << 30, 5 << 30, 1 << 30, "limits: memory"},
		{-1, 5 << 30, 0, ""},
		{0, 5 << 30, 5 << 30, "GOMEMLIMIT"},
		{0, math.MaxInt64, 750000000, "the control group"},
	} {
		before := debug.SetMemoryLimit(test.goLimit)
		limit, from := test.configured.ceiling(group)
		debug.SetMemoryLimit(before)
		if limit != test.want || from != test.from {
			t.Errorf("%d, GOMEMLIMIT %d: %d by %q, want %d by %q", test.configured, test.goLimit, limit, from, test.want, test.from)
		}
	}
}

func TestDescriptorWarning(t *testing.T) {
	l := limitsConfig{Sessions: 20000, Handshakes: 100}
	for have, want := range map[uint64]bool{0: false, 1024: true, 40263: true, 40264: false, 1 << 20: false} {
		warning := l.descriptorWarning(have)
		if (warning != "") != want {
			t.Errorf("with %d: %q", have, warning)
		}
		if want && (!strings.Contains(warning, "40264") || !strings.Contains(warning, "LimitNOFILE=")) {
			t.Errorf("the warning says neither how many nor what to do: %s", warning)
		}
	}
	if n := descriptors(); n > 0 && n < 64 {
		t.Errorf("this process may have %d descriptors", n)
	}
}

// What --check prints of limits is what counts, said or not, and means the same
// when it is read.
func TestLimitsInForce(t *testing.T) {
	for _, l := range []limitsConfig{{}, {Sessions: 7, Stall: time.Minute, AcceptRate: -1, Memory: -1, ShutdownDelay: time.Second}} {
		text, err := yaml.Marshal(l.inForce())
		must(t, err)
		for _, name := range []string{"sessions", "handshakes", "handshake_timeout", "dial_timeout", "greet_timeout", "stall", "kick_time", "accept_rate", "shutdown_timeout", "upgrade_timeout"} {
			if !strings.Contains(string(text), name+": ") {
				t.Errorf("%s is not told:\n%s", name, text)
			}
		}
		var again limitsConfig
		must(t, yaml.Unmarshal(text, &again))
		if got, want := again.limits().WithDefaults(), l.limits().WithDefaults(); got != want {
			t.Errorf("read again: %+v, want %+v", got, want)
		}
		if l.Sessions == 7 && (again.AcceptRate >= 0 || again.Memory >= 0 || again.Sessions != 7) {
			t.Errorf("what was said is gone: %+v", again)
		}
	}
}
