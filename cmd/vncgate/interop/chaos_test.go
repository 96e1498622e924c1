package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// TestChaos runs three gateways, a real Redis and agents that are spread over
// them, and takes away one after the other. Whatever happens: no token is used
// twice, no number is exceeded, no session goes unaccounted for, and everybody
// else types on. VNCGATE_CHAOS=1 does it with 300 sessions, and in rounds.
func TestChaos(t *testing.T) {
	guests, agents, displays, rounds, tokens := 30, 3, 2, 1, 3
	if os.Getenv("VNCGATE_CHAOS") != "" {
		guests, agents, displays, rounds, tokens = 300, 6, 5, 3, 10
	}
	w := newWorld(t, agents, displays)
	w.fill(guests)
	w.agree("all are in")
	for range rounds {
		w.nodeDies(guests)
		w.redisDies(guests)
		w.nodeStops(guests)
	}
	w.kickedFromEverywhere()
	w.tokensOnce(tokens)
	w.few3()
	w.allAccounted()
}

// fill brings guests in until there are so many, each at some node with some
// display; all of them can be reached.
func (w *world) fill(guests int) {
	w.t.Helper()
	targets := w.targets()
	var group sync.WaitGroup
	slots := make(chan bool, 16)
	var failed atomic.Pointer[error]
	for range guests - w.crowd.size() {
		n, target := w.nodes[rand.IntN(len(w.nodes))], targets[rand.IntN(len(targets))]
		slots <- true
		group.Go(func() {
			defer func() { <-slots }()
			if _, err := w.crowd.enter(n, target, ""); err != nil {
				err = fmt.Errorf("at %s with %s: %w", n.name, target, err)
				failed.Store(&err)
			}
		})
	}
	group.Wait()
	if err := failed.Load(); err != nil {
		w.t.Fatal(*err)
	}
	if err := typesAll(w.crowd.all(nil), 1); err != nil {
		w.t.Fatal(err)
	}
}

// agree waits until the guests, the displays and every node that runs know of
// the same sessions.
func (w *world) agree(when string) {
	w.t.Helper()
	w.t.Logf("%.1f s: %s", time.Since(w.begun).Seconds(), when)
	eventually(w.t, when+": everybody agrees", func() error {
		want := w.crowd.size()
		shown := w.few.sessions()
		for _, d := range w.shown {
			shown += d.sessions()
		}
		if shown != want {
			return fmt.Errorf("there are %d guests, and displays see %d", want, shown)
		}
		for _, n := range w.nodes {
			list, err := n.sessions()
			if err != nil {
				return err
			}
			if len(list) != want {
				return fmt.Errorf("there are %d guests, and node %s says %d", want, n.name, len(list))
			}
		}
		return nil
	})
}

// A listed session is one that a node tells of, its own or another's.
type listed struct {
	ID, From, Node string
}

// sessions asks a node for those of all nodes.
func (n *node) sessions() (all []listed, err error) {
	for after := ""; ; {
		var page struct {
			Sessions []listed
			Next     string
			Silent   []string
		}
		if err := n.ask(&page, "query-sessions", map[string]any{"after": after}); err != nil {
			return nil, err
		}
		if len(page.Silent) > 0 {
			return nil, fmt.Errorf("nothing is heard of %v", page.Silent)
		}
		all = append(all, page.Sessions...)
		if after = page.Next; after == "" {
			return all, nil
		}
	}
}

// through reports whether a guest's session needs the node: it came in there,
// or the agent of its display did.
func (w *world) through(g *guest, n *node) bool {
	return g.node == n || w.atAgent(g.target).at == n
}

// nodeDies kills a node. Those whose way leads through it are out at once; all
// others type on. Its sessions are written down as lost by another; it comes
// back, and its agents with it.
func (w *world) nodeDies(guests int) {
	w.t.Helper()
	n := w.nodes[1]
	kill(n.process)
	for _, g := range w.crowd.all(func(g *guest) bool { return w.through(g, n) }) {
		eventually(w.t, "its sessions end", g.ended)
	}
	if err := typesAll(w.crowd.all(nil), 2); err != nil {
		w.t.Errorf("while node %s was dead: %v", n.name, err)
	}
	w.startNode(n)
	w.whole()
	w.agree("a node was killed")
	w.fill(guests)
	w.agree("the killed node is back")
}

// whole waits until each node reaches a display of each agent.
func (w *world) whole() {
	w.t.Helper()
	for _, a := range w.agents {
		w.reachable("agent/"+a.name+"/d0", w.nodes...)
	}
}

// redisDies kills Redis. Sessions go on, and newcomers are told why they are not
// let in; when it is back, everything is.
func (w *world) redisDies(guests int) {
	w.t.Helper()
	kill(w.redis.process)
	before := w.crowd.size()
	if err := typesAll(w.crowd.all(nil), 3); err != nil {
		w.t.Errorf("without Redis: %v", err)
	}
	refused := fmt.Errorf("nobody tried")
	eventually(w.t, "newcomers are refused without Redis", func() error {
		g, err := w.crowd.enter(w.nodes[0], "few", "")
		if err == nil {
			g.leave()
			return errors.New("somebody was let in")
		}
		refused = err
		return nil
	})
	w.t.Logf("without Redis a newcomer is told: %v", refused)
	time.Sleep(expire) // long enough for everybody to be taken for dead, if that were done
	w.redis.start()
	w.whole()
	if now := w.crowd.size(); now != before {
		w.t.Errorf("%d sessions were there before Redis died, and %d when it was back", before, now)
	}
	w.agree("Redis is back")
}

// nodeStops stops a node for longer than it may say nothing, as a partition
// does, and lets it go on. The others go on meanwhile.
func (w *world) nodeStops(guests int) {
	w.t.Helper()
	n := w.nodes[2]
	_ = n.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(2 * expire)
	if err := typesAll(w.crowd.all(func(g *guest) bool { return !w.through(g, n) }), 4); err != nil {
		w.t.Errorf("while node %s stood still: %v", n.name, err)
	}
	_ = n.cmd.Process.Signal(syscall.SIGCONT)
	w.whole()
	w.agree("a node that stood still goes on")
	w.fill(guests)
	w.agree("and all are in")
}

// kickedFromEverywhere ends a session of each node from each node.
func (w *world) kickedFromEverywhere() {
	w.t.Helper()
	for _, at := range w.nodes {
		for _, from := range w.nodes {
			g, err := w.crowd.enter(at, w.shown[0].name, "")
			if err != nil {
				w.t.Fatal(err)
			}
			address := g.LocalAddr().String()
			eventually(w.t, "a session at "+at.name+" is ended from "+from.name, func() error {
				if g.ended() == nil {
					return nil
				}
				list, err := from.sessions()
				if err != nil {
					return err
				}
				for _, s := range list {
					if strings.Contains(s.From, address) {
						return errors.Join(from.ask(nil, "session-kill", map[string]any{"id": s.ID}), g.ended())
					}
				}
				return fmt.Errorf("it knows no session of %s", address)
			})
		}
	}
	w.agree("after the kicks")
}

// tokensOnce uses each of some tokens at all nodes at the same time.
func (w *world) tokensOnce(tokens int) {
	w.t.Helper()
	used := 0
	for range tokens {
		var issued struct{ Token string }
		out := w.vncgate("token", "issue", "--config", w.nodes[0].config, "--json", "--target", "*", "--expires", "1h", "--uses", "1", "--rights", "control")
		if err := json.Unmarshal(out, &issued); err != nil {
			w.t.Fatal(err)
		}
		var group sync.WaitGroup
		var in atomic.Int32
		for i := range 2 * len(w.nodes) {
			group.Go(func() {
				g, err := w.crowd.enter(w.nodes[i%len(w.nodes)], w.shown[0].name, issued.Token)
				if err != nil {
					return
				}
				in.Add(1)
				g.leave()
			})
		}
		group.Wait()
		if in.Load() > 1 {
			w.t.Errorf("a token for one session was good for %d", in.Load())
		}
		used += int(in.Load())
	}
	if used == 0 {
		w.t.Error("no token was good for anything")
	}
}

// few3 has many come at once, at all nodes, to a display that may have few.
func (w *world) few3() {
	w.t.Helper()
	var group sync.WaitGroup
	var guests sync.Map
	for i := range 8 * len(w.nodes) {
		group.Go(func() {
			if g, err := w.crowd.enter(w.nodes[i%len(w.nodes)], "few", ""); err == nil {
				guests.Store(g, true)
			}
		})
	}
	group.Wait()
	w.crowd.mu.Lock()
	most := w.crowd.most["few"]
	w.crowd.mu.Unlock()
	if most != fewAtOnce {
		w.t.Errorf("%d were in at once where %d may be", most, fewAtOnce)
	}
	guests.Range(func(g, _ any) bool { g.(*guest).leave(); return true })
}

// allAccounted has everybody leave: then each session that was opened anywhere
// was written down as ended, by its node or by one that found it lost.
func (w *world) allAccounted() {
	w.t.Helper()
	for _, g := range w.crowd.all(nil) {
		g.leave()
	}
	w.agree("all have left")
	eventually(w.t, "every session has an end in the audit logs", func() error {
		opened, ended, err := w.audited()
		if err != nil {
			return err
		}
		var open []string
		for id := range opened {
			if !ended[id] {
				open = append(open, id)
			}
		}
		if len(open) > 0 {
			return fmt.Errorf("%d of %d have none: %v", len(open), len(opened), open)
		}
		return nil
	})
}
