package main

import (
	"path"
	"path/filepath"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// The gateways that are one have a configuration that holds, and files where it
// looks for them.
func TestKubernetesCluster(t *testing.T) {
	all := manifests(t, filepath.Join(root, "deploy/kubernetes/cluster.yaml"))
	cfg, err := parseConfig([]byte(only[*corev1.ConfigMap](t, all).Data["vncgate.yaml"]))
	must(t, err)
	pod := &only[*appsv1.Deployment](t, all).Spec.Template.Spec
	checkGrace(t, pod, cfg.Limits)
	secret := only[*corev1.Secret](t, all)
	for _, name := range []string{caFile, nodeFile + certificateExt, nodeFile + keyExt, filepath.Base(cfg.Capabilities.Redis.Secret.File)} {
		if _, ok := secret.StringData[name]; !ok {
			t.Errorf("the secret has no %s", name)
		}
	}
	mounted := map[string]corev1.VolumeSource{}
	for _, m := range pod.Containers[0].VolumeMounts {
		for _, v := range pod.Volumes {
			if v.Name == m.Name {
				mounted[m.MountPath] = v.VolumeSource
			}
		}
	}
	if mounted[cfg.Cluster.Certificates].Secret == nil {
		t.Errorf("no secret is at %s", cfg.Cluster.Certificates)
	}
	// A gateway writes its own pair there, which it could not into a secret.
	if mounted[cfg.Agents.Certificates].EmptyDir == nil {
		t.Errorf("%s cannot be written to", cfg.Agents.Certificates)
	}
	for _, file := range []string{caFile, "ca.key"} {
		if mounted[path.Join(cfg.Agents.Certificates, file)].Secret == nil {
			t.Errorf("no secret is at %s/%s", cfg.Agents.Certificates, file)
		}
	}
}
