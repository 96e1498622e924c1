package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// reloaded are the keys of the configuration that a reload puts in force.
var reloaded = map[string]bool{
	"targets": true, "sources": true, "shadow": true, "playback": true, "free": true, "policy": true, "policy_file": true, "classes": true, "log.level": true,
	"recordings": true, "limits.sessions": true, "limits.handshakes": true, "limits.handshake_timeout": true, "limits.dial_timeout": true,
	"limits.greet_timeout": true, "limits.stall": true, "limits.kick_time": true,
	"limits.shutdown_timeout": true, "limits.shutdown_delay": true, "limits.upgrade_timeout": true,
}

// parted are the keys of which a reload puts some parts in force.
var parted = []string{"limits", "log"}

// laterIn names the members that b has otherwise than a, and that a reload leaves
// as they are.
func laterIn(prefix string, a, b reflect.Value) (names []string) {
	for i := range a.NumField() {
		name := yamlName(a.Type().Field(i))
		switch {
		case reloaded[prefix+name]:
		case prefix == "" && slices.Contains(parted, name):
			names = append(names, laterIn(name+".", a.Field(i), b.Field(i))...)
		default:
			names = append(names, slices.DeleteFunc(differences(prefix+name, a.Field(i), b.Field(i)), isReloaded)...)
		}
	}
	return names
}

// isReloaded is for parts of what a reload leaves otherwise.
func isReloaded(path string) bool {
	return path == "agents.display" || strings.HasPrefix(path, "agents.display.")
}

// differences are where a and b differ, which lie at path, as somebody would look
// for it in the file: listeners[1].address.
func differences(path string, a, b reflect.Value) (names []string) {
	switch {
	case reflect.DeepEqual(a.Interface(), b.Interface()):
		return nil
	case a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil():
		return differences(path, a.Elem(), b.Elem())
	case a.Kind() == reflect.Slice && a.Len() == b.Len() && isSection(a.Type().Elem()):
		for i := range a.Len() {
			names = append(names, differences(fmt.Sprintf("%s[%d]", path, i), a.Index(i), b.Index(i))...)
		}
		return names
	case isSection(a.Type()):
		for i := range a.NumField() {
			names = append(names, differences(path+"."+yamlName(a.Type().Field(i)), a.Field(i), b.Field(i))...)
		}
		return names
	}
	return []string{path}
}

// isSection reports whether t is one whose members have names in the file.
func isSection(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return false
	}
	for i := range t.NumField() {
		if f := t.Field(i); !f.IsExported() || yamlName(f) == "" {
			return false
		}
	}
	return true
}

func yamlName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

// maxLater bounds how many places are named: who has rewritten the file knows.
const maxLater = 12

// few is the first of many.
func few(names []string) []string {
	if len(names) <= maxLater {
		return names
	}
	return append(names[:maxLater:maxLater], fmt.Sprintf("%d more", len(names)-maxLater))
}

// withSourcesOf is the listeners of c with the sources that those of old take,
// where a reload exchanges them.
func (c *config) withSourcesOf(old *config) []listenerConfig {
	list := slices.Clone(c.Listeners)
	for i := range list {
		if i < len(old.Listeners) && old.swapsSources(&old.Listeners[i], c, &list[i]) {
			list[i].Sources = old.Listeners[i].Sources
		}
	}
	return list
}

// later names what next says otherwise than c, and what a reload leaves as it is.
func (c *config) later(next *config) (names []string) {
	same := *next
	same.Listeners = next.withSourcesOf(c)
	names = laterIn("", reflect.ValueOf(*c), reflect.ValueOf(same))
	for _, name := range keys(next.Targets) {
		if s, old := next.Targets[name].Start, c.Targets[name].Start; s.startsSame(old) && !reflect.DeepEqual(s, old) {
			names = append(names, "targets."+name+".start")
		}
	}
	return few(names)
}
