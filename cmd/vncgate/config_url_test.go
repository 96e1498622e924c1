package main

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// What is printed of a service's address holds no secret.
func TestShownURL(t *testing.T) {
	for text, want := range map[string]string{
		"https://portal.example/vnc/{token}":              "https://portal.example/vnc/{token}",
		"https://ann:hush@portal.example:8443/{token}":    "https://(secret)@portal.example:8443/{token}",
		"https://a@hush@portal.example/?t={token}&k=hush": "https://(secret)@portal.example/?t={token}&k=(secret)",
		"http://h/%s?hush":                                "http://h/%s?(secret)",
		"http://h/?k=hush&token=%s&e=":                    "http://h/?k=(secret)&token=%s&e=",
		"http://h/x@y":                                    "http://h/x@y",
		"":                                                "",
	} {
		if got := serviceURL(text).shown(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	cfg, err := parseConfig([]byte(settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, http: {url: 'https://ann:hush@p/{token}?key=hush'}}]")))
	if err != nil {
		t.Fatal(err)
	}
	if b, err := yaml.Marshal(cfg); err != nil || strings.Contains(string(b), "hush") || !strings.Contains(string(b), "{token}") {
		t.Errorf("%v\n%s", err, b)
	}
}
