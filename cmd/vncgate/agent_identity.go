package main

import (
	"context"
	"crypto/tls"

	"vncgate/gateway/tunnel"
)

// agentIdentity is who an agent is to the gateway.
type agentIdentity struct {
	name   string
	config func() *tls.Config                   // of a client, by which it proves itself and knows the gateway
	renew  func(context.Context, *tunnel.Agent) // gets new certificates until ctx ends; nil: there is nothing to renew
}
