package bridge

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Auth decides on a request: nil lets it in, a *Refusal is answered as it is,
// and any other error says that the question could not be decided.
type Auth func(*http.Request) error

// NewAuth makes the auth plugin that websockify knows by the name class, with
// or without "websockify.auth_plugins." in front; source is what it takes as
// --auth-source:
//
//   - BasicHTTPAuth: "user:password"; the password may contain colons. A header
//     may be in ISO-8859-1, as websockify reads it, or in UTF-8.
//   - ExpectOrigin: the origins that may connect, with white space between
//     them, each exactly as a browser states it. A request without one may not.
//   - ClientCertCNAuth: common names of client certificates, with white space
//     between them; a name that contains some stands in double quotes. Only a
//     certificate that this connection's TLS has verified counts.
func NewAuth(class, source string) (Auth, error) {
	name := strings.TrimPrefix(class, "websockify.auth_plugins.")
	var auth Auth
	var err error
	switch name {
	case "BasicHTTPAuth":
		auth, err = basicAuth(source)
	case "ExpectOrigin":
		auth, err = originAuth(source)
	case "ClientCertCNAuth":
		auth, err = certificateAuth(source)
	default:
		return nil, fmt.Errorf("bridge: auth plugin %q: Python classes cannot be loaded; "+
			"there are BasicHTTPAuth, ExpectOrigin and ClientCertCNAuth, and vncgate serve logs in users by a users file, tokens (JWT), Kerberos and client certificates", class)
	}
	if err != nil {
		return nil, fmt.Errorf("bridge: auth plugin %s: %w", name, err)
	}
	return auth, nil
}

func basicAuth(source string) (Auth, error) {
	_, password, ok := strings.Cut(source, ":")
	if !ok {
		return nil, errors.New("the source must be user:password")
	}
	if password == "" {
		return nil, errors.New("the password is empty; the source must be user:password")
	}
	want := sha256.Sum256([]byte(source))
	return func(r *http.Request) error {
		header := r.Header.Get("Authorization")
		if header == "" {
			return challenge("A user name and a password are needed.")
		}
		got, ok := basicCredentials(header)
		if !ok {
			return &Refusal{Status: http.StatusForbidden, Words: "The Authorization header is not one for Basic authentication."}
		}
		if asSent, read := matches(got, want), matches(latin1(got), want); !asSent && !read {
			return errWrong()
		}
		return nil
	}, nil
}

func challenge(words string) *Refusal {
	return &Refusal{Status: http.StatusUnauthorized, Words: words, Header: http.Header{"Www-Authenticate": {`Basic realm="Websockify"`}}}
}

// errWrong is also what those are told who have to wait.
func errWrong() error {
	no := challenge("The user name or the password is wrong.")
	no.Guess = true
	return no
}

// matches compares sums, so that time tells neither length nor content.
func matches(got string, want [sha256.Size]byte) bool {
	sum := sha256.Sum256([]byte(got))
	return subtle.ConstantTimeCompare(sum[:], want[:]) == 1
}

// basicCredentials decodes an Authorization header (RFC 7617) to
// "user:password", in whatever character set it was sent.
func basicCredentials(header string) (string, bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", false
	}
	b, err := base64.StdEncoding.DecodeString(strings.Trim(encoded, " "))
	if err != nil || !strings.Contains(string(b), ":") {
		return "", false
	}
	return string(b), true
}

// latin1 reads s as ISO-8859-1, in which each byte is a character.
func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

func originAuth(source string) (Auth, error) {
	origins := strings.Fields(source)
	if len(origins) == 0 {
		return nil, errors.New("the source names no origin, as in https://portal.example")
	}
	return func(r *http.Request) error {
		if !slices.Contains(origins, r.Header.Get("Origin")) {
			return &Refusal{Status: http.StatusForbidden, Words: "Invalid Origin"}
		}
		return nil
	}, nil
}

// certificateAuth looks at the connection alone. websockify hands its plugin a
// header, and so a proxy's header may be believed there; here none is.
func certificateAuth(source string) (Auth, error) {
	names, err := quotedFields(source)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return nil, errors.New("the source names no certificate")
	}
	return func(r *http.Request) error {
		if name, ok := certificateName(r); !ok || !slices.Contains(names, name) {
			return &Refusal{Status: http.StatusForbidden, Words: "A client certificate that may connect here is needed."}
		}
		return nil
	}, nil
}

// certificateName is the common name in the client's verified certificate.
func certificateName(r *http.Request) (string, bool) {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return "", false
	}
	name := r.TLS.VerifiedChains[0][0].Subject.CommonName
	return name, name != ""
}

// quotedFields splits s at white space that is not inside double quotes. A
// backslash inside quotes takes the next character as it is.
func quotedFields(s string) ([]string, error) {
	var fields []string
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] != '"' {
			end := strings.IndexAny(s, " \t\r\n\v\f")
			if end < 0 {
				end = len(s)
			}
			fields, s = append(fields, s[:end]), s[end:]
			continue
		}
		field, rest, ok := unquote(s[1:])
		if !ok {
			return nil, errors.New("a quotation mark is never closed")
		}
		fields, s = append(fields, field), rest
	}
	return fields, nil
}

// unquote reads up to the closing quotation mark.
func unquote(s string) (field, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}
