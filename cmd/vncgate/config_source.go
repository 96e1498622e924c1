package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"vncgate/auth"
)

// What the keys of a source are.
const (
	asTokens  = "tokens"  // secrets that a browser brings
	asTargets = "targets" // names of displays, for all who may see them
)

// sourceConfig says where tokens, or names of displays, are looked up. All of
// them are looked at anew for each viewer.
type sourceConfig struct {
	Name string `yaml:"name"`
	As   string `yaml:"as,omitempty"` // tokens (the default) or targets

	// Exactly one of these.
	File           string              `yaml:"file,omitempty"`        // lines of "key: host:port"; or a folder of such files
	NamedFiles     string              `yaml:"named_files,omitempty"` // folder of files, each named by its key, with an address in it
	Sockets        string              `yaml:"sockets,omitempty"`     // folder of unix sockets, each named by its key
	HTTP           *httpSource         `yaml:"http,omitempty"`
	Redis          *redisSource        `yaml:"redis,omitempty"`
	JWT            *jwtSource          `yaml:"jwt,omitempty"`
	Nova           *novaSource         `yaml:"nova,omitempty"`
	Proxmox        *proxmoxSource      `yaml:"proxmox,omitempty"`
	ProxmoxTickets *proxmoxTickets     `yaml:"proxmox_tickets,omitempty"`
	OVirt          *ovirtSource        `yaml:"ovirt,omitempty"`
	AuthProxy      *sharedSecretSource `yaml:"novncauthproxy,omitempty"`
	Guacamole      *sharedSecretSource `yaml:"guacamole,omitempty"`

	Allow   []string      `yaml:"allow,omitempty"`   // where its displays may be
	Rights  []string      `yaml:"rights,omitempty"`  // what its tokens allow at most
	Display *targetConfig `yaml:"display,omitempty"` // how its displays are reached
}

// freeConfig lets viewers name a display by its address.
type freeConfig struct {
	Allow   []string      `yaml:"allow"`
	Display *targetConfig `yaml:"display,omitempty"`
}

// use is what the source's keys are.
func (s *sourceConfig) use() string {
	if s.As == "" {
		return asTokens
	}
	return s.As
}

// oVirtIn reports whether one of the sources takes oVirt's tickets, which come
// as the path of the WebSocket.
func (c *config) oVirtIn(names []string) bool {
	return slices.ContainsFunc(c.Sources, func(s sourceConfig) bool { return s.OVirt != nil && slices.Contains(names, s.Name) })
}

// sourceNames lists the sources of one use.
func (c *config) sourceNames(use string) []string {
	var names []string
	for i := range c.Sources {
		if c.Sources[i].use() == use {
			names = append(names, c.Sources[i].Name)
		}
	}
	return names
}

// tokenNames are all that a listener can take tokens of.
func (c *config) tokenNames() []string {
	names := c.sourceNames(asTokens)
	if c.Capabilities != nil {
		names = append(names, capabilitySource)
	}
	return names
}

// sourceName is what may stand in front of a slash in a policy.
var sourceName = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)

func (c *config) validateSources() error {
	for i := range c.Sources {
		s := &c.Sources[i]
		if !sourceName.MatchString(s.Name) {
			return fmt.Errorf("sources[%d]: name: %q is none; letters, digits, _ . and - are", i, s.Name)
		}
		if s.Name == capabilitySource {
			return fmt.Errorf("sources[%d]: name: %s are the tokens that are issued here; take another name", i, s.Name)
		}
		if slices.ContainsFunc(c.Sources[:i], func(o sourceConfig) bool { return o.Name == s.Name }) {
			return fmt.Errorf("sources[%d]: name: there are two sources %s", i, s.Name)
		}
		err := s.validate()
		if err == nil {
			err = s.validateUsed(c)
		}
		if err != nil {
			return fmt.Errorf("sources[%d] %s: %w", i, s.Name, err)
		}
	}
	return nil
}

// validateUsed refuses a source of tokens that no listener takes.
func (s *sourceConfig) validateUsed(c *config) error {
	taken := slices.ContainsFunc(c.Listeners, func(l listenerConfig) bool { return slices.Contains(l.Sources, s.Name) })
	if s.use() == asTokens && !taken {
		return fmt.Errorf("no listener takes its tokens; add sources: [%s] to one, or as: targets here if its keys are no secrets", s.Name)
	}
	return nil
}

func (s *sourceConfig) validate() error {
	if s.As != "" && s.As != asTokens && s.As != asTargets {
		return fmt.Errorf("as: %w", notOneOf("use", s.As, []string{asTokens, asTargets}))
	}
	kinds := s.kinds()
	if len(kinds) != 1 {
		return fmt.Errorf("exactly one kind is needed of %s", strings.Join(sourceKindNames(), ", "))
	}
	if s.use() == asTargets && !slices.Contains(namingKinds, kinds[0].name) {
		return fmt.Errorf("as: the keys of %s are secrets, not names of targets", kinds[0].name)
	}
	if s.use() == asTokens && s.Proxmox != nil {
		return errors.New("as: the keys of proxmox are names that anybody can guess, such as pve1/100; write as: targets, and say by policy who may see which")
	}
	if s.Redis != nil && s.Redis.Once && s.use() == asTargets {
		return errors.New("redis: once: is for tokens; names of targets are used again and again")
	}
	if s.Redis != nil && s.Redis.Once && s.Redis.Keep > 0 {
		return errors.New("redis: once: a token that is good for one session cannot be remembered; leave out keep, or once")
	}
	if (s.Proxmox != nil || s.ProxmoxTickets != nil) && s.Display != nil && s.Display.Retry != 0 {
		return errors.New("display: retry: Proxmox opens a display for a single try within seconds; leave it out")
	}
	if _, err := auth.ParseRights(s.Rights); err != nil {
		return fmt.Errorf("rights: %w", err)
	}
	if len(s.Rights) > 0 && s.use() == asTargets {
		return errors.New("rights: are of tokens; what may be done on targets is said by policy")
	}
	if _, err := s.allowed(); err != nil {
		return fmt.Errorf("allow: %w", err)
	}
	return s.Display.validateDisplay()
}

func (f *freeConfig) validate() error {
	if f == nil {
		return nil
	}
	if len(f.Allow) == 0 {
		return errors.New(`allow: is missing: name where displays may be, such as "10.0.0.0/8:5900-5999"`)
	}
	if _, err := f.allowed(); err != nil {
		return fmt.Errorf("allow: %w", err)
	}
	return f.Display.validateDisplay()
}

// validateDisplay looks at the settings for displays that a source names.
func (t *targetConfig) validateDisplay() error {
	if t == nil {
		return nil
	}
	if err := t.validateTemplate(); err != nil {
		return fmt.Errorf("display: %w", err)
	}
	return nil
}
