package main

import (
	"fmt"
	"reflect"
	"slices"

	"vncgate/gateway"
)

// inForce is what a reload of the configuration exchanges whole while viewers
// come and go: each look at it takes one that fits together. Sessions keep the
// target that they have.
type inForce struct {
	cfg     *config // of it what the map reloaded has
	targets map[string]*gateway.Target
	bound   []boundTarget
	rules   *policyRules
	sources map[string]*source

	recordings *recordings // nil: no session is recorded

	agentDisplays *agentDisplays // nil: no agents can come in

	free *reach // nil: no display is named by its address
}

// now is what is in force. Where nothing was wired from a file, as in the demo,
// it is what the configuration says.
func (w *wiring) now() *inForce {
	if now := w.live.Load(); now != nil {
		return now
	}
	return &inForce{cfg: w.cfg}
}

// openTargets wires those of next. Those that are the same in before are kept, so
// that what is started or waits for them stays.
func (w *wiring) openTargets(next, before *inForce) (err error) {
	if next.bound, err = boundTargets(next.cfg); err != nil {
		return fmt.Errorf("arrives: %w", err)
	}
	if next.agentDisplays = before.agentDisplays; next.agentDisplays == nil || !reflect.DeepEqual(next.cfg.agentDisplay(), before.cfg.agentDisplay()) {
		if next.agentDisplays, err = w.openAgentDisplays(next.cfg); err != nil {
			return err
		}
	}
	next.targets = map[string]*gateway.Target{}
	for name, t := range next.cfg.Targets {
		if next.same(before, name) {
			next.targets[name] = before.targets[name]
			continue
		}
		target, err := w.target(name, t)
		if err != nil {
			return fmt.Errorf("targets.%s: %w", name, err)
		}
		if running := before.launcherOf(name, t.Start); running != nil {
			target.Launcher = running
		}
		next.targets[name] = target
	}
	for name, t := range next.cfg.Targets {
		if next.same(before, name) {
			continue
		}
		for _, fallback := range t.Fallbacks {
			next.targets[name].Fallbacks = append(next.targets[name].Fallbacks, next.targets[fallback])
		}
	}
	return nil
}

// same reports whether nothing has changed about a target and its fallbacks,
// which have none of their own.
func (f *inForce) same(before *inForce, name string) bool {
	return f.unchanged(before, name) && !slices.ContainsFunc(f.cfg.Targets[name].Fallbacks, func(fallback string) bool {
		return !f.unchanged(before, fallback)
	})
}

func (f *inForce) unchanged(before *inForce, name string) bool {
	old, ok := before.cfg.Targets[name]
	return ok && reflect.DeepEqual(old, f.cfg.Targets[name])
}

// launcherOf is the launcher that a target has already for what s starts: two of
// them for one display would stop it under each other's sessions. Its idle time
// is the old one.
func (f *inForce) launcherOf(name string, s *startConfig) *gateway.Launcher {
	old := f.cfg.Targets[name].Start
	if !s.startsSame(old) {
		return nil
	}
	return f.targets[name].Launcher
}

// startsSame reports whether both bring up the same display.
func (s *startConfig) startsSame(as *startConfig) bool {
	return s != nil && as != nil && s.Unit == as.Unit && slices.Equal(s.Command, as.Command)
}

// openRules compiles those of next, unless they are the same as before.
func (w *wiring) openRules(next, before *inForce) (err error) {
	classes := next.cfg.PolicyFile != "" && !reflect.DeepEqual(next.cfg.Classes, before.cfg.Classes) // that the file may name
	if !next.newRules(before) && !classes {
		next.rules = before.rules
		return nil
	}
	next.rules, err = w.openPolicy(next.cfg)
	return err
}

func (f *inForce) newRules(before *inForce) bool {
	return f.cfg.PolicyFile != before.cfg.PolicyFile || !reflect.DeepEqual(f.cfg.Policy, before.cfg.Policy)
}

// changes says what is new in f, for the log.
func (f *inForce) changes(before *inForce) []any {
	var added, removed, changed []string
	for _, name := range keys(f.cfg.Targets) {
		switch _, known := before.cfg.Targets[name]; {
		case !known:
			added = append(added, name)
		case !f.same(before, name):
			changed = append(changed, name)
		}
	}
	for _, name := range keys(before.cfg.Targets) {
		if _, kept := f.cfg.Targets[name]; !kept {
			removed = append(removed, name)
		}
	}
	var list []any
	for _, one := range []struct {
		what  string
		names []string
	}{{"targets_added", added}, {"targets_changed", changed}, {"targets_removed", removed}} {
		if len(one.names) > 0 {
			list = append(list, one.what, one.names)
		}
	}
	if f.newRules(before) {
		list = append(list, "policy", "changed")
	}
	return append(list, f.otherChanges(before)...)
}

// otherChanges are those of what has no names, or few.
func (f *inForce) otherChanges(before *inForce) (list []any) {
	a, b := before.cfg, f.cfg
	for _, one := range []struct {
		what string
		same bool
	}{
		{"sources", reflect.DeepEqual(a.Sources, b.Sources)}, {"free", reflect.DeepEqual(a.Free, b.Free)},
		{"recordings", reflect.DeepEqual(a.Recordings, b.Recordings)}, {"classes", reflect.DeepEqual(a.Classes, b.Classes)}, {"limits", reflect.DeepEqual(a.Limits, b.Limits)},
		{"shadow", reflect.DeepEqual(a.Shadow, b.Shadow)}, {"playback", reflect.DeepEqual(a.Playback, b.Playback)},
		{"agents_display", reflect.DeepEqual(a.agentDisplay(), b.agentDisplay())}, {"log_level", a.Log.Level == b.Log.Level},
	} {
		if !one.same {
			list = append(list, one.what, "changed")
		}
	}
	return list
}
