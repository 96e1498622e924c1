package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"vncgate/auth"
	"vncgate/auth/tickets"
	"vncgate/layers"
	"vncgate/web"
	"vncgate/web/bridge"
)

// bridgeConfig makes of the options what package bridge takes.
func (o *websockifyOptions) bridgeConfig(out io.Writer, log *slog.Logger) (bridge.Config, error) {
	cfg := bridge.Config{
		Route: bridge.Route{Address: o.targetAddress()}, HostToken: o.hostToken,
		WebAuth: o.webAuth, Dir: o.web, FileOnly: o.fileOnly, Hide: o.secretFiles(),
		Guard: guardPasswords(), Dial: o.dial, Heartbeat: o.heartbeat, Record: o.record, Log: log,
	}
	if o.page && o.web == "" {
		cfg.Files = web.Page()
	}
	if o.traffic {
		cfg.Traffic = out
	}
	for i, class := range o.authPlugins {
		source := ""
		if i < len(o.authSources) {
			source = o.authSources[i]
		}
		plugin, err := bridge.NewAuth(class, source)
		if err != nil {
			return cfg, &usageError{err}
		}
		cfg.Auths = append(cfg.Auths, plugin)
	}
	if o.tokenPlugin != "" {
		source, err := tickets.Plugin(o.tokenPlugin, o.tokenSource)
		if err != nil {
			return cfg, &usageError{err}
		}
		reportTo(source, log)
		cfg.Lookup = lookupIn(source)
	}
	return cfg, o.webFolder()
}

// guardPasswords slows guessing down, by address. One of this machine is that of
// a proxy that does not say for whom: all of its clients would wait for one.
func guardPasswords() func(*http.Request, func() bool) {
	guard := &auth.Guard{}
	return func(r *http.Request, proof func() bool) {
		from, _ := netip.ParseAddrPort(r.RemoteAddr)
		address := from.Addr().Unmap()
		if address.IsLoopback() {
			address = netip.Addr{}
		}
		_ = guard.Try(address, "", func() error {
			if !proof() {
				return auth.ErrDenied
			}
			return nil
		})
	}
}

// targetAddress is where everything leads without tokens.
func (o *websockifyOptions) targetAddress() string {
	switch {
	case o.tokenPlugin != "":
		return ""
	case o.unixTarget != "":
		return "unix:" + o.unixTarget
	}
	return o.target.String()
}

// secretFiles must not be served, even if they lie in the folder that is.
func (o *websockifyOptions) secretFiles() []string {
	cert, key := o.certFiles()
	files := []string{cert, key, o.tokenSource, o.logFile}
	return slices.DeleteFunc(files, func(f string) bool { return f == "" })
}

// missing warns of files and folders that may still come, but are as likely
// written wrong.
func (o *websockifyOptions) missing() []string {
	var list []string
	absent := func(path string) bool { _, err := os.Stat(path); return errors.Is(err, fs.ErrNotExist) }
	name := o.tokenPlugin[strings.LastIndexByte(o.tokenPlugin, '.')+1:]
	files := []string{"TokenFile", "ReadOnlyTokenFile", "TokenFileName", "UnixDomainSocketDirectory"}
	if slices.Contains(files, name) && absent(o.tokenSource) {
		list = append(list, fmt.Sprintf("--token-source %s: is not there; no token is good until it is", o.tokenSource))
	}
	if o.record != "" && absent(filepath.Dir(o.record)) {
		list = append(list, fmt.Sprintf("--record %s: the folder is not there; nothing is recorded until it is", o.record))
	}
	return list
}

// webFolder looks whether the folder to serve is one.
func (o *websockifyOptions) webFolder() error {
	if o.web == "" {
		return nil
	}
	if info, err := os.Stat(o.web); err != nil || !info.IsDir() {
		return usagef("--web %s: there is no such folder", o.web)
	}
	if !o.page {
		return nil
	}
	if _, err := os.Stat(filepath.Join(o.web, "vnc.html")); err != nil {
		return usagef("--web %s: there is no vnc.html in it; without --web you get the page that vncgate brings along", o.web)
	}
	return nil
}

// reportTo has a source say in the log which of its lines it cannot use.
func reportTo(source tickets.Source, log *slog.Logger) {
	report := func(err error) { log.Warn("tokens", "error", err) }
	switch s := source.(type) {
	case *tickets.File:
		s.Report = report
	case *tickets.HTTP:
		s.Report = report
	case *tickets.Redis:
		s.Report = report
	}
}

// lookupIn asks source, in the words of package bridge.
func lookupIn(source tickets.Source) func(context.Context, string) (bridge.Route, error) {
	return func(ctx context.Context, token string) (bridge.Route, error) {
		t, err := source.Lookup(ctx, token)
		switch {
		case errors.Is(err, tickets.ErrUnknown):
			return bridge.Route{}, fmt.Errorf("%w: %w", bridge.ErrUnknown, err)
		case err != nil:
			return bridge.Route{}, err
		}
		return bridge.Route{Address: t.Address}, nil
	}
}

// dial connects to a target, over TLS with --ssl-target.
func (o *websockifyOptions) dial(ctx context.Context, to bridge.Route) (net.Conn, error) {
	c, err := layers.Dial(ctx, to.Address)
	if err != nil || !o.sslTarget {
		return c, err
	}
	secure, err := layers.TLSClient(&tls.Config{ServerName: tlsHost(to.Address)})(ctx, c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return secure, nil
}

// tlsHost is whom a certificate must be of: the host, or this machine behind a
// unix socket.
func tlsHost(address string) string {
	if network, at, err := layers.ParseAddress(address); err == nil && network == "tcp" {
		if host, _, err := net.SplitHostPort(at); err == nil {
			return host
		}
	}
	return "localhost"
}

// listenOn opens what the options say to listen on.
func (o *websockifyOptions) listenOn(ctx context.Context, log *slog.Logger) (net.Listener, error) {
	config := layers.ListenConfig{
		PreferIPv6: o.preferIPv6,
		Report:     func(err error) { log.Warn("not all addresses of the name are listened on", "error", err) },
	}
	switch {
	case o.inetd:
		return listenInetd(ctx)
	case o.unixListen != "":
		config.Mode = o.unixListenMode
		return layers.Listen(ctx, "unix:"+o.unixListen, config)
	}
	if o.command != nil && movesIPv4Only() && !strings.Contains(o.listen.host, ":") {
		config.Network = "tcp4" // the command takes the port for IPv6
	}
	at := o.listen
	if at.host == "*" {
		at.host = "" // as socket.bind takes it
	}
	return layers.Listen(ctx, at.String(), config)
}
