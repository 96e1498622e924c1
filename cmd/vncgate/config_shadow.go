package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/rfb/display/player"
)

// shadowConfig says whose sessions others may look on in while they run. Who may
// look is the policy's to say, by rules for the targets session/TARGET.
type shadowConfig struct {
	Rules   []shadowRule `yaml:"rules"`
	Queue   byteSize     `yaml:"queue,omitempty"`   // of one session, that waits to be drawn; default: 32MiB
	Viewers int          `yaml:"viewers,omitempty"` // who look on in one session; default: 4
	Workers int          `yaml:"workers,omitempty"` // sessions that are drawn at a time; default: 1
}

// shadowRule is about sessions; the first that fits one decides.
type shadowRule struct {
	Who       oneOrMore   `yaml:"who,omitempty"`       // whose; default: everybody's
	Targets   oneOrMore   `yaml:"targets,omitempty"`   // patterns; default: all
	Listeners oneOrMore   `yaml:"listeners,omitempty"` // addresses as in listeners; default: all
	Watch     shadowWatch `yaml:"watch"`

	fits *auth.Policy // who and targets
}

// shadowWatch is whether a session may be looked on in.
type shadowWatch string

const (
	shadowNo     shadowWatch = "false"
	shadowYes    shadowWatch = "true"
	shadowNotice shadowWatch = "notice" // and its viewer is told
)

// UnmarshalYAML takes a truth, or notice.
func (s *shadowWatch) UnmarshalYAML(b []byte) error {
	*s = shadowWatch(unquoted(b))
	if !slices.Contains([]shadowWatch{shadowNo, shadowYes, shadowNotice}, *s) {
		return notOneOf("watch", string(*s), []string{"true", "notice", "false"})
	}
	return nil
}

// MarshalYAML writes it as it is read.
func (s shadowWatch) MarshalYAML() (any, error) {
	if yes, err := strconv.ParseBool(string(s)); err == nil {
		return yes, nil
	}
	return string(s), nil
}

// Bounds of shadow, and what holds without it.
const (
	defaultShadowViewers = 4
	minShadowQueue       = 1 << 20
	maxShadowQueue       = 1 << 30
)

func (s *shadowConfig) validate() error {
	if s == nil {
		return nil
	}
	if len(s.Rules) == 0 {
		return errors.New("rules: there is none, so no session could be watched; leave shadow out, or say rules: [{watch: notice}]")
	}
	for i := range s.Rules {
		if err := s.Rules[i].compile(); err != nil {
			return fmt.Errorf("rules[%d]: %w", i, err)
		}
	}
	if s.Queue != 0 && (s.Queue < minShadowQueue || s.Queue > maxShadowQueue) {
		return errors.New("queue: from 1MiB to 1GiB")
	}
	if s.Viewers < 0 || s.Viewers > 64 {
		return errors.New("viewers: from 1 to 64")
	}
	if s.Workers < 0 || s.Workers > 256 {
		return errors.New("workers: from 1 to 256")
	}
	return nil
}

// compile prepares a rule.
func (r *shadowRule) compile() error {
	if r.Watch == "" {
		return errors.New("watch: is missing: true, notice or false")
	}
	rule := auth.Rule{Who: r.Who, Targets: r.Targets, Allow: auth.View}
	if len(rule.Who) == 0 {
		rule.Who = []string{"*"}
	}
	if len(rule.Targets) == 0 {
		rule.Targets = []string{"*"}
	}
	var err error
	if r.fits, err = auth.NewPolicy([]auth.Rule{rule}); err != nil {
		return plainRule(err)
	}
	return nil
}

// watch says whether a session may be looked on in, by the first rule that fits.
func (s *shadowConfig) watch(session *gateway.SessionInfo) shadowWatch {
	if s == nil {
		return shadowNo
	}
	for i := range s.Rules {
		if s.Rules[i].about(session) {
			return s.Rules[i].Watch
		}
	}
	return shadowNo
}

// about reports whether a rule fits a session: one of what its viewer has proved
// is enough.
func (r *shadowRule) about(session *gateway.SessionInfo) bool {
	if len(r.Listeners) > 0 && !slices.Contains(r.Listeners, session.Listener) {
		return false
	}
	identities := session.Identities
	if len(identities) == 0 {
		identities = []auth.Identity{{}}
	}
	return slices.ContainsFunc(identities, func(id auth.Identity) bool {
		return r.fits.Decide(auth.Request{Identities: []auth.Identity{id}, Target: session.Target}).Allowed()
	})
}

// queue is how much of a session may wait.
func (s *shadowConfig) queue() int {
	if s.Queue == 0 {
		return player.DefaultQueue
	}
	return int(s.Queue)
}

func (s *shadowConfig) viewers() int {
	if s.Viewers == 0 {
		return defaultShadowViewers
	}
	return s.Viewers
}
