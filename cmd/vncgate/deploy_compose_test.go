package main

import (
	"maps"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The commands at the head of the example make the secrets that it mounts.
func TestComposeClusterSecrets(t *testing.T) {
	all, text := compose(t, "cluster.yaml")
	t.Chdir(t.TempDir())
	for _, m := range regexp.MustCompile(`(?m)^#   vncgate (.*)$`).FindAllStringSubmatch(text, -1) {
		cmd := newRootCommand()
		cmd.SetArgs(strings.Fields(m[1]))
		var out strings.Builder
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		if err := cmd.ExecuteContext(visit(t)); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^#   openssl rand .* >(.*)$`).FindAllStringSubmatch(text, -1) {
		must(t, os.WriteFile(m[1], nil, 0o600))
	}
	for name, secret := range all.Secrets {
		if _, err := os.Stat(secret.File); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !slices.ContainsFunc(slices.Collect(maps.Values(all.Services)), func(s *composed) bool {
			return slices.ContainsFunc(s.Secrets, func(one composedSecret) bool { return one.Source == name })
		}) {
			t.Errorf("nobody has %s", name)
		}
	}
	commands := regexp.MustCompile(`(?m)exec ([\w-]+) /usr/bin/vncgate (.*)$`).FindAllStringSubmatch(text, -1)
	for _, m := range commands {
		if err := parses(strings.Fields(m[2])); err != nil || all.Services[m[1]] == nil {
			t.Errorf("%s: %v", m[0], err)
		}
	}
	if len(commands) < 2 || len(all.Secrets) < 10 {
		t.Errorf("only %d commands and %d secrets", len(commands), len(all.Secrets))
	}
}

// What the configuration looks for lies where it looks, and each service has what it
// is told of.
func TestComposeCluster(t *testing.T) {
	all, _ := compose(t, "cluster.yaml")
	for name, s := range all.Services {
		checkComposed(t, name, s, &all)
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy", "container", "gateways.yaml"))
	must(t, err)
	cfg, err := parseConfig(text)
	must(t, err)
	image, err := os.ReadFile(filepath.Join(root, "deploy", "container", "Containerfile"))
	must(t, err)
	if !strings.Contains(string(image), "VNCGATE_ADMIN="+cfg.Admin.Address) {
		t.Errorf("the image's health is not asked for at %s", cfg.Admin.Address)
	}
	for _, name := range []string{"gateway-a", "gateway-b"} {
		s := all.Services[name]
		files := []string{cfg.Capabilities.Redis.Secret.File, cfg.Cluster.Redis.Password.File}
		for _, file := range []string{caFile, nodeFile + "-" + s.Hostname + certificateExt, nodeFile + "-" + s.Hostname + keyExt} {
			files = append(files, path.Join(cfg.Cluster.Certificates, file))
		}
		for _, file := range []string{"ca.crt", "ca.key"} {
			files = append(files, path.Join(cfg.Agents.Certificates, file))
		}
		checkFiles(t, name, s, files)
		// The folder is written to: with a pair for agents to know this gateway by.
		if !slices.Contains(s.Volumes, s.Hostname+":"+cfg.Agents.Certificates) || path.Dir(cfg.Control.Socket) != cfg.Agents.Certificates {
			t.Errorf("%s cannot write at %s: %v", name, cfg.Agents.Certificates, s.Volumes)
		}
		if !slices.Contains(s.Volumes, "./gateways.yaml:"+s.Environment["VNCGATE_CONFIG"]+":ro") {
			t.Errorf("%s has no configuration: %v", name, s.Volumes)
		}
		if len(s.Ports) != 1 || !strings.HasPrefix(s.Ports[0], "127.0.0.1:") || !strings.HasSuffix(s.Ports[0], cfg.Listeners[0].Address) {
			t.Errorf("%s: ports %v without TLS", name, s.Ports)
		}
	}
	if host, port, err := net.SplitHostPort(cfg.Cluster.Redis.Addresses[0]); err != nil || all.Services[host] == nil || port != "6379" {
		t.Errorf("redis at %s: %v", cfg.Cluster.Redis.Addresses, err)
	}
	checkComposedAgent(t, &all, cfg)
}

// checkComposed is what holds for every service.
func checkComposed(t *testing.T, name string, s *composed, all *composition) {
	t.Helper()
	if s.Restart == "" {
		t.Errorf("%s is not started again", name)
	}
	if s.Extends == nil && (len(s.CapDrop) != 1 || s.CapDrop[0] != "ALL" || len(s.SecurityOpt) != 1) {
		t.Errorf("%s is allowed more than it needs: %+v", name, s)
	}
	for on, how := range s.DependsOn {
		if other := all.Services[on]; other == nil || how["condition"] != "service_healthy" || other.HealthCheck == nil || len(other.HealthCheck.Test) == 0 {
			t.Errorf("%s waits for the health of %s, which is not asked for", name, on)
		}
	}
	for network := range composedNetworks(s) {
		if _, ok := all.Networks[network]; !ok {
			t.Errorf("%s: there is no network %s", name, network)
		}
	}
	for _, mount := range s.Volumes {
		volume, _, _ := strings.Cut(mount, ":")
		if _, ok := all.Volumes[volume]; !ok && !strings.HasPrefix(volume, "./") {
			t.Errorf("%s: there is no volume %s", name, volume)
		}
	}
	for _, secret := range s.Secrets {
		if all.Secrets[secret.Source].File == "" {
			t.Errorf("%s: there is no secret %s", name, secret.Source)
		}
	}
}

// composedNetworks are the networks of a service with the names that it has there.
func composedNetworks(s *composed) map[string][]string {
	all := map[string][]string{}
	switch networks := s.Networks.(type) {
	case []any:
		for _, name := range networks {
			all[name.(string)] = nil
		}
	case map[string]any:
		for name, v := range networks {
			all[name] = nil
			if v, ok := v.(map[string]any); ok {
				for _, alias := range v["aliases"].([]any) {
					all[name] = append(all[name], alias.(string))
				}
			}
		}
	}
	return all
}

// checkFiles looks for secrets that are mounted at paths.
func checkFiles(t *testing.T, name string, s *composed, files []string) {
	t.Helper()
	for _, file := range files {
		if !slices.ContainsFunc(s.Secrets, func(one composedSecret) bool { return one.Target == file }) {
			t.Errorf("%s has no %s", name, file)
		}
	}
}

// checkComposedAgent: it finds both gateways and the desktop, and nobody but it finds
// the desktop.
func checkComposedAgent(t *testing.T, all *composition, cfg *config) {
	t.Helper()
	agent, desktop := all.Services["agent"], all.Services["desktop"]
	for name, value := range agent.Environment {
		agentVariable(t, name, value)
	}
	checkFiles(t, "agent", agent, []string{agent.Environment["VNCGATE_AGENT_CERTIFICATE"], agent.Environment["VNCGATE_AGENT_KEY"], agent.Environment["VNCGATE_AGENT_CA"]})
	host, port, err := net.SplitHostPort(strings.TrimPrefix(agent.Environment["VNCGATE_AGENT_GATEWAY"], "tls://"))
	if err != nil || ":"+port != cfg.Listeners[1].Address || cfg.Listeners[1].Agents == nil {
		t.Errorf("the agent looks for %s: %v", agent.Environment["VNCGATE_AGENT_GATEWAY"], err)
	}
	for network := range composedNetworks(agent) {
		for _, gate := range []string{"gateway-a", "gateway-b"} {
			if !slices.Contains(composedNetworks(all.Services[gate])[network], host) {
				t.Errorf("the agent does not find %s as %s on %s", gate, host, network)
			}
		}
	}
	if agent.HealthCheck == nil || !agent.HealthCheck.Disable || len(agent.Ports) > 0 {
		t.Error("the image's health is that of a gateway, and an agent listens nowhere")
	}
	service, socket, _ := strings.Cut(agent.Environment["VNCGATE_AGENT_SERVICE"], "=unix:")
	if target := cfg.Targets["desk"]; !strings.HasSuffix(target.Agent, "/"+service) {
		t.Errorf("no target is the agent's service %s", service)
	}
	other, _ := compose(t, desktop.Extends["file"])
	base := other.Services[desktop.Extends["service"]]
	if base == nil || !strings.Contains(strings.Join(base.Command, " "), "-rfbunixpath "+socket) || !slices.Equal(base.Volumes, agent.Volumes) {
		t.Errorf("the desktop does not listen on %s: %+v", socket, base)
	}
	for network := range composedNetworks(desktop) {
		for name, s := range all.Services {
			if _, there := composedNetworks(s)[network]; there && name != "desktop" {
				t.Errorf("%s is on the desktop's network", name)
			}
		}
	}
}
