package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
	"vncgate/gateway/tunnel"
	"vncgate/layers"
)

// hops are the connections of a node to others, made when they are needed and
// kept, and those of others to it.
type hops struct {
	tls    *hopTLS
	node   string
	log    *slog.Logger
	memory *layers.MuxMemory

	// What others may ask for; it concerns this node alone.
	agent  func(ctx context.Context, agent, service string) (net.Conn, error)
	page   func(ctx context.Context, args json.RawMessage) hopAnswer
	follow func(args json.RawMessage) hopAnswer
	look   func(session, node string) (serve func(context.Context, net.Conn), err error)
	run    func(ctx context.Context, call *control.Call, command string, args json.RawMessage) (any, error)

	silent   silences
	retired  atomic.Bool  // another process has taken over
	streams  atomic.Int64 // open, of both directions
	in, out  atomic.Uint64
	mu       sync.Mutex
	lines    map[string]*hopLine   // by address
	guests   map[net.Conn]struct{} // of others, in their handshake or after it
	closed   bool
	ctx      context.Context // of all that goes on, until close; it is no call's
	cancel   context.CancelFunc
	running  sync.WaitGroup
	listener net.Listener
}

func newHops(t *hopTLS, node string, log *slog.Logger) *hops {
	h := &hops{tls: t, node: node, log: log, memory: layers.NewMuxMemory(hopMemory, nil), lines: map[string]*hopLine{}, guests: map[net.Conn]struct{}{}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// hopLine is the connection to one address.
type hopLine struct {
	turn chan struct{} // has room for one: who has it dials, and the others wait
	mux  *layers.Mux
	idle *time.Timer
}

// take waits for the turn, until ctx ends; done gives it back.
func (l *hopLine) take(ctx context.Context) error {
	select {
	case l.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *hopLine) done() { <-l.turn }

// hang closes the connection; the caller has the turn.
func (l *hopLine) hang() {
	if l.idle != nil {
		l.idle.Stop()
	}
	if l.mux != nil {
		_ = l.mux.Close()
		l.mux = nil
	}
}

// hopDialTime bounds how long a node is dialled: nodes are near each other.
const hopDialTime = 5 * time.Second

// errHopsClosed is of a node that ends.
var errHopsClosed = errors.New("hop: this node ends")

func (h *hops) line(address string) (*hopLine, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errHopsClosed
	}
	l := h.lines[address]
	if l == nil {
		l = &hopLine{turn: make(chan struct{}, 1)}
		h.lines[address] = l
	}
	return l, nil
}

// open begins a stream to the node at address.
func (h *hops) open(ctx context.Context, address string) (*layers.MuxStream, error) {
	l, err := h.line(address)
	if err != nil {
		return nil, err
	}
	if err := l.take(ctx); err != nil {
		return nil, err
	}
	defer l.done()
	if l.mux != nil {
		s, err := l.mux.Open(ctx)
		if err == nil || !errors.Is(err, layers.ErrMuxLost) {
			return s, err
		}
	}
	if l.mux, err = h.dial(ctx, address); err != nil {
		l.mux = nil
		return nil, err
	}
	if l.idle != nil {
		l.idle.Stop()
	}
	l.idle = time.AfterFunc(hopIdle, func() { h.rest(l) })
	return l.mux.Open(ctx)
}

// rest closes a connection that nobody uses.
func (h *hops) rest(l *hopLine) {
	if l.take(h.ctx) != nil {
		return
	}
	defer l.done()
	if l.mux != nil && l.mux.Streams() > 0 {
		l.idle.Reset(hopIdle)
		return
	}
	l.hang()
}

func (h *hops) dial(ctx context.Context, address string) (*layers.Mux, error) {
	ctx, cancel := context.WithTimeout(ctx, hopDialTime)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	if h.ctx.Err() != nil {
		return nil, errHopsClosed
	}
	c, err := layers.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	secured, err := over(ctx, tls.Client(c, h.tls.client()))
	if err != nil {
		return nil, err
	}
	mux, err := layers.NewMux(secured, true, layers.MuxConfig{Streams: -1, Memory: h.memory, Log: h.log})
	if err != nil {
		_ = secured.Close()
	}
	return mux, err
}

// forget has the next stream to address be of a new connection. Those that there
// are go on.
func (h *hops) forget(ctx context.Context, address string, mux *layers.Mux) error {
	l, err := h.line(address)
	if err != nil {
		return err
	}
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.done()
	if l.mux == mux {
		l.mux = nil
	}
	return nil
}

// ask sends a request to a node, and returns its answer and the stream, which is
// the caller's. Errors say which node.
func (h *hops) ask(ctx context.Context, to cluster.Node, request hopRequest) (c net.Conn, answer hopAnswer, err error) {
	if to.Address == "" {
		return nil, answer, fmt.Errorf("node %s says no address at which others reach it (cluster: listen)", to.Name)
	}
	for range maxHopMoves {
		var mux *layers.Mux
		if c, mux, answer, err = h.askOnce(ctx, to.Address, request); err != nil {
			break
		}
		if answer.Kind != hopMoved {
			return c, answer, nil
		}
		_ = c.Close()
		if err = h.forget(ctx, to.Address, mux); err != nil {
			break
		}
		err = errors.New(answer.Error)
	}
	return nil, answer, fmt.Errorf("node %s at %s: %w", to.Name, to.Address, err)
}

// askOnce is ask of the process that we are connected to.
func (h *hops) askOnce(ctx context.Context, address string, request hopRequest) (net.Conn, *layers.Mux, hopAnswer, error) {
	var answer hopAnswer
	request.Wait = maxHopWait
	if end, ok := ctx.Deadline(); ok {
		request.Wait = min(max(time.Until(end), 0), maxHopWait)
	}
	s, err := h.open(ctx, address)
	if err != nil {
		return nil, nil, answer, err
	}
	c := h.counted(s)
	err = layers.Interrupt(ctx, c, func() error {
		if err := writeHop(c, request, maxHopRequest); err != nil {
			return err
		}
		return readHop(c, &answer, maxHopAnswer)
	})
	if err != nil {
		_ = c.Close()
		return nil, nil, answer, err
	}
	return c, s.Mux(), answer, nil
}

// errNodeAway is of a node that has not answered: it may be gone, and the agents
// that it had may come to another.
var errNodeAway = errors.New("hop: the node does not answer")

// dialAgent reaches a service of an agent that is connected to that node.
func (h *hops) dialAgent(ctx context.Context, to cluster.Node, agent, service string) (net.Conn, error) {
	c, answer, err := h.ask(ctx, to, hopRequest{Kind: hopAgent, Agent: agent, Service: service})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNodeAway, err)
	}
	if answer.Error == "" {
		return &hopConn{Conn: c, node: to.Name, agent: agent, service: service}, nil
	}
	_ = c.Close()
	cause := errors.New(answer.Error)
	switch answer.Kind {
	case hopNoAgent:
		cause = tunnel.ErrNoAgent
	case hopNoService:
		cause = tunnel.ErrNoService
	}
	return nil, fmt.Errorf("node %s: %w", to.Name, cause)
}

// command has a node run one.
func (h *hops) command(ctx context.Context, to cluster.Node, call *control.Call, name string, args json.RawMessage) (json.RawMessage, error) {
	c, answer, err := h.ask(ctx, to, hopRequest{Kind: hopControl, Command: name, Args: args, Role: call.Role.String(), Actor: call.Actor})
	if err != nil {
		return nil, err
	}
	_ = c.Close()
	if answer.Error != "" {
		return nil, &control.Error{Class: answer.Class, Desc: answer.Error}
	}
	return answer.Return, nil
}

// counted counts what passes.
func (h *hops) counted(s *layers.MuxStream) net.Conn {
	h.streams.Add(1)
	return &countedHop{MuxStream: s, h: h}
}

type countedHop struct {
	*layers.MuxStream
	h    *hops
	once sync.Once
}

// Read counts.
func (c *countedHop) Read(b []byte) (int, error) {
	n, err := c.MuxStream.Read(b)
	c.h.in.Add(uint64(max(n, 0)))
	return n, err
}

// Write counts.
func (c *countedHop) Write(b []byte) (int, error) {
	n, err := c.MuxStream.Write(b)
	c.h.out.Add(uint64(max(n, 0)))
	return n, err
}

// Close counts once.
func (c *countedHop) Close() error {
	c.once.Do(func() { c.h.streams.Add(-1) })
	return c.MuxStream.Close()
}

// Abort counts as Close does.
func (c *countedHop) Abort() error {
	c.once.Do(func() { c.h.streams.Add(-1) })
	return c.MuxStream.Abort()
}

// hopConn is a display that is reached through another node.
type hopConn struct {
	net.Conn
	node, agent, service string
}

// RemoteAddr says where the bytes go.
func (c *hopConn) RemoteAddr() net.Addr {
	return hopAddr(c.agent + "/" + c.service + " via node " + c.node)
}

// CloseWrite is the stream's.
func (c *hopConn) CloseWrite() error { return layers.CloseWrite(c.Conn) }

// LayerName names the hop.
func (c *hopConn) LayerName() string { return "hop" }

type hopAddr string

// Network is "agent", as for those that are connected here.
func (hopAddr) Network() string { return "agent" }

// String is agent, service and node.
func (a hopAddr) String() string { return string(a) }
