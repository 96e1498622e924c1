package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Auth decides on a request: nil lets it in; a *Refusal is answered as it is.
type Auth func(*http.Request) error

// NewAuth makes the auth plugin that websockify knows by the name class, with
// or without the package's name in front; source is what it knows as
// --auth-source.
//
//   - BasicHTTPAuth: "user:password"; the password may contain colons.
//   - ExpectOrigin: the origins that may connect, with white space between them.
//   - ClientCertCNAuth: common names of client certificates, with white space
//     between them; one that contains some is put in double quotes.
func NewAuth(class, source string) (Auth, error) {
	switch strings.TrimPrefix(class, "websockify.auth_plugins.") {
	case "BasicHTTPAuth":
		return basicAuth(source)
	case "ExpectOrigin":
		return originAuth(source)
	case "ClientCertCNAuth":
		return certificateAuth(source)
	}
	return nil, fmt.Errorf("bridge: auth plugin %q: Python classes cannot be loaded; there are BasicHTTPAuth, ExpectOrigin and ClientCertCNAuth, "+
		"and an HTTP proxy in front can ask anything else (for users, groups and single sign-on, see vncgate serve)", class)
}

func basicAuth(source string) (Auth, error) {
	user, _, ok := strings.Cut(source, ":")
	if !ok || user == "" {
		return nil, fmt.Errorf("bridge: auth plugin BasicHTTPAuth: the source must be user:password")
	}
	want := sha256.Sum256([]byte(source))
	return func(r *http.Request) error {
		got, ok := basicCredentials(r.Header.Get("Authorization"))
		sum := sha256.Sum256([]byte(got))
		if !ok || subtle.ConstantTimeCompare(sum[:], want[:]) != 1 {
			return &Refusal{
				Status: http.StatusUnauthorized, Words: "A user name and a password are needed.",
				Header: http.Header{"Www-Authenticate": {`Basic realm="Websockify"`}},
			}
		}
		return nil
	}, nil
}

// basicCredentials decodes an Authorization header (RFC 7617) to user:password.
func basicCredentials(header string) (string, bool) {
	scheme, encoded, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Basic") {
		return "", false
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	return string(b), err == nil
}

func originAuth(source string) (Auth, error) {
	origins := strings.Fields(source)
	return func(r *http.Request) error {
		if !slices.Contains(origins, r.Header.Get("Origin")) {
			return &Refusal{Status: http.StatusForbidden, Words: "Invalid Origin"}
		}
		return nil
	}, nil
}

func certificateAuth(source string) (Auth, error) {
	names := strings.Fields(source)
	return func(r *http.Request) error {
		if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || !slices.Contains(names, r.TLS.VerifiedChains[0][0].Subject.CommonName) {
			return &Refusal{Status: http.StatusForbidden, Words: "A client certificate that may connect here is needed."}
		}
		return nil
	}, nil
}
