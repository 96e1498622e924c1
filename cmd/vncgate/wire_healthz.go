package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/layers"
	"vncgate/rfb"
)

// /healthz?target=NAME says whether a viewer would see that display: the gateway
// lets viewers in, each listener that they come to answers as it would answer
// them, and the display lets the gateway in, up to ServerInit. Nothing that only
// looks at processes and ports finds out that every connection dies.
//
// Nobody gets past a listener that way: what a viewer would have to prove is
// where the first part ends and the second, which nobody outside can begin,
// takes over. An answer counts for a few seconds, however many ask, and a
// display that refuses us is left alone for longer: some lock out who knocks
// too often.
const (
	healthLasts  = 5 * time.Second
	refusalLasts = time.Minute
	// healthTime bounds what one listener takes to answer.
	healthTime = 5 * time.Second
	// maxHealth is how many targets are remembered.
	maxHealth = 1024
)

// healthz answers for one target, or for the gateway alone.
func (w *wiring) healthz(a *adminServer) http.Handler {
	h := &health{w: w, checks: map[string]*checked{}}
	return a.gate.open(openHealth, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name := r.URL.Query().Get("target")
		err := w.ready() // which is not remembered: who drains says so at once
		if err == nil {
			err = h.check("", h.listeners)
		}
		if err == nil && name != "" {
			err = h.check(name, func(ctx context.Context) error { return h.display(ctx, name) })
		}
		if errors.Is(err, gateway.ErrNoTarget) {
			http.Error(rw, "There is no such target.", http.StatusNotFound)
			return
		}
		if who, _ := a.gate.caller(r); err != nil && who.Role < control.Viewer { // it is open: the cause is for those who may look
			w.log.Debug("health: not in order", "target", name, "error", err)
			err = errors.New("not in order; a request with a token is told why")
		}
		answerHealth(rw, err)
	}))
}

// health remembers what was found.
type health struct {
	w      *wiring
	mu     sync.Mutex
	checks map[string]*checked // by target, "": listeners
}

// checked is one answer, or the question under way.
type checked struct {
	done  chan struct{}
	err   error
	until time.Time // for so long it counts; zero while it is under way
}

// check runs look unless there is an answer that counts. Whoever asks meanwhile
// waits for the same one.
func (h *health) check(name string, look func(context.Context) error) error {
	h.mu.Lock()
	c := h.checks[name]
	if c == nil || !c.until.IsZero() && time.Now().After(c.until) {
		if len(h.checks) >= maxHealth {
			clear(h.checks)
		}
		c = &checked{done: make(chan struct{})}
		h.checks[name] = c
		h.mu.Unlock()
		h.answer(c, look)
		return c.err
	}
	h.mu.Unlock()
	<-c.done
	return c.err
}

func (h *health) answer(c *checked, look func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c.err = look(ctx)
	lasts := healthLasts
	if _, refused := errors.AsType[*rfb.DisplayError](c.err); refused {
		lasts = refusalLasts
	}
	h.mu.Lock()
	c.until = time.Now().Add(lasts)
	h.mu.Unlock()
	close(c.done)
}

// display asks whether the gateway is let in.
func (h *health) display(ctx context.Context, name string) error {
	if t, ok := h.w.now().cfg.Targets[name]; ok && t.Arrives != nil {
		return nil // to ask would take the display that waits away from a viewer
	}
	_, err := h.w.gate.Check(ctx, name)
	return err
}

// listeners asks all that viewers come to.
func (h *health) listeners(ctx context.Context) error {
	var failed error
	for i := range h.w.doors {
		d := &h.w.doors[i]
		if !d.forViewers() || d.l.Proxy != nil && d.l.Proxy.Others != "plain" {
			continue // not for viewers, or not for us
		}
		if err := h.knock(ctx, d); err != nil {
			failed = errors.Join(failed, fmt.Errorf("listener %s: %w", d.front.Name, err))
		}
	}
	return failed
}

// knock goes as far in as anybody gets without a proof.
func (h *health) knock(ctx context.Context, d *door) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	c, err := dialSelf(ctx, d.ln.Addr())
	if err != nil {
		return err
	}
	defer c.Close()
	if d.server == nil {
		h.w.events.hide(c.LocalAddr().String())
	}
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	if t := d.l.TLS; t != nil && (t.Implicit || d.server != nil && !d.l.PlainHTTP) {
		over := tls.Client(c, &tls.Config{InsecureSkipVerify: true}) // it is our own: whether it is good is not asked here
		if err := over.HandshakeContext(ctx); err != nil {
			return err
		}
		c = over
	}
	if d.server != nil {
		return knockHTTP(ctx, c)
	}
	head := make([]byte, 12)
	if _, err := io.ReadFull(c, head); err != nil {
		if d.l.demandsCertificate(d.kind()) && !errors.Is(err, context.DeadlineExceeded) {
			return nil // it asks for one, and we have none
		}
		return err
	}
	if !strings.HasPrefix(string(head), "RFB ") {
		return fmt.Errorf("answers %q, which is not RFB", head)
	}
	return nil
}

// knockHTTP is content with any answer but an error of the server's.
func knockHTTP(ctx context.Context, c net.Conn) error {
	transport := &http.Transport{
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return c, nil },
		DisableKeepAlives: true,
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://localhost/", nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= 500 {
		return errors.New("answers " + resp.Status)
	}
	return nil
}

// dialSelf reaches a listener of ours.
func dialSelf(ctx context.Context, at net.Addr) (net.Conn, error) {
	address := at.String()
	if tcp, ok := at.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		host := "127.0.0.1"
		if tcp.IP.To4() == nil && len(tcp.IP) == net.IPv6len {
			host = "::1"
		}
		address = net.JoinHostPort(host, fmt.Sprint(tcp.Port))
	}
	if at.Network() == "unix" {
		address = "unix:" + address
	}
	return layers.Dial(ctx, address)
}
