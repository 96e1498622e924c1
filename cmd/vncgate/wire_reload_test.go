package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"vncgate/rfb"
)

// reloading is a gateway whose configuration is in a file.
type reloading struct {
	*gate
	path    string
	hangUps chan os.Signal
}

func newReloading(t *testing.T, format string, args ...any) *reloading {
	t.Helper()
	r := &reloading{path: filepath.Join(t.TempDir(), "vncgate.yaml"), hangUps: make(chan os.Signal, 1)}
	rewrite(t, r.path, fmt.Appendf(nil, format, args...))
	load := func() (*config, error) { return loadConfig(r.path) }
	file := newConfigFile(r.path, load, r.hangUps)
	cfg, err := load()
	must(t, err)
	r.gate = gateOf(t, cfg, file)
	return r
}

// write changes the file and waits until the log says that it was looked at.
func (r *reloading) write(says, format string, args ...any) {
	r.t.Helper()
	n := strings.Count(r.log.String(), says)
	rewrite(r.t, r.path, fmt.Appendf(nil, format, args...))
	eventually(r.t, "the log says "+says, func() bool { return strings.Count(r.log.String(), says) > n })
}

// shows fails the test unless a browser that wants target sees want.
func (r *reloading) shows(target, want string) {
	r.t.Helper()
	got, err := r.browser(0, "/?target="+target, nil)
	sees(r.t, target, want, got, err)
}

const (
	taken    = `msg="configuration reloaded"`
	notTaken = `msg="configuration not reloaded"`
)

func TestReloadOfTargets(t *testing.T) {
	const head = "listeners:\n  - {address: '127.0.0.1:0', web: {}, security: [none]}\ntargets:\n"
	at := displaysAt(t, "one", "two", "moved", "three")
	r := newReloading(t, head+"  one: {address: %q}\n  two: {address: %q}\n", at[:2]...)
	r.shows("one", "one")
	r.shows("three", "!There is no such display")
	up, err := r.webStay(0, "/?target=two")
	must(t, err)

	r.write(taken, head+"  one: {address: %q}\n  three: {address: %q}\n", at[2:]...)
	r.logs("targets_added=[three]", "targets_changed=[one]", "targets_removed=[two]")
	r.shows("one", "moved")
	r.shows("three", "three")
	r.shows("two", "!There is no such display")

	r.write(notTaken, head+"  one: {adress: %q}\n", at[0])
	r.logs("[4:9]", r.path)
	r.shows("one", "moved")
	r.write(notTaken, head+"  one: {address: %q, password: {file: %q}}\n", at[0], r.path+".none")
	r.logs("targets.one: password")
	r.shows("three", "three")

	r.write(taken, head+"  two: {address: %q}\n", at[1])
	r.shows("two", "two")
	if n := strings.Count(r.log.String(), notTaken); n != 2 {
		t.Errorf("two mistakes were told %d times", n)
	}
	if up.over() {
		t.Errorf("a session ended: %v", up.err)
	}
}

// Sessions that are up are asked about again by new rules.
func TestReloadOfPolicy(t *testing.T) {
	const format = "listeners:\n  - {address: '127.0.0.1:0', web: {}, security: [none]}\n" +
		"targets:\n  one: {address: %q}\n  two: {address: %q}\npolicy:\n  - {who: '*', targets: '%s', allow: [all]}\n"
	at := displaysAt(t, "one", "two")
	r := newReloading(t, format, append(at, "*")...)
	one, err := r.webStay(0, "/?target=one")
	must(t, err)
	two, err := r.webStay(0, "/?target=two")
	must(t, err)
	r.write(taken, format, append(at, "one")...)
	r.logs("policy=changed")
	r.lastOf([]*stay{two})
	r.shows("two", "!Authentication failed")
	r.shows("one", "one")
	if one.over() {
		t.Errorf("a session that the rules allow ended: %v", one.err)
	}
}

// Displays that dial in are known by what the file says when they come.
func TestReloadOfArrivals(t *testing.T) {
	const format = "listeners:\n  - {address: '127.0.0.1:0', web: {}, security: [none]}\n" +
		"  - {address: '127.0.0.1:0', arrivals: {}}\ntargets:\n  roaming: {arrives: {id: %q}, retry: 20s}\n"
	r := newReloading(t, format, "1")
	r.write(taken, format, "4711")
	c := r.dial(1)
	hello, err := rfb.RepeaterRequest{ID: "4711"}.Append(nil)
	must(t, err)
	_, err = c.Write(hello)
	must(t, err)
	go func() { _ = displayNamed("roaming").Serve(context.Background(), c) }()
	r.shows("roaming", "roaming")
}

// What a reload leaves as it is, the log names; a hang-up reloads a file that is
// the same.
func TestReloadNamesWhatComesLater(t *testing.T) {
	const format = "listeners:\n  - {address: '127.0.0.1:0', web: {}, security: [none]}\n  - {address: '127.0.0.1:0', web: {}, sources: [s]}\n" +
		"targets:\n  one: {address: %q}\nsources:\n  - {name: s, file: /dev/null, display: {password: x}}\n%s"
	at := displaysAt(t, "one")[0]
	r := newReloading(t, format, at, "limits: {sessions: 3}\n")
	r.hangUps <- syscall.SIGHUP
	r.logs(taken)
	if strings.Contains(r.log.String(), "next start") {
		t.Error("the same file is taken for another")
	}
	r.write("next start", format, at, "limits: {sessions: 4, memory: 2GiB}\nlog: {level: info, format: json}\n")
	r.logs("limits=changed log_level=changed", "what has changed of limits.memory, log.format takes effect at the next start")
	r.shows("one", "one")
}

// What has no names and is in force at once is told as changed, and only then.
func TestReloadNamesWhatHasChanged(t *testing.T) {
	parsed := func(text string) *inForce {
		t.Helper()
		agents := ""
		if strings.Contains(text, "agents:") {
			agents = ", {address: ':2', agents: {}}"
		}
		cfg, err := parseConfig([]byte("listeners: [{address: ':1', web: {}}" + agents + "]\ntargets: {one: {address: 'a:1'}}\n" + text))
		must(t, err)
		return &inForce{cfg: cfg}
	}
	for what, text := range map[string]string{
		"shadow":         "shadow: {rules: [{who: alice, watch: true}]}\n",
		"playback":       "playback: {directory: /tmp, viewers: 3}\n",
		"recordings":     "recordings: {directory: /tmp, rules: [{targets: one}]}\n",
		"free":           "free: {allow: ['10.0.0.0/8:5900']}\n",
		"agents_display": "agents: {certificates: /tmp, display: {password: secret}}\n",
	} {
		with, less := parsed(text), strings.Replace(text, ", display: {password: secret}", "", 1)
		if less == text {
			less = ""
		}
		if got := with.otherChanges(parsed(less)); !slices.Equal(got, []any{what, "changed"}) {
			t.Errorf("with %s: %q", what, got)
		}
		if got := with.otherChanges(parsed(text)); len(got) > 0 {
			t.Errorf("the same %s is told as changed: %q", what, got)
		}
	}
}

// The places that a reload leaves as they are have the names by which they are
// found in the file, and no secrets in them.
func TestReloadNamesPlaces(t *testing.T) {
	parsed := func(text string) *config {
		t.Helper()
		cfg, err := parseConfig([]byte(text + "targets: {one: {address: 'a:1'}}\n"))
		must(t, err)
		return cfg
	}
	base := "listeners: [{address: ':1', web: {}}, {address: ':2', security: [vnc], password: secret}]\nadmin: {address: '127.0.0.1:3', tokens: [{name: a, role: admin, token: sixteen-letters-a}]}\n"
	for change, want := range map[[2]string][]string{
		{":2", ":4"}:                                                 {"listeners[1].address"},
		{"password: secret", "password: other"}:                      {"listeners[1].password"},
		{"sixteen-letters-a", "sixteen-letters-b"}:                   {"admin.tokens[0].token"},
		{"role: admin", "role: viewer"}:                              {"admin.tokens[0].role"},
		{", {address: ':2', security: [vnc], password: secret}", ""}: {"listeners"},
		{"admin: ", "tracing: {endpoint: 'http://a:1'}\nadmin: "}:    {"tracing"},
	} {
		if later := parsed(base).later(parsed(strings.Replace(base, change[0], change[1], 1))); !slices.Equal(later, want) {
			t.Errorf("%q for %q: %q, want %q", change[1], change[0], later, want)
		}
	}
	names := make([]string, 100)
	if list := few(names); len(list) != maxLater+1 || list[maxLater] != "88 more" {
		t.Errorf("of 100 names: %q", list)
	}
}

func TestHangUpWithoutFile(t *testing.T) {
	hangUps := make(chan os.Signal, 1)
	cfg, err := parseConfig(fmt.Appendf(nil, "listeners: [{address: '127.0.0.1:0', web: {}}]\ntargets: {one: {address: %q}}", displaysAt(t, "one")...))
	must(t, err)
	g := gateOf(t, cfg, newConfigFile("", nil, hangUps))
	hangUps <- syscall.SIGHUP
	g.logs("nothing to reload")
}

// A target that is the same stays the same object, with all that it has started.
func TestReloadKeepsTargets(t *testing.T) {
	w := &wiring{log: slog.New(slog.DiscardHandler)}
	wired := func(before *inForce, text string) *inForce {
		t.Helper()
		cfg, err := parseConfig([]byte("listeners: [{address: ':1', web: {}}]\ntargets:\n" + text))
		must(t, err)
		f := &inForce{cfg: cfg}
		must(t, w.openTargets(f, before))
		return f
	}
	const (
		plain = "  plain: {address: 'a:1', password: x}\n"
		spare = "  spare: {address: '%s:1'}\n  main: {address: 'b:1', fallbacks: [spare]}\n"
		unit  = "  unit: {address: 'c:1', password: %s, start: {unit: %s, idle: %s}}\n"
	)
	first := wired(&inForce{cfg: &config{}}, plain+fmt.Sprintf(spare, "x")+fmt.Sprintf(unit, "x", "a.service", "1m"))
	same := wired(first, plain+fmt.Sprintf(spare, "x")+fmt.Sprintf(unit, "x", "a.service", "1m"))
	for name, target := range first.targets {
		if same.targets[name] != target {
			t.Errorf("%s is another", name)
		}
	}
	other := wired(first, plain+fmt.Sprintf(spare, "y")+fmt.Sprintf(unit, "y", "a.service", "2m"))
	switch {
	case other.targets["plain"] != first.targets["plain"]:
		t.Error("plain is another")
	case other.targets["main"] == first.targets["main"], other.targets["main"].Fallbacks[0] != other.targets["spare"]:
		t.Error("main falls back to what spare was")
	case other.targets["unit"] == first.targets["unit"], other.targets["unit"].Launcher != first.targets["unit"].Launcher:
		t.Error("two launchers for one unit")
	}
	if later := first.cfg.later(other.cfg); len(later) != 1 || later[0] != "targets.unit.start" {
		t.Error(later)
	}
	if third := wired(first, fmt.Sprintf(unit, "x", "b.service", "1m")); third.targets["unit"].Launcher == first.targets["unit"].Launcher {
		t.Error("one launcher for two units")
	}
}

// A pipe that gave a secret at the start gives it no second time.
func TestReloadKeepsWhatPipesGave(t *testing.T) {
	given := "secret"
	of := func(piped *string) *config {
		return &config{
			Listeners: []listenerConfig{{Password: &secret{File: "a", piped: piped}, API: &apiConfig{Token: &secret{File: "b"}}}},
			Targets:   map[string]targetConfig{"one": {Password: &secret{File: "a", piped: piped}}},
			Sources:   []sourceConfig{{Redis: &redisSource{Password: &secret{File: "a", piped: piped}}}},
		}
	}
	next := of(nil)
	next.keepPiped(of(&given))
	if next.Listeners[0].Password.piped == nil || next.Targets["one"].Password.piped == nil || next.Sources[0].Redis.Password.piped == nil || next.Listeners[0].API.Token.piped != nil {
		t.Error("what pipes gave is with others now")
	}
}
