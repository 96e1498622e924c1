package web

import (
	"fmt"
	"strings"
	"testing"
)

func ExampleCheckHost() {
	fmt.Println(CheckHost("{target}.vnc.example"))
	fmt.Println(CheckHost("vnc.example"))
	// Output:
	// <nil>
	// web: host pattern "vnc.example": {target} must be in it once
}

func TestCheckHost(t *testing.T) {
	for pattern, good := range map[string]bool{
		"{target}.vnc.example": true, "vnc-{target}.example": true, "{target}-console.lab": true, "console.{target}": true,
		"": false, "vnc.example": false, "{target}": false, "{target}{target}.x": false, "{name}.{target}.x": false,
		"{target}.x:6080": false, "https://{target}.x": false, "*.{target}.x": false,
	} {
		if err := CheckHost(pattern); (err == nil) != good {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestHostNames(t *testing.T) {
	h := newHosts([]string{"{target}.VNC.example", "vnc-{target}.lab", "nothing"})
	for host, want := range map[string]string{
		"desk.vnc.example": "desk", "DESK.vnc.example:6080": "desk", "desk.vnc.example.": "desk", "vnc-a.lab": "a",
		"vnc.example": "", ".vnc.example": "", "a.b.vnc.example": "", "desk.vnc.example.evil": "", "vnc-.lab": "", "": "", "[::1]:80": "", "nothing": "",
	} {
		if got, ok := h.target(host); got != want || ok != (want != "") {
			t.Errorf("%q names %q %v, want %q", host, got, ok, want)
		}
	}
	if _, ok := hosts(nil).target("desk.vnc.example"); ok {
		t.Error("no patterns, and a name")
	}
}

// A name is one label, and putting it into a pattern gives the host again.
func FuzzHostNames(f *testing.F) {
	f.Add("{target}.vnc.example", "desk.vnc.example")
	f.Add("vnc-{target}.lab", "vnc-a.lab:80")
	f.Fuzz(func(t *testing.T, pattern, host string) {
		name, ok := newHosts([]string{pattern}).target(host)
		if !ok {
			return
		}
		if CheckHost(pattern) != nil || name == "" || strings.Contains(name, ".") {
			t.Fatalf("%q of %q is %q", host, pattern, name)
		}
		full := strings.Replace(strings.ToLower(pattern), placeholder, name, 1)
		if !strings.HasPrefix(strings.ToLower(host), full) {
			t.Fatalf("%q names %q, which makes %q", host, name, full)
		}
	})
}
