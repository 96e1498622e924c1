package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// validate finds what is wrong with the meaning; the form was checked before.
// A setting that would do nothing is an error, too: whoever wrote it believes
// that it does something.
func (c *config) validate() error {
	if len(c.Listeners) == 0 {
		return errors.New("listeners: there is none, so nobody could come in; add one with an address")
	}
	if len(c.Targets) == 0 && len(c.Sources) == 0 && c.Free == nil && c.Agents == nil {
		return errors.New("targets: there is none, so there is nothing to see; add one with an address")
	}
	for _, name := range keys(c.Targets) {
		t := c.Targets[name]
		err := t.validate()
		if err == nil {
			err = c.validateFallbacks(name)
		}
		if err != nil {
			return fmt.Errorf("targets.%s: %w", name, err)
		}
	}
	if err := c.validateSources(); err != nil {
		return err
	}
	if err := c.Free.validate(); err != nil {
		return fmt.Errorf("free: %w", err)
	}
	for i := range c.Listeners {
		if err := c.Listeners[i].validate(c); err != nil {
			return fmt.Errorf("listeners[%d] %s: %w", i, c.Listeners[i].Address, err)
		}
	}
	if err := c.validateArrivals(); err != nil {
		return err
	}
	if err := c.validateCluster(); err != nil {
		return err
	}
	if err := c.validateAgents(); err != nil {
		return err
	}
	if err := c.validateAddresses(); err != nil {
		return err
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
	if err := c.validateCapabilities(); err != nil {
		return err
	}
	if err := c.Limits.validate(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	if err := c.validateClasses(); err != nil {
		return err
	}
	if err := c.Control.validate(); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	if err := c.Audit.validate(); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if err := c.Recordings.validate(); err != nil {
		return fmt.Errorf("recordings: %w", err)
	}
	if err := c.Admin.validate(); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	if err := c.Tracing.validate(); err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	if err := c.Shadow.validate(); err != nil {
		return fmt.Errorf("shadow: %w", err)
	}
	if err := c.Playback.validate(c.Recordings); err != nil {
		return fmt.Errorf("playback: %w", err)
	}
	if _, err := c.Log.handler(os.Stderr); err != nil {
		return fmt.Errorf("log: %w", err)
	}
	return nil
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
		{"greet_timeout", l.GreetTimeout < 0},
		{"stall", l.Stall < 0},
		{"shutdown_timeout", l.ShutdownTimeout < 0},
		{"shutdown_delay", l.ShutdownDelay < 0},
		{"upgrade_timeout", l.UpgradeTimeout < 0},
		{"kick_time", l.KickTime < 0},
	} {
		if limit.negative {
			return fmt.Errorf("%s: must not be negative", limit.name)
		}
	}
	if l.HandshakeTimeout > 0 && l.DialTimeout > 0 && l.HandshakeTimeout <= l.DialTimeout {
		return errors.New("handshake_timeout: must be longer than dial_timeout, which is part of it")
	}
	return l.validateNewcomers()
}

// secretsReadable names the first secret that cannot be had, or is empty: with
// such a password nobody could come in.
func (c *config) secretsReadable(ctx context.Context) error {
	for i := range c.Listeners {
		if err := c.Listeners[i].Password.readable(ctx); err != nil {
			return fmt.Errorf("listener %s: password: %w", c.Listeners[i].Address, err)
		}
		if api := c.Listeners[i].API; api != nil {
			if err := api.Token.readable(ctx); err != nil {
				return fmt.Errorf("listener %s: api: token: %w", c.Listeners[i].Address, err)
			}
		}
	}
	if err := c.Admin.secretsReadable(ctx); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	if err := c.Recordings.secretsReadable(ctx); err != nil {
		return fmt.Errorf("recordings: s3: %w", err)
	}
	if c.Playback != nil {
		if _, err := c.Playback.identities(); err != nil {
			return fmt.Errorf("playback: %w", err)
		}
	}
	if err := c.Tracing.secretsReadable(ctx); err != nil {
		return fmt.Errorf("tracing: %w", err)
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
