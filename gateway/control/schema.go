package control

import (
	"context"
	"reflect"
	"strconv"
)

// querySchema describes the table as QEMU describes itself (qapi/introspect.json):
// commands and events by their names, and the types that these speak of, whose
// names are numbers.
func (t *Table) querySchema(_ context.Context, call *Call, _ struct{}) ([]SchemaInfo, error) {
	s := &schema{names: map[string]string{}}
	var list []SchemaInfo
	for _, c := range t.Commands(call.Role) {
		info := SchemaInfo{Name: c.Name, Meta: "command", OOB: &c.OOB}
		info.Arg, info.Ret = s.object(c.Args), s.typeOf(reflect.TypeOf(c.Returns), nil)
		list = append(list, info)
	}
	data := s.object(EventData{})
	for _, e := range eventDocs {
		list = append(list, SchemaInfo{Name: e.Name, Meta: "event", Arg: data})
	}
	return append(list, s.types...), nil
}

// SchemaInfo is one entry of query-qmp-schema.
type SchemaInfo struct {
	Name string `json:"name"`
	// Meta is command, event, object, array, enum or builtin.
	Meta string `json:"meta-type"`
	// Arg and Ret are the types of a command or an event.
	Arg string `json:"arg-type,omitempty"`
	Ret string `json:"ret-type,omitempty"`
	OOB *bool  `json:"allow-oob,omitempty"`
	// Members are an object's, Element an array's, Values an enum's, JSON a
	// builtin's.
	Members []SchemaMember `json:"members,omitzero"`
	Element string         `json:"element-type,omitempty"`
	Values  []string       `json:"values,omitempty"`
	JSON    string         `json:"json-type,omitempty"`
}

// SchemaMember is a member of an object. One that need not be there has a
// default, which is null.
type SchemaMember struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Default *nothing `json:"default,omitempty"`
}

// nothing is written as null.
type nothing struct{}

// MarshalJSON writes null.
func (*nothing) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// schema gathers the types that are spoken of.
type schema struct {
	types []SchemaInfo
	names map[string]string // of types that are there, by what they are
}

// builtins are the types that have names of their own.
var builtins = map[string]string{"string": "str", "int": "int", "number": "number", "boolean": "bool", "object": "any"}

func (s *schema) builtin(kind string) string {
	name := builtins[kind]
	if _, ok := s.names[name]; !ok {
		s.names[name] = name
		value := kind
		if kind == "object" {
			value = "value"
		}
		s.types = append(s.types, SchemaInfo{Name: name, Meta: "builtin", JSON: value})
	}
	return name
}

// named adds a type unless it is there; make fills it in.
func (s *schema) named(key string, fill func(info *SchemaInfo)) string {
	if name, ok := s.names[key]; ok {
		return name
	}
	name := strconv.Itoa(len(s.names))
	s.names[key] = name
	at := len(s.types)
	s.types = append(s.types, SchemaInfo{Name: name})
	info := SchemaInfo{Name: name}
	fill(&info)
	s.types[at] = info
	return name
}

func (s *schema) object(v any) string {
	t := reflect.TypeOf(v)
	return s.named("object "+t.String(), func(info *SchemaInfo) {
		info.Meta, info.Members = "object", []SchemaMember{}
		for _, f := range fieldsOf(t) {
			m := SchemaMember{Name: f.Name}
			if f.Kind == "array" {
				m.Type = s.array(f.Type)
			} else {
				m.Type = s.typeOf(f.Type, f.Enum)
			}
			if f.Optional {
				m.Default = &nothing{}
			}
			info.Members = append(info.Members, m)
		}
	})
}

func (s *schema) array(element reflect.Type) string {
	return s.named("array "+element.String(), func(info *SchemaInfo) {
		info.Meta, info.Element = "array", s.typeOf(element, nil)
	})
}

func (s *schema) typeOf(t reflect.Type, enum []string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch kind := kindOf(t); {
	case kind == "array":
		return s.array(t.Elem())
	case kind == "object" && t.Kind() == reflect.Struct:
		return s.object(reflect.Zero(t).Interface())
	case enum != nil:
		return s.named("enum "+t.String()+" "+enum[0], func(info *SchemaInfo) { info.Meta, info.Values = "enum", enum })
	default:
		return s.builtin(kind)
	}
}
