package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// agentVariable checks that a variable is a flag of agent, and takes its value.
func agentVariable(t *testing.T, name, value string) {
	t.Helper()
	rest, ours := strings.CutPrefix(name, agentVariables)
	if !ours {
		return
	}
	if err := newAgentCommand().Flags().Set(strings.ReplaceAll(strings.ToLower(rest), "_", "-"), value); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// The pod with an agent has no way in, and its sidecar is told by variables that
// there are.
func TestKubernetesAgent(t *testing.T) {
	all := manifests(t, filepath.Join(root, "deploy/kubernetes/agent.yaml"))
	pod := only[*corev1.Pod](t, all)
	policy := only[*networkingv1.NetworkPolicy](t, all).Spec
	if policy.PodSelector.MatchLabels["app.kubernetes.io/name"] != pod.Labels["app.kubernetes.io/name"] || len(policy.Ingress) != 0 ||
		!slices.Contains(policy.PolicyTypes, networkingv1.PolicyTypeIngress) {
		t.Errorf("something is let in: %+v", policy)
	}
	claim := only[*corev1.PersistentVolumeClaim](t, all).Name
	if !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim
	}) {
		t.Error("the claim is nobody's volume")
	}
	for _, c := range pod.Spec.Containers {
		if len(c.Ports) > 0 {
			t.Errorf("%s has ports: %v", c.Name, c.Ports)
		}
		if c.Name != "agent" {
			continue
		}
		if s := c.SecurityContext; !slices.Equal(c.Args, []string{"agent"}) || s == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation {
			t.Errorf("%v, %+v", c.Args, s)
		}
		for _, e := range c.Env {
			agentVariable(t, e.Name, e.Value)
		}
	}
}

// The example of variables is one that agent takes, with what is commented out.
func TestAgentEnvironmentFile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/systemd/agent.env"))
	must(t, err)
	found := 0
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "#"), "=")
		if ok && strings.HasPrefix(name, agentVariables) {
			agentVariable(t, name, value)
			found++
		}
	}
	if found < 3 {
		t.Errorf("only %d variables", found)
	}
	unit, err := os.ReadFile(filepath.Join(root, "deploy/systemd/vncgate-agent.service"))
	must(t, err)
	for line := range strings.Lines(string(unit)) {
		if setting, ok := strings.CutPrefix(strings.TrimSpace(line), "Environment="); ok {
			name, value, _ := strings.Cut(setting, "=")
			agentVariable(t, name, value)
		}
	}
}

// The agent's unit is shut in further than the gateway's: it needs no power and
// listens nowhere.
func TestAgentUnitIsShutIn(t *testing.T) {
	dir, _ := units(t)
	out, err := exec.CommandContext(visit(t), "systemd-analyze", "security", "--offline=true", "--threshold=15",
		filepath.Join(dir, "vncgate-agent.service")).CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
