package main

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// What vncgate keeps of sessions beside its log. "" is metrics alone: that is what
// the goals speak of.
const (
	keepAudit   = "audit"   // metrics, and the audit log with all that it waits for
	keepNothing = "nothing" // neither
)

// viaBusy is the listener whose sessions are of the crowd's class.
const viaBusy = "busy"

// classesText are the two classes of the scenario of that name: a session rests
// after a millisecond, and a thread of the class's own waits for what comes.
const classesText = "classes: {quiet: {loops: 1, park: 1ms}, busy: {loops: 1, park: 1ms}}\n"

// startVncgate has a proof of identity at every entrance, a policy that asks
// for it, its log, and metrics where the build knows of them.
func startVncgate(p *place) (*child, error) {
	metrics := fmt.Sprintf("admin: {address: %q, open: [metrics]}\n", "unix:"+filepath.Join(p.dir, "admin.sock"))
	more := map[string]string{
		"": metrics, keepNothing: "", keepAudit: metrics + fmt.Sprintf("audit: {file: %q}\n", filepath.Join(p.dir, "audit.jsonl")),
	}[p.records]
	config, err := p.vncgateConfig(more)
	if err != nil {
		return nil, err
	}
	if out, err := exec.Command(p.program, "serve", "--config", config, "--check").CombinedOutput(); err != nil {
		if p.records != "" || p.crowded != "" {
			return nil, errors.New(strings.TrimSpace(string(out)))
		}
		if config, err = p.vncgateConfig(""); err != nil { // an older build
			return nil, err
		}
	}
	return start(p.log("vncgate"), false, p.program, "serve", "--config", config)
}

// vncgateConfig writes the configuration, with more at its end.
func (p *place) vncgateConfig(more string) (path string, err error) {
	tokens, err := p.write("tokens", token+": "+p.display.TCP+"\n")
	if err != nil {
		return "", err
	}
	secret, err := p.write("password", password+"\n")
	if err != nil {
		return "", err
	}
	listeners := ""
	for _, via := range []string{viaWS, viaWSS, viaTCP, viaTLS, viaX509} {
		listeners += p.listener(via, p.listen[via], "quiet", secret)
	}
	if p.crowded != "" {
		listeners += p.listener(p.crowded, p.listen[viaBusy], "busy", secret)
		more += classesText
	}
	return p.write("vncgate.yaml", fmt.Sprintf(`
listeners:
%stargets:
  display: {address: %q}
sources:
  - {name: bench, file: %s, allow: ["127.0.0.1:1-65535"]}
policy:
  - {who: ["method:ticket/bench"], targets: "*", allow: [all]}
  - {who: ["method:vnc", "method:x509-vnc"], targets: display, allow: [all]}
limits: {sessions: 30000, handshakes: 8192, dial_timeout: 20s, greet_timeout: 20s}
%s`, listeners, p.display.TCP, tokens, more+p.extra))
}

// listener is one line of the configuration. The class is left out where there are
// none.
func (p *place) listener(via, address, class, secret string) string {
	certificate := fmt.Sprintf("certificate: %s, key: %s", p.pair.cert, p.pair.key)
	settings := map[string]string{
		viaWS:   "web: {}, sources: [bench]",
		viaWSS:  "web: {}, sources: [bench], tls: {" + certificate + "}",
		viaTCP:  "target: display, security: [vnc], password: {file: " + secret + "}",
		viaTLS:  "target: display, security: [vnc], password: {file: " + secret + "}, tls: {" + certificate + ", implicit: true}",
		viaX509: "target: display, security: [x509-vnc], password: {file: " + secret + "}, tls: {" + certificate + "}",
	}[via]
	if p.crowded != "" {
		settings += ", class: " + class
	}
	return fmt.Sprintf("  - {address: %q, %s}\n", address, settings)
}
