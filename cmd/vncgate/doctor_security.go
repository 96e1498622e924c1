package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"vncgate/layers"
	"vncgate/rfb"
)

// handshake goes as far as the SecurityResult, as the gateway does: where
// VeNCrypt leads nowhere, once more without it.
func (d *doctor) handshake(ctx context.Context, c net.Conn) (*rfb.Conn, error) {
	list := d.ours()
	conn, err := d.attempt(ctx, c, list)
	var none *rfb.NoCommonSecurityError
	if !errors.As(err, &none) || !none.InVeNCrypt() {
		return conn, d.settle(err)
	}
	rest := slices.DeleteFunc(list, func(s rfb.Security) bool { return s.Type() == rfb.TypeVeNCrypt })
	if !slices.ContainsFunc(rest, func(s rfb.Security) bool { return slices.Contains(d.offered, s.Type()) }) {
		return nil, d.settle(err)
	}
	s := d.current
	d.current = nil // the step goes on once we are back
	again, err := d.reach(ctx, false)
	d.current = s
	if err != nil {
		d.fail(newTrouble("nothing in common inside VeNCrypt, and the second connection, to do without it, failed"))
		return nil, err
	}
	conn, err = d.attempt(ctx, again, rest)
	return conn, d.settle(err)
}

// attempt is one connection's handshake. The steps follow its course, so that
// the one that is open is the one that an error belongs to.
func (d *doctor) attempt(ctx context.Context, c net.Conn, list []rfb.Security) (*rfb.Conn, error) {
	if d.version == "" {
		var err error
		if c, err = d.greet(ctx, c); err != nil {
			return nil, err
		}
		d.begin("security")
	}
	limited, cancel := d.limited(ctx)
	defer cancel()
	conn, err := rfb.Client(limited, c, &rfb.ClientConfig{
		Security: list,
		Offered:  func(types []rfb.SecurityType) { d.offers(types, list) },
	})
	if err != nil {
		_ = c.Close()
		return nil, because(limited, err)
	}
	return conn, nil
}

// ours is how we may prove ourselves, best first, with hooks that turn what
// happens into steps.
func (d *doctor) ours() []rfb.Security {
	list := d.target.Security()
	if d.front {
		list = d.withPlain(list)
	}
	for i, s := range list {
		list[i] = d.hooked(s)
	}
	return list
}

func (d *doctor) hooked(s rfb.Security) rfb.Security {
	switch s := s.(type) {
	case rfb.ClientVeNCrypt:
		s.Subtypes = slices.Clone(s.Subtypes)
		for i, sub := range s.Subtypes {
			s.Subtypes[i] = d.hookedSubtype(sub)
		}
		ours := s.Subtypes
		s.Offered = func(types []rfb.SecurityType) { d.offersNested(types, ours) }
		return s
	case rfb.ClientTight:
		s.Auths = slices.Clone(s.Auths)
		for i, inner := range s.Auths {
			s.Auths[i] = guardedSecurity{inner, d, "tight-" + inner.Type().String()}
		}
		ours := s.Auths
		s.Offered = func(types []rfb.SecurityType) { d.offersTight(types, ours) }
		return s
	}
	return guardedSecurity{s, d, s.Type().String()}
}

func (d *doctor) hookedSubtype(s rfb.Security) rfb.Security {
	x, ok := s.(rfb.ClientX509)
	if !ok {
		return guardedSecurity{s, d, s.Type().String()}
	}
	x.TLS = d.watchedTLS(rfb.Upgrade(layers.TLSClient(d.tls)))
	x.Inner = guardedSecurity{x.Inner, d, x.Type().String()}
	return x
}

// withPlain adds VeNCrypt's Plain, which gateways offer to browsers inside
// wss, where nobody on the way can read it.
func (d *doctor) withPlain(list []rfb.Security) []rfb.Security {
	if !d.overTLS() {
		return list
	}
	plain := rfb.ClientPlain{Credentials: d.t.credentials}
	for i, s := range list {
		if v, ok := s.(rfb.ClientVeNCrypt); ok {
			v.Subtypes = append(slices.Clone(v.Subtypes), plain)
			list[i] = v
			return list
		}
	}
	return append(list, rfb.ClientVeNCrypt{Subtypes: []rfb.Security{plain}})
}

// guardedSecurity is a type as a step of its own, which a front may have to do
// without.
type guardedSecurity struct {
	rfb.Security
	d    *doctor
	name string // as the configuration names it
}

// Handshake begins the step and runs the type, if it may.
func (g guardedSecurity) Handshake(ctx context.Context, c net.Conn) (rfb.Secured, error) {
	g.d.viewers()
	g.d.begin("authentication").detail("type", g.name)
	if err := g.d.mayProve(g.name); err != nil {
		return rfb.Secured{}, err
	}
	return g.Security.Handshake(ctx, c)
}

// leftOut is why a front is not logged in to.
type leftOut string

func (l leftOut) Error() string { return string(l) }

// mayProve is an error where we have nothing to prove ourselves with, or should
// not.
func (d *doctor) mayProve(name string) error {
	missing := d.missing(name)
	switch {
	case strings.HasSuffix(name, "none"):
		return nil
	case isRSAAES(name) && !d.front:
		return nil // its key is shown before anything is asked for
	case d.t.lacks(name) > 0 && d.front:
		return leftOut("not tried, for want of " + missing)
	case d.t.lacks(name) > 0 && missing != "":
		return newTrouble("it asks for "+asked(name)+", which is not configured", "On this side: give "+missing+".")
	case d.front && d.trust.checked && d.seen != nil && len(d.seen.faults) > 0:
		return leftOut("not tried: no password is sent where the certificate is not in order (--insecure sends it)")
	}
	return nil
}

// offers notes what is offered.
func (d *doctor) offers(types []rfb.SecurityType, ours []rfb.Security) {
	if d.offered == nil {
		d.offered = types
		d.current.detail("offered", typeNames(types))
		d.noteOffers("")
	}
	switch t := first(ours, types); t {
	case rfb.TypeInvalid, rfb.TypeVeNCrypt, rfb.TypeTight: // more is to come
	default:
		d.noteOffers(t.String())
	}
}

// offersNested notes VeNCrypt's subtypes.
func (d *doctor) offersNested(types []rfb.SecurityType, ours []rfb.Security) {
	d.nested = types
	d.current.detail("subtypes", typeNames(types))
	taken := ""
	if t := first(ours, types); t != rfb.TypeInvalid {
		taken = t.String()
	}
	d.noteOffers(taken)
}

// offersTight notes what is in Tight's envelope.
func (d *doctor) offersTight(types []rfb.SecurityType, ours []rfb.Security) {
	d.tight = types
	d.current.detail("tight", typeNames(types))
	taken := ""
	if t := first(ours, types); t != rfb.TypeInvalid {
		taken = "tight-" + t.String()
	}
	d.noteOffers(taken)
}

// noteOffers writes what is known so far: all that is offered, and what is
// taken of it, "" for nothing yet.
func (d *doctor) noteOffers(taken string) {
	s := d.current
	s.Summary, s.Notes = "it offers "+joined(d.offered), nil
	inside := map[rfb.SecurityType][]rfb.SecurityType{rfb.TypeVeNCrypt: d.nested, rfb.TypeTight: d.tight}
	for _, t := range d.offered {
		s.note("%s", typeText(t))
		for _, sub := range inside[t] {
			s.note("  %s", typeText(sub))
		}
		if inside[t] != nil {
			s.Summary += fmt.Sprintf("; inside %s %s", t, joined(inside[t]))
		}
	}
	d.noteServer("")
	if taken != "" {
		d.takes(taken)
	}
}

// noteServer writes which program it seems to be. A gateway's page tells more
// than what it passes on of a display.
func (d *doctor) noteServer(desktop string) {
	server := serverOf(d.version, d.offered, d.nested, desktop)
	if d.page != nil && d.page.ours {
		server = "vncgate"
	}
	if server != "" {
		d.current.note("looks like %s", server)
		d.current.detail("server", server)
	}
}

// first is the type that rfb.Client chooses.
func first(ours []rfb.Security, offered []rfb.SecurityType) rfb.SecurityType {
	for _, s := range ours {
		if slices.Contains(offered, s.Type()) {
			return s.Type()
		}
	}
	return rfb.TypeInvalid
}

// takes says what is chosen and why, and which stronger type is passed over for
// want of what.
func (d *doctor) takes(name string) {
	s, who := d.current, "vncgate"
	if d.front {
		who = "the doctor"
	}
	s.detail("chosen", name)
	s.Summary += "; " + who + " takes " + spoken(name)
	if d.nested != nil && slices.Contains(typeNames(d.offered), name) {
		s.note("none of VeNCrypt's subtypes can be spoken here, so %s comes again without VeNCrypt", who)
	}
	switch {
	case len(d.t.Security) > 0:
		s.note("%s takes %s: the first of these among the security that it was told to use", who, spoken(name))
		return
	case d.t.lacks(name) > 0:
		s.note("%s takes %s: there is nothing better for which it has what is needed; this asks for %s", who, name, asked(name))
		return
	}
	s.note("%s takes %s: the strongest of these for which it has what is needed", who, spoken(name))
	for _, stronger := range displaySecurity {
		if stronger == name || name == "plain" {
			break
		}
		if d.isOffered(stronger) && d.t.lacks(stronger) > 0 {
			s.note("%s would be stronger, and needs %s", stronger, d.missing(stronger))
		}
	}
}

func (d *doctor) isOffered(name string) bool {
	inner, tight := strings.CutPrefix(name, "tight-")
	if tight {
		return slices.Contains(typeNames(d.tight), inner)
	}
	return slices.Contains(typeNames(slices.Concat(d.offered, d.nested)), name)
}

// asked is what the named type asks its user for.
func asked(name string) string {
	switch {
	case strings.HasSuffix(name, "vnc"):
		return "a password"
	case strings.HasSuffix(name, "ident"):
		return "a user"
	}
	return "a user and a password"
}

// missing says what the named type needs that is not there, and how to give it.
func (d *doctor) missing(name string) string {
	var what []string
	lacks := func(thing, flag, key string) {
		thing += ": " + flag
		if !d.front {
			thing += " (in the configuration: " + key + ")"
		}
		what = append(what, thing)
	}
	if d.t.User == "" && !strings.HasSuffix(name, "vnc") && !isRSAAES(name) {
		lacks("a user", "--target-user", "user")
	}
	if d.t.Password == nil && !strings.HasSuffix(name, "ident") {
		lacks("a password", "--target-password-file", "password: {file: …}")
	}
	if isRSAAES(name) && d.t.RSAKey == "" {
		lacks("the fingerprint of its key", "--target-rsa-key", "rsa_key")
	}
	return strings.Join(what, ", and ")
}

// settle ends the step that is open as err says.
func (d *doctor) settle(err error) error {
	var out leftOut
	switch {
	case err == nil || d.current == nil: // it goes on, or was told already
	case errors.As(err, &out):
		d.skip(string(out))
	default:
		d.fail(d.noHandshake(err))
		d.viewers()
	}
	return err
}
