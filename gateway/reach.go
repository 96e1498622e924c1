package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"vncgate/rfb"
)

// startPatience is how long a display that was just started is tried, where
// its target states no Retry.
const startPatience = 30 * time.Second

// slowTry is how long a first try goes on before it counts as waiting.
const slowTry = time.Second

var errViewerLeft = errors.New("gateway: the viewer left while its display was waited for")

// reach connects to target or to one of its fall-backs, and goes on trying
// where the target says so. What it returns is what the viewer is told.
func (s *Session) reach(ctx context.Context, target *Target) error {
	s.stages.enter(stageStart)
	r := &reaching{s: s, first: target, open: append([]*Target{target}, target.Fallbacks...), started: map[*Launcher]int{}}
	patience := r.patience()
	ctx, stop := s.untilExpiry(ctx)
	defer stop()
	if patience > 0 {
		c, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		ctx = c
		defer s.watchViewer(cancel)()
		r.place = s.g.lobby.enter(target, s.name)
	}
	err := r.run(ctx, patience)
	r.settle()
	if cause := context.Cause(ctx); errors.Is(cause, errViewerLeft) || errors.Is(cause, errExpired) {
		return toldOf(cause)
	}
	var gone *Unreachable
	if errors.As(err, &gone) {
		return &rfb.Refusal{Reason: gone.words(), Err: err}
	}
	return err
}

// watchViewer ends the wait when the viewer leaves. A browser is pinged
// meanwhile.
func (s *Session) watchViewer(cancel context.CancelCauseFunc) (stop func()) {
	unwatch := s.below.watch(func(err error) { cancel(fmt.Errorf("%w: %w", errViewerLeft, err)) })
	pings := s.ping(nil, func() { cancel(fmt.Errorf("%w: %w", errViewerLeft, errViewerGone)) })
	return func() {
		pings.end()
		unwatch()
	}
}

// reaching is the search for a display that lets one session in.
type reaching struct {
	s       *Session
	first   *Target
	open    []*Target         // still worth trying, in order
	started map[*Launcher]int // counted in, with the number of the start
	place   *place            // nil where nothing is waited for
	tries   int
}

// patience is how long the targets are tried again.
func (r *reaching) patience() time.Duration {
	var most time.Duration
	for _, t := range r.open {
		patience := t.Retry
		if t.Launcher != nil {
			patience = orDefault(patience, startPatience)
		}
		most = max(most, patience)
	}
	return most
}

func (r *reaching) run(ctx context.Context, patience time.Duration) error {
	if patience <= 0 {
		return r.firstRound(ctx)
	}
	hint := time.AfterFunc(slowTry, r.place.hint)
	err := r.firstRound(ctx)
	hint.Stop()
	if err == nil || len(r.open) == 0 || ctx.Err() != nil {
		return err
	}
	r.s.logger().Info("display not up, trying again", "for", patience.String(), "error", err.Error())
	until := time.Now().Add(patience)
	r.s.clock.extend(patience + r.s.g.limitsNow().DialTimeout)
	for len(r.open) > 0 && ctx.Err() == nil {
		r.place.say(wordsFor(err))
		if !r.place.turn(ctx, until, err) {
			return err
		}
		if err = r.round(ctx); err == nil {
			return nil
		}
	}
	return err
}

// firstRound is a round, and another for a display that takes connections and
// greets none: it may serve one viewer at a time, whose place is to be taken. If
// it hangs instead, that viewer has lost nothing.
func (r *reaching) firstRound(ctx context.Context) error {
	all := r.open
	err := r.round(ctx)
	if !errors.Is(err, rfb.ErrNoGreeting) || !r.s.couldReplace() {
		return err
	}
	if err := r.s.replace(ctx); err != nil {
		return err
	}
	r.open = all
	return r.round(ctx)
}

// round tries each target once. Those that do not want us are not tried again:
// a display may lock out who knocks with the wrong key.
func (r *reaching) round(ctx context.Context) error {
	var failed tried
	var again []*Target
	for i, t := range r.open {
		err := r.try(ctx, t, len(r.open)-i)
		r.s.stages.enter(stageStart) // whatever comes before the next try
		r.s.g.tried(ctx, t, err)
		if err == nil {
			return nil
		}
		failed = append(failed, err)
		r.report(t, err, i+1 < len(r.open))
		if !refusedUs(err) {
			again = append(again, t)
		}
		if ctx.Err() != nil {
			break
		}
	}
	r.tries++
	r.open = again
	return failed.error()
}

// refusedUs reports whether a display is up and does not want us.
func refusedUs(err error) bool {
	var gone *Unreachable
	return errors.As(err, &gone) && gone.refused()
}

// report tells the log once that a fall-back is needed; the end of the session
// tells the rest.
func (r *reaching) report(t *Target, err error, more bool) {
	if more && r.tries == 0 {
		r.s.logger().Warn("display unreachable, trying the next", "display", t.Name, "error", err.Error())
	}
}

// try starts t if it has to be and connects to it, within its share of the
// time: others are to be tried after it.
func (r *reaching) try(ctx context.Context, t *Target, share int) error {
	fresh, err := r.start(ctx, t)
	if err != nil {
		return t.unreachable(ctx, "start", err)
	}
	err = r.dial(ctx, t, share)
	if err == nil || t.Launcher == nil || fresh || r.tries > 0 || ctx.Err() != nil || refusedUs(err) {
		return err
	}
	// It was started for somebody else, and may have ended since.
	r.started[t.Launcher], err = t.Launcher.again(ctx, r.started[t.Launcher])
	if err != nil {
		return t.unreachable(ctx, "start", err)
	}
	return r.dial(ctx, t, share)
}

// start counts the session in where t has a Launcher. fresh says that the
// display has only now been started.
func (r *reaching) start(ctx context.Context, t *Target) (fresh bool, err error) {
	l := t.Launcher
	if l == nil {
		return false, nil
	}
	if _, counted := r.started[l]; counted {
		return false, nil
	}
	r.s.clock.extend(l.timeout() + r.s.g.limitsNow().DialTimeout)
	if !l.running() {
		fresh = true
		r.place.say(wordsStarting)
	}
	if !r.s.g.launches(l) {
		return false, ErrDraining
	}
	n, err := l.acquire(ctx)
	if err == nil {
		r.started[l] = n
	}
	return fresh, err
}

func (r *reaching) dial(ctx context.Context, t *Target, share int) error {
	limits := r.s.g.limitsNow()
	ctx, cancel := context.WithTimeout(ctx, min(limits.DialTimeout, r.s.clock.left()/time.Duration(share)))
	defer cancel()
	display, err := t.connect(ctx, r.s.below, limits.GreetTimeout, r.s.stages)
	if err != nil {
		return err
	}
	r.s.display, r.s.target, r.s.fallback, r.s.agent = display, t, t != r.first, t.Agent
	return nil
}

// settle leaves the room, and lets go of all that was started but for the
// display that is used.
func (r *reaching) settle() {
	if r.place != nil {
		r.place.leave(r.s.display != nil)
	}
	for l := range r.started {
		if r.s.display != nil && l == r.s.target.Launcher {
			r.s.launcher = l
			continue
		}
		l.release()
	}
}

// tried are the errors of several targets, the preferred one's first: that is
// what the viewer is told.
type tried []error

// error is the one there is, or all of them.
func (t tried) error() error {
	if len(t) == 1 {
		return t[0]
	}
	return t
}

func (t tried) Error() string {
	texts := make([]string, len(t))
	for i, err := range t {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

func (t tried) Unwrap() []error { return t }
