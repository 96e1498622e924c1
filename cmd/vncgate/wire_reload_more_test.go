package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vncgate/auth/tickets"
)

// Where viewers may go by address is looked at anew for those who come.
func TestReloadOfFree(t *testing.T) {
	const format = "listeners: [{address: '127.0.0.1:0', web: {}, security: [none]}]\ntargets: {one: {address: %[1]q}}\nfree: {allow: [%[2]q]}\n"
	at := displaysAt(t, "one", "two")
	r := newReloading(t, format, at[0], at[0])
	r.shows(at[1].(string), "!")
	r.write(taken, format, at[0], at[1])
	r.logs("free=changed")
	r.shows(at[1].(string), "two")
	r.shows(at[0].(string), "!")
	r.write(notTaken, format, at[0], "nonsense")
	r.logs("free: allow")
	r.shows(at[1].(string), "two")
}

// Sources come and go, and so do those that a listener takes tokens of. What has
// not changed stays open.
func TestReloadOfSources(t *testing.T) {
	const format = "listeners: [{address: '127.0.0.1:0', web: {}, security: [none], sources: %s}]\ntargets: {one: {address: %q}}\nsources:\n%s"
	at, dir := displaysAt(t, "one", "two"), t.TempDir()
	line := func(name string, display any) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, fmt.Appendf(nil, "token-%s: %s\n", name, display), 0o600))
		return fmt.Sprintf("  - {name: %s, file: %q}\n", name, path)
	}
	a, b := line("a", at[0]), line("b", at[1])
	r := newReloading(t, format, "[a]", at[0], a)
	comes := func(token, want string) {
		t.Helper()
		got, err := r.browser(0, "/?token="+token, nil)
		sees(t, token, want, got, err)
	}
	comes("token-a", "one")
	comes("token-b", "!403")
	first := r.now().sources["a"]
	r.write(taken, format, "[b, a]", at[0], a+b)
	r.logs("sources=changed")
	comes("token-b", "two")
	if r.now().sources["a"] != first {
		t.Error("a is another")
	}
	r.write(notTaken, format, "[b]", at[0], b+"  - {name: c, file: /dev/null, rights: [dance]}\n")
	comes("token-a", "one")
	r.write(taken, format, "[b]", at[0], b)
	comes("token-a", "!403")
	comes("token-b", "two")
	if strings.Contains(r.log.String(), "next start") {
		t.Error("something is said to wait")
	}
	r.retired.close()
	if _, err := first.Lookup(context.Background(), "token-a"); !errors.Is(err, tickets.ErrUnknown) {
		t.Errorf("a source that is gone still answers: %v", err)
	}
}

// Classes, limits and the log's level hold for those who are in, or come, at once.
func TestReloadOfTheRest(t *testing.T) {
	const format = "listeners: [{address: '127.0.0.1:0', web: {}, security: [none], class: bulk}]\ntargets: {one: {address: %q}}\n%s"
	at := displaysAt(t, "one")[0]
	r := newReloading(t, format, at, "classes: {bulk: {sessions: 7}}\nlimits: {sessions: 1}\n")
	first, err := r.webStay(0, "/?target=one")
	must(t, err)
	r.shows("one", "!")
	r.write(taken, format, at, "classes: {bulk: {sessions: 5}}\nlimits: {sessions: 2}\nlog: {level: error}\n")
	r.shows("one", "one")
	if list := r.controlClasses(); list[0].Name != "bulk" || list[0].Max != 5 {
		t.Errorf("%+v", list)
	}
	if level := r.log.String(); first.over() || !strings.Contains(level, "classes=changed limits=changed log_level=changed") {
		t.Errorf("%v", first.err)
	}
	eventually(t, "less is logged", func() bool { return !r.wiring.log.Enabled(context.Background(), 4) })
	rewrite(t, r.path, fmt.Appendf(nil, format, at, "classes: {bulky: {}}\n"))
	r.logs("listener 127.0.0.1:0: class: unknown class")
	if list := r.controlClasses(); list[0].Name != "bulk" {
		t.Errorf("%+v", list)
	}
}
