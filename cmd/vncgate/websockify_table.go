package main

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// websockifyOptions is what a command line for websockify says. Durations of 0
// mean that there is no such limit.
type websockifyOptions struct {
	listen, target address // target is empty with tokens, a unix target or a command
	command        []string

	verbose, traffic, daemon, runOnce bool
	record                            string
	timeout, idleTimeout, heartbeat   time.Duration

	cert, key, keyPassword, cafile   string
	sslOnly, sslTarget, verifyClient bool
	sslVersion, sslCiphers           string

	unixListen, unixTarget string
	unixListenMode         fs.FileMode
	inetd, preferIPv6      bool

	web               string
	webAuth, fileOnly bool
	page              bool // called as novnc_proxy: the embedded page where --web names none

	tokenPlugin, tokenSource string
	hostToken                bool
	authPlugins, authSources []string // the n-th source is the n-th plugin's

	wrapMode        string
	syslog, logFile string
	legacySyslog    bool
	help            bool
}

// address is a host, which may be empty, and a port.
type address struct {
	host string
	port int
}

// Headings of the help.
const (
	groupEnds   = "Where to listen and where to connect"
	groupTLS    = "TLS"
	groupWeb    = "Web pages on the same port"
	groupTokens = "Several displays: tokens"
	groupAuth   = "Who may connect"
	groupRun    = "How it runs and ends"
	groupLog    = "What it tells"
)

// websockifyTable has every option that websockify has, 0.10 to 0.13.
func websockifyTable() []longOption {
	return concat(endOptions(), tlsOptions(), webOptions(), tokenOptions(), authOptions(), runOptions(), logOptions())
}

func concat(groups ...[]longOption) []longOption {
	var all []longOption
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

func endOptions() []longOption {
	return []longOption{
		valued("unix-target", "FILE", groupEnds, "connect to this unix socket instead of host:port",
			func(o *websockifyOptions) *string { return &o.unixTarget }),
		valued("unix-listen", "FILE", groupEnds, "listen on this unix socket instead of a port; one that nobody listens on any more is replaced",
			func(o *websockifyOptions) *string { return &o.unixListen }),
		{name: "unix-listen-mode", value: "MODE", group: groupEnds, help: "its permissions, octal (default 0600)", set: setUnixMode},
		toggle("inetd", groupEnds, "standard input is the listening socket, or the connection itself, of inetd or systemd",
			func(o *websockifyOptions) *bool { return &o.inetd }),
		withShort('6', toggle("prefer-ipv6", groupEnds, "with a host name to listen on: its IPv6 address first",
			func(o *websockifyOptions) *bool { return &o.preferIPv6 })),
		toggle("ssl-target", groupEnds, "speak TLS to the target and check its certificate against the system's CAs",
			func(o *websockifyOptions) *bool { return &o.sslTarget }),
		{name: "wrap-mode", value: "MODE", group: groupEnds, help: "what to do when the command behind -- ends: exit (default), ignore, respawn",
			choices: []string{wrapExit, wrapIgnore, wrapRespawn}, set: func(o *websockifyOptions, v string) error { o.wrapMode = v; return nil }},
	}
}

func tlsOptions() []longOption {
	return []longOption{
		valued("cert", "FILE", groupTLS, "certificate, PEM (default self.pem; if that is not there, no TLS); read again when it changes",
			func(o *websockifyOptions) *string { return &o.cert }),
		valued("key", "FILE", groupTLS, "its key, if that is in another file", func(o *websockifyOptions) *string { return &o.key }),
		valued("key-password", "WORD", groupTLS, "password of the key", func(o *websockifyOptions) *string { return &o.keyPassword }),
		toggle("ssl-only", groupTLS, "refuse connections without TLS; without this both come in on the one port",
			func(o *websockifyOptions) *bool { return &o.sslOnly }),
		toggle("verify-client", groupTLS, "demand a certificate of whoever comes by TLS", func(o *websockifyOptions) *bool { return &o.verifyClient }),
		valued("cafile", "FILE", groupTLS, "CAs that these come from (default: the system's)", func(o *websockifyOptions) *string { return &o.cafile }),
		{name: "ssl-version", value: "VERSION", group: groupTLS, help: "the oldest TLS to accept: default (1.2), tlsv1_1, tlsv1_2, tlsv1_3",
			choices: sslVersions(), set: func(o *websockifyOptions, v string) error { o.sslVersion = v; return nil }},
		valued("ssl-ciphers", "LIST", groupTLS, "cipher suites up to TLS 1.2, by OpenSSL's names, separated by ':'",
			func(o *websockifyOptions) *string { return &o.sslCiphers }),
	}
}

func webOptions() []longOption {
	return []longOption{
		valued("web", "DIR", groupWeb, "serve the files of this folder", func(o *websockifyOptions) *string { return &o.web }),
		toggle("file-only", groupWeb, "no listings of folders", func(o *websockifyOptions) *bool { return &o.fileOnly }),
		toggle("web-auth", groupWeb, "ask --auth-plugin for files, too", func(o *websockifyOptions) *bool { return &o.webAuth }),
	}
}

func tokenOptions() []longOption {
	return []longOption{
		valued("token-plugin", "CLASS", groupTokens, "what looks tokens up: TokenFile, ReadOnlyTokenFile, TokenFileName, BaseTokenAPI, JSONTokenApi, JWTTokenApi, TokenRedis, UnixDomainSocketDirectory",
			func(o *websockifyOptions) *string { return &o.tokenPlugin }),
		valued("token-source", "ARG", groupTokens, "where it looks: a file, folder, URL, server", func(o *websockifyOptions) *string { return &o.tokenSource }),
		toggle("host-token", groupTokens, "the token is the host name that was asked for, instead of ?token=", func(o *websockifyOptions) *bool { return &o.hostToken }),
		{name: "target-config", value: "FILE", group: groupTokens, help: "the same as --token-plugin TokenFile --token-source FILE",
			set: func(o *websockifyOptions, v string) error { o.tokenPlugin, o.tokenSource = "TokenFile", v; return nil }},
	}
}

func authOptions() []longOption {
	return []longOption{
		{name: "auth-plugin", value: "CLASS", group: groupAuth, help: "BasicHTTPAuth, ExpectOrigin or ClientCertCNAuth; several times if wanted, all must agree",
			set: func(o *websockifyOptions, v string) error { o.authPlugins = append(o.authPlugins, v); return nil }},
		{name: "auth-source", value: "ARG", group: groupAuth, help: "its user:password, origins or certificate names; the second one is for the second --auth-plugin",
			set: func(o *websockifyOptions, v string) error { o.authSources = append(o.authSources, v); return nil }},
	}
}

func runOptions() []longOption {
	return []longOption{
		withShort('D', toggle("daemon", groupRun, "go into the background once it listens", func(o *websockifyOptions) *bool { return &o.daemon })),
		toggle("run-once", groupRun, "end with the first WebSocket connection", func(o *websockifyOptions) *bool { return &o.runOnce }),
		seconds("timeout", groupRun, "listen for this long only; connections then go on", func(o *websockifyOptions) *time.Duration { return &o.timeout }),
		seconds("idle-timeout", groupRun, "end when there was no connection for this long", func(o *websockifyOptions) *time.Duration { return &o.idleTimeout }),
		seconds("heartbeat", groupRun, "ping clients this often, and let go of those that do not answer", func(o *websockifyOptions) *time.Duration { return &o.heartbeat }),
		{name: "libserver", group: groupRun, help: "accepted for the scripts that have it; there is one server here",
			set: func(*websockifyOptions, string) error { return nil }},
	}
}

func logOptions() []longOption {
	return []longOption{
		withShort('v', toggle("verbose", groupLog, "log every step", func(o *websockifyOptions) *bool { return &o.verbose })),
		toggle("traffic", groupLog, "print a sign for each message: } and > from the client, { and < to it", func(o *websockifyOptions) *bool { return &o.traffic }),
		valued("record", "FILE", groupLog, "record each session to FILE.NUMBER, for noVNC's playback", func(o *websockifyOptions) *string { return &o.record }),
		valued("log-file", "FILE", groupLog, "log to this file; SIGHUP opens it anew", func(o *websockifyOptions) *string { return &o.logFile }),
		valued("syslog", "SERVER", groupLog, "log to syslog, too: a socket such as /dev/log, or host:port (UDP)", func(o *websockifyOptions) *string { return &o.syslog }),
		toggle("legacy-syslog", groupLog, "in the old form (RFC 3164) instead of RFC 5424", func(o *websockifyOptions) *bool { return &o.legacySyslog }),
		withShort('h', toggle("help", groupLog, "show this and end", func(o *websockifyOptions) *bool { return &o.help })),
	}
}

// novncProxyOnly are the options that novnc_proxy has and websockify has not.
func novncProxyOnly() []longOption {
	return []longOption{
		{name: "listen", value: "[HOST:]PORT", group: groupEnds, help: "where browsers connect (default 6080)", set: func(o *websockifyOptions, v string) error {
			at, err := parseListen(v)
			o.listen = at
			return err
		}},
		{name: "vnc", value: "HOST:PORT", group: groupEnds, help: "where the display is (default localhost:5900)", set: func(o *websockifyOptions, v string) error {
			at, err := parseTarget(v)
			o.target = at
			return err
		}},
	}
}

func toggle(name, group, help string, at func(*websockifyOptions) *bool) longOption {
	return longOption{name: name, group: group, help: help, set: func(o *websockifyOptions, _ string) error {
		*at(o) = true
		return nil
	}}
}

func valued(name, value, group, help string, at func(*websockifyOptions) *string) longOption {
	return longOption{name: name, value: value, group: group, help: help, set: func(o *websockifyOptions, v string) error {
		*at(o) = v
		return nil
	}}
}

// maxSeconds keeps durations far from where they overflow.
const maxSeconds = 1 << 31

func seconds(name, group, help string, at func(*websockifyOptions) *time.Duration) longOption {
	return longOption{name: name, value: "SECONDS", group: group, help: help, set: func(o *websockifyOptions, v string) error {
		n, err := strconv.ParseInt(strings.TrimSpace(v), 0, 64) // 0x10 and 010 as in optparse
		if err != nil || n < 0 || n > maxSeconds {
			return fmt.Errorf("--%s: %q is not a number of seconds", name, v)
		}
		*at(o) = time.Duration(n) * time.Second
		return nil
	}}
}

func withShort(c byte, o longOption) longOption {
	o.short = c
	return o
}

func setUnixMode(o *websockifyOptions, v string) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(v, "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return fmt.Errorf("--unix-listen-mode: %q is not an octal permission such as 0660", v)
	}
	o.unixListenMode = fs.FileMode(n)
	return nil
}
