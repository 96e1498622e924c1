package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A page that has a token in its #fragment, which no browser sends, POSTs it to
// the endpoint. The answer sets a cookie that scripts cannot read and other
// sites cannot use, and names it: the page connects with ?pass=NAME. So the
// token is in no URL that a server sees, and each tab keeps its own.
//
// The cookie holds what this browser is known by as well, and nothing else is:
// of all who have the same link each is told apart, behind one address as well,
// and none becomes another when its address changes.

const (
	// maxPass is how long a cookie's value may be: browsers keep 4096 bytes
	// with its name and attributes.
	maxPass = 3900
	// maxPasses bounds what one browser's passes take of its requests' headers
	// together; the oldest go.
	maxPasses = 6 << 10
	// passLife is how long a browser keeps a token that does not say.
	passLife = 12 * time.Hour
	// passName begins the names of the cookies.
	passName = cookie + "-pass-"
)

// passOf names the cookie of a token, and tells nothing of it: the name stands in
// addresses and so in logs, where tokens that can be guessed could else be tried
// against it. Names of before a restart go on to be good, as long as the browser
// has their cookies.
func (e *endpoint) passOf(token string) string {
	h := hmac.New(sha256.New, e.passKey[:])
	h.Write([]byte(token))
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// newPassKey is of the secret that several gateways share, or for the life of an
// endpoint.
func newPassKey(shared []byte) (key [sha256.Size]byte) {
	if len(shared) > 0 {
		h := hmac.New(sha256.New, shared)
		h.Write([]byte(passName))
		return [sha256.Size]byte(h.Sum(nil))
	}
	_, _ = rand.Read(key[:]) // never fails
	return key
}

func passCookie(pass string, secure bool) string {
	if secure {
		return "__Host-" + passName + pass
	}
	return passName + pass
}

// holderMark divides the holder from the token in a cookie. A cookie's value may
// hold it (RFC 6265, 4.1.1), and an escaped token does not.
const holderMark = "!"

// passToken is the token that this browser got the pass for, and what the browser
// is known by with it: "" where it has made that up.
func passToken(r *http.Request, from client, pass string) (token, holder string, ok bool) {
	c, err := r.Cookie(passCookie(pass, from.secure))
	if err != nil {
		return "", "", false
	}
	holder, value, ok := strings.Cut(c.Value, holderMark)
	if !ok { // of before there were holders
		holder, value = "", c.Value
	}
	if !validHolder(holder) {
		holder = ""
	}
	token, err = url.QueryUnescape(value)
	return token, holder, err == nil && token != ""
}

// validHolder holds for what rand.Text returns.
func validHolder(s string) bool {
	return len(s) == len("QW7K2XN5ZJ3M6VB4TRY2HCDFGA") && !strings.ContainsFunc(s, func(r rune) bool {
		return !('A' <= r && r <= 'Z' || '2' <= r && r <= '7') // RFC 4648, 6
	})
}

// holder is what this browser goes by with a token: what it went by before, if it
// brings the same once more.
func (e *endpoint) holder(r *http.Request, from client, token string) string {
	if before, holder, ok := passToken(r, from, e.passOf(token)); ok && before == token && holder != "" {
		return holder
	}
	return rand.Text()
}

// givePass sets the cookie, if the token is good for the display that is named
// beside it.
func (e *endpoint) givePass(w http.ResponseWriter, r *http.Request, from client, token string) *Refusal {
	holder := e.holder(r, from, token)
	value := holder + holderMark + url.QueryEscape(token)
	if len(value) > maxPass {
		return &Refusal{http.StatusRequestEntityTooLarge, "This token is too long to be kept by a browser. Use an address with ?path=websockify?token= instead."}
	}
	name, err := e.name(r, from)
	if err != nil {
		return asRefusal(err)
	}
	front, err := e.frontOfToken(r.Context(), from, token, holder, name)
	if err != nil {
		return asRefusal(err)
	}
	fresh := passCookie(e.passOf(token), from.secure)
	forgetPasses(w, r, from, fresh, len(value))
	c := newCookie(fresh, value, from.secure)
	c.MaxAge = int(passLife.Seconds())
	if !front.Expires.IsZero() {
		c.MaxAge = max(1, min(c.MaxAge, int(time.Until(front.Expires).Seconds())))
	}
	http.SetCookie(w, c)
	return nil
}

// forgetPasses removes what would make the headers of this browser's requests
// too long. Browsers send the cookies that they got first first (RFC 6265,
// 5.4).
func forgetPasses(w http.ResponseWriter, r *http.Request, from client, fresh string, size int) {
	var old []*http.Cookie
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, passCookie("", from.secure)) && c.Name != fresh {
			old = append(old, c)
			size += len(c.Name) + len(c.Value)
		}
	}
	for _, c := range old {
		if size <= maxPasses {
			return
		}
		size -= len(c.Name) + len(c.Value)
		gone := newCookie(c.Name, "", from.secure)
		gone.MaxAge = -1
		http.SetCookie(w, gone)
	}
}
