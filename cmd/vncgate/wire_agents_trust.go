package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"vncgate/certs"
	"vncgate/gateway"
	"vncgate/gateway/tunnel"
)

// agentTrust is by what agents that come by the network are known, and we by them.
type agentTrust struct {
	tls      *tls.Config
	registry *tunnel.Registry
	enrol    tunnel.EnrolConfig
}

// openAgentTrust opens the authority of agents, and makes it where there is none.
func (w *wiring) openAgentTrust(ctx context.Context, h *agentHouse) (*agentTrust, error) {
	folder := w.cfg.Agents.Certificates
	ca, err := certs.OpenCA(folder)
	if err != nil {
		return nil, fmt.Errorf("certificates: %w", err)
	}
	store, err := w.cfg.openAgentStore(ctx)
	if err != nil {
		return nil, err
	}
	t := &agentTrust{}
	t.registry = tunnel.OpenRegistry(ctx, store, tunnel.RegistryConfig{
		OnChange: h.dropRevoked, Report: w.reporter("revocations of agents", folder),
	})
	if t.tls, err = agentTLS(ca, t.registry); err != nil {
		t.close()
		return nil, fmt.Errorf("certificates: %w", err)
	}
	t.enrol = enrolment(&tunnel.Authority{CA: ca, Registry: t.registry, Observe: h.enrolled}, &w.guard)
	return t, nil
}

func (t *agentTrust) close() {
	if t != nil {
		_ = t.registry.Close()
	}
}

// enrolled tells of a certificate that an agent gets.
func (h *agentHouse) enrolled(a certs.Agent, token string) {
	details := map[string]string{
		"agent": a.Name, "serial": a.Serial, "services": strings.Join(a.Services, ","), "expires": a.Expires.UTC().Format(time.RFC3339), "by": "certificate",
	}
	if token != "" {
		details["by"], details["token"] = "token", token
	}
	h.w.log.Info("agent has a new certificate", "agent", a.Name, "by", details["by"], "serial", a.Serial, "expires", details["expires"])
	h.w.gate.Emit(gateway.Event{Kind: gateway.AgentEnrolled, Details: details})
}
