package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strconv"
	"strings"
)

// Defaults of both programs.
const (
	defaultCert      = "self.pem"
	defaultUnixMode  = fs.FileMode(0o600)
	defaultNoVNCPort = 6080
	defaultVNCPort   = 5900
)

// What becomes of us when a wrapped command ends.
const (
	wrapExit    = "exit"
	wrapIgnore  = "ignore"
	wrapRespawn = "respawn"
)

// parseWebsockify reads the command line of websockify.
func parseWebsockify(args []string) (*websockifyOptions, error) {
	line, err := parseCommandLine(args, websockifyTable())
	if err != nil {
		return nil, err
	}
	o, err := line.options(&websockifyOptions{})
	if err != nil || o.help {
		return o, err
	}
	if err := o.checkTokens(); err != nil { // before place misses the target that the plugin would give
		return nil, err
	}
	if err := o.place(line); err != nil {
		return nil, err
	}
	return o, o.check()
}

// parseNoVNCProxy reads the command line of noVNC's utils/novnc_proxy.
func parseNoVNCProxy(args []string) (*websockifyOptions, error) {
	line, err := parseCommandLine(args, novncProxyTable())
	if err != nil {
		return nil, err
	}
	o, err := line.options(&websockifyOptions{
		page:   true,
		listen: address{port: defaultNoVNCPort},
		target: address{"localhost", defaultVNCPort},
	})
	if err != nil || o.help {
		return o, err
	}
	if len(line.arguments) > 0 || line.command != nil {
		return nil, errors.New("novnc_proxy takes options only: --listen [HOST:]PORT --vnc HOST:PORT")
	}
	return o, o.check()
}

// novncProxyTable is what novnc_proxy passes on, with its own two.
func novncProxyTable() []longOption {
	passedOn := "cert key web ssl-only file-only record syslog heartbeat timeout idle-timeout web-auth auth-plugin auth-source help"
	table := novncProxyOnly()
	for _, o := range websockifyTable() {
		if strings.Contains(" "+passedOn+" ", " "+o.name+" ") {
			table = append(table, o)
		}
	}
	return table
}

// options gives each option its say, in the order they were written.
func (l *commandLine) options(o *websockifyOptions) (*websockifyOptions, error) {
	for _, g := range l.given {
		if err := g.option.set(o, g.value); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// place reads the arguments: where to listen, unless an option says so, and
// where to connect, unless an option or a command does.
func (o *websockifyOptions) place(line commandLine) error {
	args := line.arguments
	o.command = line.command
	if o.listens() {
		if len(args) == 0 {
			return errors.New("nothing says where to listen: " + o.wanted())
		}
		at, err := parseListen(args[0])
		if err != nil {
			return err
		}
		o.listen, args = at, args[1:]
	}
	if o.targetElsewhere() {
		if len(args) > 0 {
			return fmt.Errorf("%q is too much: %s", args[0], o.wanted())
		}
		return nil
	}
	switch len(args) {
	case 0:
		return errors.New("nothing says where to connect: " + o.wanted())
	case 1:
		at, err := parseTarget(args[0])
		o.target = at
		return err
	}
	return fmt.Errorf("%q is too much: %s", args[1], o.wanted())
}

// listens reports whether a port is the first argument.
func (o *websockifyOptions) listens() bool { return !o.inetd && o.unixListen == "" }

// targetElsewhere reports whether something else than an argument says where
// to connect.
func (o *websockifyOptions) targetElsewhere() bool {
	return o.tokenPlugin != "" || o.unixTarget != "" || o.command != nil
}

// wanted is how to write what goes with the options that were given.
func (o *websockifyOptions) wanted() string {
	words := []string{"write vncgate websockify"}
	switch {
	case o.inetd:
		words = append(words, "--inetd")
	case o.unixListen != "":
		words = append(words, "--unix-listen="+o.unixListen)
	default:
		words = append(words, "[ADDRESS:]PORT")
	}
	switch {
	case o.command != nil:
		words = append(words, "-- COMMAND")
	case o.tokenPlugin != "":
		words = append(words, "--token-plugin="+o.tokenPlugin)
	case o.unixTarget != "":
		words = append(words, "--unix-target="+o.unixTarget)
	default:
		words = append(words, "HOST:PORT")
	}
	return strings.Join(words, " ")
}

// checkTokens finds options that are of no use without a plugin.
func (o *websockifyOptions) checkTokens() error {
	switch {
	case o.tokenPlugin != "":
	case o.tokenSource != "":
		return errors.New("--token-source needs --token-plugin, which says how to read it")
	case o.hostToken:
		return errors.New("--host-token needs --token-plugin, which looks the host up")
	}
	return nil
}

// check finds options that do not go together, and fills in defaults.
func (o *websockifyOptions) check() error {
	for _, rule := range []struct {
		broken bool
		words  string
	}{
		{len(o.authSources) > len(o.authPlugins), "each --auth-source needs an --auth-plugin"},
		{o.webAuth && len(o.authPlugins) == 0, "--web-auth needs --auth-plugin, which decides who may see the files"},
		{o.webAuth && o.web == "" && !o.page, "--web-auth needs --web, the files that it protects"},
		{o.legacySyslog && o.syslog == "", "--legacy-syslog is of use with --syslog only"},
		{o.inetd && o.unixListen != "", "--inetd and --unix-listen exclude each other"},
		{o.inetd && o.daemon, "--inetd and --daemon exclude each other: inetd keeps what it started"},
		{o.command != nil && len(o.command) == 0, "nothing is behind --: write the command to run there"},
		{o.command != nil && (o.tokenPlugin != "" || o.unixTarget != ""), "a command behind -- is the target itself: leave --token-plugin and --unix-target"},
		{o.command != nil && !o.listens(), "a command behind -- takes over the port to listen on, so there must be one"},
	} {
		if rule.broken {
			return errors.New(rule.words)
		}
	}
	o.complete()
	return nil
}

// complete fills in the defaults.
func (o *websockifyOptions) complete() {
	if o.wrapMode == "" {
		o.wrapMode = wrapExit
	}
	if o.unixListenMode == 0 {
		o.unixListenMode = defaultUnixMode
	}
}

// parseListen reads [ADDRESS:]PORT; an IPv6 address may have its brackets.
func parseListen(s string) (address, error) {
	at, err := parseEnd(s)
	if err != nil {
		return at, fmt.Errorf("cannot listen on %q: %w, as in 6080, 127.0.0.1:6080 or [::1]:6080", s, err)
	}
	return at, nil
}

// parseTarget reads HOST:PORT; without a host it is this machine.
func parseTarget(s string) (address, error) {
	at, err := parseEnd(s)
	switch {
	case err == nil && !strings.Contains(s, ":"):
		err = errors.New("the port is missing; write HOST:PORT")
	case err == nil && at.port == 0:
		err = errors.New("0 is no port to connect to; write HOST:PORT")
	}
	if err != nil {
		return at, fmt.Errorf("cannot connect to %q: %w, as in localhost:5900 or [::1]:5900", s, err)
	}
	if at.host == "" {
		at.host = "localhost"
	}
	return at, nil
}

// parseEnd splits at the last colon, so that ::1:6080 is what websockify took
// it for.
func parseEnd(s string) (address, error) {
	host, port := "", s
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i+1:]
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return address{}, fmt.Errorf("%q is not a port", port)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, closed := strings.CutSuffix(inner, "]")
		if !closed || net.ParseIP(strings.SplitN(inner, "%", 2)[0]) == nil {
			return address{}, fmt.Errorf("%q is not an IPv6 address", host)
		}
		host = inner
	}
	if strings.ContainsAny(host, " \t\x00/[]") {
		return address{}, fmt.Errorf("%q is not a host", host)
	}
	return address{host, int(n)}, nil
}

// String is what net.Dial and net.Listen take.
func (a address) String() string { return net.JoinHostPort(a.host, strconv.Itoa(a.port)) }
