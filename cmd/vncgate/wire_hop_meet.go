package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/cluster"
	"vncgate/gateway/control"
)

// Nodes learn of each other in Redis, which asks for no certificate. So that one that
// cannot be asked is noticed before it is needed, each node tries each other once
// when it comes.

const (
	// meetTries is how often: one that begins is in the list before it serves.
	meetTries = 3
	meetAgain = 2 * time.Second
)

// heard tries a node that has come, and forgets one that has gone. It is for the
// gateway's events.
func (c *clustered) heard(e gateway.Event, log *slog.Logger) {
	of := cluster.Node{Name: e.Details["node"], Instance: e.Details["instance"], Address: e.Details["address"]}
	switch {
	case e.Node != "": // another node's word
	case e.Kind == cluster.NodeLeft, e.Kind == cluster.NodeLost:
		c.hops.silent.forget(of.Instance)
	case e.Kind == cluster.NodeJoined && of.Address != "" && of.Name != c.node:
		c.hops.background(func() { c.hops.meet(of, log) })
	}
}

// meet asks a node which version it is, and says so in the log if that fails.
func (h *hops) meet(to cluster.Node, log *slog.Logger) {
	var err error
	for try := range meetTries {
		if try > 0 {
			select {
			case <-h.ctx.Done():
				return
			case <-time.After(meetAgain):
			}
		}
		ctx, cancel := context.WithTimeout(h.ctx, elderTime)
		_, err = h.command(ctx, to, &control.Call{Role: control.Viewer, Actor: "cluster"}, "query-version", json.RawMessage("{}"))
		cancel()
		if _, answered := errors.AsType[*control.Error](err); err == nil || answered {
			return
		}
		if trustAdvice(err) != "" {
			break
		}
	}
	if h.ctx.Err() == nil {
		log.Warn("cluster: a node is there that cannot be asked: its sessions and agents are out of reach from here", "node", to.Name, "error", err, "advice", trustAdvice(err))
	}
}

// errForeignNode is of a node whose certificate is not of our CA.
var errForeignNode = errors.New("its certificate is not of the CA in this node's ca.crt")

// wordsAlert are crypto/tls's of an alert that the other end has sent. In TLS 1.3 it
// comes when the tunnel is up already, which keeps the words of what has ended it.
const wordsAlert = "remote error: tls: "

// alertsCertificate reports whether that is said of an alert about a certificate:
// other alerts, such as "internal error", are the other end's own trouble.
func alertsCertificate(words string) bool {
	_, alert, ok := strings.Cut(words, wordsAlert)
	return ok && strings.Contains(alert, "certificate")
}

// trustAdvice says what to do about nodes that do not take each other's certificates;
// "" for any other error.
func trustAdvice(err error) string {
	switch {
	case err == nil:
	case errors.Is(err, errForeignNode):
		return "give all nodes one ca.crt, and make their certificates where its ca.key is ('vncgate cert node NAME')"
	case alertsCertificate(err.Error()):
		return "it does not take this node's certificate: make that where the ca.key of the others is ('vncgate cert node NAME')"
	}
	return ""
}
