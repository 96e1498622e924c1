package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"vncgate/gateway"
	"vncgate/rfb"
)

// anonymousTLS stands for the subtypes that Go cannot speak. Nobody gets as far
// as running it.
type anonymousTLS struct{}

func (anonymousTLS) Type() rfb.SecurityType { return rfb.TypeTLSVnc }
func (anonymousTLS) Handshake(context.Context, net.Conn) (rfb.Secured, error) {
	return rfb.Secured{}, errors.New("was chosen")
}

// TigerVNC's default is VeNCrypt with TLSVnc alone, and VNC authentication
// beside it.
func TestDisplayWhoseVeNCryptCannotBeSpoken(t *testing.T) {
	const password = "letmein1"
	vnc := rfb.ServerVncAuth{Passwords: func(context.Context) ([]string, error) { return []string{password}, nil }}
	venCrypt := rfb.ServerVeNCrypt{Subtypes: []rfb.Security{anonymousTLS{}}}
	x509 := rfb.ClientX509{Inner: rfb.None{}, TLS: func(context.Context, net.Conn) (net.Conn, error) { return nil, io.EOF }}
	ours := []rfb.Security{
		rfb.ClientVeNCrypt{Subtypes: []rfb.Security{x509}},
		rfb.ClientVncAuth{Password: func(context.Context) (string, error) { return password, nil }},
	}
	both := newDisplay(t, []rfb.Security{venCrypt, vnc}, echo)
	g := newGateway(t, both.target(ours...), gateway.Front{})
	g.view(t)
	eventually(t, "the log says how", func() bool { return strings.Contains(g.log.String(), "display_security=vnc") })

	for name, target := range map[string]*gateway.Target{
		"display has nothing else": newDisplay(t, []rfb.Security{venCrypt}, echo).target(ours...),
		"target allows no less":    both.target(ours[:1]...),
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, target, gateway.Front{})
			if _, err := viewOver(g.dial(t)); err == nil {
				t.Fatal("got in")
			}
			eventually(t, "the log says what to change", func() bool { return strings.Contains(g.log.String(), "enable an X509 type on the display") })
		})
	}
}

// A target that wants to know learns of its sessions before their viewers see
// anything of it.
func TestTargetIsToldOfItsSessions(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	target := display.target(rfb.None{})
	told := make(chan gateway.SessionInfo, 1)
	target.Opened = func(s gateway.SessionInfo) { told <- s }
	g := newGateway(t, target, gateway.Front{})
	g.view(t)
	s := <-told // there already
	if list := g.List(); len(list) != 1 || list[0].ID != s.ID || s.Target != "display" || s.Open {
		t.Errorf("told of %+v", s)
	}
}
