package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

// The security types by which viewers prove themselves, with the guard that
// slows guessing down around each of them. A viewer that has to wait is
// answered like one whose proof was wrong.

// verifier is how a password is looked at.
type verifier func(ctx context.Context, user, password string) error

// passwordProof is a type by which a user's password comes to us.
type passwordProof struct {
	e    *entry
	with func(verifier) rfb.Security
}

// Type returns that of the type proper.
func (p passwordProof) Type() rfb.SecurityType { return p.with(nil).Type() }

// Handshake runs it with the users file behind.
func (p passwordProof) Handshake(ctx context.Context, c net.Conn) (rfb.Secured, error) {
	return p.with(func(ctx context.Context, given, password string) error {
		user, _ := p.e.userOf(given)
		return p.e.w.verify(ctx, from(c), user, password)
	}).Handshake(ctx, c)
}

// verify proves a user by password. A name in another spelling than the file's
// is refused although it means the same user: the policy must see the name that
// its rules are written with.
func (w *wiring) verify(ctx context.Context, addr netip.Addr, user, password string) error {
	err := w.guard.Try(addr, user, func() error {
		id, err := w.users.Verify(ctx, user, password)
		if err == nil && id.Name != user {
			return auth.ErrDenied
		}
		return err
	})
	if errors.Is(err, auth.ErrDenied) {
		return w.denied(user, err)
	}
	return err
}

// denied tells the log whose name was tried. One that nobody has is left out:
// it may be a password in the wrong field.
func (w *wiring) denied(user string, err error) error {
	id, ok := w.users.Identity(user)
	switch {
	case !ok:
		return fmt.Errorf("no such user: %w", err)
	case id.Name != user:
		return fmt.Errorf("another spelling of user %q: %w", id.Name, err)
	}
	return fmt.Errorf("user %q: %w", id.Name, err)
}

// vncProof is VNC authentication with the password of the listener or of the
// target.
type vncProof struct {
	e      *entry
	target string
}

// Type returns TypeVncAuth.
func (vncProof) Type() rfb.SecurityType { return rfb.TypeVncAuth }

// Handshake runs it. A shared password names nobody, so that only the address
// can have to wait.
func (p vncProof) Handshake(ctx context.Context, c net.Conn) (secured rfb.Secured, err error) {
	looked := false
	_ = p.e.w.guard.Try(from(c), "", func() error {
		looked = true
		if name := p.e.serverName(c); name != "" {
			p.target = name
		}
		secured, err = rfb.ServerVncAuth{Passwords: p.passwords}.Handshake(ctx, c)
		var refused *rfb.Refusal
		if errors.As(err, &refused) {
			return errors.Join(auth.ErrDenied, err)
		}
		return err
	})
	if !looked {
		return rfb.ServerVncAuth{Passwords: noPasswords}.Handshake(ctx, c)
	}
	return secured, err
}

func (p vncProof) passwords(ctx context.Context) ([]string, error) {
	var list []string
	for _, s := range []*secret{p.e.l.Password, p.e.w.now().cfg.Targets[p.target].ViewerPassword} {
		if s == nil {
			continue
		}
		password, err := s.read(ctx)
		if err != nil {
			return nil, err
		}
		list = append(list, password)
	}
	return list, nil
}

func noPasswords(context.Context) ([]string, error) { return nil, nil }

// saslProof is SASL. What it can offer depends on the connection: on the TLS
// below, and on who is known from there already.
type saslProof struct {
	e       *entry
	private bool
}

// Type returns TypeSASL.
func (saslProof) Type() rfb.SecurityType { return rfb.TypeSASL }

// Handshake offers the mechanisms and runs the one that is chosen. The identity
// that it proves comes along whole, with the groups of a token; the target that
// was named beside the user goes back to the gateway.
func (p saslProof) Handshake(ctx context.Context, c net.Conn) (rfb.Secured, error) {
	mechanisms := p.mechanisms(c)
	var target string
	mechanisms.Claimed = func(given string) (user string) {
		user, target = p.e.userOf(given)
		return user
	}
	var running *auth.Mechanism
	secured, err := rfb.ServerSASL{
		Mechanisms: mechanisms.Names(),
		Start: func(ctx context.Context, name string, _ net.Conn) (m rfb.SASLMechanism, err error) {
			running, err = mechanisms.New(ctx, name)
			return mechanism{running}, err
		},
	}.Handshake(ctx, c)
	if err == nil {
		secured.Proof = running.Identity()
		if target != "" {
			secured.User += userMark + target
		}
	}
	return secured, err
}

func (p saslProof) mechanisms(c net.Conn) auth.Mechanisms {
	w := p.e.w
	m := auth.Mechanisms{
		Users: w.users, Tokens: w.tokens, Kerberos: w.kerberos, Anonymous: p.e.l.Anonymous, Encrypted: p.private,
		Guard: &w.guard, From: from(c),
	}
	if state, ok := layers.TLSState(c); ok {
		var leaf *x509.Certificate
		if p.e.cert != nil {
			leaf = p.e.cert.pair.Leaf()
		}
		m.Binding = auth.NewBinding(state, leaf)
	}
	if id, ok := gateway.Known(c); ok && p.e.l.knowsPeers() {
		m.External = &id
	}
	return m
}

// from is the address that the guard counts for. Loopback and unix sockets
// have none: whoever comes from there may be a proxy that stands for many.
func from(c net.Conn) netip.Addr {
	addr, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil || addr.Addr().IsLoopback() {
		return netip.Addr{}
	}
	return addr.Addr().Unmap()
}
