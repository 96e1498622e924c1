package interop

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A ruled is a gateway whose policy says for each target by itself what its
// viewers may do, in a file that the test writes anew.
type ruled struct {
	*served
	mu     sync.Mutex
	rights map[string]string // "allow=view", by target
	fronts map[string]*tap   // between the viewers and the gateway; by target, "web" for browsers
	backs  map[string]*tap   // between the gateway and the displays
}

// ruledTargets is the configuration of a ruled gateway.
const ruledTargets = `listeners:
  - address: 127.0.0.1:{{port "web"}}
    web: {path: /websockify, origins: ["{{.Origin}}"]}
    security: [none]
{{- range $name, $at := .Targets}}
  - address: 127.0.0.1:{{port $name}}
    security: [none]
    target: {{$name}}
{{- end}}
targets:
{{- range $name, $at := .Targets}}
  {{$name}}:
    address: "{{$at.Address}}"
    security: [{{$at.Security}}]
    retry: 2m # QEMU turns away who comes while it is busy with others
    {{- if $at.Password}}
    password: {file: {{$at.Password}}}
    {{- end}}
{{- end}}
policy_file: {{.Policy}}
`

// startRuled has a target for each display of the list, with the rights that
// are to be had there.
func startRuled(t *testing.T, displays map[string]*display, rights map[string]string) *ruled {
	t.Helper()
	s := testScope(t)
	dir, err := s.tempDir()
	if err != nil {
		t.Fatal(err)
	}
	targets, backs := map[string]configBack{}, map[string]*tap{}
	for name, d := range displays {
		if backs[name], err = startTap(s, d.at); err != nil {
			t.Fatal(err)
		}
		c := configBack{Address: fmt.Sprintf("127.0.0.1:%d", backs[name].port), Security: d.at.security}
		if d.at.password != "" {
			if c.Password, err = plainFile(s, "password", d.at.password); err != nil {
				t.Fatal(err)
			}
		}
		targets[name] = c
	}
	g := &ruled{served: &served{dir: dir}, rights: maps.Clone(rights), fronts: map[string]*tap{}, backs: backs}
	if err := g.write(); err != nil {
		t.Fatal(err)
	}
	g.served = serveFile(t, ruledTargets, map[string]any{
		"Targets": targets, "Policy": g.policy(dir), "Origin": foreignPages.get(t, servePages(debianNoVNC)).URL,
	})
	g.dir = dir
	for name, port := range g.ports {
		if g.fronts[name], err = startTap(s, endpoint{host: "127.0.0.1", port: port}); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

func (g *ruled) policy(dir string) string { return filepath.Join(dir, "policy") }

// write brings the policy's file up to date.
func (g *ruled) write() error {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(g.rights)) {
		text += fmt.Sprintf("name=%s who=* target=%s %s\n", name, name, g.rights[name])
	}
	return writeFile(g.policy(g.dir), text)
}

// rule gives a target other rights from now on.
func (g *ruled) rule(t *testing.T, target, rights string) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.rights[target] = rights
	if err := g.write(); err != nil {
		t.Fatal(err)
	}
}

// regrant gives a target other rights and waits until its session has them.
func (g *ruled) regrant(t *testing.T, target, rights string) {
	t.Helper()
	said, begun := g.log.len(), time.Now()
	g.rule(t, target, rights)
	eventually(t, "the session gets "+rights, func() error {
		for line := range strings.Lines(g.log.String()[said:]) {
			if strings.Contains(line, "grant changed") && strings.Contains(line, "target="+target+" ") {
				return nil
			}
		}
		return errors.Join(errors.New("its grant has not changed"), g.alive())
	})
	t.Logf("%s: %s after %v", target, rights, time.Since(begun).Round(time.Millisecond))
}

// A watch is on a viewer that was opened by enterTapped: what it sends from now
// on.
type watch struct {
	g           *ruled
	target      string
	front, back *tap
	from        int // messages
}

// watch begins one. The target has no other viewers.
func (g *ruled) watch(kind viewerKind, target string) *watch {
	w := &watch{g: g, target: target, front: g.fronts[target], back: g.backs[target]}
	if kind.label == noVNC.label {
		w.front = g.fronts["web"]
	}
	seen, _ := w.front.messages()
	w.from = len(seen)
	return w
}

// judged waits until the viewer has sent each of what is named, the last of
// which is its last, and until the gateway has decided about all of it. A
// program that was told to type has not done so yet, least of all where several
// run at once.
func (w *watch) judged(t *testing.T, all ...func(msg []byte) bool) {
	t.Helper()
	for i, wanted := range all {
		eventually(t, fmt.Sprintf("the viewer tries the %d. of %d", i+1, len(all)), func() error {
			seen, _ := w.front.messages()
			if !slices.ContainsFunc(seen[w.from:], wanted) {
				return errors.Join(fmt.Errorf("not among %x", seen[w.from:]), w.g.alive())
			}
			return nil
		})
	}
	var mark []byte
	eventually(t, "the viewer ends its message", func() (err error) {
		mark, err = w.front.mark()
		return err
	})
	eventually(t, "what came behind goes through", func() error { return errors.Join(w.back.has(mark), w.g.alive()) })
}

// enterTapped is enter for a viewer that is watched.
func (g *ruled) enterTapped(kind viewerKind, target string) endpoint {
	at := g.enter(kind, target)
	at.port = g.fronts[target].port
	if kind.label == noVNC.label {
		at.port = g.fronts["web"].port
	}
	return at
}

// enter is where a viewer of a kind comes in for a target.
func (g *ruled) enter(kind viewerKind, target string) endpoint {
	if kind.label != noVNC.label && kind.label != ownPage.label {
		return g.at(target)
	}
	port := g.ports["web"]
	return endpoint{host: "127.0.0.1", port: port, path: "websockify?target=" + target, page: fmt.Sprintf("http://127.0.0.1:%d", port)}
}

// open shows a target in a viewer, which has to see the display.
func (g *ruled) open(t *testing.T, s *scope, kind viewerKind, target string, d *display) operator {
	t.Helper()
	kind.needs(t)
	v, err := kind.open(s, g.enterTapped(kind, target))
	if err != nil {
		t.Fatal(err)
	}
	showsDisplay(t, v, d)
	return v.(operator)
}

// showsDisplay waits until a viewer shows what the display does, or something
// at least where that does not stand still.
func showsDisplay(t *testing.T, v viewer, d *display) {
	t.Helper()
	if d.x == nil {
		eventually(t, "a picture", func() error {
			img, err := v.picture()
			if err == nil {
				err = telling(img)
			}
			return err
		})
		return
	}
	want, err := d.picture()
	if err != nil {
		t.Fatal(err)
	}
	sees(t, v, want)
}
