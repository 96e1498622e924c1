package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"time"

	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/gateway/tunnel"
	"vncgate/layers"
)

// serve takes other nodes in until close.
func (h *hops) serve(ln net.Listener) error {
	h.mu.Lock()
	h.listener = ln
	closed := h.closed
	h.mu.Unlock()
	if closed {
		return ln.Close()
	}
	for {
		c, err := ln.Accept()
		switch {
		case err == nil:
			h.welcome(c)
		case errors.Is(err, net.ErrClosed), errors.Is(err, gateway.ErrClosed), h.ctx.Err() != nil:
			return nil
		default: // out of descriptors, most likely
			h.log.Warn("cluster: accept failed, trying again", "error", err)
			time.Sleep(100 * time.Millisecond)
		}
	}
}

// welcome serves a connection if there are not too many.
func (h *hops) welcome(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.guests) >= maxHopLines {
		_ = c.Close()
		return
	}
	h.guests[c] = struct{}{}
	h.running.Go(func() {
		defer h.leave(c)
		h.guest(c)
	})
}

func (h *hops) leave(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.guests, c)
	_ = c.Close()
}

// guest serves one other node.
func (h *hops) guest(c net.Conn) {
	secured, err := over(h.ctx, tls.Server(c, h.tls.server()))
	if err != nil {
		h.log.Warn("cluster: one that is no node was turned away", "from", c.RemoteAddr().String(), "error", err)
		return
	}
	name, _ := certs.ParseNode(secured.ConnectionState().PeerCertificates[0]) // verify has looked
	mux, err := layers.NewMux(secured, false, layers.MuxConfig{Streams: maxHopStreams, Memory: h.memory, Log: h.log})
	if err != nil {
		_ = secured.Close()
		return
	}
	defer mux.Close()
	for {
		s, err := mux.Accept(h.ctx)
		if err != nil {
			return
		}
		h.running.Go(func() { h.answer(h.counted(s), name) })
	}
}

// answer serves one stream, which it closes.
func (h *hops) answer(c net.Conn, from string) {
	defer c.Close()
	var request hopRequest
	_ = c.SetReadDeadline(time.Now().Add(hopHandshake))
	if err := readHop(c, &request, maxHopRequest); err != nil {
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	ctx, cancel := context.WithTimeout(h.ctx, min(max(request.Wait, 0), maxHopWait))
	defer cancel()
	_ = c.SetWriteDeadline(time.Now().Add(maxHopWait + hopHandshake))
	if h.retired.Load() {
		_ = writeHop(c, hopAnswer{Kind: hopMoved, Error: "another process has taken over"}, maxHopAnswer)
		return
	}
	switch request.Kind {
	case hopAgent:
		h.joinAgent(ctx, c, &request)
	case hopPage:
		_ = writeHop(c, h.page(ctx, request.Args), maxHopAnswer)
	case hopWatched:
		_ = writeHop(c, h.follow(request.Args), maxHopAnswer)
	case hopWatch:
		h.joinWatch(c, request.Session, from)
	case hopControl:
		_ = writeHop(c, h.ran(ctx, &request, from), maxHopAnswer)
	default:
		_ = writeHop(c, hopAnswer{Error: "this node does not know that kind of question; upgrade it"}, maxHopAnswer)
	}
}

// joinAgent joins the stream to a service of an agent of this node.
func (h *hops) joinAgent(ctx context.Context, c net.Conn, request *hopRequest) {
	display, err := h.agent(ctx, request.Agent, request.Service)
	if err != nil {
		answer := hopAnswer{Error: err.Error()}
		switch {
		case errors.Is(err, tunnel.ErrNoAgent):
			answer.Kind = hopNoAgent
		case errors.Is(err, tunnel.ErrNoService):
			answer.Kind = hopNoService
		}
		_ = writeHop(c, answer, maxHopAnswer)
		return
	}
	if err := writeHop(c, hopAnswer{}, maxHopAnswer); err != nil {
		_ = display.Close()
		return
	}
	_ = c.SetWriteDeadline(time.Time{})
	stop := context.AfterFunc(h.ctx, func() { _ = display.Close() })
	defer stop()
	joinHop(c, display)
}

// ran is the answer to a command.
func (h *hops) ran(ctx context.Context, request *hopRequest, from string) hopAnswer {
	role, err := control.ParseRole(request.Role)
	if err != nil {
		return hopAnswer{Class: control.ClassGeneric, Error: err.Error()}
	}
	call := &control.Call{Role: role, Actor: request.Actor + "@" + from}
	result, err := h.run(ctx, call, request.Command, request.Args)
	if err != nil {
		told := control.ErrorOf(err)
		return hopAnswer{Class: told.Class, Error: told.Desc}
	}
	b, err := json.Marshal(result)
	if err != nil {
		return hopAnswer{Class: control.ClassGeneric, Error: err.Error()}
	}
	return hopAnswer{Return: b}
}

// close ends all connections, and returns when nothing goes on any more.
func (h *hops) close() {
	h.mu.Lock()
	h.closed = true
	h.cancel()
	if h.listener != nil {
		_ = h.listener.Close()
	}
	for c := range h.guests {
		_ = c.Close()
	}
	lines := h.lines
	h.lines = map[string]*hopLine{}
	h.mu.Unlock()
	for _, l := range lines {
		_ = l.take(context.Background()) // who dials gives up by now
		l.hang()
		l.done()
	}
	h.running.Wait()
}
