package tickets

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"vncgate/auth"
)

// NoVNCAuthProxyConfig says how go-novncauthproxy's tokens are read.
type NoVNCAuthProxyConfig struct {
	// Key is what both sides know: 32 bytes.
	Key []byte
	// Endless takes tokens without exp, as the original does.
	Endless bool
}

// NoVNCAuthProxy is a source whose tokens are encrypted, a JWE by A256KW or dir
// with A256CBC-HS512 or A256GCM, and hold {"vnc": {"a": "host:port", "p":
// "password"}, "exp": …}: the address, the display's password and until when a
// session may begin. That they could be made at all says who made them
// (go-novncauthproxy:token/jwe.go, tools/encode.py).
type NoVNCAuthProxy struct {
	opener  *opener
	endless bool
}

// NewNoVNCAuthProxy takes the key.
func NewNoVNCAuthProxy(cfg NoVNCAuthProxyConfig) (*NoVNCAuthProxy, error) {
	if len(cfg.Key) != 32 {
		return nil, errors.New("tickets: novncauthproxy: the key must be of 32 bytes (in base64, 44 characters): make one with openssl rand -base64 32")
	}
	o, err := newOpener(JWEConfig{
		KeyAlgorithms: []string{string(jose.A256KW), string(jose.DIRECT)},
		Encryptions:   []string{string(jose.A256CBC_HS512), string(jose.A256GCM)},
		Secret:        cfg.Key,
	})
	return &NoVNCAuthProxy{o, cfg.Endless}, err
}

// Lookup decrypts the token and reads what it says.
func (n *NoVNCAuthProxy) Lookup(_ context.Context, token string) (Ticket, error) {
	if len(token) > maxSealed {
		return Ticket{}, refused("novncauthproxy", "it is too large")
	}
	plain, err := n.opener.open(token)
	if err != nil {
		return Ticket{}, refused("novncauthproxy", err.Error())
	}
	t, err := n.ticket(plain)
	if err != nil {
		return Ticket{}, refused("novncauthproxy", err.Error())
	}
	return t, nil
}

func (n *NoVNCAuthProxy) ticket(plain []byte) (Ticket, error) {
	var said struct {
		jwt.Claims
		VNC struct {
			Address  string `json:"a"`
			Password string `json:"p"`
		} `json:"vnc"`
	}
	if json.Unmarshal(plain, &said) != nil {
		return Ticket{}, errors.New("its claims are malformed")
	}
	switch {
	case said.Expiry == nil && !n.endless:
		return Ticket{}, errors.New("it never ends")
	case said.ValidateWithLeeway(jwt.Expected{Time: time.Now()}, 0) != nil:
		return Ticket{}, errors.New("it has expired, or is not valid yet")
	case said.Subject != "" && !printable(said.Subject):
		return Ticket{}, errors.New("its subject is unusable")
	}
	address, err := ParseAddress(said.VNC.Address)
	t := Ticket{Address: address, Password: said.VNC.Password}
	if said.Subject != "" {
		t.Identity = auth.Identity{Name: said.Subject, Method: "novncauthproxy"}
	}
	return t, err
}
