package tickets

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// Microversions of the compute API: from minMicroversion on, tokens of novnc
// consoles are answered for; maxMicroversion tells those of SPICE apart
// (nova:nova/api/openstack/compute/console_auth_tokens.py).
const (
	minMicroversion = "2.31"
	maxMicroversion = "2.99"
)

const maxInternalPath = 1024 // bytes of an internal_access_path

// NovaConfig says how nova is asked for consoles.
type NovaConfig struct {
	// URL is that of the compute API, https unless Plain:
	// "https://nova.example:8774/v2.1".
	URL string
	// Plain allows http.
	Plain bool
	// Token gives a token of an administrator, for X-Auth-Token; nil if Keystone
	// does. The policy os_compute_api:os-console-auth-tokens says who may ask.
	Token func(ctx context.Context) (string, error)
	// Keystone gets tokens by logging in.
	Keystone *Keystone
	// Client is what asks; nil is one with the system's CAs and 10 s. It follows
	// no redirects.
	Client *http.Client
}

// Nova is a source of the tokens that nova puts into the URLs of consoles (POST
// /servers/{id}/remote-consoles). It takes novncproxy's place from outside the
// cloud's message bus: the REST API GET /os-console-auth-tokens/{token} says
// which compute node's port a token is for. What it says has no user, so a
// ticket has no identity, and no end: nova's token_ttl bounds when a session may
// begin. A console of SPICE is no display, so its token is good for nothing.
type Nova struct {
	cfg     NovaConfig
	url     *url.URL
	api     platform
	old     atomic.Bool // maxMicroversion is too new for this nova
	renewed func(used string)
}

// NewNova asks nothing yet.
func NewNova(cfg NovaConfig) (*Nova, error) {
	u, err := baseURL("nova", cfg.URL, cfg.Plain)
	if err != nil {
		return nil, err
	}
	n := &Nova{cfg: cfg, url: u, api: newPlatform("nova", cfg.Client), renewed: func(string) {}}
	switch {
	case (cfg.Token == nil) == (cfg.Keystone == nil):
		return nil, fmt.Errorf("tickets: nova: either a token or a log-in to Keystone is needed")
	case cfg.Keystone != nil:
		n.cfg.Token, n.renewed = cfg.Keystone.Token, cfg.Keystone.Forget
	}
	return n, nil
}

// Lookup asks nova.
func (n *Nova) Lookup(ctx context.Context, token string) (Ticket, error) {
	if !novaToken(token) {
		return Ticket{}, refused("nova", "it is not of nova's form")
	}
	c, status, err := n.ask(ctx, token)
	switch {
	case err != nil:
		return Ticket{}, err
	case status == http.StatusNotFound:
		return Ticket{}, refused("nova", "nova does not know it, or no longer")
	case c.TLSPort != nil:
		return Ticket{}, refused("nova", "it is for a console of SPICE, not of VNC")
	}
	return c.ticket()
}

// novaToken reports whether a token is one that nova makes, a UUID, and can
// stand in a path.
func novaToken(s string) bool {
	return len(s) > 0 && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// novaConsole is where a console is.
type novaConsole struct {
	Host    string    `json:"host"`
	Port    jsonText  `json:"port"`
	Path    string    `json:"internal_access_path"`
	TLSPort *jsonText `json:"tls_port"` // there for spice-direct alone
}

func (c novaConsole) ticket() (Ticket, error) {
	address, err := JoinAddress(c.Host, string(c.Port))
	if err != nil || strings.HasPrefix(address, "unix:") {
		return Ticket{}, fmt.Errorf("tickets: nova: the console's host and port are unusable: %w", err)
	}
	if len(c.Path) > maxInternalPath || strings.ContainsFunc(c.Path, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return Ticket{}, fmt.Errorf("tickets: nova: the console's internal_access_path is unusable")
	}
	return Ticket{Address: address, ConnectPath: c.Path}, nil
}

// ask asks once more where nova is older than we hoped, and where our own token
// has ended.
func (n *Nova) ask(ctx context.Context, token string) (novaConsole, int, error) {
	var answer struct {
		Console novaConsole `json:"console"`
	}
	for tries := 0; ; tries++ {
		own, err := n.cfg.Token(ctx)
		if err != nil {
			return novaConsole{}, 0, fmt.Errorf("tickets: nova: the token for nova: %w", err)
		}
		res, err := n.api.ask(ctx, n.request(token, own), &answer)
		if err != nil {
			return novaConsole{}, 0, err
		}
		last := tries >= 2
		switch res.StatusCode {
		case http.StatusOK, http.StatusNotFound:
			return answer.Console, res.StatusCode, nil
		case http.StatusNotAcceptable:
			last = last || n.old.Swap(true)
		case http.StatusUnauthorized:
			n.renewed(own)
			last = last || n.cfg.Keystone == nil
		default:
			last = true
		}
		if last {
			return novaConsole{}, 0, n.api.status(res, novaHint(res.StatusCode))
		}
	}
}

func (n *Nova) request(token, own string) *http.Request {
	version := maxMicroversion
	if n.old.Load() {
		version = minMicroversion
	}
	header := http.Header{}
	header.Set("X-Auth-Token", own)
	header.Set("OpenStack-API-Version", "compute "+version)
	header.Set("X-OpenStack-Nova-API-Version", version)
	return &http.Request{Method: http.MethodGet, URL: n.url.JoinPath("os-console-auth-tokens", token), Header: header}
}

func novaHint(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "nova does not take our token: is it that of an account that exists, and has it not ended?"
	case http.StatusForbidden:
		return "our account may not ask: nova's policy os_compute_api:os-console-auth-tokens wants an administrator"
	case http.StatusNotAcceptable:
		return "this nova is too old: microversion " + minMicroversion + " is needed"
	}
	return "nova did not answer as it should: is the URL that of the compute API?"
}
