package main

import (
	"strings"
	"testing"

	"vncgate/certs"
)

// What is taken for services has names that certificates can bear, and reads the
// same when it is written down.
func FuzzAgentServices(f *testing.F) {
	for _, text := range []string{"desk=localhost:5901", "a=localhost:1,b=unix:/run/x\nc=[::1]:2", "a=command:x 'y z',\" \"", "=", "a=", "a=command:", "a=fd:3", ",\n,"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s agentServices
		if s.Set(text) != nil {
			return
		}
		for _, one := range s.list {
			if err := certs.CheckWord(one.name); err != nil || (one.command != nil) != strings.HasPrefix(one.address, commandService) {
				t.Fatalf("%q: %+v, %v", text, one, err)
			}
		}
		var again agentServices
		if err := again.Set(s.String()); err != nil || again.String() != s.String() {
			t.Fatalf("%q reads as %q, %v", s.String(), again.String(), err)
		}
	})
}

// A gateway's address that is taken is one of those that --help names, and holds
// no secret.
func FuzzParseGateway(f *testing.F) {
	for _, text := range []string{"tls://gw", "wss://gw/agent", "ws://[::1]:80", "unix:/x", "unix:///x", "https://gw", "tls://u:p@gw", "tls://", "gw:7000", "\x00"} {
		f.Add(text, "")
	}
	f.Add("wss://gw", "http://u:p@proxy:3128")
	f.Add("wss://gw", "none")
	f.Fuzz(func(t *testing.T, text, proxy string) {
		way, err := parseGateway(text, proxy)
		if err != nil {
			return
		}
		if way.url.User != nil || way.address == "" {
			t.Fatalf("%q: %+v", text, way)
		}
		if _, known := gatewayPorts[way.url.Scheme]; !known && !way.local() {
			t.Fatalf("%q: %+v", text, way)
		}
	})
}
