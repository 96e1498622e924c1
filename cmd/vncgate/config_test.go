package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// Every key of the configuration is shown in the examples, with a comment or as
// one.
func TestExamplesShowEveryKey(t *testing.T) {
	var shown strings.Builder
	for _, name := range []string{"vncgate.yaml", "sources.yaml"} {
		b, err := os.ReadFile(root + "/deploy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(b)
	}
	for _, key := range configKeys() {
		if !regexp.MustCompile(`\b` + key + `:|\b` + key + `\b`).MatchString(shown.String()) {
			t.Errorf("no example shows %s", key)
		}
	}
}

// settings writes one configuration: a listener, a target and what is said.
func settings(listener, target, more string) string {
	return "listeners: [{address: ':1', " + listener + "}]\ntargets: {desk: {" + target + "}}\n" + more
}

const (
	aDesk   = "address: 'vm:5900'"
	aSource = "sources: [{name: s, file: tokens}]"
)

func TestGoodSettings(t *testing.T) {
	for name, text := range map[string]string{
		"mixed":             settings("protocols: [rfb, web], tls: {certificate: c, key: k}, password: x, web: {security: [none]}", aDesk, ""),
		"web by protocols":  settings("protocols: [web]", aDesk, ""),
		"proxy before web":  settings("web: {}, proxy: {trusted: [10.0.0.0/8], others: plain}", aDesk, ""),
		"tokens only":       "listeners: [{address: ':1', web: {}, sources: [s]}]\n" + aSource,
		"tokens and users":  settings("web: {}, sources: [s]", aDesk, "users: {file: u}\n"+aSource),
		"optional token":    settings("web: {}, sources: [s], token: optional, target: desk", aDesk, aSource),
		"names of a source": "listeners: [{address: ':1', web: {}}]\nsources: [{name: vms, as: targets, sockets: /run/vms}]",
		"free":              "listeners: [{address: ':1', web: {}}]\nfree: {allow: ['10.0.0.0/8:5900']}",
		"route, no target":  settings("route: {sni: ['{target}.example']}, tls: {certificate: c, key: k, implicit: true}, security: [none]", aDesk+"}, door: {"+aDesk, ""),
		"arrivals":          "listeners: [{address: ':1', arrivals: {}}, {address: ':2', web: {}}]\ntargets: {a: {arrives: {id: '7'}}}",
		"fallbacks":         settings("", aDesk+", fallbacks: [door], retry: 30s}, door: {"+aDesk, "")[0:0] + "listeners: [{address: ':1', web: {}}]\ntargets: {desk: {address: 'a:1', fallbacks: [door]}, door: {address: 'b:1'}}",
		"unit":              settings("web: {}", aDesk+", start: {unit: vm@7.service, keep: true}", ""),
		"passed sockets":    "listeners: [{address: 'fd:3', web: {}}, {address: 'systemd:vnc', security: [none]}]\ntargets: {a: {address: 'b:1'}}",
		"owner of a socket": "listeners: [{address: 'unix:/run/x', owner: root, group: '33', mode: 0660}]\ntargets: {a: {address: 'b:1'}}",
		"ping":              settings("web: {ping: 'off'}", aDesk, ""),
		"rules with all": settings("web: {}, rights: [view], limits: {idle: 5m}", aDesk, "policy: [{name: n, who: [a, 'group:b'], methods: plain, from: unix, targets: [desk], "+
			"when: {days: [mon, fri]}, if: 'user != method', allow: all, deny: [power], limits: {down: 1MB/s, quality: 0-5, encodings: [tight]}}]"),
		"policy file":     settings("web: {}", aDesk, "policy_file: rules.txt"),
		"capabilities":    settings("web: {}, sources: [capabilities], token: optional, target: desk", aDesk, "capabilities: {store: s, rotate: 30d, grace: 0s, share: {rights: view, time: 12h, link: 'https://guests.example:6443/'}}"),
		"revocations":     settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s}\nrevocations: {redis: {addresses: ['r:6379'], key: k, db: 3}, fail_closed: true, patience: 2s}"),
		"api on a socket": "listeners: [{address: 'unix:/run/x', web: {}, api: {token: x}}]\ntargets: {a: {address: 'b:1'}}",
		"crl":             settings("security: [none], tls: {certificate: c, key: k, client_ca: a, crl: [l, m], implicit: true}", aDesk, ""),
		"display of a source": "listeners: [{address: ':1', web: {}, sources: [s]}]\n" +
			"sources: [{name: s, file: x, display: {minimum: vnc, tls: {implicit: true}, retry: 5s, proxy_header: v2}}]",
	} {
		if _, err := parseConfig([]byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadSettings(t *testing.T) {
	list := []struct{ text, want string }{
		{settings("protocols: [rfb, vnc]", aDesk, ""), `protocols: unknown protocol "vnc"`},
		{settings("rights: [keyboard]", aDesk, ""), "rights: without view nobody sees anything"},
		{settings("rights: [viw]", aDesk, ""), `unknown right "viw"; did you mean "view"?`},
		{settings("limits: {idle: forever}", aDesk, ""), "idle"},
		{settings("api: {token: x}", aDesk, ""), "api: is for a listener that speaks HTTP"},
		{settings("web: {}, tls: {certificate: c, key: k}, api: {}", aDesk, ""), "api: "},
		{settings("web: {}, tls: {certificate: c, key: k, crl: l}", aDesk, ""), "tls: crl: revokes client certificates, which client_ca asks for"},
		{settings("web: {}, tls: {certificate: c, key: k, client_ca: a, crl_fail_closed: true}", aDesk, ""), "tls: crl_fail_closed: needs crl"},
		{settings("web: {}", aDesk, "policy: [{who: '*', targets: '*', when: {}, allow: [view]}]"), "when"},
		{settings("web: {}", aDesk, "policy: [{who: [], targets: '*', allow: [view]}]"), "policy[0]: who: empty"},
		{settings("web: {}", aDesk, "policy: [{who: 'user:', targets: '*', allow: [view]}]"), "names nobody"},
		{settings("web: {}", aDesk, "policy: [{who: ['group:a', 'method:vnc'], targets: '*', allow: [view]}]"), "is one of them enough?"},
		{settings("web: {}", aDesk, "policy: [{who: '*', targets: '*', allow: [view]}, {who: '*', targets: '*', if: '1', allow: [view]}]"), "policy[1]: if:"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {keys: k}"), "capabilities: store: is missing"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s, rotate: 5m}"), "capabilities: rotate: less than an hour"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s, rotate: weekly}"), "write it like 90d"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s, grace: 2h}"), "grace: is from 0s"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s, share: {rights: [veiw]}}"), "share: rights: unknown right"},
		{settings("web: {}, limits: {per_usr: 3}", aDesk, ""), "did you mean \"per_user\"?"},
		{settings("web: {}", aDesk, "policy: [{who: \"*\", targets: desk, rights: [view]}]"), `"rights" is a key of another place`},
		{settings("web: {}, limits: {idle: soon}", aDesk, ""), "limits: limit idle: \"soon\" is no duration"},
		{"listeners:\n  - address: \":1\"\n    limits:\n      idel: 5m\n", "[4:7] limits: unknown limit \"idel\""},
		{"policy:\n  - {who: \"*\", targets: \"*\", allow: [view], limits: {down: 5}}\n", "[2:54] limits: limit down"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s, share: {link: guests.example}}"), "share: link: is not the URL"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s, share: {link: 'https://a/#token=x'}}"), "share: link: is not the URL"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s, share: {time: 999d}}"), "share: time: is at most 366d"},
		{settings("web: {}", aDesk, "revocations: {redis: {addresses: [r], key: k}}"), "revocations: are of tokens that are issued here"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s}\nrevocations: {fail_closed: true}"), "redis is missing"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s}\nrevocations: {redis: {addresses: [r]}}"), "redis: key is missing"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s}\nrevocations: {redis: {addresses: [r], key: k, keep: 1s}}"), "are of sources"},
		{settings("web: {}, sources: [capabilities]", aDesk, "capabilities: {store: s}\nrevocations: {redis: {addresses: [r], key: k}, patience: 1s}"), "patience: is how long fail_closed waits"},
		{"listeners: [{address: ':1', web: {}, sources: [capabilities]}]\ntargets: {a: {address: 'b:1'}}", "set capabilities, too"},
		{settings("web: {}", aDesk, "sources: [{name: capabilities, file: t, as: targets}]"), "take another name"},
		{settings("web: {}", aDesk, "limits: {kick_time: -1s}"), "kick_time: must not be negative"},
		{settings("protocols: [rfb], web: {}", aDesk, ""), "protocols: web has settings here and is not among them"},
		{settings("protocols: [rfb, rfb]", aDesk, ""), "protocols: rfb is named twice"},
		{settings("silence: 1s", aDesk, ""), "silence: tells native viewers from browsers"},
		{settings("web: {}, plain_http: true", aDesk, ""), "plain_http: is for a port for all"},
		{settings("protocols: [rfb, web], plain_http: true, tls: {certificate: c, key: k, implicit: true}", aDesk, ""), "plain_http: contradicts implicit"},
		{settings("web: {security: [none]}", aDesk, ""), "web: security: is for a port for all"},
		{settings("protocols: [rfb, web], web: {security: [x509-none]}", aDesk, ""), `web: security: unknown security type "x509-none"`},
		{settings("protocols: [rfb, web], web: {security: [plain]}", aDesk, "users: {file: u}"), "web: security: plain: needs tls"},
		{settings("network: tcp5", aDesk, ""), `network: unknown network "tcp5"; did you mean "tcp4"?`},
		{"listeners: [{address: 'unix:/x', network: tcp4}]\ntargets: {a: {address: 'b:1'}}", "network: is for host:port"},
		{"listeners: [{address: ':1', web: {}, sources: [s]}]\nsources: [{name: s, proxmox: {url: 'https://pve:8006', token: 'a@b!c=d'}}]", "anybody can guess"},
		{settings("web: {}", aDesk, "free: {allow: [10.0.0.0/8:5900-5999]}"), "a text with a colon is taken for a key and its value inside [ ] and { }; put quotes around it"},
		{settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, redis: {addresses: [localhost:6379]}}]"), "put quotes around it"},
		{settings("owner: root", aDesk, ""), "owner, group: only a unix socket has them"},
		{settings("mode: 0600", aDesk, ""), "mode: only a unix socket has one"},
		{settings("proxy: {trusted: [127.0.0.1], others: maybe}", aDesk, ""), `proxy: others: unknown setting "maybe"`},
		{settings("web: {hosts: [vnc.example]}", aDesk, ""), "web: hosts:"},
		{settings("web: {hosts: ['{target}']}", aDesk, ""), "web: hosts:"},
		{settings("web: {targets_path: 'vnc/{x}'}", aDesk, ""), "web: targets_path:"},
		{settings("web: {trusted_proxies: [proxy]}", aDesk, ""), `web: trusted_proxies: "proxy" is neither an address`},
		{settings("web: {ping: 3}", aDesk, ""), "is not how often to ping; write off, or a second or more"},
		{settings("web: {}, route: {user: true}", aDesk, ""), "route: is for native viewers"},
		{settings("route: {user: true}, security: [none]", aDesk, ""), "route: user: none of none asks for a user"},
		{settings("web: {}, sources: [nope]", aDesk, ""), `sources: unknown source "nope"; there is none`},
		{settings("route: {user: false}", aDesk, ""), "route: names no way; there are: sni, user, repeater"},
		{settings("route: {sni: ['{target}.x']}", aDesk, ""), "route: sni: the server name comes with TLS; set tls"},
		{settings("token: optional, web: {}", aDesk, ""), "token: there are no sources here"},
		{settings("web: {}, sources: [s], token: maybe", aDesk, aSource), `token: unknown setting "maybe"`},
		{settings("web: {}, sources: [t]", aDesk, aSource), `sources[0] s: no listener takes its tokens`},
		{settings("web: {}, sources: [s, t]", aDesk, aSource), `sources: unknown source "t"; did you mean "s"?`},
		{settings("web: {}, sources: [s, s]", aDesk, aSource), "sources: s is named twice"},
		{settings("sources: [s]", aDesk, aSource), "sources: native viewers bring no token"},
		{settings("web: {}, sources: [s], target: desk", aDesk, aSource), "target: the token names the display"},
		{settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, as: targets, file: x}]"), "sources: s names targets, which every listener has"},
		{settings("web: {}, sources: [s]", aDesk, "sources: [{name: s}]"), "sources[0] s: exactly one kind is needed of file, named_files, sockets, http"},
		{settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, file: x, sockets: y}]"), "exactly one kind is needed"},
		{settings("web: {}", aDesk, "sources: [{name: s, as: names, file: x}]"), `as: unknown use "names"`},
		{settings("web: {}", aDesk, "sources: [{name: s, as: targets, novncauthproxy: {key: x}}]"), "as: the keys of novncauthproxy are secrets"},
		{settings("web: {}", aDesk, "sources: [{name: a/b, file: x}]"), `name: "a/b" is none`},
		{settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, file: x}, {name: s, file: y}]"), "there are two sources s"},
		{settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, file: x, rights: [fly]}]"), `rights: auth: unknown right "fly"`},
		{settings("web: {}", aDesk, "sources: [{name: s, as: targets, file: x, rights: [view]}]"), "rights: are of tokens"},
		{settings("web: {}", aDesk, "sources: [{name: s, as: targets, proxmox: {url: 'https://p', token: 'a@b!c=d'}, display: {retry: 1m}}]"), "display: retry: Proxmox opens"},
		{settings("web: {}", aDesk, "sources: [{name: s, as: targets, redis: {addresses: ['r:1'], once: true}}]"), "redis: once: is for tokens"},
		{settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, redis: {addresses: ['r:1'], once: true, keep: 1s}}]"), "redis: once: a token that is good for one session"},
		{settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, file: x, allow: [vm]}]"), `allow: layers: allow "vm": the ports are missing`},
		{settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, file: x, display: {address: 'a:1'}}]"), "display: address: is of a single target"},
		{settings("web: {}", aDesk, "free: {allow: []}"), "free: allow: is missing"},
		{settings("web: {}", aDesk, "free: {allow: ['*:5900']}"), "free: allow:"},
		{settings("web: {}", aDesk, "free: {allow: [':5900'], display: {minimum: best}}"), "free: display: minimum:"},
		{settings("arrivals: {}", aDesk, ""), "arrivals: no target has arrives"},
		{settings("arrivals: {}, security: [none]", "arrives: {id: '7'}", ""), "security: is for viewers"},
		{settings("arrivals: {}, tls: {certificate: c, key: k}", "arrives: {id: '7'}", ""), "set implicit"},
		{settings("web: {}", "arrives: {id: '7'}", ""), "targets.desk: arrives: no listener has arrivals"},
		{settings("arrivals: {}", "arrives: {from: [vm]}", ""), `arrives: from: "vm" is neither`},
		{"listeners: [{address: ':1', arrivals: {}}]\ntargets: {a: {arrives: {id: '7'}}, b: {arrives: {id: '7'}}}", "targets.b: arrives: id 7 is that of a, too"},
		{settings("web: {}", "arrives: {id: '7'}, address: 'a:1'", ""), "exactly one of address, command, websocket, arrives and agent"},
		{settings("web: {}", "address: 'fd:3'", ""), "is one to listen on"},
		{settings("web: {}", aDesk+", fallbacks: [desk]", ""), "fallbacks: names the target itself"},
		{settings("web: {}", aDesk+", fallbacks: [dest]", ""), `fallbacks: unknown target "dest"; did you mean "desk"?`},
		{settings("web: {}", aDesk+", proxy_header: v3", ""), `proxy_header: unknown version "v3"`},
		{settings("web: {}", aDesk+", retry: -1s", ""), "retry: must not be negative"},
		{settings("web: {}", aDesk+", start: {idle: 5m}", ""), "start: exactly one of command and unit"},
		{settings("web: {}", aDesk+", start: {unit: --now}", ""), `start: unit: "--now" is no name of a unit`},
		{settings("web: {}", aDesk+", start: {unit: a, stop_command: [b]}", ""), "stop_command: a unit is stopped by systemd"},
		{settings("web: {}", aDesk+", start: {command: [a], keep: true, idle: 1m}", ""), "keep: means that it is never stopped"},
		{settings("web: {}", "command: [a], start: {command: [b]}", ""), "started for each session anyway"},
		{settings("web: {}", aDesk, "limits: {greet_timeout: -1s}"), "greet_timeout: must not be negative"},
		{"listeners: [{address: ':1', web: {}}, {address: ':1'}]\ntargets: {a: {address: 'b:1'}}", "listeners[1] :1: address: listeners[0] has it already"},
	}
	for _, c := range list {
		_, err := parseConfig([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\n got: %v\nwant: %s", c.text, err, c.want)
		}
	}
}

// Both kinds of viewers at one port have their own security.
func TestSecurityOfMixedListeners(t *testing.T) {
	for more, want := range map[string]string{
		"":            "none | none",
		"password: x": "vnc | vnc",
		"tls: {certificate: c, key: k}, password: x": "vnc | x509-vnc",
		"tls: {certificate: c, key: k}":              "none | x509-none",
		"sources: [s]":                               "none | none",
		"sources: [s], token: optional, password: x": "vnc | vnc",
	} {
		text := settings("protocols: [rfb, web], target: desk, "+more, aDesk, map[bool]string{true: aSource}[strings.Contains(more, "sources")])
		text = strings.Replace(text, ", }", "}", 1)
		cfg, err := parseConfig([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", more, err)
			continue
		}
		l := &cfg.Listeners[0]
		if got := strings.Join(*l.types(browsers), ",") + " | " + strings.Join(*l.types(natives), ","); got != want {
			t.Errorf("%s: %s, want %s", more, got, want)
		}
	}
}

// What the configuration says that will not come to pass is told.
func TestWarnings(t *testing.T) {
	for rules, want := range map[string]string{
		`{who: "*", targets: desk, allow: [view]}`:                                             "",
		`{who: "*", targets: "d*", allow: [view]}`:                                             "",
		`{who: "*", targets: dest, allow: [view]}`:                                             `policy[0]: there is no target "dest"; did you mean "desk"?`,
		`{who: "*", targets: "x-*", allow: [view]}`:                                            `policy[0]: no target fits "x-*"`,
		`{who: "*", targets: "free/*", allow: [view]}`:                                         `policy[0]: no target fits "free/*"`,
		`{who: "*", targets: "*", allow: [view]}, {who: "user:a", targets: "*", allow: [all]}`: "policy[1]: is never reached, since policy[0] is for everybody on every target",
		`{who: "group:a", targets: "*", allow: [view]}`:                                        `policy[0]: there are no users, tokens or sources, so nobody is of a group`,
	} {
		cfg, err := parseConfig([]byte(settings("web: {}", aDesk, "policy: ["+rules+"]")))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cfg.warnings(), "\n"); got != want {
			t.Errorf("%s: %q, want %q", rules, got, want)
		}
	}
	if cfg, err := parseConfig([]byte(settings("web: {}", aDesk, `policy: [{who: "*", targets: ["session/*", "recording/desk"], allow: [view]}]`+
		"\nshadow: {rules: [{watch: true}]}\nplayback: {directory: /r}"))); err != nil || len(cfg.warnings()) > 0 {
		t.Errorf("recordings and sessions: %v", err)
	}
	for target, want := range map[string]string{
		"address: 'a:1', start: {command: [no-such-program], stop_command: [sh]}": `targets.desk: start: command: exec: "no-such-program"`,
		"command: [no-such-program]": `targets.desk: command: exec: "no-such-program"`,
	} {
		cfg, err := parseConfig([]byte(settings("web: {}", target, "")))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cfg.warnings(), "\n"); !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
	cfg, err := parseConfig([]byte("listeners: [{address: 'unix:/x', web: {}, group: no-such-group-here}]\ntargets: {a: {address: 'b:1'}}"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(cfg.warnings(), "\n"); !strings.Contains(got, "listeners[0] unix:/x: layers: group: ") {
		t.Errorf("an unknown group: %q", got)
	}
	for namespace, warns := range map[string]bool{"": true, ", namespace: vnc": false} {
		cfg, err := parseConfig([]byte(settings("web: {}, sources: [s]", aDesk, "sources: [{name: s, redis: {addresses: ['r:1']"+namespace+"}}]")))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cfg.warnings(), "\n"); strings.Contains(got, "without a namespace") != warns {
			t.Errorf("namespace %q: %q", namespace, got)
		}
	}
}

// What --check prints can be read again, and means the same.
func TestPrintedConfigurationsParse(t *testing.T) {
	for _, name := range []string{"vncgate.yaml", "sources.yaml"} {
		cfg, err := loadConfig(root + "/deploy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		var texts [2][]byte
		for i := range texts {
			if texts[i], err = yaml.MarshalWithOptions(cfg, yaml.IndentSequence(true)); err != nil {
				t.Fatal(err)
			}
			if cfg, err = parseConfig(texts[i]); err != nil {
				t.Fatalf("%s: %v\n%s", name, err, texts[i])
			}
		}
		if !bytes.Equal(texts[0], texts[1]) {
			t.Errorf("%s: another one comes out:\n%s\n%s", name, texts[0], texts[1])
		}
	}
}

// TestPlaybackKeysAreRead: keys that are missing shut every recording, and that is
// said at the start, by --check and by a reload, not to the first who watches.
func TestPlaybackKeysAreRead(t *testing.T) {
	dir := t.TempDir()
	wrong := filepath.Join(dir, "wrong")
	if err := os.WriteFile(wrong, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{filepath.Join(dir, "none"): "playback: keys: open ", wrong: "not a file of age identities"} {
		c := &config{Playback: &playbackConfig{Keys: oneOrMore{name}}}
		if err := c.secretsReadable(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
