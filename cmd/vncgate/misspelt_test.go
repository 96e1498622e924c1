package main

import (
	"bytes"
	"log/slog"
	"maps"
	"strings"
	"testing"
)

func TestMisspeltVariables(t *testing.T) {
	flags := newServeCommand().Flags()
	got := misspelt([]string{
		"VNCGATE_PASSWORD=secret", "VNCGATE_TARGT_PASSWORD_FILE=/x", "VNCGATE_LISTENS=:6080", "VNCGATE_TLS=on", "VNCGATE_USERS=/x",
		"VNCGATE_LISTEN=:6080", "VNCGATE_TARGET=desk:5900", "VNCGATE_TOKEN=", "PASSWORD=x",
		"VNCGATE_PORT=tcp://10.0.0.1:6080", "VNCGATE_SERVICE_HOST=10.0.0.1", "VNCGATE_SERVICE_PORT=6080", "VNCGATE_SERVICE_PORT_ADMIN=6081",
		"VNCGATE_PORT_6080_TCP=tcp://10.0.0.1:6080", "VNCGATE_PORT_6080_TCP_ADDR=10.0.0.1", "VNCGATE_PORT_6080_TCP_PROTO=tcp",
		"VNCGATE_REQUIRE_PEERS=1", "VNCGATE_READY=true", "VNCGATE_AGENT_TOKEN_FILE=/x", "VNCGATE_AGENT_GATEWAY=tls://x", successorVariable + "=3",
	}, flags)
	want := map[string]string{
		"VNCGATE_PASSWORD": "VNCGATE_PASSWORD_FILE", "VNCGATE_TARGT_PASSWORD_FILE": "VNCGATE_TARGET_PASSWORD_FILE",
		"VNCGATE_LISTENS": "VNCGATE_LISTEN", "VNCGATE_TLS": "VNCGATE_TLS_CERT", "VNCGATE_USERS": "VNCGATE_USERS_FILE",
	}
	if !maps.Equal(got, want) {
		t.Errorf("misspelt are %v, want %v", got, want)
	}
	var log bytes.Buffer
	cfg := &config{Targets: map[string]targetConfig{"desk": {Password: &secret{Env: "VNCGATE_PASSWORD"}}}}
	warnOfMisspelt(slog.New(slog.NewTextHandler(&log, nil)), got, cfg)
	if text := log.String(); strings.Contains(text, "VNCGATE_PASSWORD ") || strings.Contains(text, "secret") || strings.Count(text, "did you mean") != 4 {
		t.Errorf("the warnings:\n%s", text)
	}
}
