package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"vncgate/gateway"
)

// configFile is the file that a configuration came from, to look at again. A
// configuration of flags has none, and is told so when it is asked to reload.
type configFile struct {
	path    string // "": flags
	load    func() (*config, error)
	hangUps <-chan os.Signal // ask for a reload
	taken   string           // stamp of what was loaded last
	asked   chan reloadCall  // by those who wait for the outcome
}

// reloadCall asks for a reload; done has room for what it comes to.
type reloadCall struct{ done chan reloadOutcome }

// reloadOutcome is what a reload came to.
type reloadOutcome struct {
	changes, later, warnings []string
	err                      error
}

// errNoFile is for a configuration of flags.
var errNoFile = errors.New("the configuration is not in a file; start with --config FILE to have one")

// newConfigFile is made before the first load, so that no change is missed.
func newConfigFile(path string, load func() (*config, error), hangUps <-chan os.Signal) *configFile {
	f := &configFile{path: path, load: load, hangUps: hangUps, asked: make(chan reloadCall)}
	f.taken = f.stamp()
	return f
}

// stamp tells one state of the file from another; "" where there is nothing to
// come back to, as with a pipe. Times are too coarse by themselves: two edits may
// come in one tick of the system's clock.
func (f *configFile) stamp() string {
	info, err := os.Stat(f.path)
	switch {
	case f.path == "":
		return ""
	case err != nil:
		return "none"
	case !info.Mode().IsRegular():
		return ""
	}
	b, _ := os.ReadFile(f.path) // what cannot be read now is a change when it can
	return fmt.Sprintf("%d %x", info.ModTime().UnixNano(), sha256.Sum256(b))
}

// follow reloads the configuration when its file has changed and when somebody
// asks, until ctx ends. It has its own clock: secrets that are slow to be had must
// not keep a review of the sessions waiting.
func (w *wiring) follow(ctx context.Context) {
	f := w.file
	if f == nil {
		return
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for last := f.taken; ; {
		select {
		case <-ctx.Done():
			return
		case <-f.hangUps:
			f.taken = f.stamp()
			w.reload(ctx)
		case call := <-f.asked:
			f.taken = f.stamp()
			call.done <- w.reload(ctx)
		case <-tick.C:
			// One that is being written, or replaced by way of none, changes
			// once more until the next look.
			now := f.stamp()
			if now == last && now != f.taken {
				f.taken = now
				w.reload(ctx)
			}
			last = now
		}
	}
}

// reload puts in force what the file says now. A mistake in it changes nothing.
func (w *wiring) reload(ctx context.Context) (out reloadOutcome) {
	if w.file.stamp() == "" {
		w.log.Info("nothing to reload: " + errNoFile.Error())
		return reloadOutcome{err: errNoFile}
	}
	w.notify.reloading()
	defer w.notify.serving()
	before := w.now()
	next, err := w.loadAgain(ctx, before)
	if err != nil && ctx.Err() != nil {
		return reloadOutcome{err: ctx.Err()}
	}
	if err != nil {
		return w.rejected(err)
	}
	if err := w.putInForce(next, before); err != nil {
		next.closeNew(before)
		return w.rejected(err)
	}
	w.outdated.Store(false)
	changes := next.changes(before)
	for i := 0; i+1 < len(changes); i += 2 {
		out.changes = append(out.changes, fmt.Sprintf("%v: %v", changes[i], changes[i+1]))
	}
	w.log.Info("configuration reloaded", changes...)
	w.gate.Emit(gateway.Event{Kind: gateway.ConfigReloaded, Details: map[string]string{"changes": strings.Join(out.changes, "; ")}})
	if out.later = w.cfg.later(next.cfg); len(out.later) > 0 {
		w.log.Warn("configuration: what has changed of " + strings.Join(out.later, ", ") + " takes effect at the next start, or by an upgrade (SIGUSR2), which ends no session")
	}
	if before.cfg.hasPolicy() {
		w.warnOfOpen()
	}
	defer w.relevel(next, before)
	out.warnings = next.cfg.warnings()
	for _, warning := range out.warnings {
		w.log.Warn("configuration: " + warning)
	}
	return out
}

// rejected tells of a file that changes nothing.
func (w *wiring) rejected(err error) reloadOutcome {
	w.outdated.Store(true)
	w.reporter("configuration", w.file.path)(err)
	w.gate.Emit(gateway.Event{Kind: gateway.ConfigRejected, Err: err})
	return reloadOutcome{err: err}
}

// putInForce exchanges before for next. On an error nothing has changed.
func (w *wiring) putInForce(next, before *inForce) error {
	if err := w.gate.SetClasses(next.cfg.classList()); err != nil {
		return fmt.Errorf("classes: %w", err)
	}
	limits := next.cfg.Limits
	limits.Memory = w.cfg.Limits.Memory
	w.gate.SetLimits(limits.limits())
	if limits.Sessions != before.cfg.Limits.Sessions || limits.Handshakes != before.cfg.Limits.Handshakes {
		if warning := limits.descriptorWarning(descriptors()); warning != "" {
			w.log.Warn("limits: " + warning)
		}
	}
	w.live.Store(next)
	next.recordings.keepRecordings(w)
	w.retire(before, next)
	w.gate.Review()
	return nil
}

// relevel has the log say more or less from now on, if the file says so. What 'ctl
// log-level' has set stays otherwise.
func (w *wiring) relevel(next, before *inForce) {
	level, ok := w.log.Handler().(*adjustable)
	if ok && next.cfg.Log.Level != before.cfg.Log.Level {
		_ = level.set(cmp.Or(next.cfg.Log.Level, "info")) // which was checked
	}
}

// loadAgain checks the file as it is at the start, and wires what can be
// exchanged.
func (w *wiring) loadAgain(ctx context.Context, before *inForce) (*inForce, error) {
	cfg, err := w.file.load()
	if err != nil {
		return nil, err
	}
	cfg.keepPiped(before.cfg)
	if err := cfg.secretsReadable(ctx); err != nil {
		return nil, err
	}
	next := &inForce{cfg: cfg}
	if err := w.openRules(next, before); err != nil {
		return nil, err
	}
	if err := w.openRecordings(next, before); err != nil {
		return nil, err
	}
	if err := w.openTargets(next, before); err != nil {
		return nil, err
	}
	if err := w.openSources(ctx, next, before); err != nil {
		next.closeNew(before)
		return nil, err
	}
	return next, nil
}

// keepPiped hands on what pipes gave at the start: they do not give it again.
func (c *config) keepPiped(before *config) {
	given := map[string]*string{}
	before.eachSecret(func(s *secret) {
		if s.piped != nil {
			given[s.File] = s.piped
		}
	})
	c.eachSecret(func(s *secret) {
		if s.File != "" {
			s.piped = given[s.File]
		}
	})
}

// eachSecret shows f every secret that c speaks of.
func (c *config) eachSecret(f func(*secret)) { secretsIn(reflect.ValueOf(c).Elem(), f) }

func secretsIn(v reflect.Value, f func(*secret)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		if s, ok := v.Interface().(*secret); ok {
			f(s)
			return
		}
		secretsIn(v.Elem(), f)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				secretsIn(v.Field(i), f)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			secretsIn(v.Index(i), f)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			secretsIn(v.MapIndex(key), f)
		}
	}
}
