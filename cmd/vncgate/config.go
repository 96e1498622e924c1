package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/goccy/go-yaml"

	"vncgate/auth"
	"vncgate/gateway"
)

// config is the file that serve reads; deploy/vncgate.yaml and
// deploy/sources.yaml show every key.
type config struct {
	Listeners    []listenerConfig        `yaml:"listeners"`
	Targets      map[string]targetConfig `yaml:"targets,omitempty"`
	Sources      []sourceConfig          `yaml:"sources,omitempty"`
	Free         *freeConfig             `yaml:"free,omitempty"`
	Users        *usersConfig            `yaml:"users,omitempty"`
	Tokens       *tokensConfig           `yaml:"tokens,omitempty"`
	Kerberos     *kerberosConfig         `yaml:"kerberos,omitempty"`
	Policy       []ruleConfig            `yaml:"policy,omitempty"`
	PolicyFile   string                  `yaml:"policy_file,omitempty"` // the same rules in a file of their own, which counts anew when it changes
	Capabilities *capabilitiesConfig     `yaml:"capabilities,omitempty"`
	Revocations  *revocationsConfig      `yaml:"revocations,omitempty"`
	Agents       *agentsConfig           `yaml:"agents,omitempty"`
	Cluster      *clusterConfig          `yaml:"cluster,omitempty"`
	Limits       limitsConfig            `yaml:"limits,omitempty"`
	Classes      map[string]classConfig  `yaml:"classes,omitempty"`
	Control      *controlConfig          `yaml:"control,omitempty"`
	Admin        *adminConfig            `yaml:"admin,omitempty"`
	Audit        *auditConfig            `yaml:"audit,omitempty"`
	Recordings   *recordingsConfig       `yaml:"recordings,omitempty"`
	Tracing      *tracingConfig          `yaml:"tracing,omitempty"`
	Shadow       *shadowConfig           `yaml:"shadow,omitempty"`
	Playback     *playbackConfig         `yaml:"playback,omitempty"`
	Log          logConfig               `yaml:"log,omitempty"`
}

type usersConfig struct {
	File string `yaml:"file"`
}

// kerberosConfig is what we are to viewers that log in by GSSAPI.
type kerberosConfig struct {
	Keytab    string `yaml:"keytab"`
	Principal string `yaml:"principal,omitempty"` // default: each vnc/… in the keytab
	Realm     string `yaml:"realm,omitempty"`     // whose users go by their names alone
}

// displayKerberosConfig is what we log in to a display with by GSSAPI.
type displayKerberosConfig struct {
	Principal string  `yaml:"principal,omitempty"`
	Keytab    string  `yaml:"keytab,omitempty"`
	CCache    string  `yaml:"ccache,omitempty"`
	Password  *secret `yaml:"password,omitempty"`
	Config    string  `yaml:"config,omitempty"`  // default: /etc/krb5.conf
	Service   string  `yaml:"service,omitempty"` // default: vnc/ and the display's host
}

// tokensConfig is which JSON Web Tokens are good (OAUTHBEARER).
type tokensConfig struct {
	Algorithms  []string `yaml:"algorithms"`
	Keys        string   `yaml:"keys,omitempty"`   // file: PEM, JWK or JWKS
	Secret      *secret  `yaml:"secret,omitempty"` // of HS256 and its like
	Issuer      string   `yaml:"issuer,omitempty"`
	Audience    string   `yaml:"audience,omitempty"`
	NameClaim   string   `yaml:"name_claim,omitempty"`
	GroupsClaim string   `yaml:"groups_claim,omitempty"`
}

// verifier is nil without tokens.
func (t *tokensConfig) verifier(ctx context.Context, reporter func(what, path string) func(error)) (*auth.JWTVerifier, error) {
	if t == nil {
		return nil, nil
	}
	cfg := auth.JWTConfig{
		Algorithms: t.Algorithms, KeyFile: t.Keys, Issuer: t.Issuer, Audience: t.Audience,
		NameClaim: t.NameClaim, GroupsClaim: t.GroupsClaim, Report: reporter("token keys", t.Keys),
	}
	if t.Secret != nil {
		secret, err := t.Secret.read(ctx)
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		cfg.Secret = []byte(secret)
	}
	return auth.NewJWTVerifier(cfg)
}

type limitsConfig struct {
	Sessions         int           `yaml:"sessions,omitempty"`
	Handshakes       int           `yaml:"handshakes,omitempty"`
	HandshakeTimeout time.Duration `yaml:"handshake_timeout,omitempty"`
	DialTimeout      time.Duration `yaml:"dial_timeout,omitempty"`
	GreetTimeout     time.Duration `yaml:"greet_timeout,omitempty"`
	Stall            time.Duration `yaml:"stall,omitempty"`
	ShutdownTimeout  time.Duration `yaml:"shutdown_timeout,omitempty"`
	ShutdownDelay    time.Duration `yaml:"shutdown_delay,omitempty"`  // how long viewers still come in after a signal to end
	UpgradeTimeout   time.Duration `yaml:"upgrade_timeout,omitempty"` // how long sessions may go on in the process before
	KickTime         time.Duration `yaml:"kick_time,omitempty"`       // how long one who was kicked is kept out, from its last try on
	HandshakeCores   int           `yaml:"handshake_cores,omitempty"`
	AcceptRate       acceptRate    `yaml:"accept_rate,omitempty"`
	AcceptExempt     []string      `yaml:"accept_exempt,omitempty"`
	Memory           memoryCeiling `yaml:"memory,omitempty"`
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
	if err := checkShape(b); err != nil {
		return nil, err
	}
	if err := yaml.UnmarshalWithOptions(b, cfg, yaml.Strict()); err != nil {
		return nil, explainYAML(err)
	}
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	return cfg, nil
}

func (l limitsConfig) limits() gateway.Limits {
	return gateway.Limits{
		Sessions: l.Sessions, Handshakes: l.Handshakes,
		HandshakeTimeout: l.HandshakeTimeout, DialTimeout: l.DialTimeout, GreetTimeout: l.GreetTimeout, Stall: l.Stall, KickTime: l.KickTime,
		Memory: l.memory(),
	}
}

// upgradeTimeout is how long sessions may go on in the old process after an
// upgrade.
func (l limitsConfig) upgradeTimeout() time.Duration { return cmp.Or(l.UpgradeTimeout, 24*time.Hour) }

// shutdownTimeout is how long sessions may go on after a signal to end.
func (l limitsConfig) shutdownTimeout() time.Duration {
	if l.ShutdownTimeout <= 0 {
		return 5 * time.Second
	}
	return l.ShutdownTimeout
}
