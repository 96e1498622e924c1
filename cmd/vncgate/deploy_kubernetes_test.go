package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// serviceMonitor is what of the Prometheus operator's
// (monitoring.coreos.com/v1) the example uses.
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Path     string `json:"path"`
			Interval string `json:"interval"`
		} `json:"endpoints"`
	} `json:"spec"`
}

// manifest is one document of an example, in the types of its API.
func manifest(t *testing.T, document []byte) any {
	t.Helper()
	var kind metav1.TypeMeta
	must(t, yaml.Unmarshal(document, &kind))
	into, ok := map[string]any{
		"v1 Pod":                                  &corev1.Pod{},
		"v1 ConfigMap":                            &corev1.ConfigMap{},
		"v1 Secret":                               &corev1.Secret{},
		"v1 PersistentVolumeClaim":                &corev1.PersistentVolumeClaim{},
		"v1 Service":                              &corev1.Service{},
		"v1 ServiceAccount":                       &corev1.ServiceAccount{},
		"apps/v1 Deployment":                      &appsv1.Deployment{},
		"networking.k8s.io/v1 Ingress":            &networkingv1.Ingress{},
		"networking.k8s.io/v1 NetworkPolicy":      &networkingv1.NetworkPolicy{},
		"policy/v1 PodDisruptionBudget":           &policyv1.PodDisruptionBudget{},
		"monitoring.coreos.com/v1 ServiceMonitor": &serviceMonitor{},
	}[kind.APIVersion+" "+kind.Kind]
	if !ok {
		t.Fatalf("an object of an API that the test does not know: %+v", kind)
	}
	if err := yaml.UnmarshalStrict(document, into); err != nil {
		t.Fatalf("%s: %v\n%s", kind.Kind, err, document)
	}
	return into
}

// manifests are the documents of one file.
func manifests(t *testing.T, path string) (all []any) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		all = append(all, manifest(t, document))
	}
	return all
}

func only[T any](t *testing.T, all []any) T {
	t.Helper()
	for _, one := range all {
		if found, ok := one.(T); ok {
			return found
		}
	}
	var none T
	t.Fatalf("no %T", none)
	return none
}

// The API's own types take the examples, without a key that they do not know.
func TestKubernetesExamples(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(root, "deploy/kubernetes/*.yaml"))
	must(t, err)
	for _, path := range paths {
		for _, one := range manifests(t, path) {
			switch o := one.(type) {
			case *corev1.Pod:
				if filepath.Base(path) != "agent.yaml" { // which TestKubernetesAgent looks at
					checkPod(t, &o.Spec)
				}
			case *appsv1.Deployment:
				checkPod(t, &o.Spec.Template.Spec)
			}
		}
	}
	if len(paths) < 2 {
		t.Errorf("only %v", paths)
	}
}

// checkPod looks at what an API server does not: that the flags exist, that
// probes ask for what there is, and the right one.
func checkPod(t *testing.T, spec *corev1.PodSpec) {
	t.Helper()
	flags := newServeCommand().Flags()
	for _, c := range spec.Containers {
		if c.Name != "vncgate" {
			continue
		}
		for _, e := range c.Env {
			name, ours := strings.CutPrefix(e.Name, "VNCGATE_")
			if flag := strings.ReplaceAll(strings.ToLower(name), "_", "-"); ours && flags.Lookup(flag) == nil {
				t.Errorf("%s: there is no flag --%s", e.Name, flag)
			}
		}
		for path, p := range map[string]*corev1.Probe{
			`^/readyz$`:                              c.StartupProbe,
			`^/(readyz|healthz(\?target=display)?)$`: c.ReadinessProbe, // red while it drains
			`^/livez$`:                               c.LivenessProbe,  // green then
		} {
			if p == nil || !regexp.MustCompile(path).MatchString(p.HTTPGet.Path) || p.HTTPGet.Port.StrVal != "admin" {
				t.Errorf("not a probe of %s: %+v", path, p)
			}
		}
		if s := c.SecurityContext; s == nil || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation {
			t.Errorf("not shut in: %+v", s)
		}
		return
	}
	t.Error("no container named vncgate")
}

// checkGrace compares the time that Kubernetes gives the pod with what its gateway
// may take, from SIGTERM to its last line.
func checkGrace(t *testing.T, spec *corev1.PodSpec, limits limitsConfig) {
	t.Helper()
	takes := limits.ShutdownDelay + limits.shutdownTimeout() + lastWords + lastTraces
	if grace := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second; grace < takes+5*time.Second {
		t.Errorf("the pod gets %v, the gateway takes up to %v", grace, takes)
	}
	for _, c := range spec.Containers {
		if c.Lifecycle != nil && c.Lifecycle.PreStop != nil {
			t.Error("a preStop hook takes of that time: count it")
		}
	}
}

func TestKubernetesSidecar(t *testing.T) {
	pod := only[*corev1.Pod](t, manifests(t, filepath.Join(root, "deploy/kubernetes/sidecar.yaml")))
	var limits limitsConfig
	for _, c := range pod.Spec.Containers {
		for _, e := range c.Env {
			switch e.Name {
			case "VNCGATE_SHUTDOWN_DELAY":
				limits.ShutdownDelay = duration(t, e.Value)
			case "VNCGATE_SHUTDOWN_TIMEOUT":
				limits.ShutdownTimeout = duration(t, e.Value)
			}
		}
	}
	if limits.ShutdownDelay == 0 || limits.ShutdownTimeout == 0 {
		t.Errorf("the example does not say how long it takes to end: %+v", limits)
	}
	checkGrace(t, &pod.Spec, limits)
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	must(t, err)
	return d
}

// The chart exchanges pods for every change of the configuration but those that a
// running gateway takes up by itself.
func TestChartKnowsWhatIsReloaded(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes/chart/templates/_helpers.tpl"))
	must(t, err)
	line := regexp.MustCompile(`omit \.Values\.config ([^|]*)`).FindSubmatch(text)
	if line == nil {
		t.Fatal("the chart omits nothing")
	}
	chart := strings.Fields(strings.ReplaceAll(string(line[1]), `"`, ""))
	slices.Sort(chart)
	var ours []string
	for key := range reloaded {
		if !strings.Contains(key, ".") {
			ours = append(ours, key)
		}
	}
	slices.Sort(ours)
	if !slices.Equal(chart, ours) {
		t.Errorf("the chart lets pods be for changes of %v, a gateway reloads %v", chart, ours)
	}
}

// The configuration in the ConfigMap is one that serve takes, the Service and the
// Ingress lead to its port, and Kubernetes waits as long as it may take to end.
func TestKubernetesGateway(t *testing.T) {
	all := manifests(t, filepath.Join(root, "deploy/kubernetes/gateway.yaml"))
	path := filepath.Join(t.TempDir(), "vncgate.yaml")
	must(t, os.WriteFile(path, []byte(only[*corev1.ConfigMap](t, all).Data["vncgate.yaml"]), 0o600))
	cfg, err := loadConfig(path)
	must(t, err)
	pod := only[*appsv1.Deployment](t, all).Spec.Template
	checkGrace(t, &pod.Spec, cfg.Limits)
	ports := map[string]int32{}
	for _, p := range pod.Spec.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	for _, p := range only[*corev1.Service](t, all).Spec.Ports {
		if ports[p.TargetPort.StrVal] != p.Port {
			t.Errorf("service port %s is not the pod's: %v", p.Name, ports)
		}
	}
	service := only[*networkingv1.Ingress](t, all).Spec.Rules[0].HTTP.Paths[0].Backend.Service
	if service.Name != only[*corev1.Service](t, all).Name || ports[service.Port.Name] == 0 {
		t.Errorf("the ingress leads nowhere: %+v", service)
	}
	for name, selector := range map[string]map[string]string{
		"service":        only[*corev1.Service](t, all).Spec.Selector,
		"network policy": only[*networkingv1.NetworkPolicy](t, all).Spec.PodSelector.MatchLabels,
		"budget":         only[*policyv1.PodDisruptionBudget](t, all).Spec.Selector.MatchLabels,
	} {
		for key, value := range selector {
			if pod.Labels[key] != value {
				t.Errorf("the %s selects %s=%s, and the pods have %v", name, key, value, pod.Labels)
			}
		}
	}
}
