package admin

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	"github.com/pb33f/libopenapi/datamodel"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/gateway/control"
)

// TestDescriptionIsOpenAPI holds the document against OpenAPI's own schema, and
// has a library that programs are generated with read it.
func TestDescriptionIsOpenAPI(t *testing.T) {
	b := newBench(t)
	_, text := b.ask("eye", "GET", "/api/v1/openapi.json", "")
	c := jsonschema.NewCompiler()
	addSchema(t, c, "https://spec.openapis.org/oas/3.1/schema/test", datamodel.OpenAPI31SchemaData)
	official, err := c.Compile("https://spec.openapis.org/oas/3.1/schema/test")
	if err != nil {
		t.Fatal(err)
	}
	if err := official.Validate(parsed(t, text)); err != nil {
		t.Errorf("the document: %v", err)
	}
	document, err := libopenapi.NewDocument([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	model, errs := document.BuildV3Model()
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	seen := map[string]bool{}
	for path, item := range model.Model.Paths.PathItems.FromOldest() {
		for method, op := range item.GetOperations().FromOldest() {
			if seen[op.OperationId] || op.OperationId == "" {
				t.Errorf("%s %s: the id %q is not its own", method, path, op.OperationId)
			}
			seen[op.OperationId] = true
			if holes := strings.Count(path, "{"); holes > 0 && len(op.Parameters) < holes {
				t.Errorf("%s %s does not say what stands in its path", method, path)
			}
		}
	}
	for _, id := range []string{"screenshot", "list-sessions", "get-session", "one-session-kill", "session-kill", "one-target-probe", "one-set-class", "reload", "events"} {
		if !seen[id] {
			t.Errorf("%s is missing", id)
		}
	}
	if seen["getfd"] {
		t.Error("a command that needs the control socket is offered")
	}
}

// TestAnswersAreAsDescribed holds real answers against the schemas.
func TestAnswersAreAsDescribed(t *testing.T) {
	b := newBench(t)
	_, text := b.ask("eye", "GET", "/api/v1/openapi.json", "")
	session := gateway.SessionInfo{
		ID: "S1", Identity: auth.Identity{Name: "alice", Method: "scram", Groups: []string{"ops"}}, From: "192.0.2.1:4000", Target: "desk",
		Listener: ":6080", Since: time.Now(), Rights: auth.AllRights, Open: true, RTT: 12 * time.Millisecond, Expires: time.Now().Add(time.Hour),
	}
	b.Observe(gateway.Event{Kind: gateway.SessionOpened, Time: time.Now(), Session: &session, Details: map[string]string{"a": "b"}, Duration: time.Second})
	told, err := encode(control.SessionList{Sessions: []control.Session{control.SessionOf(&session)}})
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{"SessionList": string(told)}
	for name, path := range map[string]string{
		"TargetList": "/api/v1/targets", "Target": "/api/v1/targets/desk", "ListenerList": "/api/v1/listeners", "Stats": "/api/v1/stats",
		"WhoAmI": "/api/v1/whoami", "HappenedList": "/api/v1/events?last=5", "Fault": "/api/v1/targets/none", "VersionInfo": "/api/v1/version",
	} {
		_, answers[name] = b.ask("eye", "GET", path, "", "Accept", "application/json")
	}
	c := jsonschema.NewCompiler()
	addSchema(t, c, "https://gateway.example/openapi.json", text)
	for name, body := range answers {
		schema, err := c.Compile("https://gateway.example/openapi.json#/components/schemas/" + name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := schema.Validate(parsed(t, body)); err != nil {
			t.Errorf("%s: %s: %v", name, body, err)
		}
		if err := schema.Validate([]any{}); err == nil {
			t.Errorf("%s takes anything", name)
		}
	}
}

// Every command has a way, and every way leads to one command.
func TestEveryCommandHasAWay(t *testing.T) {
	b := newBench(t)
	ways := map[string]int{}
	for _, way := range routesOf(b.Table) {
		ways[way.command.Name]++
	}
	for _, c := range b.Table.Commands(control.Admin) {
		if needsFiles(c) != (ways[c.Name] == 0) {
			t.Errorf("%s has %d ways", c.Name, ways[c.Name])
		}
	}
}

func addSchema(t *testing.T, c *jsonschema.Compiler, at, text string) {
	t.Helper()
	if err := c.AddResource(at, parsed(t, text)); err != nil {
		t.Fatal(err)
	}
}

func parsed(t *testing.T, text string) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func ExampleDescribe() {
	document, _ := json.Marshal(Describe(control.Commands(&control.Backend{}), "1.2.3"))
	_ = document // for a file that clients are generated from
}
