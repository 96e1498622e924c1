package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vncgate/auth"
	"vncgate/layers"
)

// listenerConfig is one address that somebody comes to: browsers, native
// viewers, both, or displays.
type listenerConfig struct {
	Address   string           `yaml:"address"`
	Mode      fileMode         `yaml:"mode,omitempty"`    // of a unix socket, as owner and group are
	Owner     string           `yaml:"owner,omitempty"`   // a name or number
	Group     string           `yaml:"group,omitempty"`   // a name or number
	Network   string           `yaml:"network,omitempty"` // tcp4 or tcp6 alone; default: both
	Protocols []string         `yaml:"protocols,omitempty"`
	Silence   time.Duration    `yaml:"silence,omitempty"`    // after which one who says nothing is an RFB viewer
	PlainHTTP bool             `yaml:"plain_http,omitempty"` // beside TLS, where one port is for all
	TLS       *serverTLSConfig `yaml:"tls,omitempty"`
	Proxy     *proxyConfig     `yaml:"proxy,omitempty"`
	Web       *webConfig       `yaml:"web,omitempty"`      // browsers; without it: native viewers
	Arrivals  *arrivalsConfig  `yaml:"arrivals,omitempty"` // displays that dial in
	Agents    *agentListener   `yaml:"agents,omitempty"`   // agents that dial in
	Security  []string         `yaml:"security,omitempty"`
	Password  *secret          `yaml:"password,omitempty"`  // of vnc and x509-vnc
	RSAKey    string           `yaml:"rsa_key,omitempty"`   // of the ra2 types; made if there is none
	Anonymous bool             `yaml:"anonymous,omitempty"` // allow the SASL mechanism that proves nobody
	Target    string           `yaml:"target,omitempty"`
	Route     *routeConfig     `yaml:"route,omitempty"`
	Sources   []string         `yaml:"sources,omitempty"` // whose tokens are taken here
	Token     string           `yaml:"token,omitempty"`   // required (the default with sources) or optional
	Rights    oneOrMore        `yaml:"rights,omitempty"`  // what may be done here at most
	Limits    auth.Limits      `yaml:"limits,omitempty"`
	Class     string           `yaml:"class,omitempty"` // of sessions for which neither rule nor target names one
	API       *apiConfig       `yaml:"api,omitempty"`   // POST /api/revoke
}

// serverTLSConfig is our certificate towards viewers.
type serverTLSConfig struct {
	Certificate   string    `yaml:"certificate"`
	Key           string    `yaml:"key"`
	ClientCA      string    `yaml:"client_ca,omitempty"`       // demand client certificates of this CA
	CRL           oneOrMore `yaml:"crl,omitempty"`             // files of its revocation lists, read again when they change
	CRLFailClosed bool      `yaml:"crl_fail_closed,omitempty"` // take nobody without a list that is not overdue
	Implicit      bool      `yaml:"implicit,omitempty"`        // native viewers: TLS from the first byte
}

// proxyConfig is whose PROXY headers are believed.
type proxyConfig struct {
	Trusted []string `yaml:"trusted"`          // addresses (CIDR) that must send a PROXY header
	Others  string   `yaml:"others,omitempty"` // all others: refuse, or plain without a header
}

// routeConfig is how a native viewer, which has no URL, names its display.
type routeConfig struct {
	SNI      []string `yaml:"sni,omitempty"`      // server names, with {target} in them
	User     bool     `yaml:"user,omitempty"`     // user%target for a user name
	Repeater bool     `yaml:"repeater,omitempty"` // UltraVNC's prologue: ID:1234, or host:port
}

// arrivalsConfig takes displays that dial in: targets with arrives say which.
type arrivalsConfig struct {
	Waiting int `yaml:"waiting,omitempty"` // displays that may wait for a viewer at once
}

// How viewers may come in at one address.
const (
	protocolRFB = "rfb"
	protocolWeb = "web"
)

// kind is one of the two sorts of viewers, for whom security differs.
type kind string

const (
	browsers kind = "browsers"
	natives  kind = "native viewers"
)

// kinds are those who come to this listener.
func (l *listenerConfig) kinds() []kind {
	switch {
	case l.Arrivals != nil, l.Agents != nil:
		return nil
	case len(l.Protocols) == 2:
		return []kind{browsers, natives}
	case l.Web != nil:
		return []kind{browsers}
	}
	return []kind{natives}
}

// takes reports whether viewers of kind k come to this listener.
func (l *listenerConfig) takes(k kind) bool { return slices.Contains(l.kinds(), k) }

// mixed reports whether it is one port for all.
func (l *listenerConfig) mixed() bool { return len(l.kinds()) > 1 }

func (l *listenerConfig) validate(c *config) error {
	network, _, err := layers.ParseAddress(l.Address)
	if err != nil {
		return err
	}
	if err := l.validateSocket(network); err != nil {
		return err
	}
	if err := l.validateProtocols(); err != nil {
		return fmt.Errorf("protocols: %w", err)
	}
	if l.TLS != nil && (l.TLS.Certificate == "" || l.TLS.Key == "") {
		return errors.New("tls: both certificate and key are needed; 'vncgate cert make' makes them")
	}
	if err := l.TLS.validateCRL(); err != nil {
		return fmt.Errorf("tls: %w", err)
	}
	if err := l.validateProxy(network); err != nil {
		return fmt.Errorf("proxy: %w", err)
	}
	if l.Agents != nil {
		return l.validateAgentListener()
	}
	if l.Arrivals != nil {
		return l.validateArrivals(c)
	}
	if err := l.validateTokens(c); err != nil {
		return err
	}
	if err := l.validateRoute(c); err != nil {
		return fmt.Errorf("route: %w", err)
	}
	if err := l.chooseTarget(c); err != nil {
		return err
	}
	if l.Web != nil {
		if err := l.Web.validate(l); err != nil {
			return fmt.Errorf("web: %w", err)
		}
	}
	if err := l.validateNarrowing(); err != nil {
		return err
	}
	return l.validateSecurity(c)
}

func (l *listenerConfig) validateSocket(network string) error {
	file := network == "unix" && !strings.HasPrefix(l.Address, "unix:@")
	switch {
	case l.Mode != 0 && !file:
		return errors.New("mode: only a unix socket has one")
	case (l.Owner != "" || l.Group != "") && !file:
		return errors.New("owner, group: only a unix socket has them")
	case l.Network == "":
		return nil
	case l.Network != "tcp4" && l.Network != "tcp6":
		return fmt.Errorf("network: %w", notOneOf("network", l.Network, []string{"tcp4", "tcp6"}))
	case network != "tcp":
		return errors.New("network: is for host:port; leave it out")
	}
	return nil
}

func (l *listenerConfig) validateProtocols() error {
	for i, p := range l.Protocols {
		if p != protocolRFB && p != protocolWeb {
			return notOneOf("protocol", p, []string{protocolRFB, protocolWeb})
		}
		if slices.Contains(l.Protocols[:i], p) {
			return fmt.Errorf("%s is named twice", p)
		}
	}
	web, rfb := slices.Contains(l.Protocols, protocolWeb), slices.Contains(l.Protocols, protocolRFB)
	switch {
	case rfb && !web && l.Web != nil:
		return errors.New("web has settings here and is not among them; add it, or leave its settings out")
	case web && l.Web == nil:
		l.Web = &webConfig{}
	}
	switch {
	case l.Silence < 0:
		return errors.New("silence: must not be negative")
	case l.Silence > 0 && !l.mixed():
		return errors.New("silence: tells native viewers from browsers, where protocols is [rfb, web]")
	case l.PlainHTTP && (!l.mixed() || l.TLS == nil):
		return errors.New("plain_http: is for a port for all, protocols [rfb, web], that has tls")
	case l.mixed() && l.PlainHTTP && l.TLS.Implicit:
		return errors.New("plain_http: contradicts implicit, by which everything here is TLS")
	}
	return nil
}

func (t *serverTLSConfig) validateCRL() error {
	switch {
	case t == nil:
		return nil
	case len(t.CRL) > 0 && t.ClientCA == "":
		return errors.New("crl: revokes client certificates, which client_ca asks for; set it")
	case len(t.CRL) == 0 && t.CRLFailClosed:
		return errors.New("crl_fail_closed: needs crl, the file of a revocation list")
	}
	return nil
}

// forViewers names a setting for viewers that is there, "" where there is none.
func (l *listenerConfig) forViewers() string {
	for name, set := range map[string]bool{
		"web": l.Web != nil, "security": len(l.Security) > 0, "password": l.Password != nil, "rsa_key": l.RSAKey != "",
		"anonymous": l.Anonymous, "target": l.Target != "", "route": l.Route != nil, "sources": len(l.Sources) > 0,
		"token": l.Token != "", "protocols": len(l.Protocols) > 0, "rights": len(l.Rights) > 0, "class": l.Class != "", "limits": !l.Limits.IsZero(), "api": l.API != nil,
	} {
		if set {
			return name
		}
	}
	return ""
}

// validateArrivals leaves a listener for displays nothing that is for viewers.
func (l *listenerConfig) validateArrivals(c *config) error {
	if name := l.forViewers(); name != "" {
		return fmt.Errorf("%s: is for viewers; this listener is for displays, since it has arrivals", name)
	}
	if l.TLS != nil && !l.TLS.Implicit {
		return errors.New("tls: displays that dial in have TLS from the first byte or not at all; set implicit")
	}
	if l.Arrivals.Waiting < 0 {
		return errors.New("arrivals: waiting: must not be negative")
	}
	for _, t := range c.Targets {
		if t.Arrives != nil {
			return nil
		}
	}
	return errors.New("arrivals: no target has arrives, so that no display could be let in")
}

// tokenRequired reports whether nobody comes in without a token.
func (l *listenerConfig) tokenRequired() bool { return len(l.Sources) > 0 && l.Token != tokenOptional }

// tokenOptional lets those without a token in as well, by what security asks for.
const tokenOptional = "optional"

func (l *listenerConfig) validateTokens(c *config) error {
	switch {
	case len(l.Sources) == 0 && l.Token != "":
		return errors.New("token: there are no sources here whose tokens could be taken")
	case len(l.Sources) == 0:
		return nil
	case !l.takes(browsers):
		return errors.New("sources: native viewers bring no token; add web, or name the display in another way (route)")
	case l.Token != "" && l.Token != "required" && l.Token != tokenOptional:
		return fmt.Errorf("token: %w", notOneOf("setting", l.Token, []string{"required", tokenOptional}))
	}
	for i, name := range l.Sources {
		at := slices.IndexFunc(c.Sources, func(s sourceConfig) bool { return s.Name == name })
		switch {
		case name == capabilitySource && c.Capabilities == nil:
			return errors.New("sources: capabilities are the tokens that are issued here; set capabilities, too")
		case name != capabilitySource && at < 0:
			return fmt.Errorf("sources: %w", notOneOf("source", name, c.tokenNames()))
		case at >= 0 && c.Sources[at].use() != asTokens:
			return fmt.Errorf("sources: %s names targets, which every listener has; here stand sources of tokens", name)
		case slices.Contains(l.Sources[:i], name):
			return fmt.Errorf("sources: %s is named twice", name)
		}
	}
	return nil
}

// chooseTarget takes the only target there is where none is named.
func (l *listenerConfig) chooseTarget(c *config) error {
	names := keys(c.Targets)
	only := len(names) == 1 && c.Free == nil && len(c.sourceNames(asTargets)) == 0
	if l.Target == "" && only && !(l.tokenRequired() && !l.takes(natives)) {
		l.Target = names[0]
	}
	switch {
	case l.Target != "" && l.tokenRequired() && !l.takes(natives):
		return errors.New("target: the token names the display; leave it out, or set token: optional")
	case l.Target == "" && (!l.takes(natives) || l.Route != nil):
		return nil // the browser's URL names it, or the viewer by its route
	case l.Target == "" && len(names) == 0 && c.Agents != nil:
		return errors.New("target: which one? name an agent's service, agent/NAME/SERVICE, or add route, by which viewers name it")
	case l.Target == "":
		return fmt.Errorf("target: which one? there are: %s", strings.Join(names, ", "))
	case c.Agents != nil && isAgentTarget(l.Target):
		return nil
	case !slices.Contains(names, l.Target) && len(c.sourceNames(asTargets)) == 0:
		return fmt.Errorf("target: %w", notOneOf("target", l.Target, names))
	}
	return nil
}

func (l *listenerConfig) validateProxy(network string) error {
	switch {
	case l.Proxy == nil:
		return nil
	case len(l.Proxy.Trusted) == 0:
		return errors.New("trusted: name the addresses that send the header; nobody else gets in here")
	case network == "unix" && !slices.Contains(l.Proxy.Trusted, "unix"):
		return errors.New("trusted: peers of a unix socket have no address; add unix")
	case l.Proxy.Others != "" && l.Proxy.Others != "refuse" && l.Proxy.Others != "plain":
		return fmt.Errorf("others: %w", notOneOf("setting", l.Proxy.Others, []string{"refuse", "plain"}))
	}
	_, err := parsePrefixes(l.Proxy.Trusted)
	return err
}
