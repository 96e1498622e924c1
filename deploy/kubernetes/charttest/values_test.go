package charttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	pod       = []string{"Deployment", "spec", "template", "spec"}
	container = append(pod[:len(pod):len(pod)], "containers", "0")
)

// below is path and more names.
func below(path []string, more ...string) []string {
	return append(path[:len(path):len(path)], more...)
}

// list is a JSON list, as at has them.
func list(v ...any) []any { return v }

// Each value does what it says.
func TestValues(t *testing.T) {
	for name, c := range map[string]struct {
		values string
		path   []string // the kind first
		want   any      // nil: it is not there
	}{
		"name":                  {"fullnameOverride: gate", []string{"Ingress", "spec", "rules", "0", "http", "paths", "0", "backend", "service", "name"}, "gate"},
		"name of the secret":    {"fullnameOverride: gate", []string{"Secret", "metadata", "name"}, "gate-desks"},
		"tag":                   {"image: {repository: r.example/v, tag: v2}", below(container, "image"), "r.example/v:v2"},
		"digest":                {"image: {tag: v2, digest: 'sha256:" + strings.Repeat("ab", 32) + "'}", below(container, "image"), "registry.example/vncgate@sha256:" + strings.Repeat("ab", 32)},
		"pull secrets":          {"image: {pullSecrets: [{name: r}]}", below(pod, "imagePullSecrets", "0", "name"), "r"},
		"replicas":              {"replicas: 3", []string{"Deployment", "spec", "replicas"}, 3.0},
		"a budget of one":       {"replicas: 1", []string{"PodDisruptionBudget"}, nil},
		"a budget in percent":   {"podDisruptionBudget: {minAvailable: 50%}", []string{"PodDisruptionBudget", "spec", "minAvailable"}, "50%"},
		"no budget":             {"podDisruptionBudget: {enabled: false}", []string{"PodDisruptionBudget"}, nil},
		"configuration":         {"existingConfigSecret: mine", below(pod, "volumes", "0", "secret", "secretName"), "mine"},
		"no other one":          {"existingConfigSecret: mine", []string{"ConfigMap"}, nil},
		"tokens":                {"tokens: {lines: 'a: b:5900'}", []string{"Secret", "stringData", "tokens"}, "a: b:5900"},
		"tokens elsewhere":      {"tokens: {existingSecret: mine}", []string{"Secret"}, nil},
		"no tokens":             {"tokens: {lines: ''}", []string{"Secret"}, nil},
		"grace":                 {"shutdown: {delay: 1, timeout: 20, margin: 30}", below(pod, "terminationGracePeriodSeconds"), 51.0},
		"grace with a preStop":  {"lifecycle: {preStop: {sleep: {seconds: 7}}}", below(pod, "terminationGracePeriodSeconds"), 337.0},
		"preStop":               {"lifecycle: {preStop: {sleep: {seconds: 7}}}", below(container, "lifecycle", "preStop", "sleep", "seconds"), 7.0},
		"no preStop":            {"", below(container, "lifecycle"), nil},
		"port":                  {"{ports: {browsers: 8080}, config: {listeners: [{address: '[::]:8080', web: {}}]}}", below(container, "ports", "0", "containerPort"), 8080.0},
		"environment":           {"env: [{name: TZ, value: UTC}]", below(container, "env"), list(map[string]any{"name": "VNCGATE_CONFIG", "value": "/etc/vncgate/vncgate.yaml"}, map[string]any{"name": "GOMEMLIMIT", "value": "460MiB"}, map[string]any{"name": "TZ", "value": "UTC"})},
		"resources":             {"resources: {limits: {memory: 1Gi}}", below(container, "resources", "limits", "memory"), "1Gi"},
		"probe":                 {"probes: {readiness: {httpGet: {path: /readyz}}}", below(container, "readinessProbe", "httpGet", "path"), "/readyz"},
		"account":               {"serviceAccount: {name: mine}", below(pod, "serviceAccountName"), "mine"},
		"no account":            {"serviceAccount: {create: false}", below(pod, "serviceAccountName"), "default"},
		"account's annotations": {"serviceAccount: {annotations: {role: arn}}", []string{"ServiceAccount", "metadata", "annotations", "role"}, "arn"},
		"service":               {"service: {type: LoadBalancer, annotations: {a: b}}", []string{"Service", "spec", "type"}, "LoadBalancer"},
		"no ingress":            {"ingress: {enabled: false}", []string{"Ingress"}, nil},
		"ingress":               {"ingress: {tls: [{secretName: crt, hosts: [h]}]}", []string{"Ingress", "spec", "tls", "0", "secretName"}, "crt"},
		"another controller":    {"ingress: {className: traefik, annotations: {nginx.ingress.kubernetes.io/rewrite-target: null}}", []string{"Ingress", "metadata", "annotations", "nginx.ingress.kubernetes.io/rewrite-target"}, nil},
		"no policy":             {"networkPolicy: {enabled: false}", []string{"NetworkPolicy"}, nil},
		"no policy of the test": {"networkPolicy: {enabled: false}", []string{"test NetworkPolicy"}, nil},
		"egress":                {"networkPolicy: {egress: [{}]}", []string{"NetworkPolicy", "spec", "egress"}, list(map[string]any{})},
		"no monitor":            {"serviceMonitor: {enabled: false}", []string{"ServiceMonitor"}, nil},
		"monitor":               {"serviceMonitor: {labels: {release: prom}}", []string{"ServiceMonitor", "metadata", "labels", "release"}, "prom"},
		"no test":               {"test: {enabled: false}", []string{"test Pod"}, nil},
		"volume":                {"{extraVolumes: [{name: keys, secret: {secretName: k}}], tokens: {lines: ''}}", below(pod, "volumes"), list(map[string]any{"name": "config", "configMap": map[string]any{"name": "vncgate"}}, map[string]any{"name": "keys", "secret": map[string]any{"secretName": "k"}})},
		"mount":                 {"{extraVolumeMounts: [{name: keys, mountPath: /keys}], tokens: {lines: ''}}", below(container, "volumeMounts"), list(map[string]any{"name": "config", "mountPath": "/etc/vncgate", "readOnly": true}, map[string]any{"name": "keys", "mountPath": "/keys"})},
		"label":                 {"podLabels: {team: a}", below(pod[:3], "metadata", "labels", "team"), "a"},
		"annotation":            {"podAnnotations: {note: a}", below(pod[:3], "metadata", "annotations", "note"), "a"},
		"node":                  {"nodeSelector: {disk: ssd}", below(pod, "nodeSelector", "disk"), "ssd"},
		"taints":                {"tolerations: [{key: a, operator: Exists}]", below(pod, "tolerations", "0", "key"), "a"},
		"spread":                {"topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway}]", below(pod, "topologySpreadConstraints", "0", "topologyKey"), "zone"},
	} {
		t.Run(name, func(t *testing.T) {
			all := rendered(t, c.values)
			var got any
			if o, ok := all[c.path[0]]; ok {
				got = map[string]any(o)
				if len(c.path) > 1 {
					got = o.at(c.path[1:]...)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: %s", strings.Join(c.path, "."), diff)
			}
		})
	}
}

// The program takes the configuration that comes out: as it comes, and with displays.
func TestConfigurationIsTaken(t *testing.T) {
	program, err := filepath.Abs("../../../bin/vncgate")
	must(t, err)
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("VNCGATE_REQUIRE_PEERS") != "" {
			t.Fatal("make build first")
		}
		t.Skip("make build first")
	}
	for name, values := range map[string]string{
		"as it comes":   "",
		"of the README": readme(t),
		"displays":      "config: {targets: {desk: {address: 'desk.desks.svc:5900'}}, sources: [], limits: {sessions: 7}, listeners: [{address: ':6080', web: {}, security: [none], target: desk}]}",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if out, err := exec.Command(program, "cert", "make", "--dir", dir+"/tls", "--host", "gate").CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			mounted := strings.NewReplacer("/etc/vncgate/desks", dir, "/etc/vncgate-secrets", dir, "/etc/vncgate-tls/tls.", dir+"/tls/server.")
			must(t, os.WriteFile(filepath.Join(dir, "tokens"), []byte("t: desk:5900\n"), 0o600))
			must(t, os.WriteFile(filepath.Join(dir, "build-vm"), []byte("secret\n"), 0o600))
			must(t, os.WriteFile(filepath.Join(dir, "users"), nil, 0o600))
			text := rendered(t, values)["ConfigMap"].at("data", "vncgate.yaml").(string)
			path := filepath.Join(dir, "vncgate.yaml")
			must(t, os.WriteFile(path, []byte(mounted.Replace(text)), 0o600))
			if out, err := exec.Command(program, "serve", "--config", path, "--check").CombinedOutput(); err != nil {
				t.Errorf("%v\n%s\n%s", err, out, text)
			}
		})
	}
}

// readme is the values that the chart's README shows.
func readme(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(chartDir, "README.md"))
	must(t, err)
	_, text, found := strings.Cut(string(b), "    # mine.yaml")
	if !found {
		t.Fatal("the README shows no values")
	}
	text, _, _ = strings.Cut("    #"+text, "\n\n")
	return text
}

// Ports of the values are those of the configuration that comes with them.
func TestPortsAreTheListeners(t *testing.T) {
	all := rendered(t, "")
	config := settings(t, all)
	for name, address := range map[string]any{"browsers": config.at("listeners", "0", "address"), "admin": config.at("admin", "address")} {
		found := false
		for _, p := range all["Service"].at("spec", "ports").([]any) {
			p := object(p.(map[string]any))
			found = found || p.at("name") == name && address == ":"+number(p.at("port"))
		}
		if !found {
			t.Errorf("no port %s that leads to %v", name, address)
		}
	}
}

// Ports that disagree with the configuration are told of before there are pods, and
// those that agree in other words are not.
func TestPortsDisagree(t *testing.T) {
	const more = "config: {listeners: [{address: ':6080', web: {}}, {address: '0.0.0.0:5900', target: desk}, {address: 'unix:/run/a:1'}, {address: '127.0.0.1:7000'}], cluster: {listen: ':7443'}}"
	for values, want := range map[string]string{
		"":                        "",
		"ports: {browsers: 8080}": "ports.browsers: 8080 is a port at which config does not listen: set one of them as the other is; listeners and cluster.listen have 6080",
		"config: {listeners: [{address: ':8080', web: {}}]}":          "ports.browsers: 6080 is a port at which config does not listen: set one of them as the other is; listeners and cluster.listen have 8080",
		"config: {listeners: [{address: '127.0.0.1:6080', web: {}}]}": "have none that others reach",
		"ports: {admin: 9000}":                                         `ports.admin: 9000 is where probes and the Service ask, but config.admin.address is :6081: let it be ":9000"`,
		"config: {admin: {address: '127.0.0.1:6081'}}":                 "config.admin.address is 127.0.0.1:6081",
		"config: {admin: null}":                                        "",
		"{existingConfigSecret: mine, ports: {browsers: 1, admin: 2}}": "",
		"{ports: {extra: [{name: native, port: 5900}, {name: nodes, port: 7443}]}, " + more + "}": "",
		"{ports: {extra: [{name: native, port: 590}]}, " + more + "}":                             "ports.extra: native: 590 is a port at which config does not listen: set one of them as the other is; listeners and cluster.listen have 6080, 5900, 7443",
		"{ports: {extra: [{name: agents, port: 7000}]}, " + more + "}":                            "ports.extra: agents: 7000",
		"{ports: {extra: [{name: odd, port: 1}]}, " + more + "}":                                  "ports.extra: odd: 1 ",
	} {
		_, err := render(t, values)
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", values, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want %q, and got: %v", values, want, err)
		}
	}
}

// What shutdown says is what the gateway is told, beside other limits.
func TestShutdownOfTheConfiguration(t *testing.T) {
	got := settings(t, rendered(t, "{shutdown: {delay: 3, timeout: 60}, config: {limits: {sessions: 9}}}")).at("limits")
	if diff := cmp.Diff(map[string]any{"shutdown_delay": "3s", "shutdown_timeout": "60s", "sessions": 9.0}, got); diff != "" {
		t.Error(diff)
	}
}

// Pods are exchanged for what counts at the next start alone.
func TestPodsAreExchangedForWhatMatters(t *testing.T) {
	sum := func(values string) string {
		return rendered(t, values)["Deployment"].at("spec", "template", "metadata", "annotations", "checksum/config").(string)
	}
	was := sum("")
	for values, exchanged := range map[string]bool{
		"config: {targets: {desk: {address: 'd:5900'}}}": false,
		"config: {sources: [{name: desks, file: /a}]}":   false,
		"replicas: 5": false,
		"config: {listeners: [{address: ':6080', web: {}, token: optional}]}": true,
		"config: {audit: {file: /a}}":                                         true,
		"existingConfigSecret: mine":                                          true,
	} {
		if got := sum(values) != was; got != exchanged {
			t.Errorf("%s: pods exchanged: %v", values, got)
		}
	}
}

// The test's pod is none that the Service sends viewers to, asks where the gateway
// answers, and is let in.
func TestHelmTest(t *testing.T) {
	all := rendered(t, "fullnameOverride: gate")
	labels := all["test Pod"].at("metadata", "labels").(map[string]any)
	if selects(all["Service"].at("spec", "selector"), labels) {
		t.Errorf("viewers are sent to the test: %v", labels)
	}
	if diff := cmp.Diff(list("health", "--ready", "--admin", "gate:6081"), all["test Pod"].at("spec", "containers", "0", "args")); diff != "" {
		t.Error(diff)
	}
	policy := all["test NetworkPolicy"]
	if !selects(policy.at("spec", "podSelector", "matchLabels"), all["Deployment"].at("spec", "template", "metadata", "labels").(map[string]any)) ||
		!selects(policy.at("spec", "ingress", "0", "from", "0", "podSelector", "matchLabels"), labels) {
		t.Errorf("the test is not let in: %v", policy)
	}
}

// selects reports whether labels have all that a selector wants.
func selects(selector any, labels map[string]any) bool {
	for name, v := range selector.(map[string]any) {
		if labels[name] != v {
			return false
		}
	}
	return true
}

func TestNotes(t *testing.T) {
	for values, want := range map[string]string{
		"": "http://portal.example/desks/\nand each display by its token",
		"ingress: {path: /, tls: [{secretName: s}]}": "https://portal.example/\n",
		"ingress: {enabled: false}":                  "port-forward service/vncgate 6080",
		"replicas: 1":                                "WARNING: tokens.lines is still the example",
		"existingConfigSecret: mine":                 "shutdown_delay: 10s and shutdown_timeout: 300s",
		"networkPolicy: {enabled: false}":            "There is no NetworkPolicy",
		"config: {listeners: [{address: ':6080', web: {}}, {address: ':5900', target: a}]}": "WARNING: config listens at 5900, and the Service",
	} {
		files, err := render(t, values)
		must(t, err)
		if got := files["vncgate/templates/NOTES.txt"]; !strings.Contains(got, want) {
			t.Errorf("%s: no %q in\n%s", values, want, got)
		}
	}
	files, err := render(t, "{tokens: {existingSecret: mine}, config: {listeners: [{address: ':6080', web: {}}, {address: 'unix:/a'}, {address: ':5900'}]}, ports: {extra: [{name: a, port: 5900}]}}")
	must(t, err)
	if got := files["vncgate/templates/NOTES.txt"]; strings.Contains(got, "WARNING") {
		t.Errorf("a warning of what is as it should be:\n%s", got)
	}
}
