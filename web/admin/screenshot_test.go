package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"vncgate/gateway"
	"vncgate/gateway/control"
)

func TestScreenshot(t *testing.T) {
	b := newBench(t)
	taken := time.Now().Truncate(time.Second).Add(-3 * time.Second)
	var asked Shot
	b.Screenshot = func(_ context.Context, call control.Call, shot Shot) (Still, error) {
		asked = shot
		switch shot.Target {
		case "none":
			return Still{}, control.NotFound("no target %q", shot.Target)
		case "secret":
			return Still{}, &control.Error{Class: control.ClassGeneric, Err: control.ErrForbidden, Desc: "screenshots: never"}
		case "gone":
			return Still{}, &gateway.Unreachable{Target: "gone", Stage: "dial", Err: errors.New("refused")}
		case "crowd":
			return Still{}, ErrCrowded
		case "busy":
			return Still{}, &control.Error{Class: control.ClassGeneric, Desc: "a viewer sees it"}
		case "slow":
			return Still{}, &control.Error{Class: control.ClassGeneric, Err: context.DeadlineExceeded, Desc: "not in time"}
		}
		return Still{Body: []byte("picture for " + call.Actor), Type: "image/jpeg", At: taken}, nil
	}
	for _, test := range []struct {
		token, path string
		status      int
		says        string
	}{
		{"ops", "desk/screenshot", 200, "picture for token:ops"},
		{"ops", "lab%2Fone/screenshot?size=320x200&format=jpeg&quality=70", 200, "picture"},
		{"", "desk/screenshot", 401, "who?"},
		{"eye", "desk/screenshot", 403, "no"},
		{"ops", "desk/screenshot?size=" + strings.Repeat("1", 17), 400, "WIDTHxHEIGHT"},
		{"ops", "desk/screenshot?format=gif", 400, "png or jpeg"},
		{"ops", "desk/screenshot?quality=101", 400, "from 1 to 100"},
		{"ops", "desk/screenshot?quality=high", 400, "from 1 to 100"},
		{"ops", "desk/screenshot?colour=1", 400, "unexpected"},
		{"ops", "desk/screenshot?size=1x1&size=2x2", 400, "2 times"},
		{"ops", "none/screenshot", 404, "no target"},
		{"ops", "secret/screenshot", 403, "never"},
		{"ops", "gone/screenshot", 502, "has not let us in: refused"},
		{"ops", "crowd/screenshot", 503, "try again"},
		{"ops", "busy/screenshot", 409, "sees it"},
		{"ops", "slow/screenshot", 504, "in time"},
	} {
		res, body := b.ask(test.token, "GET", "/api/v1/targets/"+test.path, "")
		if res.StatusCode != test.status || !strings.Contains(body, test.says) {
			t.Errorf("%s: %d %s; want %d with %s", test.path, res.StatusCode, body, test.status, test.says)
		}
		if test.status != 200 && res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept", test.path)
		}
		if test.status == 200 && strings.HasPrefix(test.path, "lab") && asked != (Shot{"lab/one", "320x200", "jpeg", 70}) {
			t.Errorf("asked for %+v", asked)
		}
	}
	if res, body := b.ask("ops", "POST", "/api/v1/targets/desk/screenshot", "{}"); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d %s", res.StatusCode, body)
	}
	b.Screenshot = nil
	if res, _ := b.ask("ops", "GET", "/api/v1/targets/desk/screenshot", ""); res.StatusCode != http.StatusNotImplemented {
		t.Errorf("where none are taken: %d", res.StatusCode)
	}
}

// A browser may keep a picture as long as it is good, and asks then whether there
// is another.
func TestScreenshotIsKept(t *testing.T) {
	b := newBench(t)
	picture := Still{Body: []byte("one"), Type: "image/png", At: time.Now().Add(-4 * time.Second)}
	b.Screenshot = func(context.Context, control.Call, Shot) (Still, error) { return picture, nil }
	res, body := b.ask("ops", "GET", "/api/v1/targets/desk/screenshot", "")
	tag, h := res.Header.Get("ETag"), res.Header
	if body != "one" || tag == "" || !strings.HasPrefix(h.Get("Cache-Control"), "private, max-age=") || h.Get("Cache-Control") == "private, max-age=10" ||
		h.Get("Content-Type") != "image/png" || h.Get("Last-Modified") == "" || !strings.Contains(strings.Join(h.Values("Vary"), ","), "Authorization") {
		t.Errorf("%s, %v", body, h)
	}
	if res, _ := b.ask("ops", "GET", "/api/v1/targets/desk/screenshot", "", "If-None-Match", tag); res.StatusCode != http.StatusNotModified {
		t.Errorf("the same: %d", res.StatusCode)
	}
	picture = Still{Body: []byte("two"), Type: "image/png", At: time.Now().Add(-time.Hour)}
	res, body = b.ask("ops", "GET", "/api/v1/targets/desk/screenshot", "", "If-None-Match", tag)
	if res.StatusCode != 200 || body != "two" || res.Header.Get("Cache-Control") != "private, max-age=0" {
		t.Errorf("another: %d %s %v", res.StatusCode, body, res.Header)
	}
}
