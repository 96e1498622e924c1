package web

import (
	"fmt"
	"net"
	"strings"
)

// placeholder stands for the display's name in a host pattern.
const placeholder = "{target}"

// CheckHost says what is wrong with a pattern of Config.Hosts.
func CheckHost(pattern string) error {
	before, after, found := strings.Cut(pattern, placeholder)
	switch {
	case !found || strings.Contains(after, placeholder):
		return fmt.Errorf("web: host pattern %q: %s must be in it once", pattern, placeholder)
	case before+after == "" || strings.ContainsAny(before+after, "{}/:*? "):
		return fmt.Errorf("web: host pattern %q: not a host name around %s, such as {target}.vnc.example", pattern, placeholder)
	}
	return nil
}

// hosts are the patterns of host names that name displays.
type hosts []hostPattern

type hostPattern struct{ before, after string }

// newHosts leaves out what CheckHost would refuse.
func newHosts(patterns []string) hosts {
	var list hosts
	for _, p := range patterns {
		if CheckHost(p) != nil {
			continue
		}
		before, after, _ := strings.Cut(strings.ToLower(p), placeholder)
		list = append(list, hostPattern{before, after})
	}
	return list
}

// TargetOfHost is what stands for {target} in the first of the patterns that host
// fits; "" for none. Patterns that CheckHost refuses fit nothing.
func TargetOfHost(patterns []string, host string) string {
	name, _ := newHosts(patterns).target(host)
	return name
}

// target finds the display that a Host header names, in lower case as browsers
// send it. It is one label or part of one: a certificate for *.vnc.example
// covers no more either.
func (h hosts) target(host string) (string, bool) {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, p := range h {
		middle, ok := strings.CutPrefix(host, p.before)
		if !ok {
			continue
		}
		middle, ok = strings.CutSuffix(middle, p.after)
		if ok && middle != "" && !strings.Contains(middle, ".") {
			return middle, true
		}
	}
	return "", false
}
