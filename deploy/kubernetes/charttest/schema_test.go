package charttest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	yamlv3 "go.yaml.in/yaml/v3"
)

// number is a JSON number as a text.
func number(v any) string { return fmt.Sprint(v) }

// The schema refuses what nothing could be made of, and says where it is.
func TestRefused(t *testing.T) {
	for values, where := range map[string]string{
		"replica: 3":                                   "replica",
		"replicas: -1":                                 "/replicas",
		"replicas: two":                                "/replicas",
		"image: {version: 1}":                          "version",
		"image: {tag: 'a b'}":                          "/image/tag",
		"image: {digest: abc}":                         "/image/digest",
		"config: {limits: {shutdown_timeout: 1h}}":     "/config/limits/shutdown_timeout",
		"config: {listeners: []}":                      "/config/listeners",
		"config: {listeners: [{web: {}}]}":             "/config/listeners/0",
		"config: {targets: {desk: 'desk:5900'}}":       "/config/targets/desk",
		"config: vncgate.yaml":                         "/config",
		"shutdown: {margin: 5}":                        "/shutdown/margin",
		"shutdown: {delay: 10s}":                       "/shutdown/delay",
		"ports: {admin: 70000}":                        "/ports/admin",
		"ports: {extra: [{name: Native, port: 5900}]}": "/ports/extra/0/name",
		"goMemoryLimit: 460Mi":                         "/goMemoryLimit",
		"lifecycle: {preStop: 10}":                     "/lifecycle/preStop",
		"service: {type: Headless}":                    "/service/type",
		"ingress: {path: desks}":                       "/ingress/path",
		"ingress: {host: 'https://portal.example'}":    "/ingress/host",
		"ingress: {annotations: {a: 1}}":               "/ingress/annotations/a",
		"networkPolicy: {egress: all}":                 "/networkPolicy/egress",
		"podDisruptionBudget: {minAvailable: half}":    "/podDisruptionBudget/minAvailable",
		"serviceMonitor: {interval: 30}":               "/serviceMonitor/interval",
		"env: [{value: a}]":                            "/env/0",
		"tokens: {lines: [a]}":                         "/tokens/lines",
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), where) {
			t.Errorf("%s: want to be told of %s, and got: %v", values, where, err)
		}
	}
}

// node is a part of values.schema.json, but for false: never.
type node struct {
	Description string                     `json:"description"`
	Properties  map[string]json.RawMessage `json:"properties"`
	Additional  any                        `json:"additionalProperties"`
}

// leaves are the paths of values that have no parts which the chart itself names.
func (n *node) leaves(t *testing.T, path string) (all []string) {
	t.Helper()
	if n.Additional != false {
		return []string{path}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Properties)) {
		part := &node{}
		must(t, json.Unmarshal(n.Properties[name], part))
		if part.Description == "" {
			t.Errorf("%s.%s: no description in the schema", path, name)
		}
		all = append(all, part.leaves(t, path+"."+name)...)
	}
	return all
}

// Each value has an entry in the schema, a comment and a template that uses it; and
// no template uses one that there is not.
func TestEachValueIsKnownToAll(t *testing.T) {
	schema := &node{}
	b, err := os.ReadFile(filepath.Join(chartDir, "values.schema.json"))
	must(t, err)
	must(t, json.Unmarshal(b, schema))
	delete(schema.Properties, "global") // Helm's own
	inSchema := schema.leaves(t, "")
	commented := comments(t)
	used := usedByTemplates(t)
	for _, path := range inSchema {
		switch open := []string{".lifecycle", ".resources", ".probes"}; {
		case !used[path] && !used[parent(path)]:
			t.Errorf("no template uses %s", path)
		case !commented[path] && !slices.Contains(open, parent(path)):
			t.Errorf("%s has no comment in values.yaml", path)
		}
	}
	for path := range used {
		if !slices.ContainsFunc(inSchema, func(known string) bool { return known == path || parent(known) == path }) {
			t.Errorf("a template uses %s, which the schema does not have", path)
		}
	}
	if len(inSchema) < 40 {
		t.Errorf("only %v", inSchema)
	}
}

func parent(path string) string { return path[:max(0, strings.LastIndex(path, "."))] }

// usedByTemplates is what templates name of the values.
func usedByTemplates(t *testing.T) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	for _, file := range load(t).Templates {
		for _, m := range regexp.MustCompile(`\.Values((?:\.[A-Za-z]+)+)`).FindAllSubmatch(file.Data, -1) {
			used[string(m[1])] = true
		}
	}
	return used
}

// comments is which values in values.yaml have one above or beside them.
func comments(t *testing.T) map[string]bool {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	must(t, err)
	var document yamlv3.Node
	must(t, yamlv3.Unmarshal(b, &document))
	all := map[string]bool{}
	var visit func(path string, n *yamlv3.Node)
	visit = func(path string, n *yamlv3.Node) {
		if n.Kind != yamlv3.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			at := path + "." + n.Content[i].Value
			all[at] = n.Content[i].HeadComment+n.Content[i].LineComment != ""
			visit(at, n.Content[i+1])
		}
	}
	visit("", document.Content[0])
	return all
}
