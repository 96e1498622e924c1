package control

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Field is one member of a command's arguments or of what it returns, read from
// the tags of a struct's field:
//
//	ID string `json:"id,omitempty" doc:"which session" of:"session" enum:"a,b"`
//
// One with omitempty or omitzero need not be there.
type Field struct {
	Name     string
	Optional bool
	Doc      string
	// Of says what its values name, for completion: session, target, listener,
	// class, user, token.
	Of string
	// Enum are the values there are; nil: any.
	Enum []string
	// Kind is its form in JSON: string, int, number, boolean, object, array.
	// Times and durations are strings.
	Kind string
	// Type is Go's, that of its elements for an array.
	Type reflect.Type
}

// Fields are the members of a struct, those of embedded ones among them; none
// for anything else.
func Fields(v any) []Field {
	t := reflect.TypeOf(v)
	if t == nil {
		return nil
	}
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return fieldsOf(t)
}

func fieldsOf(t reflect.Type) []Field {
	if t.Kind() != reflect.Struct {
		return nil
	}
	var list []Field
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			list = append(list, fieldsOf(f.Type)...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		field := Field{
			Name: name, Optional: strings.Contains(options, "omit"),
			Doc: f.Tag.Get("doc"), Of: f.Tag.Get("of"), Type: f.Type,
		}
		if enum := f.Tag.Get("enum"); enum != "" {
			field.Enum = strings.Split(enum, ",")
		}
		field.Kind = kindOf(f.Type)
		if field.Kind == "array" {
			field.Type = f.Type.Elem()
		}
		list = append(list, field)
	}
	return list
}

var (
	timeType     = reflect.TypeFor[time.Time]()
	durationType = reflect.TypeFor[Duration]()
)

// kindOf is the form that encoding/json gives a type.
func kindOf(t reflect.Type) string {
	if t == timeType || t == durationType {
		return "string"
	}
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Struct, reflect.Map, reflect.Interface:
		return "object"
	case reflect.Pointer:
		return kindOf(t.Elem())
	}
	return "int"
}

// Duration is a time that is written with its unit, as "90s".
type Duration time.Duration

// MarshalText writes it as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads "90s", "1m30s".
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is no duration; write it with its unit, such as 90s or 5m", b)
	}
	*d = Duration(v)
	return nil
}

// decodeArgs makes a value of the type of want, and returns a pointer to it.
// Members that do not exist, are missing, come twice or have the wrong type are
// errors, so that nobody believes that something had an effect that had none.
func decodeArgs(want any, args json.RawMessage) (any, error) {
	into := reflect.New(reflect.TypeOf(want))
	given, err := members(args)
	if err != nil {
		return nil, Wrong("the arguments are not a JSON object: %v", err)
	}
	known := fieldsOf(into.Type().Elem())
	for _, m := range given {
		i := slices.IndexFunc(known, func(f Field) bool { return f.Name == m.name })
		if i < 0 {
			return nil, Wrong("Parameter '%s' is unexpected%s", m.name, thereAre(known))
		}
		if err := known[i].check(m.value); err != nil {
			return nil, err
		}
	}
	for _, f := range known {
		if !f.Optional && !slices.ContainsFunc(given, func(m member) bool { return m.name == f.Name }) {
			return nil, Wrong("Parameter '%s' is missing: %s", f.Name, f.Doc)
		}
	}
	if len(given) == 0 {
		return into.Interface(), nil
	}
	if err := json.Unmarshal(args, into.Interface()); err != nil {
		return nil, explain(err, known)
	}
	return into.Interface(), nil
}

// check looks at what encoding/json would let pass.
func (f Field) check(value json.RawMessage) error {
	var text string
	switch {
	case string(value) == "null":
		return Wrong("Invalid parameter type for '%s', expected: %s", f.Name, f.Kind)
	case f.Enum == nil || f.Kind != "string" || json.Unmarshal(value, &text) != nil || slices.Contains(f.Enum, text):
		return nil
	}
	return Wrong("Parameter '%s' does not accept value '%s'; there are: %s", f.Name, text, strings.Join(f.Enum, ", "))
}

func thereAre(known []Field) string {
	if len(known) == 0 {
		return "; the command has none"
	}
	var names []string
	for _, f := range known {
		names = append(names, f.Name)
	}
	return "; there are: " + strings.Join(names, ", ")
}

// explain is an error of encoding/json in the words of the protocol.
func explain(err error, known []Field) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return Wrong("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	for name := range strings.SplitSeq(wrong.Field, ".") { // embedded structs are part of the path
		if i := slices.IndexFunc(known, func(f Field) bool { return f.Name == name }); i >= 0 {
			return Wrong("Invalid parameter type for '%s', expected: %s", name, known[i].Kind)
		}
	}
	return Wrong("Invalid parameter type, expected: %s", wrong.Type)
}

// member is one of a JSON object, as it was written.
type member struct {
	name  string
	value json.RawMessage
}

var errNoObject = errors.New("it is something else")

// members takes a JSON object apart, in order. Nothing at all is an empty one.
func members(object json.RawMessage) ([]member, error) {
	if len(object) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(object))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.Join(errNoObject, err)
	}
	var list []member
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: t.(string)}
		if err := d.Decode(&m.value); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(other member) bool { return other.name == m.name }) {
			return nil, fmt.Errorf("%q is there twice", m.name)
		}
		list = append(list, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errNoObject
	}
	return list, nil
}
