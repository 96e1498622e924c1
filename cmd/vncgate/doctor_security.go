package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"

	"vncgate/rfb"
)

// handshake goes as far as the SecurityResult, as the gateway does: where
// VeNCrypt leads nowhere, once more without it.
func (d *doctor) handshake(ctx context.Context, c net.Conn) (*rfb.Conn, error) {
	list := d.ours()
	conn, err := d.attempt(ctx, c, list)
	if !lacksSubtypes(err) {
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

// lacksSubtypes reports whether VeNCrypt was agreed on and then none of its
// subtypes.
func lacksSubtypes(err error) bool {
	var none *rfb.NoCommonSecurityError
	return errors.As(err, &none) && len(none.Wanted) > 0 && none.Wanted[0] >= rfb.TypePlain
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
	list := d.t.prove(d.tls)
	if d.front {
		list = d.withPlain(list)
	}
	for i, s := range list {
		v, ok := s.(rfb.ClientVeNCrypt)
		if !ok {
			list[i] = d.guarded(s)
			continue
		}
		v.Subtypes = slices.Clone(v.Subtypes)
		for j, sub := range v.Subtypes {
			if x, ok := sub.(rfb.ClientX509); ok {
				x.TLS, x.Inner = d.watchedTLS(x.TLS), d.guarded(x.Inner)
				sub = x
			} else {
				sub = d.guarded(sub)
			}
			v.Subtypes[j] = sub
		}
		subtypes := v.Subtypes
		v.Offered = func(types []rfb.SecurityType) { d.offersNested(types, subtypes) }
		list[i] = v
	}
	return list
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

// guarded is s as a step of its own, which a front may have to do without.
func (d *doctor) guarded(s rfb.Security) rfb.Security { return guardedSecurity{s, d} }

type guardedSecurity struct {
	rfb.Security
	d *doctor
}

// Handshake begins the step and runs the type, if it may.
func (g guardedSecurity) Handshake(ctx context.Context, c net.Conn) (rfb.Secured, error) {
	g.d.viewers()
	g.d.begin("authentication").detail("type", g.Type().String())
	if err := g.d.mayProve(g.Type()); err != nil {
		return rfb.Secured{}, err
	}
	if missing := g.d.missing(g.Type().String()); g.d.t.lacks(g.Type().String()) > 0 && missing != "" {
		return rfb.Secured{}, newTrouble("it asks for "+asked(g.Type())+", which is not configured", "On this side: give "+missing+".")
	}
	return g.Security.Handshake(ctx, c)
}

// leftOut is why a front is not logged in to.
type leftOut string

func (l leftOut) Error() string { return string(l) }

// mayProve is an error where a viewer's user would be asked, and we have no
// answer or should not give it.
func (d *doctor) mayProve(t rfb.SecurityType) error {
	switch {
	case !d.front || t == rfb.TypeNone:
		return nil
	case d.t.lacks(t.String()) > 0:
		return leftOut("not tried: it asks for " + asked(t) + ", which was not given (--user, --password-file)")
	case d.trust.checked && d.seen != nil && len(d.seen.faults) > 0:
		return leftOut("not tried: no password is sent where the certificate is not in order (--insecure sends it)")
	}
	return nil
}

// offers notes what is offered.
func (d *doctor) offers(types []rfb.SecurityType, ours []rfb.Security) {
	if d.offered == nil {
		d.offered = types
		d.current.detail("offered", typeNames(types))
		d.noteOffers(rfb.TypeInvalid)
	}
	if t := first(ours, types); t != rfb.TypeVeNCrypt && t != rfb.TypeInvalid {
		d.noteOffers(t)
	}
}

// offersNested notes VeNCrypt's subtypes.
func (d *doctor) offersNested(types []rfb.SecurityType, ours []rfb.Security) {
	d.nested = types
	d.current.detail("subtypes", typeNames(types))
	d.noteOffers(first(ours, types))
}

// noteOffers writes what is known so far: all that is offered, and what is
// taken of it, TypeInvalid for nothing yet.
func (d *doctor) noteOffers(taken rfb.SecurityType) {
	s := d.current
	s.Summary, s.Notes = "it offers "+joined(d.offered), nil
	if d.nested != nil {
		s.Summary += "; inside VeNCrypt " + joined(d.nested)
	}
	for _, t := range d.offered {
		s.note("%s", typeText(t))
		if t == rfb.TypeVeNCrypt {
			for _, sub := range d.nested {
				s.note("  %s", typeText(sub))
			}
		}
	}
	if server := serverOf(d.version, d.offered, d.nested, ""); server != "" {
		s.note("looks like %s", server)
		s.detail("server", server)
	}
	if taken != rfb.TypeInvalid {
		d.takes(taken)
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
func (d *doctor) takes(t rfb.SecurityType) {
	s := d.current
	s.detail("chosen", t.String())
	s.Summary += "; vncgate takes " + t.String()
	if d.nested != nil && slices.Contains(d.offered, t) {
		s.note("none of VeNCrypt's subtypes can be spoken here, so vncgate comes again without VeNCrypt")
	}
	switch {
	case len(d.t.Security) > 0:
		s.note("vncgate takes %s: the first of these among the security that it was told to use", t)
		return
	case d.t.lacks(t.String()) > 0:
		s.note("vncgate takes %s: there is nothing better for which it has what is needed; this asks for %s", t, asked(t))
		return
	}
	s.note("vncgate takes %s: the strongest of these for which it has what is needed", t)
	for _, name := range displaySecurity {
		if name == t.String() || t == rfb.TypePlain {
			break
		}
		if d.isOffered(name) && d.t.lacks(name) > 0 {
			s.note("%s would be stronger, and needs %s", name, d.missing(name))
		}
	}
}

func (d *doctor) isOffered(name string) bool {
	return slices.ContainsFunc(slices.Concat(d.offered, d.nested), func(t rfb.SecurityType) bool { return t.String() == name })
}

// asked is what a type asks its user for.
func asked(t rfb.SecurityType) string {
	if t == rfb.TypeVncAuth {
		return "a password"
	}
	return "a user and a password"
}

// missing says what the named type needs that is not configured, and how to
// give it.
func (d *doctor) missing(name string) string {
	var what []string
	if d.t.User == "" && (strings.HasSuffix(name, "plain") || strings.HasSuffix(name, "sasl")) {
		what = append(what, "a user: --target-user (in the configuration: user)")
	}
	if d.t.Password == nil {
		what = append(what, "a password: --target-password-file (in the configuration: password: {file: …})")
	}
	if strings.HasPrefix(name, "ra2") {
		what = append(what, "the fingerprint of the server's key (in the configuration: rsa_key)")
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
