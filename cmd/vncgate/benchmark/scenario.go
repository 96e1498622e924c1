package main

import (
	"fmt"
	"slices"
)

// scenario is one row of the table.
type scenario struct {
	Name     string `json:"scenario"`
	Via      string `json:"via"`
	Sessions int    `json:"sessions"`
}

// Scenarios by their names.
const (
	sceneDown    = "down"    // floods
	sceneUp      = "up"      // clipboard texts
	scenePing    = "ping"    // pointer to update
	sceneFair    = "fair"    // the same beside a flood
	sceneCrowd   = "crowd"   // pointer to update beside a thousand slow TLS handshakes
	sceneClass   = "classes" // pointer to update of a session that rests, beside a class whose loops are busy
	sceneChurn   = "churn"   // whole sessions
	sceneResumed = "resumed" // the same with resumed TLS sessions
	sceneIdle    = "idle"    // memory
	sceneStall   = "stall"   // a viewer that does not read
)

func scenarioNames() []string {
	return []string{sceneDown, sceneUp, scenePing, sceneFair, sceneCrowd, sceneClass, sceneChurn, sceneResumed, sceneIdle, sceneStall}
}

func (s scenario) String() string { return fmt.Sprintf("%s %s %d", s.Name, s.Via, s.Sessions) }

// secure reports whether a way in has TLS.
func secure(via string) bool { return via == viaTLS || via == viaX509 || via == viaWSS }

// plan is what is to be measured, in order.
func (o *options) plan() ([]scenario, error) {
	names, vias := o.scenarios, o.vias
	if len(names) == 0 {
		names = scenarioNames()
	}
	if len(vias) == 0 {
		vias = []string{viaWS, viaWSS, viaTCP, viaTLS, viaX509}
	}
	var list []scenario
	for _, name := range names {
		if !slices.Contains(scenarioNames(), name) {
			return nil, fmt.Errorf("no scenario %q; there are %v", name, scenarioNames())
		}
		for _, via := range vias {
			if (name == sceneResumed || name == sceneCrowd) && !secure(via) || name == sceneCrowd && via == viaX509 {
				continue
			}
			for _, n := range o.counts(name) {
				list = append(list, scenario{name, via, n})
			}
		}
	}
	return list, nil
}

// counts are the numbers of sessions that a scenario is run with.
func (o *options) counts(name string) []int {
	switch name {
	case sceneDown:
		return o.sessions
	case sceneIdle:
		return o.idle
	case sceneFair, sceneStall:
		return []int{2}
	case sceneChurn, sceneResumed:
		return []int{churners}
	case sceneCrowd:
		return []int{crowdSize}
	case sceneClass:
		return []int{restlessCrowd}
	}
	return []int{1}
}

// heavy is how many sessions are asked at most of a subject that has a process
// for each.
const heavy = 500

// fits reports whether a subject takes part in a scenario.
func (c *contestant) fits(s scenario) bool {
	switch {
	case !slices.Contains(c.vias, s.Via):
		return false
	case s.Name == sceneClass:
		return c.classes
	case c.name == direct:
		return s.Name != sceneIdle && s.Name != sceneStall // there is no process to look at
	case c.name == "websockify" && s.Name == sceneIdle:
		return s.Sessions <= heavy
	}
	return true
}

// sceneRuns says how each scenario is measured.
var sceneRuns = map[string]func(*stage) (outcome, error){
	sceneDown:    func(st *stage) (outcome, error) { return st.load(job{Kind: jobDown}) },
	sceneUp:      func(st *stage) (outcome, error) { return st.load(job{Kind: jobUp}) },
	scenePing:    func(st *stage) (outcome, error) { return st.load(job{Kind: jobPing}) },
	sceneChurn:   func(st *stage) (outcome, error) { return st.load(job{Kind: jobChurn}) },
	sceneResumed: func(st *stage) (outcome, error) { return st.load(job{Kind: jobChurn, Resume: true}) },
	sceneFair:    func(st *stage) (outcome, error) { return st.beside(job{Kind: jobDown, Sessions: 1}, inMBs) },
	sceneCrowd:   func(st *stage) (outcome, error) { return st.beside(job{Kind: jobCrowd}, inSessions) },
	sceneClass:   (*stage).classes,
	sceneIdle:    (*stage).idle,
	sceneStall:   (*stage).stall,
}
