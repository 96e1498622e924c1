package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"slices"
	"strings"
	"sync"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
	"vncgate/rfb"
	"vncgate/rfb/display"
	"vncgate/rfb/display/still"
	"vncgate/web/admin"
)

// pictures takes pictures of targets for the API and the dashboard: of each target
// one at a time, of all of them a few, and none that is as good as the last.
type pictures struct {
	w     *wiring
	table *control.Table // with the sessions of older processes
	turns chan struct{}

	mu      sync.Mutex
	under   map[string]*exposure // by target
	kept    []keptPicture        // the oldest first
	looked  map[string]time.Time // when that was told last, by actor and target
	waiting int
}

// exposure is a picture that is being taken; the fields are set once done is
// closed.
type exposure struct {
	done chan struct{}
	img  image.Image
	at   time.Time
	err  error
}

// keptPicture is a file that was made.
type keptPicture struct {
	shot  admin.Shot
	still admin.Still
}

const (
	// pictureTime is how long a display has for a picture, from the first packet.
	pictureTime = 20 * time.Second
	// freshTime is how long a picture is given out.
	freshTime = 10 * time.Second
	// maxExposures is how many displays are looked at at a time, and maxAsking how
	// many may wait for a picture; more are turned away.
	maxExposures, maxAsking = 4, 64
	// maxKept and maxKeptBytes bound what is kept for those who ask again.
	maxKept, maxKeptBytes = 256, 32 << 20
	// lookedAgain is how often the audit hears of somebody who takes pictures of one
	// display: of the first, and of one in this time.
	lookedAgain, maxLooked = 10 * time.Minute, 1024
)

func newPictures(w *wiring, table *control.Table) *pictures {
	return &pictures{
		w: w, table: table, turns: make(chan struct{}, maxExposures),
		under: map[string]*exposure{}, looked: map[string]time.Time{},
	}
}

// take is admin.Server's Screenshot.
func (p *pictures) take(ctx context.Context, call control.Call, shot admin.Shot) (admin.Still, error) {
	t := p.w.now().cfg.Targets[shot.Target]
	if t.Screenshots == screenshotsNever {
		return admin.Still{}, &control.Error{Class: control.ClassGeneric, Err: control.ErrForbidden, Desc: "The configuration allows no pictures of this display (screenshots: never)."}
	}
	if again, ok := p.keeps(shot); ok {
		p.tell(call.Actor, shot.Target)
		return again, nil
	}
	if !p.w.knowsDisplay(ctx, shot.Target) {
		return admin.Still{}, control.NotFound("no target %q; query-targets lists those there are", shot.Target)
	}
	kind, box := still.PNG, image.Point{}
	var err error
	if shot.Format != "" {
		kind, err = still.ParseKind(shot.Format)
	}
	if err == nil && shot.Size != "" {
		box, err = still.ParseSize(shot.Size)
	}
	if err != nil {
		return admin.Still{}, control.Wrong("%s", strings.TrimPrefix(err.Error(), "still: "))
	}
	p.tell(call.Actor, shot.Target)
	e, err := p.expose(ctx, shot.Target, t.Screenshots == screenshotsAlways)
	if err != nil {
		return admin.Still{}, err
	}
	var file bytes.Buffer
	if err := still.Encode(&file, still.Fit(e.img, box), kind, shot.Quality); err != nil {
		return admin.Still{}, err
	}
	made := admin.Still{Body: file.Bytes(), Type: kind.Type(), At: e.at}
	p.keep(shot, made)
	return made, nil
}

// tell has the audit know who looks at what.
func (p *pictures) tell(actor, target string) {
	p.mu.Lock()
	who, now := actor+"\x00"+target, time.Now()
	told := now.Sub(p.looked[who]) < lookedAgain
	if !told {
		if len(p.looked) >= maxLooked {
			clear(p.looked)
		}
		p.looked[who] = now
	}
	p.mu.Unlock()
	if !told {
		p.w.gate.Emit(gateway.Event{Kind: gateway.Commanded, Target: target, Actor: actor, Details: map[string]string{"command": "screenshot"}})
	}
}

// keeps is a file that was made for the same question a moment ago.
func (p *pictures) keeps(shot admin.Shot) (admin.Still, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = slices.DeleteFunc(p.kept, func(k keptPicture) bool { return time.Since(k.still.At) >= freshTime })
	for _, k := range p.kept {
		if k.shot == shot {
			return k.still, true
		}
	}
	return admin.Still{}, false
}

func (p *pictures) keep(shot admin.Shot, made admin.Still) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = append(p.kept, keptPicture{shot, made})
	size := 0
	for _, k := range p.kept {
		size += len(k.still.Body)
	}
	for len(p.kept) > 0 && (len(p.kept) > maxKept || size > maxKeptBytes) {
		size -= len(p.kept[0].still.Body)
		p.kept = slices.Delete(p.kept, 0, 1)
	}
}

// expose takes a picture of a target, or waits for the one that is being taken.
func (p *pictures) expose(ctx context.Context, target string, beside bool) (*exposure, error) {
	p.mu.Lock()
	if p.waiting >= maxAsking {
		p.mu.Unlock()
		return nil, admin.ErrCrowded
	}
	p.waiting++
	e := p.under[target]
	if e == nil {
		e = &exposure{done: make(chan struct{})}
		p.under[target] = e
		go p.develop(e, target, beside)
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.waiting--
		p.mu.Unlock()
	}()
	select {
	case <-e.done:
		return e, e.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// develop takes a picture for all who wait for it, whoever of them has left.
func (p *pictures) develop(e *exposure, target string, beside bool) {
	p.turns <- struct{}{}
	defer func() { <-p.turns }()
	ctx, cancel := context.WithTimeoutCause(context.Background(), pictureTime, errSlowPicture)
	defer cancel()
	e.img, e.err = p.look(ctx, target, beside)
	e.at = time.Now()
	p.mu.Lock()
	delete(p.under, target)
	p.mu.Unlock()
	close(e.done)
}

var errSlowPicture = &control.Error{Class: control.ClassGeneric, Err: context.DeadlineExceeded, Desc: "The display has sent no picture in time."}

// look goes to where the picture is to be had without that anybody is disturbed.
func (p *pictures) look(ctx context.Context, target string, beside bool) (img image.Image, err error) {
	name := target
	if why := p.seen(ctx, target); why != nil {
		if session, ok := p.w.followed(target); ok {
			name, beside = session, true
		} else if s, ok := p.w.watchedElsewhere(ctx, watchQuestion{Target: target}); ok {
			name, beside = shadowPrefix+s.ID, true
		} else if !beside {
			return nil, why
		}
	}
	err = p.w.gate.Look(ctx, name, beside, func(ctx context.Context, conn *rfb.Conn, init rfb.ServerInit) (err error) {
		img, err = display.Snapshot(ctx, conn, init)
		return err
	})
	switch {
	case errors.Is(err, gateway.ErrSeen):
		return nil, errSeenPicture
	case errors.Is(err, gateway.ErrAsleep):
		return nil, errAsleepPicture
	}
	return img, err
}

var (
	errSeenPicture   = &control.Error{Class: control.ClassGeneric, Desc: "A viewer sees this display, and might be sent away for a picture. For displays that share, set screenshots: always in the configuration."}
	errMaybePicture  = &control.Error{Class: control.ClassGeneric, Desc: "Not all gateways answer, so that it is not known whether a viewer sees this display, who might be sent away for a picture. Try again in a moment; 'vncgate ctl nodes' says which do not."}
	errAsleepPicture = &control.Error{Class: control.ClassGeneric, Desc: "The display is not running; it is started when a viewer wants to see it."}
)

// seen is why a picture may disturb a viewer: one sees the target, be it through an
// older process or another node, or may do so. Nil: nobody does.
func (p *pictures) seen(ctx context.Context, target string) error {
	args, err := json.Marshal(map[string]any{"target": target, "all": true})
	if err != nil {
		return errMaybePicture
	}
	result, err := p.table.Run(ctx, &control.Call{Role: control.Viewer}, "query-sessions", args)
	list, ok := result.(control.SessionList)
	switch {
	case err != nil || !ok:
		return errMaybePicture
	case slices.ContainsFunc(list.Sessions, func(s control.Session) bool { return s.State != "waiting" }):
		return errSeenPicture
	case len(list.Silent) > 0:
		return errMaybePicture
	}
	return nil
}

// followed is the display of a session on a target that is followed for those who
// look on: its picture is there already. Where the viewer is to be told of each who
// looks, nobody looks like this.
func (w *wiring) followed(target string) (name string, ok bool) {
	for _, s := range w.gate.List() {
		if s.Target != target || !s.Open {
			continue
		}
		if one, ok := w.shadows.get(s.ID); ok && !one.notice && one.Err() == nil {
			return shadowPrefix + s.ID, true
		}
	}
	return "", false
}
