package main

import (
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWebsockifyCommandLines(t *testing.T) {
	port := func(o websockifyOptions) websockifyOptions {
		o.listen, o.wrapMode, o.unixListenMode = address{"", 6080}, wrapExit, defaultUnixMode
		return o
	}
	both := func(o websockifyOptions) websockifyOptions {
		o.target = address{"localhost", 5901}
		return port(o)
	}
	for line, want := range map[string]websockifyOptions{
		"6080 localhost:5901":                                        both(websockifyOptions{}),
		"-v 6080 localhost:5901 -D":                                  both(websockifyOptions{verbose: true, daemon: true}),
		"6080 -vD6 localhost:5901":                                   both(websockifyOptions{verbose: true, daemon: true, preferIPv6: true}),
		"--web=/srv --cert c.pem 6080 localhost:5901":                both(websockifyOptions{web: "/srv", cert: "c.pem"}),
		"--heart 30 --idle=0x10 --timeout 010 6080 localhost:5901":   both(websockifyOptions{heartbeat: 30 * time.Second, idleTimeout: 16 * time.Second, timeout: 8 * time.Second}),
		"--cert -v 6080 localhost:5901":                              both(websockifyOptions{cert: "-v"}),
		"--cert= 6080 localhost:5901":                                both(websockifyOptions{}),
		"--cert=a=b --cert c 6080 localhost:5901":                    both(websockifyOptions{cert: "c"}),
		"--libserver --ssl-only --ssl-v tlsv1_3 6080 localhost:5901": both(websockifyOptions{sslOnly: true, sslVersion: "tlsv1_3"}),
		"--unix-listen-mode 0660 6080 localhost:5901":                func() websockifyOptions { o := both(websockifyOptions{}); o.unixListenMode = 0o660; return o }(),
		"6080 --unix-target /run/x":                                  port(websockifyOptions{unixTarget: "/run/x"}),
		"--token-plugin TokenFile --token-source=t 6080":             port(websockifyOptions{tokenPlugin: "TokenFile", tokenSource: "t"}),
		"--target-config=t 6080":                                     port(websockifyOptions{tokenPlugin: "TokenFile", tokenSource: "t"}),
		"--auth-plugin A --auth-source a --auth-plugin B 6080 :5901": both(websockifyOptions{authPlugins: []string{"A", "B"}, authSources: []string{"a"}}),
		"6080 --wrap-mode=ignore -- vncserver -geometry 9x9 -- :1": func() websockifyOptions {
			o := port(websockifyOptions{command: strings.Fields("vncserver -geometry 9x9 -- :1")})
			o.wrapMode = wrapIgnore
			return o
		}(),
		"--inetd localhost:5901": func() websockifyOptions { o := both(websockifyOptions{inetd: true}); o.listen = address{}; return o }(),
		"--unix-listen /run/l localhost:5901": func() websockifyOptions {
			o := both(websockifyOptions{unixListen: "/run/l"})
			o.listen = address{}
			return o
		}(),
	} {
		got, err := parseWebsockify(strings.Fields(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if !reflect.DeepEqual(*got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", line, *got, want)
		}
	}
}

func TestWebsockifyAddresses(t *testing.T) {
	for s, want := range map[string]address{
		"6080": {"", 6080}, ":6080": {"", 6080}, "*:6080": {"*", 6080}, "127.0.0.1:6080": {"127.0.0.1", 6080},
		"[::1]:6080": {"::1", 6080}, "::1:6080": {"::1", 6080}, "[fe80::1%eth0]:6080": {"fe80::1%eth0", 6080}, "0": {},
	} {
		if got, err := parseListen(s); err != nil || got != want {
			t.Errorf("listen on %q: %+v, %v", s, got, err)
		}
	}
	for s, want := range map[string]address{
		"h:5900": {"h", 5900}, ":5900": {"localhost", 5900}, "[::1]:5900": {"::1", 5900}, "::1:5900": {"::1", 5900},
	} {
		if got, err := parseTarget(s); err != nil || got != want {
			t.Errorf("connect to %q: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", ":", "x", "6080x", "65536", "-1", "a:b:c", "[::1:6080", "[x]:1", "a b:1", "a/b:1", "[::1]]:1"} {
		if got, err := parseListen(s); err == nil {
			t.Errorf("listen on %q: %+v", s, got)
		}
	}
	for _, s := range []string{"localhost", "5900", "h:0", "h:99999"} {
		if got, err := parseTarget(s); err == nil {
			t.Errorf("connect to %q: %+v", s, got)
		}
	}
}

// TestWebsockifyRefusals holds what is refused to words that help.
func TestWebsockifyRefusals(t *testing.T) {
	for line, words := range map[string]string{
		"":                              "where to listen: write vncgate websockify [ADDRESS:]PORT HOST:PORT",
		"6080":                          "where to connect: write vncgate websockify [ADDRESS:]PORT HOST:PORT",
		"6080 a:1 b:2":                  `"b:2" is too much`,
		"--token-plugin=T 6080 a:1":     `"a:1" is too much: write vncgate websockify [ADDRESS:]PORT --token-plugin=T`,
		"6080 a:1 -- true":              `"a:1" is too much: write vncgate websockify [ADDRESS:]PORT -- COMMAND`,
		"6080 --":                       "nothing is behind --",
		"--inetd -- true":               "takes over the port",
		"--unix-target=/x 6080 -- true": "is the target itself",
		"--unix-target=/x":              "where to listen",
		"6080 localhost":                "port",
		"x localhost:1":                 `"x" is not a port`,
		"--verbos=1 6080 a:1":           "--verbose takes no value",
		"6080 a:1 --cert":               "--cert needs a value behind it: --cert FILE",
		"--ssl 6080 a:1":                "--ssl may be --ssl-target or --ssl-only or --ssl-version or --ssl-ciphers",
		"--tokenplugin=x 6080":          "did you mean --token-plugin?",
		"--nothing-like-it 6080 a:1":    "there is no option --nothing-like-it",
		"-x 6080 a:1":                   "there is no option -x",
		"-timeout=3 6080 a:1":           "did you mean --timeout, with two dashes?",
		"--timeout=1.5 6080 a:1":        `"1.5" is not a number of seconds`,
		"--timeout=-1 6080 a:1":         "not a number of seconds",
		"--wrap-mode=exot 6080 a:1":     `did you mean "exit"?`,
		"--ssl-version=ssl3 6080 a:1":   "there are: default, tlsv1_1, tlsv1_2, tlsv1_3",
		"--unix-listen-mode=9 6080 a:1": "octal",
		"--token-source=x 6080 a:1":     "--token-source needs --token-plugin",
		"--token-source=x 6080":         "--token-source needs --token-plugin",
		"--host-token 6080 a:1":         "--host-token needs --token-plugin",
		"--auth-source=x 6080 a:1":      "needs an --auth-plugin",
		"--web-auth --web=/ 6080 a:1":   "--web-auth needs --auth-plugin",
		"--web-auth --auth-plugin=BasicHTTPAuth 6080 a:1": "needs --web",
		"--legacy-syslog 6080 a:1":                        "with --syslog only",
		"--inetd --unix-listen=/x a:1":                    "exclude each other",
		"--inetd -D a:1":                                  "inetd keeps what it started",
		"--=x 6080 a:1":                                   "there is no option --",
	} {
		if o, err := parseWebsockify(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %+v, %v; want %q", line, o, err, words)
		}
	}
}

func TestNoVNCProxyCommandLines(t *testing.T) {
	base := websockifyOptions{
		page: true, listen: address{"", defaultNoVNCPort}, target: address{"localhost", defaultVNCPort},
		wrapMode: wrapExit, unixListenMode: defaultUnixMode,
	}
	for line, change := range map[string]func(*websockifyOptions){
		"":                              func(*websockifyOptions) {},
		"--listen 8080 --vnc desk:5901": func(o *websockifyOptions) { o.listen, o.target = address{"", 8080}, address{"desk", 5901} },
		"--listen [::1]:8080":           func(o *websockifyOptions) { o.listen = address{"::1", 8080} },
		"--web /srv --ssl-only":         func(o *websockifyOptions) { o.web, o.sslOnly = "/srv", true },
		"--web-auth --auth-plugin BasicHTTPAuth --auth-source u:p": func(o *websockifyOptions) {
			o.webAuth, o.authPlugins, o.authSources = true, []string{"BasicHTTPAuth"}, []string{"u:p"}
		},
	} {
		want := base
		change(&want)
		if got, err := parseNoVNCProxy(strings.Fields(line)); err != nil || !reflect.DeepEqual(*got, want) {
			t.Errorf("%s: %+v, %v", line, got, err)
		}
	}
	for line, words := range map[string]string{
		"6080":             "takes options only",
		"--token-plugin T": "there is no option --token-plugin",
		"--listen x":       "is not a port",
		"--vnc 5900":       "the port is missing",
		"--lissten 1":      "did you mean --listen?",
	} {
		if _, err := parseNoVNCProxy(strings.Fields(line)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v; want %q", line, err, words)
		}
	}
}

// TestEveryOptionOfWebsockify asks an installed websockify for its options.
func TestEveryOptionOfWebsockify(t *testing.T) {
	needPeer(t, "websockify", "websockify")
	out, err := exec.Command("websockify", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^  (?:-(\w), )?--([a-z0-9-]+)(=[A-Z_]+)?`).FindAllStringSubmatch(string(out), -1)
	if len(found) < 25 {
		t.Fatalf("only %d options read", len(found))
	}
	for _, m := range found {
		at := slices.IndexFunc(websockifyTable(), func(o longOption) bool { return o.name == m[2] })
		if at < 0 {
			t.Errorf("--%s is not taken", m[2])
			continue
		}
		o := websockifyTable()[at]
		if (o.value != "") != (m[3] != "") || m[1] != "" && o.short != m[1][0] {
			t.Errorf("--%s: websockify has -%s and the value %q, we %q and %q", m[2], m[1], m[3], o.short, o.value)
		}
	}
}

func TestOptionsAreExplained(t *testing.T) {
	for _, table := range [][]longOption{websockifyTable(), novncProxyTable()} {
		var names []string
		for _, o := range table {
			if o.help == "" || o.group == "" || slices.Contains(names, o.name) {
				t.Errorf("--%s has no help or no group, or is there twice", o.name)
			}
			names = append(names, o.name)
		}
	}
	for _, print := range []func(*strings.Builder){
		func(b *strings.Builder) { printWebsockifyHelp(b) }, func(b *strings.Builder) { printNoVNCProxyHelp(b) },
	} {
		var b strings.Builder
		print(&b)
		for line := range strings.Lines(b.String()) {
			if len(line) > 87 {
				t.Errorf("too long for a terminal: %s", line)
			}
		}
	}
}

func TestArgumentsByName(t *testing.T) {
	for args, want := range map[string]string{
		"/usr/bin/vncgate serve":           "serve",
		"websockify 1 b:2":                 "websockify 1 b:2",
		"/usr/local/bin/websockify -v":     "websockify -v",
		"/opt/noVNC/utils/novnc_proxy":     "novnc_proxy",
		"vncgate websockify --inetd x:1":   "websockify --inetd x:1",
		"/usr/bin/websockify-something -v": "-v",
	} {
		if got := strings.Join(argumentsByName(strings.Fields(args)), " "); got != want {
			t.Errorf("%s: %q", args, got)
		}
	}
}

// words writes the command line again, in the one form that every reader of
// such lines takes for the same.
func (l *commandLine) words() []string {
	var words []string
	for _, g := range l.given {
		if g.option.value == "" {
			words = append(words, "--"+g.option.name)
		} else {
			words = append(words, "--"+g.option.name+"="+g.value)
		}
	}
	words = append(words, l.arguments...)
	if l.command != nil {
		words = append(append(words, "--"), l.command...)
	}
	return words
}

// FuzzCommandLine holds that what is accepted means the same when it is
// written in full.
func FuzzCommandLine(f *testing.F) {
	for _, seed := range []string{
		"6080\nlocalhost:5901", "-vD\n--cert=x\n6080\n:1", "--heart\n3\n6080\n[::1]:1\n-6", "6080\n--\nsh\n-c\n--", "--ssl\n--=\n-\n--web", "-",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args := strings.Split(text, "\n")
		_, _ = parseNoVNCProxy(args)
		for _, table := range [][]longOption{websockifyTable(), novncProxyTable()} {
			line, err := parseCommandLine(args, table)
			if err != nil {
				continue
			}
			again, err := parseCommandLine(line.words(), table)
			if err != nil || !reflect.DeepEqual(line.words(), again.words()) {
				t.Fatalf("%q reads as %q, %v", line.words(), again.words(), err)
			}
		}
		o, err := parseWebsockify(args)
		if err != nil || o.help {
			return
		}
		line, _ := parseCommandLine(args, websockifyTable())
		if again, err := parseWebsockify(line.words()); err != nil || !reflect.DeepEqual(o, again) {
			t.Fatalf("%+v reads as %+v, %v", o, again, err)
		}
	})
}
