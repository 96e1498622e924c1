package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
)

// config is the file that serve reads; deploy/vncgate.yaml shows every key.
type config struct {
	Listeners []listenerConfig        `yaml:"listeners"`
	Targets   map[string]targetConfig `yaml:"targets"`
	Users     *usersConfig            `yaml:"users,omitempty"`
	Policy    []ruleConfig            `yaml:"policy,omitempty"`
	Limits    limitsConfig            `yaml:"limits,omitempty"`
	Log       logConfig               `yaml:"log,omitempty"`
}

// listenerConfig is one address that viewers come to.
type listenerConfig struct {
	Address  string           `yaml:"address"`
	Mode     fileMode         `yaml:"mode,omitempty"` // of a unix socket
	TLS      *serverTLSConfig `yaml:"tls,omitempty"`
	Proxy    *proxyConfig     `yaml:"proxy,omitempty"`
	Web      *webConfig       `yaml:"web,omitempty"` // browsers; without it: native viewers
	Security []string         `yaml:"security,omitempty"`
	Password *secret          `yaml:"password,omitempty"` // of vnc and x509-vnc
	Target   string           `yaml:"target,omitempty"`
}

// serverTLSConfig is our certificate towards viewers.
type serverTLSConfig struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	ClientCA    string `yaml:"client_ca,omitempty"` // demand client certificates of this CA
	Implicit    bool   `yaml:"implicit,omitempty"`  // native viewers: TLS from the first byte
}

type proxyConfig struct {
	Trusted []string `yaml:"trusted"` // addresses (CIDR) that must send a PROXY header
}

type webConfig struct {
	Path      string         `yaml:"path,omitempty"`
	Origins   []string       `yaml:"origins,omitempty"`
	Defaults  map[string]any `yaml:"defaults,omitempty"`
	Mandatory map[string]any `yaml:"mandatory,omitempty"`
}

// targetConfig is one display and how to reach it.
type targetConfig struct {
	Address  string           `yaml:"address,omitempty"`
	Command  []string         `yaml:"command,omitempty"` // instead of an address: spawned for each session
	URL      string           `yaml:"websocket,omitempty"`
	TLS      *clientTLSConfig `yaml:"tls,omitempty"`
	Security []string         `yaml:"security,omitempty"`
	User     string           `yaml:"user,omitempty"`
	Password *secret          `yaml:"password,omitempty"`
}

// clientTLSConfig is how a display's certificate is checked, and ours to it.
type clientTLSConfig struct {
	CA          string `yaml:"ca,omitempty"`
	Name        string `yaml:"name,omitempty"`
	Insecure    bool   `yaml:"insecure,omitempty"`
	Certificate string `yaml:"certificate,omitempty"`
	Key         string `yaml:"key,omitempty"`
	Implicit    bool   `yaml:"implicit,omitempty"`
}

type usersConfig struct {
	File string `yaml:"file"`
}

type ruleConfig struct {
	Who     string   `yaml:"who"`
	Targets string   `yaml:"targets"`
	Allow   []string `yaml:"allow"`
}

type limitsConfig struct {
	Sessions         int           `yaml:"sessions,omitempty"`
	Handshakes       int           `yaml:"handshakes,omitempty"`
	HandshakeTimeout time.Duration `yaml:"handshake_timeout,omitempty"`
	DialTimeout      time.Duration `yaml:"dial_timeout,omitempty"`
	Stall            time.Duration `yaml:"stall,omitempty"`
	ShutdownTimeout  time.Duration `yaml:"shutdown_timeout,omitempty"`
}

type logConfig struct {
	Level  string `yaml:"level,omitempty"`
	Format string `yaml:"format,omitempty"`
}

// loadConfig reads and checks a file whole; errors name the place.
func loadConfig(path string) (*config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, usagef("configuration: %w", err)
	}
	cfg, err := parseConfig(b)
	if err != nil {
		return nil, usagef("%s: %w", path, err)
	}
	return cfg, nil
}

func parseConfig(b []byte) (*config, error) {
	cfg := &config{}
	if err := yaml.UnmarshalWithOptions(b, cfg, yaml.Strict()); err != nil {
		return nil, explainYAML(err)
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return cfg, nil
}

// validate finds what is wrong with the meaning; the form was checked before.
func (c *config) validate() error {
	if len(c.Listeners) == 0 {
		return errors.New("listeners: there is none, so nobody could come in; add one with an address")
	}
	if len(c.Targets) == 0 {
		return errors.New("targets: there is none, so there is nothing to see; add one with an address")
	}
	for name, t := range c.Targets {
		if err := t.validate(); err != nil {
			return fmt.Errorf("targets.%s: %w", name, err)
		}
	}
	for i := range c.Listeners {
		if err := c.Listeners[i].validate(c); err != nil {
			return fmt.Errorf("listeners[%d] (%s): %w", i, c.Listeners[i].Address, err)
		}
	}
	if c.Users != nil && c.Users.File == "" {
		return errors.New("users: file is missing")
	}
	if _, err := c.policy(); err != nil {
		return err
	}
	if _, err := c.Log.handler(os.Stderr); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

func (l *listenerConfig) validate(c *config) error {
	if _, _, err := layers.ParseAddress(l.Address); err != nil {
		return err
	}
	if l.Target == "" && len(c.Targets) == 1 {
		for name := range c.Targets {
			l.Target = name
		}
	}
	if _, ok := c.Targets[l.Target]; !ok && (l.Target != "" || l.Web == nil) {
		return fmt.Errorf("target: %w", notOneOf("target", l.Target, keys(c.Targets)))
	}
	if l.TLS != nil && (l.TLS.Certificate == "" || l.TLS.Key == "") {
		return errors.New("tls: both certificate and key are needed; 'vncgate cert make' makes them")
	}
	if l.Web != nil && l.Proxy != nil {
		return errors.New("proxy: PROXY headers are for native viewers; a reverse proxy in front of web speaks HTTP")
	}
	if l.Web != nil && !webPath.MatchString(l.Web.Path) {
		return fmt.Errorf("web: path: %q is not the path of an endpoint, such as /websockify", l.Web.Path)
	}
	return l.validateSecurity(c)
}

// webPath is what may be the WebSocket's path: no file of the page, no pattern.
var webPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-]+)*$`)

func (t *targetConfig) validate() error {
	ways := 0
	for _, set := range []bool{t.Address != "", len(t.Command) > 0, t.URL != ""} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("exactly one of address, command and websocket says how to reach it")
	}
	if t.Address != "" {
		if _, _, err := layers.ParseAddress(t.Address); err != nil {
			return err
		}
	}
	for _, name := range t.Security {
		if !slices.Contains(displaySecurity, name) {
			return fmt.Errorf("security: %w", notOneOf("security type", name, displaySecurity))
		}
	}
	return nil
}

// secretsReadable names the first secret that cannot be had.
func (c *config) secretsReadable(ctx context.Context) error {
	for i := range c.Listeners {
		if err := c.Listeners[i].Password.readable(ctx); err != nil {
			return fmt.Errorf("listener %s: password: %w", c.Listeners[i].Address, err)
		}
	}
	for _, name := range keys(c.Targets) {
		if err := c.Targets[name].Password.readable(ctx); err != nil {
			return fmt.Errorf("targets.%s: password: %w", name, err)
		}
	}
	return nil
}

// policy compiles the rules; nil when there are none.
func (c *config) policy() (*auth.Policy, error) {
	if c.Policy == nil {
		return nil, nil
	}
	if len(c.Policy) == 0 {
		return nil, errors.New("policy: there is no rule in it, so nobody could do anything; leave it out to allow everything")
	}
	p := &auth.Policy{}
	for i, r := range c.Policy {
		rights, err := auth.ParseRights(r.Allow)
		if err != nil {
			return nil, fmt.Errorf("policy[%d]: allow: %w", i, err)
		}
		p.Rules = append(p.Rules, auth.Rule{Who: r.Who, Targets: r.Targets, Allow: rights})
	}
	return p, p.Validate()
}

func (l limitsConfig) limits() gateway.Limits {
	return gateway.Limits{
		Sessions: l.Sessions, Handshakes: l.Handshakes,
		HandshakeTimeout: l.HandshakeTimeout, DialTimeout: l.DialTimeout, Stall: l.Stall,
	}
}

// shutdownTimeout is how long sessions may go on after a signal to end.
func (l limitsConfig) shutdownTimeout() time.Duration {
	if l.ShutdownTimeout <= 0 {
		return 5 * time.Second
	}
	return l.ShutdownTimeout
}
