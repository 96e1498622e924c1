package bridge

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"vncgate/layers"
)

// Refusal is an answer in place of what was asked for.
type Refusal struct {
	Status int
	Words  string // for the client, a sentence
	Header http.Header
	// Guess says that a password was given, and a wrong one: for Config.Guard.
	Guess bool
}

// Error is for our own log.
func (r *Refusal) Error() string { return "bridge: refused: " + r.Words }

// ServeHTTP upgrades a WebSocket request for any path and serves files for the
// rest. The order is websockify's: the token, then the log-in, then the
// upgrade, and only then is the target dialled, for a browser's script learns
// nothing of what was refused before.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", serverName)
	if r.Method != http.MethodGet || !wantsUpgrade(r) {
		s.serveFile(w, r)
		return
	}
	w.Header().Set("Connection", "close") // of a refusal; an upgrade's answer is not w's
	route, err := s.admit(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	// An origin is the business of ExpectOrigin; without it any page may
	// connect, as with websockify.
	config := layers.WebSocketConfig{CheckOrigin: func(*http.Request) bool { return true }}
	ws, err := layers.WebSocketUpgrade(w, r, config)
	if err != nil {
		s.cfg.Log.Info("client refused", "client", r.RemoteAddr, "path", pathForLog(r), "error", err)
		return
	}
	s.serve(r, ws, route)
}

func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	if s.cfg.WebAuth {
		if err := s.authenticate(r); err != nil {
			s.refuse(w, r, err)
			return
		}
	}
	patient := &patientWriter{w, http.StatusOK}
	s.files.ServeHTTP(patient, r)
	s.cfg.Log.Debug("file", "client", r.RemoteAddr, "method", r.Method, "path", pathForLog(r), "status", patient.status)
}

// admit says where a request leads, or why nowhere.
func (s *Server) admit(r *http.Request) (Route, error) {
	route := s.cfg.Route
	if s.cfg.Lookup != nil {
		var err error
		if route, err = s.lookup(r); err != nil {
			return Route{}, err
		}
	}
	return route, s.authenticate(r)
}

func (s *Server) lookup(r *http.Request) (Route, error) {
	token := tokenOf(r, s.cfg.HostToken)
	if token == "" {
		return Route{}, &Refusal{Status: http.StatusForbidden, Words: "A token is needed to connect here, and there is none."}
	}
	select {
	case s.lookups <- struct{}{}:
		defer func() { <-s.lookups }()
	default:
		return Route{}, &Refusal{Status: http.StatusServiceUnavailable, Words: "The gateway is busy. Try again in a moment."}
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookupTimeout)
	defer cancel()
	route, err := s.cfg.Lookup(ctx, token)
	return route.labelled(token), err
}

func (s *Server) authenticate(r *http.Request) error {
	for _, auth := range s.cfg.Auths {
		if err := s.guarded(r, auth); err != nil {
			return err
		}
	}
	return nil
}

// guarded asks auth, unless the guard lets the client wait. Without credentials
// nothing is guessed.
func (s *Server) guarded(r *http.Request, auth Auth) error {
	if s.cfg.Guard == nil || r.Header.Get("Authorization") == "" {
		return auth(r)
	}
	err := errWrong()
	s.cfg.Guard(r, func() bool {
		err = auth(r)
		var no *Refusal
		return !errors.As(err, &no) || !no.Guess
	})
	return err
}

// refuse answers with err if it is meant for the client.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	no := &Refusal{Status: http.StatusBadGateway, Words: "Whether you may connect here cannot be found out now. Try again later."}
	switch {
	case errors.As(err, &no):
	case errors.Is(err, ErrUnknown):
		no = &Refusal{Status: http.StatusForbidden, Words: "The token is unknown or no longer good."}
	}
	s.cfg.Log.Info("client refused", "client", r.RemoteAddr, "path", pathForLog(r), "status", no.Status, "error", err)
	for name, values := range no.Header {
		w.Header()[name] = values
	}
	http.Error(w, no.Words, no.Status)
}

// pathForLog leaves out what may be a token: also where a query has been taken
// for a path, encoded once too often.
func pathForLog(r *http.Request) string {
	path, _, _ := strings.Cut(r.URL.Path, "?")
	return path[:min(len(path), maxLoggedPath)]
}

func wantsUpgrade(r *http.Request) bool {
	return strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}
