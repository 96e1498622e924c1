package tickets

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// template is a URL with a place for the token, made once and checked.
type template struct {
	parts   []string // what stands around the places
	queries []bool   // of each place: whether it is in the query
}

// tokenMark stands for the token while a template is checked.
const tokenMark = "0token0"

// parseTemplate reads a URL in which {token} stands for the token, or %s as
// in websockify, where a percent sign of the URL's own is written %%.
func parseTemplate(s string) (template, error) {
	var t template
	var err error
	switch braces := strings.Contains(s, "{token}"); {
	case braces:
		t.parts = strings.Split(s, "{token}")
	default:
		t.parts, err = splitFormat(s)
	}
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return template{}, fmt.Errorf("tickets: token API: %w", err)
	}
	t.place()
	return t, nil
}

// splitFormat splits at %s, and reads %% as Python's operator does.
func splitFormat(s string) ([]string, error) {
	parts := []string{""}
	for {
		before, after, found := strings.Cut(s, "%")
		parts[len(parts)-1] += before
		switch {
		case !found:
			return parts, nil
		case strings.HasPrefix(after, "s"):
			parts = append(parts, "")
		case strings.HasPrefix(after, "%"):
			parts[len(parts)-1] += "%"
		default:
			return nil, errors.New("in a URL with %s each other percent sign is written %%; or write {token} for the token")
		}
		s = after[1:]
	}
}

// check refuses URLs that cannot be asked, and those where the token would say
// more than it should. The URL may hold a secret, so errors leave it out.
func (t *template) check() error {
	if len(t.parts) < 2 {
		return errors.New("the URL has no place for the token; write %s or {token} there")
	}
	u, err := url.Parse(strings.Join(t.parts, tokenMark))
	switch {
	case err != nil:
		return errors.New("that is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("the URL must begin with http:// or https://")
	case u.Host == "":
		return errors.New("the URL has no host")
	case u.Fragment != "":
		return errors.New("a fragment (#) never reaches a server; put the token into the path or the query")
	case strings.Contains(u.Host+u.User.String(), tokenMark) || !strings.Contains(t.parts[0], u.Host):
		return errors.New("the token must stand in the path or the query, not in the host or before it")
	}
	return nil
}

// place finds out which places are in the query.
func (t *template) place() {
	query := false
	for _, part := range t.parts[:len(t.parts)-1] {
		query = query || strings.Contains(part, "?")
		t.queries = append(t.queries, query)
	}
}

// fill returns the URL for a token; ok is false for one that servers could
// take for a walk through their directories.
func (t *template) fill(token string) (u string, ok bool) {
	var b strings.Builder
	for i, part := range t.parts {
		b.WriteString(part)
		switch {
		case i == len(t.queries):
		case t.queries[i]:
			b.WriteString(url.QueryEscape(token))
		case walks(token):
			return "", false
		default:
			b.WriteString(url.PathEscape(token))
		}
	}
	path, _, _ := strings.Cut(b.String(), "?")
	before, _, _ := strings.Cut(strings.Join(t.parts, ""), "?")
	return b.String(), walkCount(path) <= walkCount(before)
}

// walks reports whether a part of the token is "." or "..": many servers
// decode a path before they resolve it.
func walks(token string) bool { return walkCount(token) > 0 }

func walkCount(path string) int {
	n := 0
	for part := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if part == "." || part == ".." {
			n++
		}
	}
	return n
}
