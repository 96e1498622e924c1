package admin

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"vncgate/gateway/control"
)

// route is a way to a command.
type route struct {
	method, path string
	command      control.Command
	// in is the argument that the path holds, "" for none.
	in string
	// one is the index of the list in what the command returns of which the one
	// entry is the answer; -1: the answer is the whole.
	one int
}

// things are what commands are about that have paths of their own.
var things = []string{"session", "target", "listener", "agent"}

// routesOf are the ways to all commands that can come by HTTP:
//
//	query-NOUNS                   GET  /api/v1/NOUNS, arguments in the query
//	query-NOUNS for one of them   GET  /api/v1/NOUNS/{id}
//	NOUN-VERB                     POST /api/v1/NOUNS/{id}/VERB
//	whatever it is called         POST /api/v1/commands/COMMAND
//
// The arguments of what is posted are a JSON object.
func routesOf(t *control.Table) (list []route) {
	for _, c := range t.Commands(control.Admin) {
		if needsFiles(c) {
			continue
		}
		list = append(list, route{http.MethodPost, prefix + "commands/" + c.Name, c, "", -1})
		if noun, ok := strings.CutPrefix(c.Name, "query-"); ok {
			list = append(list, queries(c, noun)...)
			continue
		}
		for _, thing := range things {
			if r, ok := verb(c, thing); ok {
				list = append(list, r)
				break
			}
		}
	}
	return list
}

// needsFiles reports whether a command is about a descriptor, which only the
// control socket passes.
func needsFiles(c control.Command) bool {
	return slices.ContainsFunc(control.Fields(c.Args), func(f control.Field) bool { return f.Name == "fdname" })
}

// queries are the ways to a command that changes nothing. Events have a stream
// in that place.
func queries(c control.Command, noun string) []route {
	if noun == "events" {
		return nil
	}
	list := []route{{http.MethodGet, prefix + noun, c, "", -1}}
	thing, plural := strings.CutSuffix(noun, "s")
	if f, ok := names(c, thing); ok && plural {
		if i, ok := listIn(c.Returns); ok {
			list = append(list, route{http.MethodGet, prefix + noun + "/{" + f.Name + "}", c, f.Name, i})
		}
	}
	return list
}

// verb is the way to a command that does something to a thing.
func verb(c control.Command, thing string) (route, bool) {
	name, own := strings.CutPrefix(c.Name, thing+"-")
	f, ok := names(c, thing)
	if !ok || !own && f.Optional {
		return route{}, false
	}
	return route{http.MethodPost, prefix + thing + "s/{" + f.Name + "}/" + name, c, f.Name, -1}, true
}

// names is the argument that says which thing is meant.
func names(c control.Command, thing string) (control.Field, bool) {
	fields := control.Fields(c.Args)
	i := slices.IndexFunc(fields, func(f control.Field) bool { return f.Of == thing && f.Kind == "string" })
	if i < 0 {
		return control.Field{}, false
	}
	return fields[i], true
}

// listIn is the first field of a struct that is a list.
func listIn(v any) (int, bool) {
	t := reflect.TypeOf(v)
	if t == nil || t.Kind() != reflect.Struct {
		return 0, false
	}
	for i := range t.NumField() {
		if t.Field(i).Type.Kind() == reflect.Slice {
			return i, true
		}
	}
	return 0, false
}
