package web

import (
	"net/http"
	"strings"
)

const (
	// startPath is where one-time links lead: startPath + ticket.
	startPath = "/start/"
	// cookie holds a log-in. Over TLS it has the prefix that keeps other
	// services of the same host from setting it.
	cookie       = "vncgate"
	secureCookie = "__Host-" + cookie
)

func cookieName(secure bool) string {
	if secure {
		return secureCookie
	}
	return cookie
}

// newCookie is one that no script reads and no other site makes use of.
func newCookie(name, value string, secure bool) *http.Cookie {
	return &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: secure, SameSite: http.SameSiteStrictMode}
}

// StartPath returns the path of the one-time link for ticket.
func StartPath(ticket string) string { return startPath + ticket }

// startLogin uses a ticket up, gives the browser a cookie in its place and
// leads on to the page.
func startLogin(cfg Config) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from := clientOf(r, cfg.Trusted)
		w.Header().Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet { // whoever looks at a link first does not use it up
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if loggedIn(cfg.Logins, r, from) { // the same browser came back by its history
			toPage(w, r)
			return
		}
		secret, ok := cfg.Logins.Redeem(r.PathValue("ticket"))
		if !ok {
			http.Error(w, "This link has been used or is too old. Ask for a new one.", http.StatusGone)
			return
		}
		http.SetCookie(w, newCookie(cookieName(from.secure), secret, from.secure))
		toPage(w, r)
	}
}

// toPage redirects relative to the link, so that a prefix in front of us stays.
func toPage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", strings.Repeat("../", strings.Count(startPath, "/")-1)+"vnc.html?autoconnect=1&resize=scale")
	w.WriteHeader(http.StatusSeeOther)
}

func loggedIn(logins Logins, r *http.Request, from client) bool {
	c, err := r.Cookie(cookieName(from.secure))
	return err == nil && logins.Valid(c.Value)
}
