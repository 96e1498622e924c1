// Package charttest renders the chart by Helm's own engine and looks at what comes
// out by the API's own types.
package charttest

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const (
	chartDir    = "../chart"
	example     = "../gateway.yaml"
	monitoring  = "monitoring.coreos.com/v1"
	releaseName = "vncgate"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(chartDir)
	must(t, err)
	return c
}

// render is what Helm makes of the chart with values (YAML) set, file by file. An
// error is that of the schema or of a template.
func render(t *testing.T, values string) (map[string]string, error) {
	t.Helper()
	set, err := chartutil.ReadValues([]byte(values))
	must(t, err)
	c := load(t)
	cluster := chartutil.DefaultCapabilities.Copy()
	cluster.APIVersions = append(cluster.APIVersions, monitoring)
	release := chartutil.ReleaseOptions{Name: releaseName, Namespace: "desks", IsInstall: true}
	all, err := chartutil.ToRenderValues(c, set, release, cluster)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(c, all)
}

// object is one of the API, as JSON has it once the API's types have read it.
type object map[string]any

// at is what lies at a path of names, and of "0" for the first of a list; nil:
// nothing.
func (o object) at(path ...string) any {
	var v any = map[string]any(o)
	for _, name := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			if len(in) == 0 {
				return nil
			}
			v = in[0]
		default:
			return nil
		}
	}
	return v
}

// read is the documents of a text by kind, and those that belong to 'helm test'
// alone by "test KIND".
func read(t *testing.T, text string) map[string]object {
	t.Helper()
	all := map[string]object{}
	for document := range strings.SplitSeq(text, "\n---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		o := decode(t, document+"\n")
		kind := o.at("kind").(string)
		if o.at("metadata", "annotations", "helm.sh/hook") == "test" {
			kind = "test " + kind
		}
		if all[kind] != nil {
			t.Fatalf("two of %s", kind)
		}
		all[kind] = o
	}
	return all
}

// decode passes a document through the type of its API, which refuses a key that it
// does not know.
func decode(t *testing.T, document string) object {
	t.Helper()
	var o object
	must(t, yaml.UnmarshalStrict([]byte(document), &o))
	if o.at("apiVersion") == monitoring { // is no API of Kubernetes itself
		return o
	}
	strict := serializer.NewCodecFactory(scheme.Scheme, serializer.EnableStrict).UniversalDeserializer()
	typed, _, err := strict.Decode([]byte(document), nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	b, err := json.Marshal(typed)
	must(t, err)
	o = nil
	must(t, json.Unmarshal(b, &o))
	return o
}

// rendered is read of all that the chart makes but its notes.
func rendered(t *testing.T, values string) map[string]object {
	t.Helper()
	files, err := render(t, values)
	must(t, err)
	var text []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(name, "NOTES.txt") {
			text = append(text, strings.TrimSpace(files[name]))
		}
	}
	return read(t, strings.Join(text, "\n---\n"))
}

// settings is the gateway's configuration among objects.
func settings(t *testing.T, all map[string]object) object {
	t.Helper()
	var o object
	must(t, yaml.UnmarshalStrict([]byte(all["ConfigMap"].at("data", "vncgate.yaml").(string)), &o))
	return o
}

// As it comes, the chart makes what the example shows.
func TestDefaultsAreTheExample(t *testing.T) {
	text, err := os.ReadFile(example)
	must(t, err)
	want, got := read(t, string(text)), rendered(t, "")
	for kind := range got {
		if strings.HasPrefix(kind, "test ") {
			delete(got, kind)
		}
	}
	if diff := cmp.Diff(substance(t, want), substance(t, got)); diff != "" {
		t.Errorf("gateway.yaml (-) and the chart (+) differ:\n%s", diff)
	}
}

// substance is objects without what is said in other words: labels of the chart,
// what is so anyway, the spelling of the configuration.
func substance(t *testing.T, all map[string]object) map[string]any {
	t.Helper()
	plain := map[string]any{}
	for kind, o := range all {
		b, err := json.Marshal(o)
		must(t, err)
		var v any
		must(t, json.Unmarshal(b, &v))
		plain[kind] = strip(v)
	}
	times(plain["ConfigMap"].(map[string]any), settings(t, all))
	return plain
}

func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, one := range v {
			v[name] = strip(one)
		}
		for _, name := range []string{"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart", "checksum/config"} {
			delete(v, name)
		}
		for name, usual := range map[string]string{"imagePullPolicy": "IfNotPresent", "type": "ClusterIP"} {
			if v[name] == usual {
				delete(v, name)
			}
		}
		if a, ok := v["annotations"].(map[string]any); ok && len(a) == 0 {
			delete(v, "annotations")
		}
	case []any:
		for i := range v {
			v[i] = strip(v[i])
		}
	}
	return v
}

// times puts the configuration into the ConfigMap as what it says: 5m is 300s.
func times(configMap map[string]any, says object) {
	limits := says.at("limits").(map[string]any)
	for name, v := range limits {
		if d, err := time.ParseDuration(v.(string)); err == nil {
			limits[name] = d.String()
		}
	}
	configMap["data"] = map[string]any(says)
}
