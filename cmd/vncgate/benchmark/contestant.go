package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// contestant is something that viewers reach the display through.
type contestant struct {
	name    string
	program string // "": none runs
	vias    []string
	start   func(p *place) (*child, error)
}

// place is where one contestant runs: its files and its addresses.
type place struct {
	program string
	dir     string
	listen  map[string]string // by way in
	display displayAddresses
	pair    keyPair
	extra   string // YAML for vncgate's configuration
}

// password is what viewers of vncgate prove themselves with where they come
// without WebSocket. VNC authentication knows eight characters.
const password = "benchpwd"

// token is what browsers bring to vncgate.
const token = "bench-7ac1"

// contestants are all that can be measured: the stated builds of vncgate, the
// display without anything before it, and the peers.
func contestants(builds []build) []contestant {
	list := []contestant{{name: direct, vias: []string{viaTCP, viaTLS, viaWS, viaWSS}}}
	for _, b := range builds {
		list = append(list, contestant{b.name, b.path, []string{viaTCP, viaTLS, viaX509, viaWS, viaWSS}, startVncgate})
	}
	return append(list,
		contestant{"websockify", "websockify", []string{viaWS, viaWSS}, startWebsockify},
		contestant{"nginx", "nginx", []string{viaTCP, viaTLS, viaWS, viaWSS}, startNginx},
		contestant{"haproxy", "haproxy", []string{viaTCP, viaTLS, viaWS, viaWSS}, startHAProxy},
		contestant{"stunnel", "stunnel4", []string{viaTLS, viaWSS}, startStunnel},
	)
}

// direct is the display itself.
const direct = "direct"

// build is one binary of vncgate to measure.
type build struct{ name, path string }

// write puts a file into the place.
func (p *place) write(name, text string) (string, error) {
	path := filepath.Join(p.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

func (p *place) log(name string) string { return filepath.Join(p.dir, name+".log") }

// startVncgate has a proof of identity at every entrance, a policy that asks
// for it, its log, and metrics where the build knows of them.
func startVncgate(p *place) (*child, error) {
	metrics := fmt.Sprintf("admin: {address: %q, open: [metrics]}\n", "unix:"+filepath.Join(p.dir, "admin.sock"))
	config, err := p.vncgateConfig(metrics)
	if err != nil {
		return nil, err
	}
	if exec.Command(p.program, "serve", "--config", config, "--check").Run() != nil { // an older build
		if config, err = p.vncgateConfig(""); err != nil {
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
	certificate := fmt.Sprintf("{certificate: %s, key: %s}", p.pair.cert, p.pair.key)
	return p.write("vncgate.yaml", fmt.Sprintf(`
listeners:
  - {address: %[1]q, web: {}, sources: [bench]}
  - {address: %[2]q, web: {}, sources: [bench], tls: %[6]s}
  - {address: %[3]q, target: display, security: [vnc], password: {file: %[7]s}}
  - {address: %[4]q, target: display, security: [vnc], password: {file: %[7]s}, tls: {certificate: %[10]s, key: %[11]s, implicit: true}}
  - {address: %[5]q, target: display, security: [x509-vnc], password: {file: %[7]s}, tls: %[6]s}
targets:
  display: {address: %[8]q}
sources:
  - {name: bench, file: %[9]s, allow: ["127.0.0.1:1-65535"]}
policy:
  - {who: ["method:ticket/bench"], targets: "*", allow: [all]}
  - {who: ["method:vnc", "method:x509-vnc"], targets: display, allow: [all]}
limits: {sessions: 30000, handshakes: 8192}
%[12]s`, p.listen[viaWS], p.listen[viaWSS], p.listen[viaTCP], p.listen[viaTLS], p.listen[viaX509],
		certificate, secret, p.display.TCP, tokens, p.pair.cert, p.pair.key, more+p.extra))
}

func startWebsockify(p *place) (*child, error) {
	// One process takes both; the way in is told by the first byte.
	p.listen[viaWSS] = p.listen[viaWS]
	return start(p.log("websockify"), false, p.program, "--cert", p.pair.cert, "--key", p.pair.key, p.listen[viaWS], p.display.TCP)
}
