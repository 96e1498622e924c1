package tickets

import (
	"net/url"
	"strings"
	"testing"
)

func TestTemplate(t *testing.T) {
	for _, tt := range []struct{ template, token, want string }{
		{"http://h/%s", "abc", "http://h/abc"},
		{"http://h/a%%20b/%s", "abc", "http://h/a%20b/abc"},
		{"http://h/a%20b/{token}", "abc", "http://h/a%20b/abc"},
		{"http://h/v1/{token}/display", "a/b?c#d e%s", "http://h/v1/a%2Fb%3Fc%23d%20e%25s/display"},
		{"http://h/?t=%s&x=1", "a&x=2#é +", "http://h/?t=a%26x%3D2%23%C3%A9+%2B&x=1"},
		{"http://h/{token}?t={token}", "a b", "http://h/a%20b?t=a+b"},
		{"http://h/{token}{token}", "x", "http://h/xx"},
		{"http://h?t=%s", "x", "http://h?t=x"},
		{"https://user:pw@[::1]:8443/%s", "x", "https://user:pw@[::1]:8443/x"},
		{"http://h/%s", "..", ""},
		{"http://h/%s", ".", ""},
		{"http://h/%s", "../admin", ""},
		{"http://h/%s", `a\..\b`, ""},
		{"http://h/.%s/x", ".", ""},
		{"http://h/.%s/x", "a", "http://h/.a/x"},
		{"http://h/%s.", ".a", "http://h/.a."},
		{"http://h/{token}{token}", ".", ""},
		{"http://h/?t=%s", "../admin", "http://h/?t=..%2Fadmin"},
		{"http://h/%s", "a..b", "http://h/a..b"},
		{"http://h/%s", "a\r\nHost: x\x00", "http://h/a%0D%0AHost:%20x%00"},
	} {
		u, err := parseTemplate(tt.template)
		if err != nil {
			t.Errorf("%s: %v", tt.template, err)
			continue
		}
		if got, ok := u.fill(tt.token); got != tt.want && ok || ok != (tt.want != "") {
			t.Errorf("%s with %q: got %q, %v; want %q", tt.template, tt.token, got, ok, tt.want)
		}
	}
}

func TestTemplateRefuses(t *testing.T) {
	for template, says := range map[string]string{
		"":                          "no place",
		"http://s3cret/":            "no place",
		"http://s3cret/%d":          "written %%",
		"http://s3cret/%20/%s":      "written %%",
		"http://s3cret/%":           "written %%",
		"ftp://s3cret/%s":           "must begin with http",
		"s3cret/%s":                 "must begin with http",
		"http:///%s":                "no host",
		"http://%s/":                "in the path or the query",
		"http://s3cret.%s.example/": "in the path or the query",
		"http://%s@s3cret/":         "in the path or the query",
		"http://u:%s@s3cret/":       "in the path or the query",
		"%s://s3cret/":              "not a URL",
		"http://s3cret:%s/":         "not a URL",
		"http://s3cret/#%s":         "a fragment",
		"http://s3cret/%s#x":        "a fragment",
		"http://s3cret/\x7f%s":      "not a URL",
		"http://s3cret/%%zz/%s":     "not a URL",
	} {
		_, err := parseTemplate(template)
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v; want %q", template, err, says)
		}
	}
}

// FuzzTemplate: whatever the token, the URL keeps its host and the structure
// of its path and query, and the server reads the token as it is.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"abc", "..", "a/../b", "a?b=c&d#e", "%2e%2e", "\x00\r\n", "é\xff", "{token}", "%s"} {
		f.Add(s)
	}
	var places []template
	for _, s := range []string{"http://h/v1/{token}/x?a=1", "http://h/v1/x?a=1&t=%s&b=2"} {
		u, err := parseTemplate(s)
		if err != nil {
			f.Fatal(err)
		}
		places = append(places, u)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, place := range places {
			text, ok := place.fill(token)
			if !ok || token == "" {
				continue
			}
			u, err := url.Parse(text)
			if err != nil || u.Host != "h" || u.Fragment != "" || strings.Count(u.EscapedPath(), "/") != 2+strings.Count(place.parts[1], "/x") {
				t.Fatalf("%q: %q, %v", token, text, err)
			}
			query := u.Query()
			if query.Get("a") != "1" {
				t.Fatalf("%q: query %v", token, query)
			}
			if got := query.Get("t"); place.queries[0] && got != token {
				t.Fatalf("%q arrives as %q", token, got)
			}
			if got := strings.TrimSuffix(strings.TrimPrefix(u.Path, "/v1/"), "/x"); !place.queries[0] && got != token {
				t.Fatalf("%q arrives as %q", token, got)
			}
			if strings.Contains(u.Path, "/../") || strings.HasSuffix(u.Path, "/..") {
				t.Fatalf("%q walks: %q", token, u.Path)
			}
		}
	})
}
