// Package web lets browsers in: the WebSocket endpoint that noVNC connects to,
// the viewer page and what belongs to it. It proves nobody and relays nothing;
// an upgraded connection is handed to the gateway.
//
// A browser says which display it is for by a token, an address of the display's
// own (path or host name), or a name in the query; route.go has the order, and
// pass.go how a token gets here without being in any address. A plain GET of the
// endpoint is a question: it is answered with the status and the words that an
// upgrade would get, or with those of a display that is being waited for.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"vncgate/gateway"
)

// Limits on requests, before anything is known of who sends them.
const (
	maxHeader    = 16 << 10         // a token may be 4 KiB, and be there as a cookie, too
	readTimeout  = 10 * time.Second // for a whole request; ours have small bodies or none
	writeTimeout = time.Minute      // for a whole answer; an upgrade takes its connection out of it
	idleTimeout  = time.Minute
)

// Config is what a listener for browsers is made of.
type Config struct {
	// Admit takes a place for a viewer: Gateway.Admit.
	Admit func(gateway.Front) (*gateway.Session, error)
	// Ready says whether Admit would find a place: Gateway.Ready. Nil: always.
	Ready func() error
	// Front is how viewers come in here. A display that the request names takes
	// the place of its Target.
	Front gateway.Front
	// PassSecret is the same at all gateways behind one balancer: by it each knows
	// a browser that got its pass from another. Nil: there are no others.
	PassSecret []byte
	// Tickets, if set, finds what a token is good for: how its bearer comes
	// in, which takes the place of Front altogether. It is asked for each
	// upgrade and each question of a page anew, so a token must not be used up
	// by being looked up. An error that is a *Refusal is answered as it is (403
	// for a token that is good for nothing), any other with 502. The holder is
	// what the browser is known by that exchanged this token for a pass: 128
	// random bits that nobody else has; "" where none was.
	Tickets func(ctx context.Context, token, holder string) (gateway.Front, error)
	// Refused, if set, is told of each *Refusal of Tickets', and from which
	// address the token came.
	Refused func(no *Refusal, from string)
	// TokensOnly lets nobody in without a token; names are then only compared
	// with the display that the token is for.
	TokensOnly bool
	// Hosts are host names that name a display, such as
	// "{target}.vnc.example"; CheckHost says whether one can be used.
	Hosts []string
	// PathPrefix is the folder in which each display has an address of its
	// own, for page and WebSocket: "/vnc/" makes /vnc/NAME. "" is for none.
	PathPrefix string
	// TokenPath takes the path of an upgrade that leads nowhere else here as
	// the token, as oVirt's pages have it.
	TokenPath bool
	// Trusted says whose Forwarded, X-Forwarded-For, -Host and -Proto headers
	// are believed; a peer on a unix socket has the zero Addr. Nil: nobody's.
	Trusted func(netip.Addr) bool
	// Waiting says whether viewers of a target wait for it to come up, since
	// when, and what they are told: Gateway.Waiting.
	Waiting func(target string) (words string, since time.Time, ok bool)
	// Renew moves the end of a session by the wish of its page, which the key
	// names (gateway.Front.NoticeKey): Gateway.Renew. Nil: none can be moved.
	Renew func(ctx context.Context, key string) error
	// Sharing, if set, lets pages make links to their displays.
	Sharing *Sharing
	// Playback, if set, lets pages steer the recordings that they show.
	Playback *Playback
	// Paths are those of the WebSocket endpoint, next to "/" and
	// "/websockify", which always are.
	Paths []string
	// Origins lists the pages on other hosts that may connect, each as a
	// browser states it ("https://portal.example"); "*" is every page.
	Origins []string
	// Logins, if set, must know the browser before it may connect.
	Logins Logins
	// Defaults and Mandatory are settings of the page, by noVNC's names; the
	// latter cannot be changed by its user.
	Defaults, Mandatory map[string]any
	// Log gets what concerns HTTP alone; nil discards it.
	Log *slog.Logger
}

// Logins knows browsers that came in through a one-time link.
type Logins interface {
	Redeem(ticket string) (secret string, ok bool)
	Valid(secret string) bool
}

// NewServer returns the HTTP server for cfg, ready for Serve. A listener with
// TLS is given to it as such; only HTTP/1.1 is spoken, which upgrades need.
func NewServer(cfg Config) *http.Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &http.Server{
		Handler:        newHandler(cfg),
		ReadTimeout:    readTimeout,
		WriteTimeout:   writeTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
}

func newHandler(cfg Config) http.Handler {
	e := newEndpoint(cfg)
	told := cfg
	told.Defaults = with(map[string]any{noticesParameter: true}, cfg.Defaults) // or pages would have to ask any gateway
	pages := newPages(told)
	pages.hostNames = e.hostNames
	mux := http.NewServeMux()
	prefix := "/" + strings.Trim(cfg.PathPrefix, "/") + "/"
	for _, path := range endpointPaths(cfg.Paths) {
		if path != prefix {
			e.handle(mux, path, e)
		}
	}
	e.handle(mux, "/{$}", e.or(pages))
	if prefix != "//" {
		e.handle(mux, prefix+"{target...}", e.or(http.HandlerFunc(pages.ofTarget)))
	}
	mux.Handle(anyPath, pages)
	if cfg.Logins != nil {
		mux.HandleFunc("GET "+startPath+"{ticket}", startLogin(cfg))
	}
	return contained(cfg.Log, secure(e.tokenPaths(mux)))
}

// anyPath is the pattern of what leads nowhere else.
const anyPath = "GET /"

// handle answers at path; pages bring their tokens and wishes there as well.
func (e *endpoint) handle(mux *http.ServeMux, path string, h http.Handler) {
	mux.Handle("GET "+path, h)
	mux.HandleFunc("POST "+path, e.post)
}

// tokenPaths takes paths for tokens before mux would tidy them: base64 may hold
// two slashes in a row.
func (e *endpoint) tokenPaths(mux *http.ServeMux) http.Handler {
	if !e.cfg.TokenPath || e.cfg.Tickets == nil {
		return mux
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern != anyPath || !wantsUpgrade(r) {
			mux.ServeHTTP(w, r)
			return
		}
		r.SetPathValue("token", strings.TrimPrefix(r.URL.Path, "/"))
		e.ServeHTTP(w, r)
	})
}

// hostNames reports whether the host of a request names a display.
func (e *endpoint) hostNames(r *http.Request) bool {
	_, ok := e.hosts.target(clientOf(r, e.cfg.Trusted).host)
	return ok
}

// or is for addresses that endpoint and page share: upgrades and the page's
// question why one failed are the endpoint's.
func (e *endpoint) or(pages http.Handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if wantsUpgrade(r) || r.Header.Get("Accept") == "application/json" {
			e.ServeHTTP(w, r)
			return
		}
		pages.ServeHTTP(w, r)
	}
}

// endpointPaths are the paths of the endpoint but "/", which it shares with
// the page.
func endpointPaths(configured []string) []string {
	paths := append([]string{"/websockify"}, configured...)
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.Trim(p, "/") == "" })
	slices.Sort(paths)
	return slices.Compact(paths)
}

// contentPolicy lets the page load nothing from elsewhere and run nothing
// inline. Connections may go to any host, since noVNC's "host" parameter may
// name one.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; " +
	"img-src 'self' data: blob:; media-src 'self' data:; manifest-src 'self'; connect-src 'self' ws: wss:; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

// secure sets the headers that every answer has.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		next.ServeHTTP(w, r)
	})
}
