package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"vncgate/gateway/metrics"
	"vncgate/rfb"
)

func TestMetricsTellOfSessions(t *testing.T) {
	g := newGate(t, `
listeners:
  - {address: 127.0.0.1:0, target: desk, rights: [view]}
  - {address: 127.0.0.1:0, target: dead}
targets: {desk: {address: %s}, dead: {address: %s}}
admin: {address: 127.0.0.1:0, open: [metrics]}
audit: {file: %s}
`, displaysAt(t, "desk")[0], closedPort(t), filepath.Join(t.TempDir(), "audit.log"))
	s, err := g.stayed(g.dial(0))
	must(t, err)
	if _, err := s.c.Write([]byte{rfb.MsgKeyEvent, 1, 0, 0, 0, 0, 0, 'a', rfb.MsgFramebufferUpdateRequest, 1, 0, 0, 0, 0, 0, 8, 0, 8}); err != nil {
		t.Fatal(err)
	}
	if _, err := g.native(1, nil); err == nil {
		t.Fatal("a dead display lets somebody in")
	}
	c := g.adminClient(nil)
	var text string
	tells := func(what string) func() bool {
		return func() bool { _, text = g.ask(c, "GET", "/metrics"); return strings.Contains(text, what) }
	}
	for _, want := range []string{
		`vncgate_sessions{class="default",state="open",target="desk"} 1`,
		`vncgate_messages_total{type="framebuffer_update_request"} 1`,
		`vncgate_messages_filtered_total{right="keyboard"} 1`,
		`vncgate_display_failures_total{cause="refused",target="dead"} 1`,
		`vncgate_displays_down{target="dead"} 1`,
		`vncgate_audit_failing 0`,
		`vncgate_setup_stage_duration_seconds_count{stage="display_handshake"} 1`,
	} {
		eventually(t, "it tells "+want, tells(want))
	}
	_ = s.c.Close()
	eventually(t, "the session is over", tells(`vncgate_sessions_ended_total{reason="viewer left",target="desk"} 1`))
	eventually(t, "its messages still count", tells(`vncgate_messages_filtered_total{right="keyboard"} 1`))
}

func TestMetricsNeedARole(t *testing.T) {
	g := newGate(t, "listeners: [{address: 127.0.0.1:0}]\ntargets: {desk: {address: %s}}\nadmin: {address: 127.0.0.1:0, tokens: [{name: eye, role: viewer, token: eye-secret-of-sixteen}]}\n", closedPort(t))
	c := g.adminClient(nil)
	if status, _ := g.ask(c, "GET", "/metrics"); status != 401 {
		t.Errorf("without a token: %d", status)
	}
	if status, body := g.ask(c, "GET", "/metrics", "Authorization", "Bearer eye-secret-of-sixteen"); status != 200 || !strings.Contains(body, "vncgate_build_info") {
		t.Errorf("with one: %d", status)
	}
}

// The dashboard speaks of nothing that does not exist, and leaves out nothing
// that does.
func TestDashboard(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(root, "deploy", "grafana.json"))
	must(t, err)
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	must(t, json.Unmarshal(b, &board))
	if len(board.Panels) < 10 {
		t.Fatalf("only %d panels", len(board.Panels))
	}
	known := metrics.Names()
	shown := map[string]bool{}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			for _, name := range regexp.MustCompile(`vncgate_[a-z_]+`).FindAllString(target.Expr, -1) {
				name = strings.TrimSuffix(name, "_bucket")
				shown[name] = true
				if !slices.Contains(known, name) {
					t.Errorf("panel %q asks for %s, which does not exist", panel.Title, name)
				}
			}
		}
	}
	for _, name := range known {
		if !shown[name] && name != "vncgate_build_info" {
			t.Errorf("no panel shows %s", name)
		}
	}
}
