package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"vncgate/gateway"
)

// Refusal is an answer instead of an upgrade. Browsers hide it from scripts, so
// the page asks for the same URL with a plain GET to learn the words. It is the
// one kind of error whose text reaches a browser: its words say what happened
// and what to do next.
type Refusal struct {
	Status int    // HTTP status, 400 to 599
	Words  string // for the viewer's user
}

func (r *Refusal) Error() string { return fmt.Sprintf("web: refused with %d: %s", r.Status, r.Words) }

// admission says why Admit or Ready found no place.
func admission(err error) *Refusal {
	switch {
	case errors.Is(err, gateway.ErrFull):
		return &Refusal{http.StatusServiceUnavailable, "The gateway is full. Try again later."}
	case errors.Is(err, gateway.ErrMemory):
		return &Refusal{http.StatusServiceUnavailable, "The gateway is short of memory. Try again later."}
	}
	if words, ok := gateway.Words(err); ok {
		return &Refusal{http.StatusServiceUnavailable, words}
	}
	if errors.Is(err, gateway.ErrDraining) {
		return &Refusal{http.StatusServiceUnavailable, "The gateway is shutting down."}
	}
	return &Refusal{http.StatusInternalServerError, "The gateway cannot serve this now."}
}

// refuse answers with no, and logs it where a viewer wanted to come in.
func (e *endpoint) refuse(w http.ResponseWriter, r *http.Request, from client, no *Refusal) {
	if wantsUpgrade(r) || r.Method == http.MethodPost {
		e.cfg.Log.Info("viewer refused", "listener", e.cfg.Front.Name, "viewer", from.address,
			"status", no.Status, "reason", no.Words, "origin", r.Header.Get("Origin"))
	}
	writeJSON(w, no.Status, map[string]string{"error": no.Words})
}

// writeJSON answers with what nobody may keep.
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
