// Package auth says who a viewer is and what it may do: identities, rights,
// grants, the policy that joins them, and the stores and mechanisms that prove
// them. It knows neither connections nor RFB.
package auth

import (
	"slices"
	"time"
)

// Identity is who a peer proved to be, and by what means. What was merely
// claimed (an Origin, a forwarded header) never becomes one.
type Identity struct {
	Name   string   // user name, certificate subject …; "" for a proof that names nobody
	Method string   // "none", "vnc", "x509-plain", "x509-sasl/SCRAM-SHA-256", "tls-certificate", "link" …
	Groups []string // as the user store knows them

	// Expires is when the proof ends, as a token's does; zero: never.
	Expires time.Time
	// Claims are what a token says that was the proof (Request.Claims); nil for
	// other proofs.
	Claims map[string]any
}

// In reports whether the identity belongs to group.
func (id Identity) In(group string) bool { return slices.Contains(id.Groups, group) }

// String names the identity for logs: the name, or the method in parentheses.
func (id Identity) String() string {
	if id.Name == "" {
		return "(" + id.Method + ")"
	}
	return id.Name
}
