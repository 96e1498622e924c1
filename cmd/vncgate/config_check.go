package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"vncgate/auth"
	"vncgate/layers"
)

// validate finds what is wrong with the meaning; the form was checked before.
// A setting that would do nothing is an error, too: whoever wrote it believes
// that it does something.
func (c *config) validate() error {
	if len(c.Listeners) == 0 {
		return errors.New("listeners: there is none, so nobody could come in; add one with an address")
	}
	if len(c.Targets) == 0 {
		return errors.New("targets: there is none, so there is nothing to see; add one with an address")
	}
	for _, name := range keys(c.Targets) {
		t := c.Targets[name]
		if err := t.validate(); err != nil {
			return fmt.Errorf("targets.%s: %w", name, err)
		}
	}
	for i := range c.Listeners {
		if err := c.Listeners[i].validate(c); err != nil {
			return fmt.Errorf("listeners[%d] %s: %w", i, c.Listeners[i].Address, err)
		}
	}
	if c.Kerberos != nil && c.Kerberos.Keytab == "" {
		return errors.New("kerberos: keytab is missing")
	}
	if c.Users != nil && c.Users.File == "" {
		return errors.New("users: file is missing")
	}
	if _, err := c.policy(); err != nil {
		return err
	}
	if err := c.Limits.validate(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if _, err := c.Log.handler(os.Stderr); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
}

func (l *listenerConfig) validate(c *config) error {
	network, _, err := layers.ParseAddress(l.Address)
	if err != nil {
		return err
	}
	if l.Mode != 0 && network != "unix" {
		return errors.New("mode: only a unix socket has one")
	}
	if err := l.chooseTarget(c); err != nil {
		return err
	}
	if l.TLS != nil && (l.TLS.Certificate == "" || l.TLS.Key == "") {
		return errors.New("tls: both certificate and key are needed; 'vncgate cert make' makes them")
	}
	if err := l.validateProxy(network); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	if l.Web != nil {
		if err := l.Web.validate(l); err != nil {
			return fmt.Errorf("web: %w", err)
		}
	}
	return l.validateSecurity(c)
}

// chooseTarget takes the only target there is where none is named.
func (l *listenerConfig) chooseTarget(c *config) error {
	names := keys(c.Targets)
	if l.Target == "" && len(names) == 1 {
		l.Target = names[0]
	}
	if l.Target == "" {
		if l.Web != nil {
			return nil // the browser's URL names it
		}
		return fmt.Errorf("target: which one? there are: %s", strings.Join(names, ", "))
	}
	if !slices.Contains(names, l.Target) {
		return fmt.Errorf("target: %w", notOneOf("target", l.Target, names))
	}
	return nil
}

func (l *listenerConfig) validateProxy(network string) error {
	switch {
	case l.Proxy == nil:
		return nil
	case l.Web != nil:
		return errors.New("PROXY headers are for native viewers; a reverse proxy in front of web speaks HTTP")
	case len(l.Proxy.Trusted) == 0:
		return errors.New("trusted: name the addresses that send the header; nobody else gets in here")
	case network == "unix" && !slices.Contains(l.Proxy.Trusted, "unix"):
		return errors.New("trusted: peers of a unix socket have no address; add unix")
	}
	_, err := parsePrefixes(l.Proxy.Trusted)
	return err
}

// webPath is what may be the WebSocket's path: no file of the page, no pattern.
var webPath = regexp.MustCompile(`^(/[A-Za-z0-9_~-]+)*$`)

func (w *webConfig) validate(l *listenerConfig) error {
	if !webPath.MatchString(w.Path) {
		return fmt.Errorf("path: %q is not the path of an endpoint, such as /websockify", w.Path)
	}
	if l.TLS != nil && l.TLS.Implicit {
		return errors.New("tls of this listener begins with the first byte anyway; leave implicit out")
	}
	for _, origin := range w.Origins {
		u, err := url.Parse(origin)
		if origin != "*" && (err != nil || u.Scheme == "" || u.Host == "" || strings.Trim(u.Path, "/") != "") {
			return fmt.Errorf("origins: %q is none; write it as browsers do, https://portal.example", origin)
		}
	}
	for name, settings := range map[string]map[string]any{"defaults": w.Defaults, "mandatory": w.Mandatory} {
		if _, err := json.Marshal(settings); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

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
	if t.URL != "" {
		u, err := url.Parse(t.URL)
		if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
			return errors.New("websocket: not a ws:// or wss:// URL")
		}
		if u.User != nil {
			return errors.New("websocket: a URL is no place for a password; use user and password")
		}
	}
	if err := t.validateTLS(); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	if t.RSAKey != "" && !isSHA256(t.RSAKey) {
		return errors.New("rsa_key: not a SHA-256 of the display's key; an attempt without it prints the one it has")
	}
	if t.Kerberos != nil && t.Kerberos.Keytab == "" && t.Kerberos.CCache == "" && t.Kerberos.Password == nil {
		return errors.New("kerberos: one of keytab, ccache and password is needed")
	}
	if t.Minimum != "" && !slices.Contains(automaticSecurity, t.Minimum) {
		return fmt.Errorf("minimum: %w", notOneOf("security type", t.Minimum, automaticSecurity))
	}
	if t.Minimum != "" && len(t.Security) > 0 {
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
	case t.TLS.Implicit && t.Address == "":
		return errors.New("implicit is for an address; a wss:// URL has TLS by itself")
	}
	return nil
}

// isSHA256 takes 64 hex digits, with or without colons between.
func isSHA256(text string) bool {
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	return err == nil && len(b) == sha256.Size
}

func (l limitsConfig) validate() error {
	for _, limit := range []struct {
		name     string
		negative bool
	}{
		{"sessions", l.Sessions < 0},
		{"handshakes", l.Handshakes < 0},
		{"handshake_timeout", l.HandshakeTimeout < 0},
		{"dial_timeout", l.DialTimeout < 0},
		{"stall", l.Stall < 0},
		{"shutdown_timeout", l.ShutdownTimeout < 0},
	} {
		if limit.negative {
			return fmt.Errorf("%s: must not be negative", limit.name)
		}
	}
	if l.HandshakeTimeout > 0 && l.DialTimeout > 0 && l.HandshakeTimeout <= l.DialTimeout {
		return errors.New("handshake_timeout: must be longer than dial_timeout, which is part of it")
	}
	return nil
}

// secretsReadable names the first secret that cannot be had, or is empty: with
// such a password nobody could come in.
func (c *config) secretsReadable(ctx context.Context) error {
	for i := range c.Listeners {
		if err := c.Listeners[i].Password.readable(ctx); err != nil {
			return fmt.Errorf("listener %s: password: %w", c.Listeners[i].Address, err)
		}
	}
	for _, name := range keys(c.Targets) {
		t := c.Targets[name]
		for key, s := range t.secrets() {
			if err := s.readable(ctx); err != nil {
				return fmt.Errorf("targets.%s: %s: %w", name, key, err)
			}
		}
	}
	return nil
}

func (t targetConfig) secrets() map[string]*secret {
	list := map[string]*secret{"password": t.Password, "token": t.Token, "viewer_password": t.ViewerPassword}
	if t.Kerberos != nil {
		list["kerberos.password"] = t.Kerberos.Password
	}
	return list
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
