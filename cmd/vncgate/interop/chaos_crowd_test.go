package interop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"
)

// A guest is a viewer in a session, at one of several gateways.
type guest struct {
	*rawViewer
	node   *node
	target string
	crowd  *crowd

	answers chan uint32   // of keys
	gone    chan struct{} // closed once its connection has ended
	once    sync.Once
}

// A crowd is all guests there are: what the test itself knows of sessions.
type crowd struct {
	mu     sync.Mutex
	guests map[*guest]bool
	most   map[string]int // that were in at once, by target
}

func newCrowd() *crowd { return &crowd{guests: map[*guest]bool{}, most: map[string]int{}} }

// enter brings a viewer to a target through a node; token may be "".
func (c *crowd) enter(n *node, target, token string) (*guest, error) {
	query := url.Values{"target": {target}}
	if token != "" {
		query.Set("token", token)
	}
	r, err := openRawWeb(fmt.Sprintf("ws://127.0.0.1:%d/websockify?%s", n.web, query.Encode()), nil)
	if err != nil {
		return nil, err
	}
	reason, _, err := r.enterNone()
	if err == nil && reason != "" {
		err = fmt.Errorf("refused: %s", reason)
	}
	if err != nil {
		r.Close()
		return nil, err
	}
	g := &guest{rawViewer: r, node: n, target: target, crowd: c, answers: make(chan uint32, 16), gone: make(chan struct{})}
	_ = r.SetDeadline(time.Time{})
	// A guest is counted after the gateways have counted it, and leaves before
	// they know: the test never sees more than there are.
	c.add(g)
	go g.listen()
	return g, nil
}

func (c *crowd) add(g *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guests[g] = true
	n := 0
	for other := range c.guests {
		if other.target == g.target {
			n++
		}
	}
	c.most[g.target] = max(c.most[g.target], n)
}

func (c *crowd) remove(g *guest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.guests, g)
}

// all are those for whom keep says so; nil: everybody.
func (c *crowd) all(keep func(*guest) bool) []*guest {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []*guest
	for g := range c.guests {
		if keep == nil || keep(g) {
			list = append(list, g)
		}
	}
	return list
}

func (c *crowd) size() int { return len(c.all(nil)) }

// listen reads the answers to keys until the connection ends.
func (g *guest) listen() {
	defer g.leave()
	defer close(g.gone)
	for {
		b, err := g.receive(20)
		if err != nil {
			return
		}
		select {
		case g.answers <- binary.BigEndian.Uint32(b[16:]):
		default: // nobody waits for it
		}
	}
}

// leave ends the session.
func (g *guest) leave() {
	g.once.Do(func() {
		g.crowd.remove(g)
		g.Close()
	})
}

// types is an error unless a key comes back.
func (g *guest) types(key uint32) error {
	if err := g.send(binary.BigEndian.AppendUint32([]byte{4, 1, 0, 0}, key)); err != nil {
		return err
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case got := <-g.answers:
			if got == key {
				return nil
			}
		case <-g.gone:
			return errors.New("the session has ended")
		case <-late.C:
			return fmt.Errorf("no answer to a key after %v", patience)
		}
	}
}

// ended is an error while the session goes on.
func (g *guest) ended() error {
	select {
	case <-g.gone:
		return nil
	default:
		return fmt.Errorf("a session at %s with %s goes on", g.node.name, g.target)
	}
}

// typesAll has everybody type at once, and joins the errors.
func typesAll(guests []*guest, key uint32) error {
	errs := make([]error, len(guests))
	var group sync.WaitGroup
	for i, g := range guests {
		group.Go(func() {
			if err := g.types(key); err != nil {
				errs[i] = fmt.Errorf("at %s with %s: %w", g.node.name, g.target, err)
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}
