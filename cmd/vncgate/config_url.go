package main

import (
	"regexp"
	"strings"
)

// serviceURL is the address of a service that a source asks. It may hold secrets:
// before an @, and in its query.
type serviceURL string

// beforeAt is what stands before the host.
var beforeAt = regexp.MustCompile(`^([^/?#]*//)[^/?#]*@`)

// shown is the address without what may be a secret.
func (u serviceURL) shown() string {
	text := beforeAt.ReplaceAllString(string(u), "${1}(secret)@")
	base, query, found := strings.Cut(text, "?")
	if !found {
		return base
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, named := strings.Cut(pair, "=")
		switch {
		case strings.Contains(pair, "{token}") || strings.Contains(pair, "%s") || pair == "": // where the token goes
		case named && value != "":
			pairs[i] = name + "=(secret)"
		case !named:
			pairs[i] = "(secret)"
		}
	}
	return base + "?" + strings.Join(pairs, "&")
}

// MarshalYAML shows the address without its secrets.
func (u serviceURL) MarshalYAML() (any, error) { return u.shown(), nil }
