package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"vncgate/auth"
	"vncgate/auth/capability"
	"vncgate/gateway"
)

// The part of HTTP that is for programs: POST /api/revoke, where a listener has
// api. Its token stands in "Authorization: Bearer", the request and the answer
// are JSON.

const (
	revokePath = "/api/revoke"
	maxAPIBody = 4 << 10
)

// api puts the calls in front of the pages.
func (w *wiring) api(l *listenerConfig, pages http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST "+revokePath, w.withToken(l, w.revokeCall))
	mux.HandleFunc(revokePath, func(rw http.ResponseWriter, _ *http.Request) {
		rw.Header().Set("Allow", http.MethodPost)
		reply(rw, http.StatusMethodNotAllowed, map[string]string{"error": "POST a JSON object here."})
	})
	mux.Handle("/", pages)
	return mux
}

// withToken lets nobody on without the token, which is compared in constant
// time, its length included. Guessing is slowed down by address; one of this
// machine is that of a proxy that does not say for whom, and makes nobody wait.
func (w *wiring) withToken(l *listenerConfig, next func(http.ResponseWriter, *http.Request)) http.Handler {
	guard := &auth.Guard{}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		want, err := l.API.Token.read(r.Context())
		if err != nil {
			w.log.Error("api: token", "error", err)
			reply(rw, http.StatusInternalServerError, map[string]string{"error": "The gateway cannot read the token of its API."})
			return
		}
		given, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		err = auth.ErrDenied
		if bearer {
			err = guard.Try(farAddress(r), "", func() error { return sameSecret(given, want) })
		}
		if err != nil {
			if bearer {
				w.denials.tell(w, deniedAPI, l.Address, r.RemoteAddr)
			}
			w.log.Warn("api: refused", "viewer", r.RemoteAddr, "call", r.URL.Path)
			rw.Header().Set("WWW-Authenticate", `Bearer realm="vncgate"`)
			reply(rw, http.StatusUnauthorized, map[string]string{"error": "The token of the API is missing or wrong: send Authorization: Bearer TOKEN."})
			return
		}
		next(rw, r)
	})
}

func sameSecret(given, want string) error {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	if subtle.ConstantTimeCompare(a[:], b[:]) != 1 {
		return auth.ErrDenied
	}
	return nil
}

// farAddress is where a request comes from, invalid for this machine.
func farAddress(r *http.Request) netip.Addr {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	if address := from.Addr().Unmap(); !address.IsLoopback() {
		return address
	}
	return netip.Addr{}
}

// revocationCall is what is to be ended: exactly one of its fields but Note.
type revocationCall struct {
	TokenID string `json:"token_id"` // a token that was issued here, and its sessions
	User    string `json:"user"`     // all tokens and sessions of a user
	Session string `json:"session"`  // one session, by its name in the log
	Note    string `json:"note"`
}

func (w *wiring) revokeCall(rw http.ResponseWriter, r *http.Request) {
	var call revocationCall
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	d := json.NewDecoder(http.MaxBytesReader(rw, r.Body, maxAPIBody))
	d.DisallowUnknownFields()
	if err := d.Decode(&call); err != nil || kind != "application/json" {
		reply(rw, http.StatusBadRequest, map[string]string{"error": `Send a JSON object (Content-Type: application/json) with one of token_id, user and session, such as {"user": "alice"}.`})
		return
	}
	ended, err := w.revoke(r.Context(), call)
	switch {
	case errors.Is(err, errBadCall):
		reply(rw, http.StatusBadRequest, map[string]string{"error": err.Error()})
	case err != nil:
		w.log.Error("api: revoke", "error", err)
		reply(rw, http.StatusInternalServerError, map[string]string{"error": "The revocation could not be noted; see the gateway's log."})
	default:
		w.log.Info("revoked", "token_id", call.TokenID, "user", call.User, "ended", call.Session, "sessions", ended)
		reply(rw, http.StatusOK, map[string]int{"sessions_ended": ended})
	}
}

var errBadCall = errors.New("exactly one of token_id, user and session says what to revoke; token_id needs capabilities in the configuration")

// revoke ends what call says, and returns how many sessions that were. Those
// who are sent away by name are kept out for limits.kick_time: what lets them in
// is somewhere else.
func (w *wiring) revoke(_ context.Context, call revocationCall) (ended int, err error) {
	given := 0
	for _, field := range []string{call.TokenID, call.User, call.Session} {
		if field != "" {
			given++
		}
	}
	if given != 1 || call.TokenID != "" && w.capabilities == nil {
		return 0, errBadCall
	}
	if w.capabilities != nil && call.Session == "" {
		err := w.capabilities.Store.Revoke(capability.Revocation{ID: call.TokenID, User: call.User, Note: call.Note})
		if err != nil {
			return 0, err
		}
	}
	if call.User != "" {
		w.gate.Ban(call.User)
	}
	match := func(s gateway.SessionInfo) bool {
		switch {
		case call.TokenID != "":
			return s.Ticket == call.TokenID
		case call.User != "":
			return slices.ContainsFunc(s.Identities, func(id auth.Identity) bool { return id.Name == call.User })
		}
		return s.ID == call.Session
	}
	why := gateway.Ending{Reason: "revoked", Words: "Your access to this display was withdrawn.", Kick: call.TokenID == ""}
	return w.gate.End(match, why), nil
}

func reply(rw http.ResponseWriter, status int, body any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(body)
}
