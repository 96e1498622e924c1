package rfb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
)

// The SecurityResult (RFC 6143, 7.1.3). Tight adds 2, too many attempts; all
// that is not 0 is a failure.
const (
	resultOK     = 0
	resultFailed = 1
)

// maxServerTypes is how many types the one-byte count of the list allows.
const maxServerTypes = 255

// noSecurity is told to a viewer when nothing is on offer for it.
const noSecurity = "No security type is available"

// Server plays the display to the viewer at c, from the ProtocolVersion to the
// SecurityResult and what the security type does behind it. Its I/O ends when
// ctx does. On error c is still the caller's to close; an error that is a
// *Refusal has been told to the viewer, where its version has words for it.
func Server(ctx context.Context, c net.Conn, cfg *ServerConfig) (*Conn, error) {
	var conn *Conn
	err := interrupt(ctx, c, func() (err error) {
		conn, err = serve(ctx, c, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func serve(ctx context.Context, c net.Conn, cfg *ServerConfig) (*Conn, error) {
	if err := checkOffer(cfg.Security, maxServerTypes, topLevel); err != nil {
		return nil, err
	}
	if err := write(c, Version38.line(), "version"); err != nil {
		return nil, err
	}
	line, err := readN(c, versionLen, "version")
	if err != nil {
		return nil, err
	}
	v, err := viewerVersion(line)
	if err != nil {
		return nil, err
	}
	chosen, err := offer(c, v, cfg)
	if err != nil {
		return nil, err
	}
	secured, err := chosen.Handshake(ctx, c)
	if secured.Conn == nil {
		secured.Conn = c
	}
	if wrong := (*Refusal)(nil); cfg.Failed != nil && errors.As(err, &wrong) {
		cfg.Failed(secured.Method, err)
	}
	if err == nil && cfg.Approve != nil {
		err = approve(ctx, cfg, secured)
	}
	if err := answer(secured, v, chosen.Type(), err); err != nil {
		return nil, err
	}
	return settle(ctx, v, secured)
}

// topLevel and nested say where a type may be offered: a byte's worth of types
// in the list of RFB itself, all but VeNCrypt inside VeNCrypt.
func topLevel(t SecurityType) bool { return t != TypeInvalid && t < 256 }

// checkOffer finds lists that cannot be put on the wire. They come from our own
// configuration, so the error is for its author.
func checkOffer(offered []Security, most int, legal func(SecurityType) bool) error {
	if len(offered) > most {
		return fmt.Errorf("rfb: %d security types to offer, at most %d are possible", len(offered), most)
	}
	for _, s := range offered {
		if !legal(s.Type()) {
			return fmt.Errorf("rfb: security type %s cannot be offered here", s.Type())
		}
	}
	return nil
}

// offer tells the viewer the types there are and returns its choice. In 3.3
// the choice is ours and limited to what was there then.
func offer(c net.Conn, v Version, cfg *ServerConfig) (Security, error) {
	if v == Version33 {
		i := slices.IndexFunc(cfg.Security, func(s Security) bool {
			return s.Type() == TypeNone || s.Type() == TypeVncAuth
		})
		if i < 0 {
			return nil, refuseOffer(c, be.AppendUint32(nil, 0), cfg)
		}
		s := cfg.Security[i]
		return s, write(c, be.AppendUint32(nil, uint32(s.Type())), "security type")
	}
	if len(cfg.Security) == 0 {
		return nil, refuseOffer(c, []byte{0}, cfg)
	}
	list := []byte{byte(len(cfg.Security))}
	for _, s := range cfg.Security {
		list = append(list, byte(s.Type()))
	}
	if err := write(c, list, "security types"); err != nil {
		return nil, err
	}
	choice, err := readU8(c, "security type")
	if err != nil {
		return nil, err
	}
	return choose(cfg.Security, SecurityType(choice))
}

// refuseOffer sends a reason behind the zero that stands for no types.
func refuseOffer(c net.Conn, zero []byte, cfg *ServerConfig) error {
	reason := cfg.NoSecurity
	if reason == "" {
		reason = noSecurity
	}
	if err := write(c, appendReason(zero, reason), "refusal"); err != nil {
		return err
	}
	return &Refusal{Reason: reason, Err: errors.New("rfb: nothing to offer")}
}

// choose finds the Security of type t that was offered.
func choose(offered []Security, t SecurityType) (Security, error) {
	for _, s := range offered {
		if s.Type() == t {
			return s, nil
		}
	}
	return nil, fmt.Errorf("rfb: viewer chose security type %s, which was not offered", t)
}

// approve asks cfg.Approve and sees that its answer has words for the viewer.
func approve(ctx context.Context, cfg *ServerConfig, s Secured) error {
	err := cfg.Approve(ctx, s)
	var refusal *Refusal
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	return &Refusal{Reason: "refused", Err: err}
}

// answer sends the SecurityResult that verdict calls for and returns verdict.
func answer(s Secured, v Version, t SecurityType, verdict error) error {
	if !hasResult(v, t, s) {
		return verdict
	}
	var refusal *Refusal
	switch {
	case verdict == nil:
		return write(s.Conn, be.AppendUint32(nil, resultOK), "security result")
	case !errors.As(verdict, &refusal):
		return verdict
	}
	result := be.AppendUint32(nil, resultFailed)
	if v == Version38 {
		result = appendReason(result, refusal.Reason)
	}
	if err := write(s.Conn, result, "security result"); err != nil {
		return errors.Join(verdict, err)
	}
	return verdict
}

// hasResult reports whether a SecurityResult follows type t: before 3.8 not
// for None, nor for None inside Tight (libvncserver; noVNC waits for one, but
// in 3.8 alone when it is we who are the display), yet for None inside VeNCrypt
// (QEMU, TigerVNC, gtk-vnc).
func hasResult(v Version, t SecurityType, s Secured) bool {
	return v == Version38 || t != TypeNone && !s.bare
}

// settle runs what comes behind the SecurityResult.
func settle(ctx context.Context, v Version, s Secured) (*Conn, error) {
	c := s.Conn
	if s.After != nil {
		var err error
		if c, err = s.After(ctx, c); err != nil {
			return nil, fmt.Errorf("rfb: %s: security layer: %w", s.Method, err)
		}
	}
	return &Conn{Conn: c, Version: v, Secured: s}, nil
}

// Client plays the viewer to the display at c, as far as Server plays the
// display. A display that refuses us gives a *DisplayError, one that offers
// nothing we can do a *NoCommonSecurityError. On error c is still the
// caller's to close.
func Client(ctx context.Context, c net.Conn, cfg *ClientConfig) (*Conn, error) {
	var conn *Conn
	err := interrupt(ctx, c, func() (err error) {
		conn, err = connect(ctx, c, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func connect(ctx context.Context, c net.Conn, cfg *ClientConfig) (*Conn, error) {
	line, err := readGreeting(ctx, c, cfg.GreetTimeout)
	if err != nil {
		return nil, err
	}
	v, err := displayVersion(line)
	if err != nil {
		return nil, err
	}
	if err := write(c, v.line(), "version"); err != nil {
		return nil, err
	}
	chosen, err := selectType(c, v, cfg)
	if err != nil {
		return nil, err
	}
	secured, err := chosen.Handshake(ctx, c)
	if err != nil {
		return nil, err
	}
	if hasResult(v, chosen.Type(), secured) {
		if err := readResult(secured.Conn); err != nil {
			return nil, err
		}
	}
	return settle(ctx, v, secured)
}

// selectType reads what the display offers and answers with the best of ours
// among it. In 3.3 the display has chosen already.
func selectType(c net.Conn, v Version, cfg *ClientConfig) (Security, error) {
	if v == Version33 {
		t, err := readU32(c, "security type")
		if err != nil {
			return nil, err
		}
		if t == 0 {
			return nil, &DisplayError{Stage: StageSecurity, Reason: readReason(c)}
		}
		return best(cfg.Security, []SecurityType{SecurityType(t)}, cfg.Offered)
	}
	n, err := readU8(c, "security types")
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, &DisplayError{Stage: StageSecurity, Reason: readReason(c)}
	}
	list, err := readN(c, int(n), "security types")
	if err != nil {
		return nil, err
	}
	offered := make([]SecurityType, n)
	for i, t := range list {
		offered[i] = SecurityType(t)
	}
	s, err := best(cfg.Security, offered, cfg.Offered)
	if err != nil {
		return nil, err
	}
	return s, write(c, []byte{byte(s.Type())}, "security type")
}

// best returns the first of ours that is offered. tell may be nil.
func best(ours []Security, offered []SecurityType, tell func([]SecurityType)) (Security, error) {
	if tell != nil {
		tell(slices.Clone(offered))
	}
	none := &NoCommonSecurityError{Offered: offered}
	for _, s := range ours {
		if slices.Contains(offered, s.Type()) {
			return s, nil
		}
		none.Wanted = append(none.Wanted, s.Type())
	}
	return nil, none
}

// readResult reads the SecurityResult. A failure has a reason in 3.8, but QEMU
// gives one in every version, so it is read if it comes. A display that closes
// instead has refused as well (QEMU on a failed SASL step).
func readResult(c net.Conn) error {
	result, err := readU32(c, "security result")
	if err != nil {
		return hungUp(err)
	}
	if result != resultOK {
		return &DisplayError{Stage: StageAuthentication, Reason: readReason(c)}
	}
	return nil
}
