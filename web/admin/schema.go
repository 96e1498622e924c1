package admin

import (
	"encoding"
	"encoding/json"
	"reflect"
	"time"

	"vncgate/gateway/control"
)

// JSON schemas (2020-12) of Go types, by the tags that control.Fields reads.

var (
	timeType      = reflect.TypeFor[time.Time]()
	durationType  = reflect.TypeFor[control.Duration]()
	textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()
	jsonMarshaler = reflect.TypeFor[json.Marshaler]()
)

func typeOf(v any) reflect.Type {
	if t := reflect.TypeOf(v); t != nil {
		return t
	}
	return reflect.TypeFor[struct{}]()
}

// ref is the schema of a struct by its name.
func (d *description) ref(v any) object { return d.schemaOf(reflect.TypeOf(v)) }

// field is the schema of one member.
func (d *description) field(f control.Field) object {
	schema := d.schemaOf(f.Type)
	if f.Enum != nil {
		schema["enum"] = f.Enum
	}
	if f.Kind == "array" { // of which Type is an element's
		schema = object{"type": "array", "items": schema}
	}
	if f.Doc != "" {
		schema["description"] = f.Doc
	}
	return schema
}

// schemaOf is always one of its own, for others to add to. Structs that have a
// name are described once.
func (d *description) schemaOf(t reflect.Type) object {
	switch {
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == durationType:
		return object{"type": "string", "examples": []string{"90s", "1h30m"}}
	case t.Implements(jsonMarshaler):
		return object{}
	case t.Implements(textMarshaler):
		return object{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return d.schemaOf(t.Elem())
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return object{"type": "number"}
	case reflect.Slice, reflect.Array:
		return object{"type": "array", "items": d.schemaOf(t.Elem())}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": d.schemaOf(t.Elem())}
	case reflect.Struct:
		return d.structure(t)
	case reflect.Interface:
		return object{}
	}
	return object{"type": "integer"}
}

func (d *description) structure(t reflect.Type) object {
	if t.Name() == "" {
		return d.members(t)
	}
	if d.schemas[t.Name()] == nil {
		d.schemas[t.Name()] = object{} // for those that hold themselves
		d.schemas[t.Name()] = d.members(t)
	}
	return object{"$ref": "#/components/schemas/" + t.Name()}
}

func (d *description) members(t reflect.Type) object {
	properties, required := object{}, []string{}
	for _, f := range control.Fields(reflect.Zero(t).Interface()) {
		properties[f.Name] = d.field(f)
		if !f.Optional {
			required = append(required, f.Name)
		}
	}
	schema := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		schema["required"] = required
	}
	return schema
}
