package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A browser names its display by a token, a path, a host name or a query.
func TestBrowserRoutes(t *testing.T) {
	at := displaysAt(t, "one", "two")
	tokens := fileWith(t, "secret-1: %s\nsecret-2: %s\n", at...)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {targets_path: /vnc, hosts: ["{target}.vnc.example"]}, sources: [portal], token: optional, security: [none]}
  - {address: "127.0.0.1:0", web: {}, sources: [portal]}
sources:
  - {name: portal, file: %q}
targets:
  one: {address: %q}
  two: {address: %q}
`, append([]any{tokens}, at...)...)
	host := func(name string) http.Header { return http.Header{"Host": {name}} }
	for _, c := range []struct {
		door int
		path string
		head http.Header
		want string
	}{
		{0, "/websockify?token=secret-2", nil, "two"},
		{0, "/?token=secret-1", nil, "one"},
		{0, "/vnc/two", nil, "two"},
		{0, "/websockify?target=one", nil, "one"},
		{0, "/websockify", host("two.vnc.example"), "two"},
		{0, "/websockify?token=secret-3", nil, "!403"},
		{0, "/websockify?target=three", nil, "!There is no such display"},
		{0, "/websockify?target=one", host("two.vnc.example"), "!400"},
		{0, "/websockify", nil, "!404"},
		{1, "/websockify?token=secret-2", nil, "two"},
		{1, "/websockify?target=one", nil, "!403"},
		{1, "/websockify", nil, "!403"},
		{1, "/websockify", http.Header{"Cookie": {"token=secret-1"}}, "one"},
	} {
		got, err := g.browser(c.door, c.path, c.head)
		sees(t, fmt.Sprint(c.door, c.path, c.head), c.want, got, err)
	}
	if strings.Contains(g.log.String(), "secret-") {
		t.Error("a token is in the log")
	}
	g.logs(fmt.Sprintf("target=portal/%s", at[1]))
	// A change counts at once.
	if err := os.WriteFile(tokens, fmt.Appendf(nil, "secret-9: %s\n", at[0]), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := g.browser(1, "/?token=secret-9", nil)
	sees(t, "new token", "one", got, err)
	got, err = g.browser(1, "/?token=secret-2", nil)
	sees(t, "withdrawn token", "!403", got, err)
}

// A token that is the name of a socket is in no log, also when nobody listens
// there.
func TestSocketsByToken(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"secret-up", "secret-down"} {
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, name), Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		if name == "secret-up" {
			displayNamed("up").Attach(t, ln)
			continue
		}
		ln.SetUnlinkOnClose(false)
		ln.Close()
	}
	g := newGate(t, `
listeners: [{address: "127.0.0.1:0", web: {}, sources: [vms]}]
sources: [{name: vms, sockets: %q}]
targets: {}
`, dir)
	for token, want := range map[string]string{"secret-up": "up", "secret-down": "!cannot be reached", "secret-none": "!403"} {
		got, err := g.browser(0, "/websockify?token="+token, nil)
		sees(t, token, want, got, err)
	}
	g.logs("target=vms/socket")
	g.logs("connection refused")
	if strings.Contains(g.log.String(), "secret-") {
		t.Errorf("a token is in the log:\n%s", g.log.String())
	}
}

// What a token says is narrowed by its source and by the policy.
func TestTicketRights(t *testing.T) {
	at := displaysAt(t, "one", "two")
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("Authorization") + " " + r.URL.Query().Get("t") {
		case "Bearer key full":
			fmt.Fprintf(w, `{"address": %q, "identity": "alice"}`, at[0])
		case "Bearer key view":
			fmt.Fprintf(w, `{"target": "two", "identity": "bob", "rights": ["view"]}`)
		case "Bearer key power":
			fmt.Fprintf(w, `{"target": "two", "rights": ["power"]}`)
		case "Bearer key down":
			w.WriteHeader(http.StatusInternalServerError)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(api.Close)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [api]}
sources:
  - name: api
    http: {url: "%s/?t={token}", headers: {Authorization: "Bearer key"}}
    rights: [control]
    allow: ["127.0.0.1:*"]
targets:
  two: {address: %q}
policy:
  - {who: "method:ticket/api", targets: "api/*", allow: [view, keyboard]}
  - {who: "user:bob", targets: "two", allow: [all]}
`, api.URL, at[1])
	for token, want := range map[string]string{
		"full": "one", "view": "two", "power": "!403", "down": "!502", "none": "!403",
	} {
		got, err := g.browser(0, "/?token="+token, nil)
		sees(t, token, want, got, err)
	}
	g.logs("user=alice", "rights=view,keyboard", "user=bob", "rights=view")
}

// Where another decides what a source holds, this machine is not meant.
func TestWhereTicketsLead(t *testing.T) {
	at := displaysAt(t, "one")
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.TrimPrefix(r.URL.Path, "/"))
	}))
	t.Cleanup(api.Close)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, sources: [wide, narrow]}
  - {address: "127.0.0.1:0", web: {}, sources: [narrow]}
sources:
  - {name: wide, http: {url: "%[1]s/{token}"}}
  - {name: narrow, http: {url: "%[1]s/{token}"}, allow: [%[2]q]}
`, api.URL, at[0])
	for _, c := range []struct {
		door  int
		token string
		want  string
	}{
		{1, at[0].(string), "one"},
		{1, "localhost" + strings.TrimPrefix(at[0].(string), "127.0.0.1"), "one"},
		{1, "127.0.0.1:1", "!cannot be reached"},
		{0, at[0].(string), "!cannot be reached"},
		{0, "169.254.169.254:80", "!cannot be reached"},
		{0, "unix:/run/vncgate-test.sock", "!cannot be reached"},
	} {
		got, err := g.browser(c.door, "/?token="+c.token, nil)
		sees(t, c.token, c.want, got, err)
	}
	g.logs("which only an entry of its own allows")
}

// Names of a source are targets, under users and policy.
func TestSourcesOfTargets(t *testing.T) {
	at := displaysAt(t, "one", "two")
	names := fileWith(t, "vm1: %s\nvm2: %s\n", at...)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {targets_path: /vnc}}
sources:
  - {name: vms, as: targets, file: %q}
policy:
  - {who: "*", targets: "vm1", allow: [view]}
`, names)
	for path, want := range map[string]string{"/vnc/vm1": "one", "/?target=vm1": "one", "/?target=vm2": "!Authentication failed", "/?target=vm3": "!Authentication failed"} {
		got, err := g.browser(0, path, nil)
		sees(t, path, want, got, err)
	}
}

// A source of names has no say in what may be done, and must not seem to.
func TestSourceOfTargetsWithRights(t *testing.T) {
	at := displaysAt(t, "one")
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"address": %q, %s}`, at[0], map[string]string{
			"/plain": `"tls": false`, "/view": `"rights": ["view"]`, "/short": `"expires": 4102444800`,
		}[r.URL.Path])
	}))
	t.Cleanup(api.Close)
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}}
sources:
  - {name: vms, as: targets, http: {url: "%s/{token}"}, allow: [%q]}
`, api.URL, at[0])
	for name, want := range map[string]string{"plain": "one", "view": "!gateway", "short": "!gateway"} {
		got, err := g.browser(0, "/?target="+name, nil)
		sees(t, name, want, got, err)
	}
	g.logs("set as: tokens")
}

// A policy knows an address by one spelling.
func TestPolicyNames(t *testing.T) {
	w := &wiring{cfg: &config{Targets: map[string]targetConfig{"desk": {}, "a:1": {}}}}
	for name, want := range map[string]string{
		"desk": "desk", "vm7": "vm7", "a:1": "a:1",
		"10.0.0.7:05900": "free/10.0.0.7:5900", "[::ffff:10.0.0.7]:5900": "free/10.0.0.7:5900", "[FD00:0::1]:5900": "free/[fd00::1]:5900",
		"VM7.Example.:5900": "free/vm7.example:5900", "vm7.example:5900": "free/vm7.example:5900",
		"unix:/run/VMs/x": "free/unix:_run_VMs_x",
	} {
		if got := w.policyName(name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// An address is a name where that is allowed, whatever its spelling.
func TestFreeForm(t *testing.T) {
	at := displaysAt(t, "one", "two")
	_, port, _ := strings.Cut(at[0].(string), ":")
	g := newGate(t, `
listeners:
  - {address: "127.0.0.1:0", web: {}, target: two}
targets:
  two: {address: %q}
free: {allow: ["127.0.0.1:%s"]}
policy:
  - {who: "*", targets: "free/127.0.0.1:*", allow: [view]}
  - {who: "*", targets: "two", allow: [all]}
`, at[1], port)
	for target, want := range map[string]string{
		"127.0.0.1:" + port: "one", "two": "two", "[::ffff:127.0.0.1]:0" + port: "one", "127.0.0.1:1": "!cannot be reached",
		"localhost:" + port: "!Authentication failed", "unix:/run/x": "!Authentication failed", "127.0.0.1:": "!Authentication failed",
	} {
		got, err := g.browser(0, "/?target="+target, nil)
		sees(t, target, want, got, err)
	}
}
