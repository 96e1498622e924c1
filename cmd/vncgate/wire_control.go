package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/layers"
)

// controls are the table of commands and the socket on which they are spoken.
type controls struct {
	table  *control.Table
	server *control.Server
	ln     net.Listener // nil: no socket
	begun  time.Time
	quit   context.CancelFunc

	mu     sync.Mutex
	loaded time.Time // when the configuration was read last
	added  sync.WaitGroup
}

// openControl wires the commands, and opens their socket where there is to be
// one.
func (w *wiring) openControl(ctx context.Context) error {
	now := time.Now()
	c := &controls{begun: now, loaded: now}
	version := controlVersion()
	c.table = control.Commands(w.backend(version))
	c.server = &control.Server{Table: c.table, Version: version, Log: w.log}
	w.controls = c
	w.events.to(c.server.Observe)
	w.foreign.to(c.server.Observe)
	w.events.to(c.reloaded)
	cfg := w.cfg.Control
	if cfg == nil {
		return nil
	}
	if err := folderThere("control", cfg.Socket); err != nil {
		return err
	}
	c.server.Permit = cfg.permits().Role
	ln, err := layers.Listen(ctx, "unix:"+cfg.Socket, cfg.listening())
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	c.ln = ln
	return nil
}

// serveControl answers until closeControl. A socket that fails costs nobody a
// session.
func (w *wiring) serveControl() {
	c := w.controls
	if c == nil || c.ln == nil {
		return
	}
	if err := c.server.Serve(c.ln); !errors.Is(err, gateway.ErrClosed) {
		w.log.Error("the control socket has failed", "socket", w.cfg.Control.Socket, "error", err)
	}
}

func (w *wiring) closeControl() {
	if c := w.controls; c != nil {
		c.server.Close()
		if c.ln != nil { // one that was never served
			_ = c.ln.Close()
		}
		c.added.Wait()
	}
}

func (c *controls) reloaded(e gateway.Event) {
	if e.Kind == gateway.ConfigReloaded {
		c.mu.Lock()
		c.loaded = e.Time
		c.mu.Unlock()
	}
}

// controlVersion reads the numbers of a release; other builds have none. That of a
// commit may begin with digits.
func controlVersion() control.Version {
	v := control.Version{Package: "vncgate " + versionText()}
	if numbers := release.FindStringSubmatch(version); numbers != nil {
		v.Major, _ = strconv.Atoi(numbers[1])
		v.Minor, _ = strconv.Atoi(numbers[2])
		v.Micro, _ = strconv.Atoi(numbers[3])
	}
	return v
}

// release is the version of one, vX.Y.Z, with what a build may add.
var release = regexp.MustCompile(`^v(\d{1,6})\.(\d{1,6})\.(\d{1,6})(?:[-+].*)?$`)

func (w *wiring) backend(version control.Version) *control.Backend {
	b := &control.Backend{
		Gateway: w.gate, Version: version,
		Targets: w.controlTargets, Listeners: w.controlListeners, Stats: w.controlStats,
		Probe: w.controlProbe, Revoke: w.controlRevoke, Reload: w.controlReload, Upgrade: w.controlUpgrade,
		Drain: w.controlDrain, Undrain: w.undrain, Quit: w.controlQuit,
		AddListener: w.controlAddListener, AddDisplay: w.controlAddDisplay,
		Agents: w.controlAgents, Streams: w.agents.controlStreams,
		SetClass: w.controlSetClass, Classes: w.controlClasses, Mark: w.markSession, Followed: w.controlFollowed,
	}
	b.Node = w.nodeName()
	if w.agents != nil {
		b.KickAgent, b.RevokeAgent, b.KnowsAgent = w.agents.controlKick, w.agents.controlRevokeAgent, w.agents.controlKnowsAgent
	}
	if level, ok := w.log.Handler().(*adjustable); ok {
		b.LogLevel, b.SetLogLevel = level.name, level.set
	}
	return b
}

// controlTargets are those of the configuration that is in force.
func (w *wiring) controlTargets() []control.Target {
	now := w.now()
	down := w.gate.Down()
	announced := w.agents.announced()
	list := make([]control.Target, 0, len(now.cfg.Targets))
	for _, name := range w.targetNames(announced) {
		t := now.cfg.Targets[name]
		if agent, service, ok := agentTarget(name); ok && !t.known() {
			t.Agent = agent + "/" + service
		}
		target := control.Target{Name: name, Address: t.shown(), State: "unknown", Arrives: t.Arrives != nil, Class: t.Class}
		target.Agent, _, _ = agentService(t.Agent)
		if slices.Contains(announced, name) {
			target.Node = w.nodeName()
		}
		if t.Start != nil {
			target.Starts = t.Start.shown()
		}
		if i := slices.IndexFunc(down, func(d gateway.DownTarget) bool { return d.Target == name }); i >= 0 {
			target.State, target.Since, target.Reason = "down", down[i].Since.UTC(), down[i].Reason
		} else if since, ok := w.gate.Up(name); ok {
			target.State, target.Since = "up", since.UTC()
		}
		list = append(list, target)
	}
	return list
}

// targetNames are those of the configuration, of what agents announce here, and, with
// several gateways, of what viewers see from here through agents elsewhere: their
// sessions are counted where they are.
func (w *wiring) targetNames(announced []string) []string {
	names := keys(w.now().cfg.Targets)
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range announced {
		add(name)
	}
	if w.cluster == nil {
		return names
	}
	for _, s := range w.gate.List() {
		if s.Open && isAgentTarget(s.Target) {
			add(s.Target)
		}
	}
	return names
}

// shown is where a display is, without what may be secret: user and query of a
// URL, and a command's arguments.
func (t targetConfig) shown() string {
	switch {
	case t.URL != "":
		return serviceURL(t.URL).shown()
	case len(t.Command) > 0:
		return "command " + t.Command[0]
	case t.Agent != "":
		return "agent " + t.Agent
	}
	return t.Address
}

func (s *startConfig) shown() string {
	if s.Unit != "" {
		return "unit " + s.Unit
	}
	return "command " + strings.Join(s.Command[:min(1, len(s.Command))], "")
}

func (w *wiring) controlListeners() []control.Listener {
	list := make([]control.Listener, 0, len(w.doors))
	for i := range w.doors {
		d := &w.doors[i]
		l := control.Listener{
			Name: d.l.Address, Address: d.ln.Addr().String(), For: "natives", Target: d.l.Target, TLS: d.l.TLS != nil, Class: d.l.Class,
		}
		if d.cert != nil {
			if leaf := d.cert.pair.Leaf(); leaf != nil {
				l.CertEnds = leaf.NotAfter.UTC()
			}
		}
		switch {
		case d.agents != nil:
			l.For, l.TLS = "agents", !d.l.local()
		case d.arrivals != nil:
			l.For = "displays"
		default:
			if d.server != nil {
				l.For, l.Sources, l.Page = "browsers", d.l.Sources, d.page()
			}
			l.Security = *d.l.types(d.kind())
		}
		list = append(list, l)
	}
	return list
}

func (w *wiring) controlStats(s *control.Stats) {
	s.Started = w.controls.begun.UTC()
	s.Clients = w.controls.server.Clients()
	if d, draining := w.gate.Draining(); draining {
		s.Draining, s.DrainEnds = true, d.Until
	}
	if w.file != nil && w.file.path != "" {
		s.Config = w.file.path
		w.controls.mu.Lock()
		s.Loaded = w.controls.loaded.UTC()
		w.controls.mu.Unlock()
	}
}

func (w *wiring) controlProbe(ctx context.Context, name string) (control.Probe, error) {
	begun := time.Now()
	found, err := w.gate.Probe(ctx, name)
	if errors.Is(err, gateway.ErrNoTarget) {
		return control.Probe{}, control.NotFound("no target %q; query-targets lists those there are", name)
	}
	p := control.Probe{Target: name, Millis: float64(time.Since(begun).Microseconds()) / 1000}
	if err != nil {
		p.Error = err.Error()
		if gone, ok := errors.AsType[*gateway.Unreachable](err); ok {
			p.Stage = gone.Stage
		}
		return p, nil
	}
	p.OK, p.Security, p.Stack = true, found.Security, found.Stack
	p.Name, p.Width, p.Height = found.Init.Name, int(found.Init.Width), int(found.Init.Height)
	if found.Reached != name {
		p.Reached = found.Reached
	}
	return p, nil
}

// controlReload has the one that follows the file reload it, and waits for what
// that comes to.
func (w *wiring) controlReload(ctx context.Context) (control.Reloaded, error) {
	if w.file == nil {
		return control.Reloaded{}, errNoFile
	}
	call := reloadCall{make(chan reloadOutcome, 1)}
	select {
	case w.file.asked <- call:
	case <-ctx.Done():
		return control.Reloaded{}, context.Cause(ctx)
	}
	select {
	case got := <-call.done:
		return control.Reloaded{Changes: append([]string{}, got.changes...), Later: got.later, Warnings: got.warnings}, got.err
	case <-ctx.Done():
		return control.Reloaded{}, context.Cause(ctx)
	}
}

func (w *wiring) controlRevoke(ctx context.Context, r control.Revocation) (int, error) {
	if r.Token != "" && w.capabilities == nil {
		return 0, control.Wrong("no tokens are issued here (capabilities: in the configuration); revoke a user or a session")
	}
	if err := w.revocable(ctx, r); err != nil {
		return 0, err
	}
	return w.revoke(ctx, revocationCall{TokenID: r.Token, User: r.User, Session: r.Session, Note: r.Note})
}

// controlDrain begins to drain. With Quit the program ends when the last one has
// left.
func (w *wiring) controlDrain(d control.Draining) error {
	w.drain(time.Duration(d.Timeout), d.Words)
	if d.Quit {
		w.controls.added.Go(w.quitWhenEmpty)
	}
	return nil
}

// quitWhenEmpty ends the program once nobody is left, unless viewers are let in
// again before.
func (w *wiring) quitWhenEmpty() {
	for range time.Tick(watchEvery) {
		_, draining := w.gate.Draining()
		_, empty := w.gate.Idle()
		switch {
		case !draining:
			return
		case empty && !w.hasElders(): // where we are a service's main process, they end with us
			w.controlQuit()
			return
		}
	}
}

// controlUpgrade ends with ctx only while it has not begun.
func (w *wiring) controlUpgrade(ctx context.Context) (control.Upgraded, error) {
	if ctx.Err() != nil {
		return control.Upgraded{}, context.Cause(ctx)
	}
	pid, err := w.upgrade()
	done := control.Upgraded{Process: pid, Left: w.gate.Sessions()}
	if done.Left > 0 {
		done.Ends = time.Now().Add(w.now().cfg.Limits.upgradeTimeout()).UTC()
	}
	return done, err
}

func (w *wiring) controlQuit() {
	if w.controls.quit != nil {
		w.controls.quit()
	}
}

// controlAddListener serves on a socket as one of the listeners does.
func (w *wiring) controlAddListener(like string, file *os.File) (string, error) {
	ln, err := control.ListenerOf(file)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(w.doors, func(d door) bool { return d.l.Address == like })
	if i < 0 {
		_ = ln.Close()
		return "", control.NotFound("no listener %q; query-listeners lists those there are", like)
	}
	d := w.doors[i]
	if d.server != nil {
		_ = ln.Close()
		return "", control.Wrong("a listener for browsers cannot be added while the gateway runs; put it into the configuration")
	}
	address := ln.Addr().String()
	if d.ln, err = w.lives.add(address, ln); err != nil {
		return "", err
	}
	if d.ln, err = w.rationed(d.ln, d.l); err != nil { // which its like has been
		return "", err
	}
	w.log.Info("listening", "address", address, "like", like)
	w.controls.added.Go(func() {
		if err := d.serve(w.gate); err != nil {
			w.log.Error("a listener that was added has failed", "address", address, "error", err)
		}
	})
	return address, nil
}

// controlAddDisplay takes a display in as if it had dialled.
func (w *wiring) controlAddDisplay(target string, file *os.File) error {
	c, err := control.ConnOf(file)
	if err != nil {
		return err
	}
	if t, ok := w.now().cfg.Targets[target]; !ok || t.Arrives == nil || w.arrivals == nil {
		_ = c.Close()
		return control.NotFound("no target %q with arrives waits for displays", target)
	}
	return w.arrivals.Add(target, c)
}

// adjustable is a log handler whose level changes while it is in use.
type adjustable struct {
	slog.Handler
	level *slog.LevelVar
}

// newAdjustable begins with the level that the handler has.
func newAdjustable(h slog.Handler) *adjustable {
	a := &adjustable{h, &slog.LevelVar{}}
	for _, level := range []slog.Level{slog.LevelError, slog.LevelWarn, slog.LevelInfo, slog.LevelDebug} {
		if h.Enabled(context.Background(), level) {
			a.level.Set(level)
		}
	}
	return a
}

// Enabled goes by the level as it is now.
func (a *adjustable) Enabled(_ context.Context, level slog.Level) bool {
	return level >= a.level.Level()
}

// WithAttrs keeps the level in common.
func (a *adjustable) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &adjustable{a.Handler.WithAttrs(attrs), a.level}
}

// WithGroup keeps the level in common.
func (a *adjustable) WithGroup(name string) slog.Handler {
	return &adjustable{a.Handler.WithGroup(name), a.level}
}

func (a *adjustable) name() string { return strings.ToLower(a.level.Level().String()) }

func (a *adjustable) set(name string) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(name)); err != nil {
		return notOneOf("level", name, []string{"debug", "info", "warn", "error"})
	}
	a.level.Set(level)
	return nil
}
