package main

import (
	"fmt"
	"strings"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
)

// classConfig is a way to treat sessions, as gateway.Class has it.
type classConfig struct {
	Handshakes int           `yaml:"handshakes,omitempty"` // at once
	Sessions   int           `yaml:"sessions,omitempty"`   // at once
	Buffers    byteSize      `yaml:"buffers,omitempty"`    // bytes in large buffers, all sessions together
	Bandwidth  byteRate      `yaml:"bandwidth,omitempty"`  // all sessions together, each way
	Park       time.Duration `yaml:"park,omitempty"`       // without traffic for so long, a session gives up its goroutines; negative: never
	Loops      int           `yaml:"loops,omitempty"`      // threads that wait for those
	CPUs       []int         `yaml:"cpus,omitempty"`       // of these threads
	Nice       int           `yaml:"nice,omitempty"`       // of these threads
}

// byteSize is a number of bytes, with a unit or without.
type byteSize int64

// UnmarshalYAML reads 64MiB.
func (s *byteSize) UnmarshalYAML(b []byte) error {
	n, err := auth.ParseSize(unquoted(b))
	if err != nil {
		return fmt.Errorf("buffers: %w", err)
	}
	*s = byteSize(n)
	return nil
}

// MarshalYAML writes it as it is read.
func (s byteSize) MarshalYAML() ([]byte, error) { return []byte(auth.FormatSize(int64(s))), nil }

// byteRate is a number of bytes a second.
type byteRate int64

// UnmarshalYAML reads 20MB/s.
func (r *byteRate) UnmarshalYAML(b []byte) error {
	n, err := auth.ParseSize(strings.TrimSuffix(unquoted(b), "/s"))
	if err != nil {
		return fmt.Errorf("bandwidth: %w", err)
	}
	*r = byteRate(n)
	return nil
}

// MarshalYAML writes it as it is read.
func (r byteRate) MarshalYAML() ([]byte, error) {
	return []byte(auth.FormatSize(int64(r)) + "/s"), nil
}

// classList is what the gateway is told.
func (c *config) classList() []gateway.Class {
	var list []gateway.Class
	for _, name := range keys(c.Classes) {
		k := c.Classes[name]
		list = append(list, gateway.Class{
			Name: name, Handshakes: k.Handshakes, Sessions: k.Sessions, Buffers: int64(k.Buffers), Bandwidth: int64(k.Bandwidth),
			Park: k.Park, Loops: k.Loops, CPUs: k.CPUs, Nice: k.Nice,
		})
	}
	return list
}

// validateClasses refuses classes that cannot be, and names of none.
func (c *config) validateClasses() error {
	for _, class := range c.classList() {
		if err := class.Validate(); err != nil {
			return fmt.Errorf("classes: %w", err)
		}
	}
	for _, l := range c.Listeners {
		if err := c.knowsClass(l.Class); err != nil {
			return fmt.Errorf("listener %s: %w", l.Address, err)
		}
	}
	for _, name := range keys(c.Targets) {
		if err := c.knowsClass(c.Targets[name].Class); err != nil {
			return fmt.Errorf("targets.%s: %w", name, err)
		}
	}
	for i, r := range c.Policy {
		if err := c.knowsClass(r.Class); err != nil {
			return fmt.Errorf("policy[%d]: %w", i, err)
		}
	}
	return nil
}

func (c *config) knowsClass(name string) error {
	if _, ok := c.Classes[name]; ok || name == "" || name == gateway.DefaultClass {
		return nil
	}
	return fmt.Errorf("class: %w", notOneOf("class", name, append(keys(c.Classes), gateway.DefaultClass)))
}
