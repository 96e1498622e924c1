package main

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/gateway/tunnel"
	"vncgate/layers"
	"vncgate/web"
)

const (
	// agentTime is from accept to the proof of who it is.
	agentTime = 10 * time.Second
	// maxAgentsHalfOpen is how many may be connected without a proof. One more, and
	// the oldest makes room.
	maxAgentsHalfOpen = 512
)

// serve accepts agents on ln until it is closed, or an error that is not of one
// connection. below are the layers under their TLS.
func (h *agentHouse) serve(ln net.Listener, below []layers.Layer, local bool) error {
	h.mu.Lock()
	h.listeners = append(h.listeners, ln)
	h.mu.Unlock()
	for {
		c, err := ln.Accept()
		var temporary interface{ Temporary() bool }
		switch {
		case errors.Is(err, net.ErrClosed) || h.ctx.Err() != nil:
			return gateway.ErrClosed
		case errors.As(err, &temporary) && temporary.Temporary():
			h.w.log.Warn("accept failed, trying again", "listener", ln.Addr().String(), "error", err)
			time.Sleep(100 * time.Millisecond)
			continue
		case err != nil:
			return err
		}
		h.running.Go(func() { h.take(c, below, local, nil) })
	}
}

// take owns a connection until its tunnel has ended. from is where the agent is,
// if a proxy that is trusted has said so; nil: at the other end.
func (h *agentHouse) take(c net.Conn, below []layers.Layer, local bool, from net.Addr) {
	h.enter(c)
	stacked, peer, err := h.prove(c, below, local)
	if err != nil {
		if from == nil {
			from = c.RemoteAddr()
		}
		h.stranger(from, err)
		if stacked != nil && errors.Is(err, tunnel.ErrRevoked) {
			_ = tunnel.TurnAway(h.ctx, stacked, wordsAgentRevoked)
		}
		h.leave(c)
		_ = c.Close()
		return
	}
	if from != nil {
		peer.From = from
	}
	if peer.Means == "" { // no proof: it may ask for a certificate, and no more
		enrol := h.trust.enrol
		enrol.From = peer.From
		err := tunnel.ServeEnrol(h.ctx, stacked, enrol)
		h.leave(c)
		_ = stacked.Close()
		if err != nil {
			h.stranger(peer.From, err)
		}
		return
	}
	h.leave(c)
	if err := h.hub.Serve(h.ctx, stacked, peer); err != nil {
		h.w.log.Debug("agent's connection ended", "agent", peer.Name, "from", addressText(peer.From), "error", err)
	}
}

// prove stacks the layers and says who it is; an agent without a certificate has
// no Means. There is a connection beside an error, too, if TLS has come about.
func (h *agentHouse) prove(c net.Conn, below []layers.Layer, local bool) (net.Conn, tunnel.Peer, error) {
	ctx, cancel := context.WithTimeout(h.ctx, agentTime)
	defer cancel()
	if !local {
		below = append(slices.Clone(below), h.w.turns.TLSServer(h.trust.tls))
	}
	stacked, err := layers.Stack(ctx, c, below...)
	if err != nil {
		return nil, tunnel.Peer{}, err
	}
	peer := tunnel.Peer{From: stacked.RemoteAddr()}
	if local {
		peer.Means, peer.Names, peer.Services = "unix", h.local, []string{"*"}
		return stacked, peer, nil
	}
	state, _ := layers.TLSState(stacked)
	agent, given, err := agentOf(state, h.trust.registry)
	if given && err == nil {
		peer = agentPeer(agent, peer.From)
	}
	return stacked, peer, err
}

// stranger tells of one that came to nothing. Those who only knock are for
// debugging; who had something to show is told of.
func (h *agentHouse) stranger(from net.Addr, err error) {
	if h.ctx.Err() != nil {
		return
	}
	var wrong *tls.CertificateVerificationError
	reason := ""
	switch {
	case errors.As(err, &wrong), errors.Is(err, certs.ErrNoAgent):
		reason = "wrong certificate"
	case errors.Is(err, tunnel.ErrTokenUnknown), errors.Is(err, tunnel.ErrTokenExpired), errors.Is(err, tunnel.ErrTokenUsed):
		reason = "wrong token"
	case errors.Is(err, tunnel.ErrRevoked):
		reason = "revoked"
	default:
		h.w.log.Debug("agent turned away", "from", addressText(from), "error", err)
		return
	}
	h.refused("", addressText(from), reason, err)
}

func addressText(a net.Addr) string {
	if a == nil {
		return ""
	}
	if text := a.String(); text != "@" && text != "" {
		return text
	}
	return a.Network() // an unnamed unix socket
}

// enter counts c among those without a proof; the oldest makes room.
func (h *agentHouse) enter(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.halfOpen = append(h.halfOpen, c)
	if len(h.halfOpen) > maxAgentsHalfOpen {
		_ = h.halfOpen[0].Close()
		h.halfOpen = h.halfOpen[1:]
	}
}

func (h *agentHouse) leave(c net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.halfOpen = slices.DeleteFunc(h.halfOpen, func(o net.Conn) bool { return o == c })
}

// agentsDoor is for agents.
func (w *wiring) agentsDoor(ln net.Listener, l *listenerConfig, p *prepared) {
	w.doors = append(w.doors, door{ln: ln, l: l, front: gateway.Front{Name: l.Address, Layers: p.below(l)}, agents: w.agents})
}

// byWeb takes agents at a path beside browsers. Their own TLS is inside of the
// WebSocket, so that no proxy in between has to know of their certificates.
func (h *agentHouse) byWeb(path string, trusted func(netip.Addr) bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path != path:
			next.ServeHTTP(w, r)
			return
		case r.Header.Get("Origin") != "":
			http.Error(w, "This address is for 'vncgate agent', not for pages.", http.StatusForbidden)
			return
		case r.Header.Get("Upgrade") == "":
			http.Error(w, "This address is for 'vncgate agent', which speaks WebSocket.", http.StatusUpgradeRequired)
			return
		case h.ctx.Err() != nil:
			http.Error(w, "The gateway is ending.", http.StatusServiceUnavailable)
			return
		}
		from, err := web.From(r, trusted)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		ws, err := layers.WebSocketUpgrade(w, r, layers.WebSocketConfig{})
		if err != nil {
			h.w.log.Debug("agent's upgrade failed", "from", addressText(from), "error", err)
			return
		}
		h.running.Go(func() { h.take(ws, nil, false, from) })
	})
}
