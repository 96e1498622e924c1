package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"vncgate/auth"
	"vncgate/auth/folder"
	"vncgate/certs"
	"vncgate/gateway/cluster"
	"vncgate/gateway/tunnel"
)

// registryDir is where, in the folder of the agents' certificates, a single
// gateway and the command line keep what they know of agents.
const registryDir = "registry"

// openAgentFolder opens the registry that is embedded in the folder.
func openAgentFolder(certificates string) (tunnel.Store, error) {
	if err := folder.MakeDir(certificates); err != nil {
		return nil, fmt.Errorf("agents: certificates: %w", err)
	}
	return tunnel.OpenFolder(filepath.Join(certificates, registryDir))
}

// openAgentStore opens what the gateways of a configuration know of agents: in
// Redis where they are several, so that a token enrols one agent wherever it is
// shown.
func (c *config) openAgentStore(ctx context.Context) (tunnel.Store, error) {
	if c.Cluster == nil {
		return openAgentFolder(c.Agents.Certificates)
	}
	server, err := c.Cluster.Redis.server(ctx)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	client, err := server.NewClient()
	if err != nil {
		return nil, fmt.Errorf("cluster: redis: %w", err)
	}
	return &sharedAgents{cluster.NewStore(client, c.Cluster.prefix()), client}, nil
}

// sharedAgents is a store with a client of its own.
type sharedAgents struct {
	*cluster.Store
	client redis.UniversalClient
}

// Close ends the store and its connections.
func (s *sharedAgents) Close() error { return errors.Join(s.Store.Close(), s.client.Close()) }

// gatewaySoon is how long before its end the certificate for agents is issued
// anew, at a handshake: a gateway may run for longer than that lasts.
const gatewaySoon = 20 * 24 * time.Hour

// agentTLS is the TLS that agents meet: TLS 1.3, in which an agent shows its
// certificate, or none to be enrolled. One that is not an agent's ends the
// handshake. One that was revoked does not, so that its agent can be told: an
// alert of TLS would not say more than that something is wrong with it. What is
// revoked later is for the registry's OnChange.
func agentTLS(ca *certs.CA, registry *tunnel.Registry) (*tls.Config, error) {
	pair, err := ca.Gateway()
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.Certificate())
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if time.Until(pair.Leaf().NotAfter) < gatewaySoon {
				if _, err := ca.Gateway(); err != nil {
					return nil, err
				}
			}
			return pair.Certificate(), nil
		},
		ClientAuth:             tls.VerifyClientCertIfGiven,
		ClientCAs:              roots,
		SessionTicketsDisabled: true, // every handshake shows the certificate
		VerifyConnection: func(state tls.ConnectionState) error {
			_, _, err := agentOf(state, registry)
			if errors.Is(err, tunnel.ErrRevoked) {
				return nil
			}
			return err
		},
	}, nil
}

// agentOf is the agent that a connection proves; given is false where it showed
// no certificate, to be enrolled. The error of one that was revoked matches
// tunnel.ErrRevoked.
func agentOf(state tls.ConnectionState, registry *tunnel.Registry) (agent certs.Agent, given bool, err error) {
	if len(state.PeerCertificates) == 0 {
		return certs.Agent{}, false, nil
	}
	agent, err = certs.ParseAgent(state.PeerCertificates[0])
	if err == nil {
		if err = registry.Check(agent.Name, agent.Serial, agent.Issued); err != nil {
			err = fmt.Errorf("agent %s: %w", agent.Name, err)
		}
	}
	return agent, true, err
}

// onlyPeople refuses the certificates of agents and gateways where viewers and
// administrators show theirs: one authority may have issued them all, and an
// agent may have the name of a user.
func onlyPeople(cfg *tls.Config) {
	next := cfg.VerifyConnection
	cfg.VerifyConnection = func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) > 0 && certs.OfMachine(state.PeerCertificates[0]) {
			return fmt.Errorf("certificate of %.80q: it is an agent's or a gateway's, and lets nobody in here", certs.Subject(state.PeerCertificates[0]))
		}
		if next == nil {
			return nil
		}
		return next(state)
	}
}

// agentPeer is an agent's certificate as the tunnel knows its bearer.
func agentPeer(a certs.Agent, from net.Addr) tunnel.Peer {
	return tunnel.Peer{Name: a.Name, Means: "certificate", Serial: a.Serial, Issued: a.Issued, Expires: a.Expires, From: from, Services: a.Services}
}

// enrolment is how the gateway enrols agents: who guesses secrets is slowed down
// by the guard that slows the guessing of passwords.
func enrolment(enroller tunnel.Enroller, guard *auth.Guard) tunnel.EnrolConfig {
	return tunnel.EnrolConfig{
		Enroller: enroller,
		Guard: func(from net.Addr, proof func() error) error {
			return guard.Try(addrOf(from), "", func() error {
				err := proof()
				if errors.Is(err, tunnel.ErrTokenUnknown) {
					return fmt.Errorf("%w: %w", auth.ErrDenied, err)
				}
				return err
			})
		},
	}
}
