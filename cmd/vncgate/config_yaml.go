package main

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// checkShape refuses what strict decoding lets pass: a second document, which
// would be ignored, and a key with nothing behind it. The latter is how a block
// looks whose lines were commented out, and "policy:" read as "no policy" would
// open the door.
func checkShape(b []byte) error {
	file, err := parser.ParseBytes(b, 0)
	if err != nil {
		return explainYAML(err)
	}
	if len(file.Docs) > 1 {
		return errors.New("the file has a second document (a line of ---), which would be ignored; put everything into one")
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		v := &emptyKeys{}
		ast.Walk(v, doc.Body)
		if v.found != nil {
			at := v.found.Key.GetToken()
			return fmt.Errorf("[%d:%d] %s: has no value; give it one or leave the key out", at.Position.Line, at.Position.Column, at.Value)
		}
		if err := checkViewerLimits(doc.Body); err != nil {
			return err
		}
	}
	return nil
}

// emptyKeys finds the first key without a value.
type emptyKeys struct{ found *ast.MappingValueNode }

// Visit implements ast.Visitor.
func (e *emptyKeys) Visit(n ast.Node) ast.Visitor {
	if e.found != nil {
		return nil
	}
	if m, ok := n.(*ast.MappingValueNode); ok {
		if _, empty := m.Value.(*ast.NullNode); empty {
			e.found = m
			return nil
		}
	}
	return e
}

// goTypes is how the decoder names what it wanted; people write YAML, not Go.
var goTypes = regexp.MustCompile(`cannot unmarshal (map\[string\]interface \{\}|\S+) into Go struct field \S+ of type (\S+)`)

// explainYAML makes a decoder's error one for the terminal: with line and
// column, with a guess at what a key that does not exist was meant to be, and
// without the lines around it, which may hold a password.
func explainYAML(err error) error {
	text := yaml.FormatError(err, false, false)
	text = goTypes.ReplaceAllStringFunc(text, func(m string) string {
		parts := goTypes.FindStringSubmatch(m)
		if parts[2] == "time.Duration" {
			return "a duration is written with its unit, such as 60s"
		}
		if strings.HasPrefix(parts[1], "map[") && parts[2] == "string" {
			return "a text with a colon is taken for a key and its value inside [ ] and { }; put quotes around it, as in \"10.0.0.0/8:5900\""
		}
		return fmt.Sprintf("a %s cannot stand here (wanted: %s)", parts[1], parts[2])
	})
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) && unknown.Token != nil {
		switch near := nearest(unknown.Token.Value, configKeys()); near {
		case "":
		case unknown.Token.Value:
			text += fmt.Sprintf("\n%q is a key of another place; deploy/vncgate.yaml shows where", near)
		default:
			text += fmt.Sprintf("\ndid you mean %q?", near)
		}
	}
	return errors.New(text)
}
