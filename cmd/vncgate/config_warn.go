package main

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"

	"vncgate/layers"
)

// warnings are about what is allowed to be written and will not do what it
// seems to.
func (c *config) warnings() []string {
	var list []string
	everything := -1 // the rule behind which none is reached
	for i := range c.Policy {
		r := &c.Policy[i]
		text := ""
		switch {
		case everything >= 0:
			text = fmt.Sprintf("is never reached, since policy[%d] is for everybody on every target", everything)
		case slices.ContainsFunc(r.Who, isGroup) && c.Users == nil && c.Tokens == nil && len(c.Sources) == 0:
			text = "there are no users, tokens or sources, so nobody is of a group"
		default:
			text = c.missesAll(r.Targets)
		}
		if text != "" {
			list = append(list, fmt.Sprintf("policy[%d]: %s", i, text))
		}
		if r.forAll() && everything < 0 {
			everything = i
		}
	}
	for i := range c.Sources {
		s := &c.Sources[i]
		if s.Redis != nil && s.Redis.Namespace == "" {
			list = append(list, fmt.Sprintf("sources[%d] %s: redis: without a namespace each key of that database is taken for one of this source; set namespace unless it holds nothing else", i, s.Name))
		}
		for _, place := range []string{s.File, s.NamedFiles, s.Sockets} {
			if place == "" {
				continue
			}
			if _, err := os.Stat(place); err != nil {
				list = append(list, fmt.Sprintf("sources[%d] %s: %v; it knows nothing until that is there", i, s.Name, err))
			}
		}
	}
	for i := range c.Listeners {
		l := &c.Listeners[i]
		if err := (layers.ListenConfig{Owner: l.Owner, Group: l.Group}).Check(); err != nil {
			list = append(list, fmt.Sprintf("listeners[%d] %s: %v; it cannot be listened on until this system knows it", i, l.Address, err))
		}
	}
	list = append(list, c.agentWarnings()...)
	return append(list, c.missingPrograms()...)
}

// missingPrograms are those that targets would start and this system has not.
func (c *config) missingPrograms() []string {
	var list []string
	look := func(place string, command []string) {
		if len(command) == 0 {
			return
		}
		if _, err := exec.LookPath(command[0]); err != nil {
			list = append(list, fmt.Sprintf("%s: %v", place, err))
		}
	}
	for _, name := range keys(c.Targets) {
		t := c.Targets[name]
		look("targets."+name+": command", t.Command)
		if t.Start != nil {
			look("targets."+name+": start: command", t.Start.Command)
			look("targets."+name+": start: stop_command", t.Start.StopCommand)
		}
	}
	return list
}

func isGroup(who string) bool { return strings.HasPrefix(who, "group:") }

// forAll reports whether no rule behind this one is ever asked.
func (r *ruleConfig) forAll() bool {
	return slices.Contains(r.Who, "*") && slices.Contains(r.Targets, "*") &&
		len(r.Methods) == 0 && len(r.From) == 0 && r.When == nil && r.If == ""
}

// missesAll says of the first pattern for no target that it is one.
func (c *config) missesAll(patterns []string) string {
	for _, pattern := range patterns {
		if text := c.missesTargets(pattern); text != "" {
			return text
		}
	}
	return ""
}

// missesTargets says that a pattern is for no target. What sources and viewers
// name cannot be known.
func (c *config) missesTargets(pattern string) string {
	fits := func(name string) bool { ok, err := path.Match(pattern, name); return ok || err != nil }
	ofSource := func(s sourceConfig) bool { return s.use() == asTargets || strings.HasPrefix(pattern, s.Name+"/") }
	switch {
	case pattern == "*" || slices.ContainsFunc(keys(c.Targets), fits) || slices.ContainsFunc(c.Sources, ofSource):
		return ""
	case c.Free != nil && strings.HasPrefix(pattern, freePolicy):
		return ""
	case c.Agents != nil && strings.HasPrefix(pattern, agentPrefix):
		return ""
	case c.Playback != nil && strings.HasPrefix(pattern, recordingPrefix), c.Shadow != nil && strings.HasPrefix(pattern, shadowPrefix):
		return ""
	case strings.ContainsAny(pattern, `*?[\`):
		return fmt.Sprintf("no target fits %q", pattern)
	}
	return fmt.Sprintf("there is no target %q%s", pattern, didYouMean(pattern, keys(c.Targets)))
}

func didYouMean(name string, known []string) string {
	if near := nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// validateAddresses refuses two listeners at one address. Where the port is to
// be chosen by the system, they get two.
func (c *config) validateAddresses() error {
	for i, l := range c.Listeners {
		same := func(o listenerConfig) bool { return o.Address == l.Address && o.Network == l.Network }
		first := slices.IndexFunc(c.Listeners, same)
		if first < i && !strings.HasSuffix(l.Address, ":0") {
			return fmt.Errorf("listeners[%d] %s: address: listeners[%d] has it already", i, l.Address, first)
		}
	}
	return nil
}
