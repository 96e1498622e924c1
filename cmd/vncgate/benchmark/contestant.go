package main

import (
	"os"
	"path/filepath"
)

// contestant is something that viewers reach the display through.
type contestant struct {
	name    string
	program string // "": none runs
	vias    []string
	start   func(p *place) (*child, error)
	classes bool   // it has classes of sessions: it is vncgate
	records string // what else it keeps of sessions
}

// place is where one contestant runs: its files and its addresses.
type place struct {
	program string
	dir     string
	listen  map[string]string // by way in
	display displayAddresses
	pair    keyPair
	extra   string // YAML for vncgate's configuration
	records string // what vncgate keeps of sessions
	crowded string // the way in by which viaBusy is, too; "": there is none
}

// password is what viewers of vncgate prove themselves with where they come
// without WebSocket. VNC authentication knows eight characters.
const password = "benchpwd"

// token is what browsers bring to vncgate.
const token = "bench-7ac1"

// contestants are all that can be measured: the stated builds of vncgate, the
// display without anything before it, and the peers.
func contestants(builds []build, records []string) []contestant {
	list := []contestant{{name: direct, vias: []string{viaTCP, viaTLS, viaWS, viaWSS}}}
	for _, b := range builds {
		c := contestant{name: b.name, program: b.path, vias: []string{viaTCP, viaTLS, viaX509, viaWS, viaWSS}, start: startVncgate, classes: true}
		list = append(list, c)
		for _, c.records = range records {
			c.name = b.name + "+" + c.records
			list = append(list, c)
		}
	}
	return append(list,
		contestant{name: "websockify", program: "websockify", vias: []string{viaWS, viaWSS}, start: startWebsockify},
		contestant{name: "nginx", program: "nginx", vias: []string{viaTCP, viaTLS, viaWS, viaWSS}, start: startNginx},
		contestant{name: "haproxy", program: "haproxy", vias: []string{viaTCP, viaTLS, viaWS, viaWSS}, start: startHAProxy},
		contestant{name: "stunnel", program: "stunnel4", vias: []string{viaTLS, viaWSS}, start: startStunnel},
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

func startWebsockify(p *place) (*child, error) {
	// One process takes both; the way in is told by the first byte.
	p.listen[viaWSS] = p.listen[viaWS]
	return start(p.log("websockify"), false, p.program, "--cert", p.pair.cert, "--key", p.pair.key, p.listen[viaWS], p.display.TCP)
}
