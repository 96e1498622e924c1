package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"vncgate/auth"
	"vncgate/auth/capability"
)

// capabilitySource is the name by which listeners take tokens that were issued
// here, beside those of sources.
const capabilitySource = "capabilities"

// capabilitiesConfig says where the tokens that 'vncgate token issue' makes are
// kept.
type capabilitiesConfig struct {
	Keys   string       `yaml:"keys,omitempty"`   // file; default: keys.json in store
	Store  string       `yaml:"store,omitempty"`  // folder
	Redis  *redisTokens `yaml:"redis,omitempty"`  // instead of both: for several gateways
	Rotate days         `yaml:"rotate,omitempty"` // age at which a key signs no more
	Grace  *days        `yaml:"grace,omitempty"`  // in which who comes back needs no other use
	Share  *shareConfig `yaml:"share,omitempty"`
}

// shareConfig lets viewers give links to what they see away.
type shareConfig struct {
	Rights oneOrMore `yaml:"rights,omitempty"` // what may be passed on at most; default: view
	Time   days      `yaml:"time,omitempty"`   // how long such a link lasts at most; default: a day
	Link   string    `yaml:"link,omitempty"`   // page that links lead to; default: the one that makes them
}

// revocationsConfig says where tokens are revoked beside the store.
type revocationsConfig struct {
	Redis      *redisRevocations `yaml:"redis"`
	FailClosed bool              `yaml:"fail_closed,omitempty"` // without an answer every token is revoked
	Patience   time.Duration     `yaml:"patience,omitempty"`    // … after this long
}

// redisRevocations is a set, and a channel, of revocations in Redis.
type redisRevocations struct {
	Server  redisSource `yaml:",inline"`
	Key     string      `yaml:"key"`
	Channel string      `yaml:"channel,omitempty"`
}

// apiConfig lets programs revoke by HTTP.
type apiConfig struct {
	Token *secret `yaml:"token"` // in Authorization: Bearer
}

// days is a duration that may be counted in days: 90d.
type days time.Duration

// UnmarshalYAML reads 90d, 12h or any other duration.
func (d *days) UnmarshalYAML(b []byte) error {
	return d.set(strings.Trim(strings.TrimSpace(string(b)), `"'`))
}

func (d *days) set(text string) error {
	v, err := parseDays(text)
	*d = days(v)
	return err
}

var wholeDays = regexp.MustCompile(`^([0-9]{1,5})d(.*)$`)

// parseDays reads a duration in which days may come first: 1d12h.
func parseDays(text string) (time.Duration, error) {
	var whole time.Duration
	rest := text
	if m := wholeDays.FindStringSubmatch(text); m != nil {
		var n int
		_, _ = fmt.Sscan(m[1], &n) // digits, by the pattern
		whole, rest = time.Duration(n)*24*time.Hour, m[2]
	}
	if rest == "" && text != "" {
		return whole, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 && text != rest {
		return 0, fmt.Errorf("%q is no duration; write it like 90d, 12h, 30m or 45s", text)
	}
	return whole + d, nil
}

// MarshalYAML writes the duration as it is read.
func (d days) MarshalYAML() ([]byte, error) { return []byte(d.String()), nil }

// String has days, where they are whole, as such.
func (d days) String() string {
	day := 24 * time.Hour
	switch t := time.Duration(d); {
	case t > 0 && t%day == 0:
		return fmt.Sprintf("%dd", t/day)
	case t > 0 && t%time.Hour == 0:
		return fmt.Sprintf("%dh", t/time.Hour)
	case t > 0 && t%time.Minute == 0:
		return fmt.Sprintf("%dm", t/time.Minute)
	default:
		return t.String()
	}
}

func (c *config) validateCapabilities() error {
	if s := c.Capabilities; s != nil {
		if err := s.validate(c); err != nil {
			return fmt.Errorf("capabilities: %w", err)
		}
		taken := slices.ContainsFunc(c.Listeners, func(l listenerConfig) bool { return slices.Contains(l.Sources, capabilitySource) })
		if !taken {
			return fmt.Errorf("capabilities: no listener takes their tokens; add sources: [%s] to one", capabilitySource)
		}
	}
	r := c.Revocations
	switch {
	case r == nil:
		return nil
	case c.Capabilities == nil:
		return errors.New("revocations: are of tokens that are issued here; set capabilities")
	case r.Redis == nil:
		return errors.New("revocations: redis is missing; those of 'vncgate token revoke' count anyway")
	case r.Redis.Key == "":
		return errors.New("revocations: redis: key is missing: the name of the set that holds revocations")
	case r.Redis.Server.Namespace != "" || r.Redis.Server.Keep != 0 || r.Redis.Server.KeepUnknown != 0 || r.Redis.Server.Once:
		return errors.New("revocations: redis: namespace, keep, keep_unknown and once are of sources; leave them out")
	case r.Patience < 0:
		return errors.New("revocations: patience: must not be negative")
	case r.Patience > 0 && !r.FailClosed:
		return errors.New("revocations: patience: is how long fail_closed waits; set that, or leave it out")
	}
	return nil
}

func (s *capabilitiesConfig) validate(c *config) error {
	switch {
	case s.Store == "" && s.Redis == nil:
		return errors.New("store: is missing: the folder in which tokens are noted, such as /var/lib/vncgate/tokens; or, for several gateways, redis")
	case s.Redis != nil && (s.Store != "" || s.Keys != ""):
		return errors.New("redis: keeps tokens and keys; leave out store and keys, or redis")
	case s.Rotate < 0:
		return errors.New("rotate: must not be negative")
	case s.Rotate > 0 && time.Duration(s.Rotate) < time.Hour:
		return errors.New("rotate: less than an hour makes more keys than are of use")
	case s.Grace != nil && (*s.Grace < 0 || time.Duration(*s.Grace) > time.Hour):
		return errors.New("grace: is from 0s, for none, to 1h")
	}
	if s.Redis != nil {
		if err := s.Redis.validate(c); err != nil {
			return fmt.Errorf("redis: %w", err)
		}
	}
	if s.Share == nil {
		return nil
	}
	if _, err := s.Share.rights(); err != nil {
		return fmt.Errorf("share: rights: %w", err)
	}
	if text := s.Share.Link; text != "" {
		if u, err := pageURL(text); err != nil || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return errors.New("share: link: is not the URL of a listener's page, such as https://vnc.example/")
		}
	}
	if s.Share.Time < 0 || time.Duration(s.Share.Time) > capability.MaxLife {
		return fmt.Errorf("share: time: is at most %s", days(capability.MaxLife))
	}
	return nil
}

func (s *shareConfig) rights() (auth.Rights, error) {
	if len(s.Rights) == 0 {
		return auth.Viewing, nil
	}
	return parseRights(s.Rights)
}

func (s *shareConfig) time() time.Duration {
	if s.Time == 0 {
		return 24 * time.Hour
	}
	return time.Duration(s.Time)
}

// grace as package capability has it, where 0 means its default.
func (s *capabilitiesConfig) grace() time.Duration {
	switch {
	case s.Grace == nil:
		return 0
	case *s.Grace == 0:
		return -1
	}
	return time.Duration(*s.Grace)
}

// validateNarrowing looks at what bounds all who come in at a listener.
func (l *listenerConfig) validateNarrowing() error {
	rights, err := parseRights(l.Rights)
	switch {
	case err != nil:
		return fmt.Errorf("rights: %w", err)
	case len(l.Rights) > 0 && !rights.Has(auth.View):
		return errors.New("rights: without view nobody sees anything; add it")
	}
	if err := l.Limits.Validate(); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	switch {
	case l.API == nil:
		return nil
	case l.API.Token == nil:
		return errors.New("api: token is missing, such as token: {file: PATH}")
	case !l.takes(browsers):
		return errors.New("api: is for a listener that speaks HTTP; add web")
	case !l.private(browsers) && !loopback(l.Address):
		return errors.New("api: needs tls on this listener (or a unix socket, or a loopback address), else its token would cross the network in the clear")
	}
	return nil
}
