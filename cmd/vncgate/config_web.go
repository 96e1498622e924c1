package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"vncgate/web"
)

// webConfig is what browsers meet at a listener.
type webConfig struct {
	Path           string         `yaml:"path,omitempty"`
	TargetsPath    string         `yaml:"targets_path,omitempty"` // /vnc: the display desk is at /vnc/desk
	Hosts          []string       `yaml:"hosts,omitempty"`        // host names, with {target} in them
	Origins        []string       `yaml:"origins,omitempty"`
	TrustedProxies []string       `yaml:"trusted_proxies,omitempty"` // whose Forwarded and X-Forwarded-… are believed
	Agents         string         `yaml:"agents,omitempty"`          // path at which agents connect, by WebSocket
	Security       []string       `yaml:"security,omitempty"`        // of browsers, where native viewers come in, too
	Ping           pingPeriod     `yaml:"ping,omitempty"`
	Defaults       map[string]any `yaml:"defaults,omitempty"`
	Mandatory      map[string]any `yaml:"mandatory,omitempty"`
}

// pingPeriod is how often a browser is asked whether it is still there: 0 is
// the gateway's default, below 0 never.
type pingPeriod time.Duration

// UnmarshalYAML reads a duration or "off".
func (p *pingPeriod) UnmarshalYAML(b []byte) error {
	text := strings.Trim(strings.TrimSpace(string(b)), `"'`)
	if text == "off" {
		*p = -1
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < time.Second {
		return fmt.Errorf("%q is not how often to ping; write off, or a second or more, such as 25s", text)
	}
	*p = pingPeriod(d)
	return nil
}

// MarshalYAML writes the period as it is read.
func (p pingPeriod) MarshalYAML() ([]byte, error) {
	if p < 0 {
		return []byte("off"), nil
	}
	return []byte(time.Duration(p).String()), nil
}

// targetMark stands for the name of a display in a pattern.
const targetMark = "{target}"

// hostPattern is a host name with at most a mark in it.
var hostPattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// validHostPattern takes a host name in which one label, or a part of one, is
// the name of the display.
func validHostPattern(pattern string) error {
	if strings.Count(pattern, targetMark) != 1 || !hostPattern.MatchString(strings.Replace(pattern, targetMark, "x", 1)) {
		return fmt.Errorf("%q is none; write it as {target}.vnc.example, where {target} stands for the display's name", pattern)
	}
	return nil
}

func (l *listenerConfig) validateRoute(c *config) error {
	switch {
	case l.Route == nil:
		return nil
	case !l.takes(natives):
		return errors.New("is for native viewers; a browser names the display by its URL, see web")
	case len(l.Route.SNI) == 0 && !l.Route.User && !l.Route.Repeater:
		return errors.New("names no way; there are: sni, user, repeater")
	case len(l.Route.SNI) > 0 && l.TLS == nil:
		return errors.New("sni: the server name comes with TLS; set tls")
	}
	for _, pattern := range l.Route.SNI {
		if err := validHostPattern(pattern); err != nil {
			return fmt.Errorf("sni: %w", err)
		}
	}
	return nil
}

// webPath is what may be the WebSocket's path: no file of the page, no pattern.
var webPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-]+)*$`)

func (w *webConfig) validate(l *listenerConfig) error {
	if !webPath.MatchString(w.Path) {
		return fmt.Errorf("path: %q is not the path of an endpoint, such as /websockify", w.Path)
	}
	if l.TLS != nil && l.TLS.Implicit && !l.mixed() {
		return errors.New("tls of this listener begins with the first byte anyway; leave implicit out")
	}
	for _, origin := range w.Origins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/") != "") {
			return fmt.Errorf("origins: %q is none; write it as browsers do, https://portal.example", origin)
		}
	}
	if _, err := parsePrefixes(w.TrustedProxies); err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	if w.TargetsPath != "" && (w.TargetsPath == "/" || !webPath.MatchString(w.TargetsPath)) {
		return fmt.Errorf("targets_path: %q is not the beginning of a path, such as /vnc", w.TargetsPath)
	}
	if err := w.validateAgents(); err != nil {
		return err
	}
	for _, pattern := range w.Hosts {
		err := validHostPattern(pattern)
		if err == nil {
			err = web.CheckHost(pattern)
		}
		if err != nil {
			return fmt.Errorf("hosts: %w", err)
		}
	}
	for name, settings := range map[string]map[string]any{"defaults": w.Defaults, "mandatory": w.Mandatory} {
		if _, err := json.Marshal(settings); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
