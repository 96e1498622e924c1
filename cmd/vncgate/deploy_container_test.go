package main

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// composition is what of a compose file the examples use (compose-spec).
type composition struct {
	Shared   any                     `json:"x-vncgate"` // is merged into services
	Services map[string]*composed    `json:"services"`
	Networks map[string]any          `json:"networks"`
	Volumes  map[string]any          `json:"volumes"`
	Secrets  map[string]composedFile `json:"secrets"`
}

type composed struct {
	Image       string                       `json:"image"`
	User        string                       `json:"user"`
	Hostname    string                       `json:"hostname"`
	Command     []string                     `json:"command"`
	Extends     map[string]string            `json:"extends"`
	Build       map[string]string            `json:"build"`
	Environment map[string]string            `json:"environment"`
	DependsOn   map[string]map[string]string `json:"depends_on"`
	HealthCheck *composedHealth              `json:"healthcheck"`
	Networks    any                          `json:"networks"` // a list of names, or a map of them
	Ports       []string                     `json:"ports"`
	Volumes     []string                     `json:"volumes"`
	Secrets     []composedSecret             `json:"secrets"`
	ReadOnly    bool                         `json:"read_only"`
	CapDrop     []string                     `json:"cap_drop"`
	SecurityOpt []string                     `json:"security_opt"`
	Restart     string                       `json:"restart"`
	Grace       string                       `json:"stop_grace_period"`
}

type composedHealth struct {
	Test     []string `json:"test"`
	Interval string   `json:"interval"`
	Timeout  string   `json:"timeout"`
	Disable  bool     `json:"disable"`
}

type composedSecret struct {
	Source string `json:"source"`
	Target string `json:"target"`
}

type composedFile struct {
	File string `json:"file"`
}

// compose reads an example of deploy/container.
func compose(t *testing.T, name string) (all composition, text string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, "deploy", "container", name))
	must(t, err)
	must(t, yaml.UnmarshalStrict(b, &all))
	return all, string(b)
}

func TestComposeExample(t *testing.T) {
	dir := filepath.Join(root, "deploy", "container")
	all, _ := compose(t, "compose.yaml")
	gate, desktop := all.Services["vncgate"], all.Services["desktop"]
	if _, err := os.Stat(filepath.Join(dir, gate.Build["context"], gate.Build["dockerfile"])); err != nil {
		t.Error(err)
	}
	cfg := servedBy(t, gate.Environment)
	socket := strings.TrimPrefix(cfg.Targets["display"].Address, "unix:")
	volume := filepath.Dir(socket)
	if script := strings.Join(desktop.Command, " "); !strings.Contains(script, "-rfbunixpath "+socket) || !strings.Contains(script, "-rfbport -1") {
		t.Errorf("the desktop does not listen on %s alone:\n%s", socket, script)
	}
	for name, mounts := range map[string][]string{"vncgate": gate.Volumes, "desktop": desktop.Volumes} {
		if len(mounts) != 1 || mounts[0] != "display:"+volume {
			t.Errorf("%s mounts %v, and not display at %s", name, mounts, volume)
		}
	}
	if len(gate.Ports) != 1 || !strings.HasPrefix(gate.Ports[0], "127.0.0.1:") || !strings.HasSuffix(gate.Ports[0], cfg.Listeners[0].Address) {
		t.Errorf("ports %v of a gateway without users that listens on %s", gate.Ports, cfg.Listeners[0].Address)
	}
	if !gate.ReadOnly || len(gate.CapDrop) != 1 || gate.CapDrop[0] != "ALL" || len(desktop.Ports) != 0 {
		t.Errorf("more is allowed than needed: %+v", gate)
	}
}

// The image's own variables and commands are ones of the program.
func TestContainerfile(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy", "container", "Containerfile"))
	must(t, err)
	var health []string
	variables := map[string]string{"VNCGATE_LISTEN": ":6080", "VNCGATE_TARGET": "desk:5900"}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		word, rest, _ := strings.Cut(lines.Text(), " ")
		switch word {
		case "ENV":
			for _, v := range strings.Fields(rest) {
				name, value, _ := strings.Cut(v, "=")
				variables[name] = value
			}
		case "HEALTHCHECK":
			_, command, _ := strings.Cut(rest, "CMD ")
			must(t, yaml.Unmarshal([]byte(command), &health))
		}
	}
	cfg := servedBy(t, variables)
	if cfg.Admin == nil || len(health) < 2 || health[0] != "/usr/bin/vncgate" {
		t.Fatalf("the health of the image is asked for by %q at %+v", health, cfg.Admin)
	}
	if err := parses(health[1:]); err != nil {
		t.Error(err)
	}
}

// servedBy is what serve makes of variables, each of which has to be one of its own.
func servedBy(t *testing.T, variables map[string]string) *config {
	t.Helper()
	flags := newServeCommand().Flags()
	for name, value := range variables {
		own, ours := strings.CutPrefix(name, "VNCGATE_")
		if flag := strings.ReplaceAll(strings.ToLower(own), "_", "-"); ours && flags.Lookup(flag) == nil {
			t.Errorf("%s is not a variable of serve", name)
		}
		t.Setenv(name, value)
	}
	serve := newRootCommand()
	serve.SetArgs([]string{"serve", "--check"})
	var effective bytes.Buffer
	serve.SetOut(&effective)
	must(t, serve.ExecuteContext(visit(t)))
	cfg, err := parseConfig(effective.Bytes())
	must(t, err)
	return cfg
}
