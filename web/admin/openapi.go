package admin

import (
	"net/http"
	"strings"

	"vncgate/gateway/control"
)

// object is one of JSON, whose members are written in the order of their names.
type object = map[string]any

// openAPI answers with the description.
func (s *Server) openAPI(rw http.ResponseWriter, r *http.Request) {
	if _, ok := s.Allow(rw, r, control.Viewer); ok {
		answer(rw, Describe(s.Table, s.Version))
	}
}

// Describe is the API for a table as an OpenAPI 3.1 document: what the paths are,
// what they take, what they answer, and which role may. It marshals to JSON.
func Describe(t *control.Table, version string) any {
	d := &description{schemas: object{}, paths: object{}}
	for _, way := range routesOf(t) {
		d.add(way.path, way.method, d.operation(way))
	}
	d.add(prefix+"events", http.MethodGet, d.eventsOperation())
	d.add(prefix+"targets/{target}/screenshot", http.MethodGet, d.shotOperation())
	d.add(prefix+"whoami", http.MethodGet, d.asked("whoami", "Say who you are to the gateway, and what you may do", "about", d.ref(WhoAmI{})))
	d.add(prefix+"openapi.json", http.MethodGet, d.asked("openapi", "This document", "about", object{"type": "object"}))
	d.ref(Fault{})
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title": "vncgate", "version": version,
			"summary":     "See a VNC gateway and steer it",
			"description": "Each operation is a command of the control socket (vncgate ctl); x-role is the least that may run it. Lists that are long come in parts: ask again with after as next says.",
		},
		"servers":  []object{{"url": "/", "description": "the address of admin: in the configuration"}},
		"security": []object{{"bearer": []string{}}, {"certificate": []string{}}},
		"paths":    d.paths,
		"components": object{
			"schemas": d.schemas,
			"securitySchemes": object{
				"bearer":      object{"type": "http", "scheme": "bearer", "description": "A token of admin: tokens"},
				"certificate": object{"type": "mutualTLS", "description": "A client certificate of admin: certificates"},
			},
			"responses": object{"fault": object{
				"description": "What is wrong, and what to do",
				"content":     jsonContent(d.ref(Fault{})),
			}},
		},
	}
}

// description is one that is being written.
type description struct {
	schemas, paths object
}

func (d *description) add(path, method string, operation object) {
	item, ok := d.paths[path].(object)
	if !ok {
		item = object{}
		d.paths[path] = item
	}
	item[strings.ToLower(method)] = operation
}

// operation describes a way to a command.
func (d *description) operation(way route) object {
	c := way.command
	returns := d.schemaOf(typeOf(c.Returns))
	if way.one >= 0 {
		returns = d.schemaOf(typeOf(c.Returns).Field(way.one).Type.Elem())
	}
	op := d.asked(way.id(), c.Doc, way.tag(), returns)
	op["x-role"] = c.Role.String()
	if c.OOB {
		op["x-out-of-band"] = true
	}
	var parameters []object
	body, required := object{}, []string{}
	for _, f := range control.Fields(c.Args) {
		schema := d.field(f)
		switch {
		case f.Name == way.in:
			parameters = append(parameters, parameter(f.Name, "path", true, schema))
		case way.method == http.MethodGet && way.in == "":
			parameters = append(parameters, parameter(f.Name, "query", !f.Optional, schema))
		case way.method != http.MethodGet:
			body[f.Name] = schema
			if !f.Optional {
				required = append(required, f.Name)
			}
		}
	}
	if parameters != nil {
		op["parameters"] = parameters
	}
	if len(body) > 0 {
		schema := object{"type": "object", "properties": body, "additionalProperties": false}
		if len(required) > 0 {
			schema["required"] = required
		}
		op["requestBody"] = object{"required": len(required) > 0, "content": jsonContent(schema)}
	}
	return op
}

// id names the operation: each way has one of its own.
func (way route) id() string {
	switch {
	case strings.HasPrefix(way.path, prefix+"commands/"):
		return way.command.Name
	case way.method == http.MethodGet && way.in == "":
		return "list-" + strings.TrimPrefix(way.command.Name, "query-")
	case way.method == http.MethodGet:
		return "get-" + strings.TrimSuffix(strings.TrimPrefix(way.command.Name, "query-"), "s")
	}
	return "one-" + way.command.Name
}

// tag groups the operations by what stands first in their paths.
func (way route) tag() string {
	first, _, _ := strings.Cut(strings.TrimPrefix(way.path, prefix), "/")
	return first
}

// asked is an operation that answers with JSON.
func (d *description) asked(id, summary, tag string, returns object) object {
	return object{
		"operationId": id, "summary": summary, "tags": []string{tag}, "x-role": control.Viewer.String(),
		"responses": object{
			"200":     object{"description": "done", "content": jsonContent(returns)},
			"default": object{"$ref": "#/components/responses/fault"},
		},
	}
}

// eventsOperation describes the stream.
func (d *description) eventsOperation() object {
	var names []string
	var docs strings.Builder
	for _, e := range control.Events() {
		names = append(names, e.Name)
		docs.WriteString("\n- " + e.Name + ": " + e.Doc)
	}
	op := d.asked("events", "Follow what happens, as server-sent events", "events", d.ref(HappenedList{}))
	event := d.schemas["Happened"].(object)["properties"].(object)["event"].(object)
	event["enum"] = names
	op["description"] = "Every message is a Happened in JSON, with its name as the event's and its id. " +
		"A connection is ended after a while; go on with Last-Event-ID. With Accept: application/json alone it answers at once with those that are kept." + docs.String()
	content := op["responses"].(object)["200"].(object)["content"].(object)
	content["text/event-stream"] = object{"schema": object{"type": "string"}}
	text := object{"type": "string"}
	op["parameters"] = []object{
		parameter("last", "query", false, object{"type": "integer", "minimum": 0, "maximum": kept, "description": "begin with that many of the last events"}),
		parameter("after", "query", false, object{"type": "string", "description": "begin behind the event of this id"}),
		parameter("Last-Event-ID", "header", false, text),
	}
	return op
}

func parameter(name, in string, required bool, schema object) object {
	p := object{"name": name, "in": in, "required": required, "schema": schema}
	if doc, ok := schema["description"]; ok {
		p["description"] = doc
	}
	return p
}

func jsonContent(schema object) object {
	return object{"application/json": object{"schema": schema}}
}
