package main

import (
	"context"
	"image"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vncgate/gateway/control"
	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
	"vncgate/web/admin"
)

const picturesYAML = `
listeners: [{address: "127.0.0.1:0", web: {}, security: [none]}]
targets:
  desk: {address: %s}
  shared: {address: %[1]s, screenshots: always}
  secret: {address: %[1]s, screenshots: false}
  gone: {address: %s}
  asleep: {address: %[1]s, start: {command: ["false"]}}
admin:
  address: 127.0.0.1:0
  tokens:
    - {name: eye, role: viewer, token: eye-secret-of-sixteen}
    - {name: ops, role: operator, token: ops-secret-of-sixteen}
`

func TestScreenshotsOfTheAPI(t *testing.T) {
	g := newGate(t, picturesYAML, coloured(meadow).Listen(t), closedPort(t))
	c := g.adminClient(nil)
	ops := []string{"Authorization", "Bearer ops-secret-of-sixteen"}
	for _, step := range []struct {
		target string
		status int
		says   string
	}{
		{"none", http.StatusNotFound, "no target"},
		{"secret", http.StatusForbidden, "screenshots: never"},
		{"gone", http.StatusBadGateway, "has not let us in"},
		{"asleep", http.StatusConflict, "not running"},
		{"desk", http.StatusOK, "\x89PNG"},
	} {
		if status, body := g.ask(c, "GET", "/api/v1/targets/"+step.target+"/screenshot", ops...); status != step.status || !strings.Contains(body, step.says) {
			t.Errorf("%s: %d %.200s", step.target, status, body)
		}
	}
	if status, body := g.ask(c, "GET", "/api/v1/targets/desk/screenshot?size=0x0", ops...); status != http.StatusBadRequest || !strings.Contains(body, "from 1 to") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := g.ask(c, "GET", "/api/v1/targets/desk/screenshot", "Authorization", "Bearer eye-secret-of-sixteen"); status != http.StatusForbidden {
		t.Errorf("for those who only look after it: %d", status)
	}
	_, body := g.ask(c, "GET", "/api/v1/targets/desk/screenshot?size=32x&format=jpeg&quality=95", ops...)
	if img, format := picture(t, []byte(body)); format != "jpeg" || img.Bounds().Size() != image.Pt(32, 24) {
		t.Errorf("%s of %v", format, img.Bounds())
	}
	eventually(t, "the audit hears of who looks, once a display", func() bool {
		_, body := g.ask(c, "GET", "/api/v1/events?last=100", append(ops, "Accept", "application/json")...)
		return strings.Count(body, `"command":"screenshot"`) == 3 // gone, asleep, desk
	})
}

// Whoever sees a display is not disturbed, unless the display is known to bear it.
func TestScreenshotDisturbsNobody(t *testing.T) {
	g := newGate(t, picturesYAML, coloured(meadow).Listen(t), closedPort(t))
	c := g.adminClient(nil)
	ops := []string{"Authorization", "Bearer ops-secret-of-sixteen"}
	for target, want := range map[string]int{"desk": http.StatusConflict, "shared": http.StatusOK} {
		stays, err := g.webStay(0, "/websockify?target="+target)
		must(t, err)
		eventually(t, "the session is open", func() bool {
			for _, s := range g.gate.List() {
				if s.Target == target && s.Open {
					return true
				}
			}
			return false
		})
		if status, body := g.ask(c, "GET", "/api/v1/targets/"+target+"/screenshot", ops...); status != want {
			t.Errorf("%s: %d %.200s", target, status, body)
		}
		select {
		case <-stays.ended:
			t.Errorf("%s: the viewer is gone", target)
		default:
		}
	}
}

// Those who ask at the same time are given the same picture, and so is who asks a
// moment later.
func TestScreenshotIsTakenOnce(t *testing.T) {
	var taken atomic.Int32
	begun, release := make(chan struct{}, 1), make(chan struct{})
	answer := coloured(meadow).Answer
	d := &rfbtest.Display{Init: coloured().Init, Answer: func(msg []byte) []byte {
		if msg[0] == rfb.MsgFramebufferUpdateRequest {
			taken.Add(1)
			begun <- struct{}{}
			<-release
		}
		return answer(msg)
	}}
	g := newGate(t, picturesYAML, d.Listen(t), closedPort(t))
	p := newPictures(g.wiring, g.controls.table)
	var asking sync.WaitGroup
	take := func(size string) {
		if made, err := p.take(t.Context(), control.Call{Actor: "me"}, admin.Shot{Target: "desk", Size: size}); err != nil || len(made.Body) == 0 {
			t.Error(err)
		}
	}
	asking.Go(func() { take("10x") })
	<-begun
	for range 5 {
		asking.Go(func() { take("20x") })
	}
	gone, leave := context.WithCancel(t.Context())
	asking.Go(func() {
		if _, err := p.take(gone, control.Call{Actor: "me"}, admin.Shot{Target: "desk"}); err == nil {
			t.Error("who has left was given a picture")
		}
	})
	eventually(t, "all wait", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.waiting == 7
	})
	leave()
	eventually(t, "one has left", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.waiting == 6
	})
	close(release)
	asking.Wait()
	take("20x")
	if n := taken.Load(); n != 1 {
		t.Errorf("%d pictures were taken", n)
	}
}

func TestPicturesAreBounded(t *testing.T) {
	p := newPictures(nil, nil)
	for i := range 3 * maxKept {
		p.keep(admin.Shot{Quality: i}, admin.Still{Body: make([]byte, 1000)})
	}
	if len(p.kept) != maxKept || p.kept[maxKept-1].shot.Quality != 3*maxKept-1 {
		t.Errorf("%d are kept", len(p.kept))
	}
	p.keep(admin.Shot{}, admin.Still{Body: make([]byte, maxKeptBytes+1)})
	if len(p.kept) != 0 {
		t.Errorf("%d are kept beside one that is too large", len(p.kept))
	}
	if _, ok := p.keeps(admin.Shot{}); ok {
		t.Error("one that is too large is kept")
	}
	p.waiting = maxAsking
	if _, err := p.expose(t.Context(), "desk", false); err != admin.ErrCrowded {
		t.Errorf("%v", err)
	}
}
