package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"

	"vncgate/auth"
	"vncgate/gateway/control"
	"vncgate/layers"
)

// adminGate says who asks at the admin listener and what that one may do: by a
// bearer token, by a client certificate, or as the owner of the other end of a
// unix socket. There are no cookies, so that a page of somebody else's has
// nothing that a browser would send along by itself but a certificate; what
// browsers say of where a request comes from is looked at for that.
type adminGate struct {
	cfg     *adminConfig
	log     *slog.Logger
	guesses auth.Guard
	cross   *http.CrossOriginProtection
	denied  func(r *http.Request) // is told of wrong tokens
}

// caller is who asks, for the audit, and what that one may do. The zero value is
// somebody unknown, who may nothing.
type caller struct {
	Name string // "token:ops", "cert:alice", "uid:1000"; "": nobody knows
	Role control.Role
}

func newAdminGate(cfg *adminConfig, log *slog.Logger, denied func(*http.Request)) *adminGate {
	g := &adminGate{cfg: cfg, log: log, denied: denied, cross: http.NewCrossOriginProtection()}
	for _, origin := range cfg.Origins {
		_ = g.cross.AddTrustedOrigin(origin) // validate has tried it
	}
	return g
}

// guard refuses what other pages would have a browser do here, and adds the
// headers that keep ours from being framed or guessed at.
func (g *adminGate) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		h := rw.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		if err := g.foreign(r); err != nil {
			g.log.Warn("admin: refused", "viewer", r.RemoteAddr, "call", r.URL.Path, "error", err)
			http.Error(rw, "Another page may not ask for this; add its origin to admin: origins if it should.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

var errForeign = errors.New("asked for by another page")

// foreign is an error where a browser says that another page had it ask. Pages
// that are opened by a link are not that, if they only show something.
func (g *adminGate) foreign(r *http.Request) error {
	if err := g.cross.Check(r); err != nil {
		return err
	}
	if r.Header.Get("Sec-Fetch-Site") != "cross-site" || r.Header.Get("Sec-Fetch-Mode") == "navigate" {
		return nil
	}
	for _, origin := range g.cfg.Origins {
		if strings.EqualFold(origin, r.Header.Get("Origin")) {
			return nil
		}
	}
	return errForeign
}

// allow says who asks, if that one has at least the role; else it has answered.
func (g *adminGate) allow(rw http.ResponseWriter, r *http.Request, least control.Role) (caller, bool) {
	who, err := g.caller(r)
	if err == nil && who.Role >= least {
		return who, true
	}
	status, words := http.StatusUnauthorized, "Send Authorization: Bearer TOKEN, with a token of the configuration's admin: tokens."
	switch {
	case err != nil:
		g.denied(r)
		words = "The token is wrong, or is none of the configuration's admin: tokens."
	case who.Role != control.Nobody:
		status, words = http.StatusForbidden, "This needs the role "+least.String()+"; "+who.Name+" has the role "+who.Role.String()+"."
	default:
	}
	if status == http.StatusUnauthorized {
		rw.Header().Set("WWW-Authenticate", `Bearer realm="vncgate"`)
	}
	g.log.Warn("admin: refused", "viewer", r.RemoteAddr, "call", r.URL.Path, "actor", who.Name, "needs", least.String())
	reply(rw, status, map[string]string{"error": words})
	return who, false
}

// need lets nobody on who lacks the role.
func (g *adminGate) need(least control.Role, next http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, ok := g.allow(rw, r, least); ok {
			next.ServeHTTP(rw, r)
		}
	})
}

// open lets everybody on where the configuration says so, else those who may
// look. A request without a token has to name us.
func (g *adminGate) open(what string, next http.Handler) http.Handler {
	needed := g.need(control.Viewer, next)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch {
		case !g.cfg.opens(what) || r.Header.Get("Authorization") != "":
			needed.ServeHTTP(rw, r)
		case r.TLS == nil && !g.cfg.knowsHost(r.Host):
			http.Error(rw, "This gateway does not go by that name; add it to admin: hosts, or send a token.", http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(rw, r)
		}
	})
}

// caller finds out who asks. A token comes before a certificate, and an error
// says that it was wrong.
func (g *adminGate) caller(r *http.Request) (caller, error) {
	if given := r.Header.Get("Authorization"); given != "" {
		return g.bearer(r, given)
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return g.certified(r.TLS.VerifiedChains[0][0].Subject.CommonName), nil
	}
	return g.peer(r), nil
}

// bearer compares with all tokens, in constant time, whichever it is. Guessing is
// slowed down by address.
func (g *adminGate) bearer(r *http.Request, given string) (who caller, err error) {
	text, ok := strings.CutPrefix(given, "Bearer ")
	if !ok {
		return caller{}, auth.ErrDenied
	}
	err = g.guesses.Try(farAddress(r), "", func() error {
		if who = g.owner(r.Context(), strings.TrimSpace(text)); who.Role == control.Nobody {
			return auth.ErrDenied
		}
		return nil
	})
	if err != nil {
		return caller{}, err
	}
	return who, nil
}

// owner of a token. They are read anew each time, so that a file can be
// replaced.
func (g *adminGate) owner(ctx context.Context, text string) (who caller) {
	given := sha256.Sum256([]byte(text))
	for i := range g.cfg.Tokens {
		t := &g.cfg.Tokens[i]
		want, err := t.Token.read(ctx)
		if err != nil {
			g.log.Error("admin: token cannot be read", "name", t.Name, "error", err)
			continue
		}
		sum := sha256.Sum256([]byte(want))
		if subtle.ConstantTimeCompare(given[:], sum[:]) == 1 {
			role, _ := control.ParseRole(t.Role) // validate has looked
			who = caller{"token:" + t.Name, role}
		}
	}
	return who
}

// certified is the owner of a client certificate; one that is named goes before
// everybody.
func (g *adminGate) certified(name string) caller {
	role := ""
	for _, c := range g.cfg.Certificates {
		if c.Name == name {
			role = c.Role
			break
		}
		if c.Name == "*" {
			role = cmp.Or(role, c.Role)
		}
	}
	may, _ := control.ParseRole(role) // none: nobody
	return caller{"cert:" + name, may}
}

// peer is the owner of the other end of a unix socket: the gateway's own user and
// root may everything, all others need a token.
func (g *adminGate) peer(r *http.Request) caller {
	c := connOf(r)
	if c == nil {
		return caller{}
	}
	cred, err := layers.PeerCredentials(c)
	if err != nil {
		return caller{}
	}
	who := caller{Name: "uid:" + strconv.Itoa(int(cred.UID))}
	if cred.UID == 0 || int(cred.UID) == os.Getuid() {
		who.Role = control.Admin
	}
	return who
}
