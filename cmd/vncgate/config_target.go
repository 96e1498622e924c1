package main

import (
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"vncgate/layers"
	"vncgate/rfb"
)

// targetConfig is one display and how to reach it.
type targetConfig struct {
	Address     string                 `yaml:"address,omitempty"`
	Command     []string               `yaml:"command,omitempty"` // instead of an address: spawned for each session
	URL         string                 `yaml:"websocket,omitempty"`
	TLS         *clientTLSConfig       `yaml:"tls,omitempty"`
	Security    []string               `yaml:"security,omitempty"`
	User        string                 `yaml:"user,omitempty"`
	Password    *secret                `yaml:"password,omitempty"`
	Token       *secret                `yaml:"token,omitempty"` // of OAUTHBEARER
	Kerberos    *displayKerberosConfig `yaml:"kerberos,omitempty"`
	Minimum     string                 `yaml:"minimum,omitempty"`      // weakest security that will do; default: any
	RSAKey      string                 `yaml:"rsa_key,omitempty"`      // fingerprint of the display's key for the ra2 types
	Class       string                 `yaml:"class,omitempty"`        // of its sessions, unless a rule names another
	Fallbacks   []string               `yaml:"fallbacks,omitempty"`    // targets to try, in this order, when this one cannot be reached
	Retry       time.Duration          `yaml:"retry,omitempty"`        // how long to go on trying until it is up
	Start       *startConfig           `yaml:"start,omitempty"`        // what brings it up
	ProxyHeader string                 `yaml:"proxy_header,omitempty"` // v1 or v2: tell the display the viewer's address
	Agent       string                 `yaml:"agent,omitempty"`        // instead of an address: AGENT/SERVICE, reached through its tunnel
	Arrives     *arrivesConfig         `yaml:"arrives,omitempty"`      // instead of an address: the display dials in
	Screenshots screenshots            `yaml:"screenshots,omitempty"`  // never, free or always
	// ourKey is our side's key for the ra2 types, made at first use. It proves
	// nothing, so one serves all connections.
	ourKey func() (*rsa.PrivateKey, error)
	// ViewerPassword is a VNC password for viewers of this target, next to the
	// listener's.
	ViewerPassword *secret `yaml:"viewer_password,omitempty"`
}

// startConfig is how a display is brought up when somebody wants to see it, and
// put to rest when nobody does any more.
type startConfig struct {
	Command     []string      `yaml:"command,omitempty"`
	StopCommand []string      `yaml:"stop_command,omitempty"`
	Unit        string        `yaml:"unit,omitempty"` // of systemd, instead of commands
	Idle        time.Duration `yaml:"idle,omitempty"` // how long after its last viewer it is stopped (5m)
	Keep        bool          `yaml:"keep,omitempty"` // never stop it
}

// arrivesConfig is by what a display that dials in is known.
type arrivesConfig struct {
	ID   string   `yaml:"id,omitempty"`   // of UltraVNC's repeater, mode II; without it: listening mode
	From []string `yaml:"from,omitempty"` // addresses (CIDR) that it may come from
}

// clientTLSConfig is how a display's certificate is checked, and ours to it.
type clientTLSConfig struct {
	CA          string `yaml:"ca,omitempty"`
	Name        string `yaml:"name,omitempty"`
	Pin         string `yaml:"pin,omitempty"` // SHA-256 of the certificate, with or without colons
	Insecure    bool   `yaml:"insecure,omitempty"`
	Certificate string `yaml:"certificate,omitempty"`
	Key         string `yaml:"key,omitempty"`
	Implicit    bool   `yaml:"implicit,omitempty"`
}

// validate looks at what a target says by itself.
func (t *targetConfig) validate() error {
	if err := t.validateReach(); err != nil {
		return err
	}
	if err := t.validateStart(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	return t.validateProof()
}

// validateReach looks at the way to the display.
func (t *targetConfig) validateReach() error {
	ways := 0
	for _, set := range []bool{t.Address != "", len(t.Command) > 0, t.URL != "", t.Arrives != nil, t.Agent != ""} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		return errors.New("exactly one of address, command, websocket, arrives and agent says how to reach it")
	}
	if t.Address != "" {
		if err := dialable(t.Address); err != nil {
			return err
		}
	}
	if t.URL != "" {
		u, err := url.Parse(t.URL)
		if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
			return errors.New("websocket: not a ws:// or wss:// URL")
		}
		if u.User != nil {
			return errors.New("websocket: a URL is no place for a password; use user and password")
		}
	}
	if t.Arrives != nil {
		return t.validateArrives()
	}
	if len(t.Command) > 0 && t.ProxyHeader != "" {
		return errors.New("proxy_header: a command has no place for one; give it to an address")
	}
	return nil
}

// dialable takes an address that one can connect to.
func dialable(address string) error {
	network, _, err := layers.ParseAddress(address)
	if err == nil && network != "tcp" && network != "unix" {
		err = fmt.Errorf("address %q is one to listen on; a display has host:port or unix:/path", address)
	}
	return err
}

func (t *targetConfig) validateArrives() error {
	switch {
	case t.Arrives.ID == "" && len(t.Arrives.From) == 0:
		return errors.New("arrives: by what is it known? set id, or from, the addresses that it comes from")
	case len(t.Arrives.ID) > rfb.MaxRepeaterID:
		return fmt.Errorf("arrives: id: longer than %d bytes", rfb.MaxRepeaterID)
	case t.ProxyHeader != "":
		return errors.New("proxy_header: a display that dials in takes none")
	case t.TLS != nil && t.TLS.Implicit:
		return errors.New("tls: implicit: is a matter of the listener that this display dials")
	case t.Start != nil:
		return errors.New("start: a display that dials in starts by itself; wait for it with retry")
	}
	if _, err := parsePrefixes(t.Arrives.From); err != nil {
		return fmt.Errorf("arrives: from: %w", err)
	}
	return nil
}

func (t *targetConfig) validateStart() error {
	s := t.Start
	switch {
	case s == nil:
		return nil
	case (len(s.Command) == 0) == (s.Unit == ""):
		return errors.New("exactly one of command and unit says what to start")
	case s.Unit != "" && len(s.StopCommand) > 0:
		return errors.New("stop_command: a unit is stopped by systemd; leave it out")
	case s.Unit != "" && !unitName.MatchString(s.Unit):
		return fmt.Errorf("unit: %q is no name of a unit, such as vm@desk.service", s.Unit)
	case s.Idle < 0:
		return errors.New("idle: must not be negative")
	case s.Keep && (s.Idle > 0 || len(s.StopCommand) > 0):
		return errors.New("keep: means that it is never stopped; leave idle and stop_command out")
	case len(t.Command) > 0:
		return errors.New("a target with a command is started for each session anyway")
	}
	return nil
}

// unitName is what systemd.unit(5) allows, without a dash in front, where
// systemctl would see an option.
var unitName = regexp.MustCompile(`^[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]*$`)

// validateProof looks at how we prove ourselves to the display, and it to us.
func (t *targetConfig) validateProof() error {
	if err := t.validateTLS(); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	switch {
	case t.Retry < 0:
		return errors.New("retry: must not be negative")
	case t.ProxyHeader != "" && t.ProxyHeader != "v1" && t.ProxyHeader != "v2":
		return fmt.Errorf("proxy_header: %w", notOneOf("version", t.ProxyHeader, []string{"v1", "v2"}))
	case t.RSAKey != "" && !isSHA256(t.RSAKey):
		return errors.New("rsa_key: not a SHA-256 of the display's key; an attempt without it prints the one it has")
	case t.Kerberos != nil && t.Kerberos.Keytab == "" && t.Kerberos.CCache == "" && t.Kerberos.Password == nil:
		return errors.New("kerberos: one of keytab, ccache and password is needed")
	case t.Minimum != "" && !slices.Contains(automaticSecurity, t.Minimum):
		return fmt.Errorf("minimum: %w", notOneOf("security type", t.Minimum, automaticSecurity))
	case t.Minimum != "" && len(t.Security) > 0:
		return errors.New("minimum: is for the automatic choice; security names the types already")
	}
	for i, name := range t.Security {
		if !slices.Contains(displaySecurity, name) {
			return fmt.Errorf("security: %w", notOneOf("security type", name, displaySecurity))
		}
		if slices.Contains(t.Security[:i], name) {
			return fmt.Errorf("security: %s is named twice", name)
		}
	}
	return nil
}

// validateFallbacks follows them, so that no circle of them is without end.
func (c *config) validateFallbacks(name string) error {
	t := c.Targets[name]
	for i, other := range t.Fallbacks {
		switch {
		case other == name:
			return errors.New("fallbacks: names the target itself")
		case slices.Contains(t.Fallbacks[:i], other):
			return fmt.Errorf("fallbacks: %s is named twice", other)
		}
		fallback, ok := c.Targets[other]
		if !ok {
			return fmt.Errorf("fallbacks: %w", notOneOf("target", other, keys(c.Targets)))
		}
		if len(fallback.Fallbacks) > 0 {
			return fmt.Errorf("fallbacks: %s has some of its own; name all of them here, in order", other)
		}
	}
	return nil
}

// validateTemplate looks at settings for displays whose address comes from
// elsewhere.
func (t *targetConfig) validateTemplate() error {
	for name, set := range map[string]bool{
		"address": t.Address != "", "command": len(t.Command) > 0, "websocket": t.URL != "", "arrives": t.Arrives != nil,
		"agent": t.Agent != "", "start": t.Start != nil, "fallbacks": len(t.Fallbacks) > 0, "viewer_password": t.ViewerPassword != nil,
		"screenshots": t.Screenshots != "",
	} {
		if set {
			return fmt.Errorf("%s: is of a single target, not of all that are found here", name)
		}
	}
	return t.validateProof()
}

// validateArrivals says which displays that dial in nobody listens for, and
// which could be taken for one another.
func (c *config) validateArrivals() error {
	listens := slices.ContainsFunc(c.Listeners, func(l listenerConfig) bool { return l.Arrivals != nil })
	ids := map[string]string{}
	for _, name := range keys(c.Targets) {
		a := c.Targets[name].Arrives
		if a == nil {
			continue
		}
		if !listens {
			return fmt.Errorf("targets.%s: arrives: no listener has arrivals; add one, such as {address: \":5500\", arrivals: {}}", name)
		}
		if other, taken := ids[a.ID]; taken && a.ID != "" {
			return fmt.Errorf("targets.%s: arrives: id %s is that of %s, too", name, a.ID, other)
		}
		ids[a.ID] = name
	}
	return nil
}

func (t *targetConfig) validateTLS() error {
	switch {
	case t.TLS == nil:
		return nil
	case (t.TLS.Certificate == "") != (t.TLS.Key == ""):
		return errors.New("certificate and key go together")
	case t.TLS.Pin != "" && !isSHA256(t.TLS.Pin):
		return errors.New("pin: not a SHA-256; 'vncgate cert show FILE' prints that of a certificate")
	case t.TLS.Pin != "" && t.TLS.Insecure:
		return errors.New("pin and insecure exclude each other")
	case strings.HasPrefix(t.URL, "ws://"):
		return errors.New("a ws:// URL has none; write wss://")
	case t.TLS.Implicit && (t.URL != "" || len(t.Command) > 0):
		return errors.New("implicit is for an address; a wss:// URL has TLS by itself")
	}
	return nil
}

// isSHA256 takes 64 hex digits, with or without colons between.
func isSHA256(text string) bool {
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	return err == nil && len(b) == sha256.Size
}
