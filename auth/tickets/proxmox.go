package tickets

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// maxVNCPassword is what VncAuth's DES key takes of a password, in bytes.
const maxVNCPassword = 8

// ProxmoxConfig says how the API of Proxmox VE is asked for displays.
type ProxmoxConfig struct {
	// URL is that of any node of the cluster, https unless Plain:
	// "https://pve1.example:8006".
	URL string
	// Plain allows http, for a server on the same machine.
	Plain bool
	// Token gives the API token, as USER@REALM!TOKENID=UUID. It needs VM.Console
	// on the machines, and VM.Audit for them to be listed.
	Token func(ctx context.Context) (string, error)
	// Client is what asks; nil is one with the system's CAs and 10 s. It follows
	// no redirects.
	Client *http.Client
}

// Proxmox is a source of names rather than of secrets: "node/vmid" is a virtual
// machine, "node/lxc/vmid" a container's terminal. Each look-up has the node
// open a port for one viewer and 10 s (POST …/vncproxy with websocket=1), which
// is then reached over WebSocket through the API's own port; the ticket holds
// that address, the header that goes with it and the password that the display
// wants (qemu-server:src/PVE/API2/Qemu.pm). It must not be cached.
type Proxmox struct {
	cfg ProxmoxConfig
	url *url.URL
	api platform
}

var proxmoxName = regexp.MustCompile(`^([a-zA-Z0-9][a-zA-Z0-9-]{0,62})/(?:(qemu|lxc)/)?([1-9][0-9]{2,8})$`)

// NewProxmox asks nothing yet.
func NewProxmox(cfg ProxmoxConfig) (*Proxmox, error) {
	u, err := baseURL("proxmox", cfg.URL, cfg.Plain)
	if err != nil {
		return nil, err
	}
	if cfg.Token == nil {
		return nil, errors.New("tickets: proxmox: the API token is missing")
	}
	return &Proxmox{cfg, u, newPlatform("proxmox", cfg.Client)}, nil
}

// Lookup has the display of a machine opened for one viewer, who must come
// within 10 s.
func (p *Proxmox) Lookup(ctx context.Context, name string) (Ticket, error) {
	m := proxmoxName.FindStringSubmatch(name)
	if m == nil {
		return Ticket{}, refused("proxmox", "it is not of the form node/vmid")
	}
	kind := m[2]
	if kind == "" {
		kind = "qemu"
	}
	machine := p.url.JoinPath("api2", "json", "nodes", m[1], kind, m[3])
	header, err := p.header(ctx)
	if err != nil {
		return Ticket{}, err
	}
	var answer struct {
		Data vncProxy `json:"data"`
	}
	r := formRequest(machine.JoinPath("vncproxy"), url.Values{"websocket": {"1"}}, header)
	res, err := p.api.ask(ctx, r, &answer)
	if err != nil {
		return Ticket{}, err
	}
	if res.StatusCode != http.StatusOK {
		return Ticket{}, p.refusal(res)
	}
	return answer.Data.ticket(machine.JoinPath("vncwebsocket"), header)
}

func formRequest(u *url.URL, form url.Values, header http.Header) *http.Request {
	body := form.Encode()
	header = header.Clone()
	header.Set("Content-Type", "application/x-www-form-urlencoded")
	return &http.Request{
		Method: http.MethodPost, URL: u, Header: header,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func (p *Proxmox) header(ctx context.Context) (http.Header, error) {
	token, err := p.cfg.Token(ctx)
	if err != nil {
		return nil, fmt.Errorf("tickets: proxmox: the API token: %w", err)
	}
	if id, secret, ok := strings.Cut(token, "="); !ok || secret == "" || !strings.Contains(id, "@") || !strings.Contains(id, "!") {
		return nil, errors.New("tickets: proxmox: the API token must be like USER@REALM!TOKENID=UUID")
	}
	return http.Header{"Authorization": {"PVEAPIToken=" + token}}, nil
}

// refusal tells a machine that is not there, which is 500 with a reason in the
// status line, from an API that does not answer.
func (p *Proxmox) refusal(res *http.Response) error {
	switch {
	case res.StatusCode == http.StatusInternalServerError && strings.Contains(res.Status, "does not exist"),
		res.StatusCode == http.StatusBadRequest:
		return refused("proxmox", "there is no such machine on that node")
	case res.StatusCode == http.StatusUnauthorized:
		return p.api.status(res, "the API token is not taken")
	case res.StatusCode == http.StatusForbidden:
		return p.api.status(res, "the API token needs the privilege VM.Console on that machine")
	}
	return p.api.status(res, "the node opened no display: is the machine running, and the node up?")
}

// vncProxy is what opening a display answers.
type vncProxy struct {
	Port     jsonText `json:"port"`
	Ticket   string   `json:"ticket"`
	Password string   `json:"password"`
}

func (v vncProxy) ticket(socket *url.URL, header http.Header) (Ticket, error) {
	port, err := parsePort(string(v.Port))
	if err != nil || v.Ticket == "" {
		return Ticket{}, errors.New("tickets: proxmox: the answer has neither port nor ticket")
	}
	u := *socket
	u.RawQuery = url.Values{"port": {port}, "vncticket": {v.Ticket}}.Encode()
	tls := u.Scheme == "https"
	host := u.Port()
	if u.Scheme = "ws"; tls {
		u.Scheme = "wss"
	}
	if host == "" {
		host = map[bool]string{true: "443", false: "80"}[tls]
	}
	address, err := JoinAddress(u.Hostname(), host)
	if err != nil {
		return Ticket{}, fmt.Errorf("tickets: proxmox: the URL: %w", err)
	}
	return Ticket{Address: address, TLS: tls, WebSocketURL: u.String(), Header: header, Password: v.password()}, nil
}

// password is what VncAuth asks for. Before there was a field for it, it stood
// in front of the ticket, and before that the ticket itself was it, of which DES
// sees the first 8 bytes.
func (v vncProxy) password() string {
	password := v.Password
	if password == "" {
		password = v.Ticket
	}
	return password[:min(len(password), maxVNCPassword)]
}

// Names lists the machines that the API token may see.
func (p *Proxmox) Names(ctx context.Context) ([]string, error) {
	header, err := p.header(ctx)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Data []struct {
			Type     string      `json:"type"`
			Node     string      `json:"node"`
			ID       jsonText    `json:"vmid"`
			Template json.Number `json:"template"`
		} `json:"data"`
	}
	u := p.url.JoinPath("api2", "json", "cluster", "resources")
	u.RawQuery = "type=vm"
	res, err := p.api.ask(ctx, &http.Request{Method: http.MethodGet, URL: u, Header: header}, &answer)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, p.api.status(res, "the machines could not be listed: is the API token good?")
	}
	var names []string
	for _, m := range answer.Data {
		name := m.Node + "/" + string(m.ID)
		if m.Type == "lxc" {
			name = m.Node + "/lxc/" + string(m.ID)
		}
		if m.Template != "1" && proxmoxName.MatchString(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}
