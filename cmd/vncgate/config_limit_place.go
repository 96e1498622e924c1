package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"

	"vncgate/auth"
)

// checkViewerLimits says where a limit of viewers stands that cannot be: the type
// reads its texts itself, and so knows no lines. The limits at the top are the
// gateway's.
func checkViewerLimits(body ast.Node) error {
	top, ok := body.(*ast.MappingNode)
	if !ok {
		return nil
	}
	for _, part := range top.Values {
		if name := part.Key.String(); name != "listeners" && name != "policy" {
			continue
		}
		v := &wrongLimit{}
		ast.Walk(v, part.Value)
		if v.err != nil {
			return v.err
		}
	}
	return nil
}

// wrongLimit finds the first one.
type wrongLimit struct{ err error }

// Visit implements ast.Visitor.
func (w *wrongLimit) Visit(n ast.Node) ast.Visitor {
	if w.err != nil {
		return nil
	}
	if m, ok := n.(*ast.MappingValueNode); ok && m.Key.String() == "limits" {
		w.look(m.Value)
		return nil
	}
	return w
}

func (w *wrongLimit) look(limits ast.Node) {
	var list []*ast.MappingValueNode
	switch m := limits.(type) {
	case *ast.MappingNode:
		list = m.Values
	case *ast.MappingValueNode:
		list = append(list, m)
	}
	for _, one := range list {
		if text := wrongIn(one); text != "" && w.err == nil {
			at := one.Key.GetToken().Position
			w.err = fmt.Errorf("[%d:%d] limits: %w", at.Line, at.Column, errors.New(text))
		}
	}
}

// wrongIn is what is wrong with one limit, with a guess at a name that there is
// not.
func wrongIn(one *ast.MappingValueNode) string {
	var value any
	if err := yaml.NodeToValue(one.Value, &value); err != nil {
		return "" // an alias, say: decoding has the last word
	}
	name := one.Key.String()
	var l auth.Limits
	err := l.UnmarshalYAML(func(into any) error {
		*into.(*map[string]any) = map[string]any{name: value}
		return nil
	})
	if err == nil {
		return ""
	}
	text := strings.TrimPrefix(err.Error(), "auth: ")
	if near := nearest(name, auth.LimitNames()); strings.HasPrefix(text, "unknown limit") && near != "" {
		text += fmt.Sprintf("\ndid you mean %q?", near)
	}
	return text
}
