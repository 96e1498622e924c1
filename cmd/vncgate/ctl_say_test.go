package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"vncgate/gateway/control"
)

// TestCtlSayings: what an answer means, and what to do about it.
func TestCtlSayings(t *testing.T) {
	soon := time.Now().Add(time.Hour).UTC()
	for _, c := range []struct {
		command string
		answer  any
		want    string
	}{
		{"query-version", control.VersionInfo{Package: "vncgate v1"}, "vncgate v1\n"},
		{"reload", control.Reloaded{}, "nothing new"},
		{"reload", control.Reloaded{Changes: []string{"target a"}}, "In force now:\n  target a\n"},
		{"reload", control.Reloaded{Later: []string{"listeners"}}, "at the next start or by 'vncgate ctl upgrade':\n  listeners\n"},
		{"upgrade", control.Upgraded{Process: 7}, "Process 7 lets viewers in now.\n"},
		{"upgrade", control.Upgraded{Process: 7, Left: 2, Ends: soon}, "2 sessions left in the one before, until the viewers leave, at the latest at " + soon.Local().Format(time.TimeOnly)},
		{"drain", control.Drained{}, "nobody is in"},
		{"drain", control.Drained{Sessions: 1}, "1 session left, for as long as"},
		{"drain", control.Drained{Sessions: 3, Ends: soon}, "3 sessions left, to be ended at " + soon.Local().Format(time.TimeOnly)},
		{"query-recordings", []recordedSession{}, "There are no recordings."},
		{"query-recordings", []recordedSession{{Name: "r1", Target: "desk", Seconds: 61.4, Bytes: 2048, State: "whole", Reason: "viewer left"}}, "whole: viewer left"},
		{"query-recordings", []recordedSession{{Name: "r1", Seconds: 61.4, State: "open"}}, "1m1s"},
		{"playback-status", []playbackEntry{}, "Nobody watches"},
		{"playback-status", []playbackEntry{{Session: "a1", Recording: "r1", Position: 5, Duration: 9, Speed: 0.5, Playing: true}}, "0.5x   playing"},
		{"playback-status", []playbackEntry{{Session: "a1", Speed: 1, Playing: true, AtEnd: true}}, "at the end"},
		{"playback-status", []playbackEntry{{Session: "a1", Error: "it breaks off"}}, "it breaks off"},
		{"query-stats", control.Stats{Started: soon}, soon.Local().Format(time.DateTime)},
	} {
		b, err := json.Marshal(c.answer)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := (&ctl{}).show(&out, c.command, []result{{"", b}}); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v\n%s", c.command, err, out.String())
		}
	}
}

// TestCtlNumbers: a number is one for the gateway, too, as a word and as a flag;
// what is none goes as it is, for the gateway to say so.
func TestCtlNumbers(t *testing.T) {
	for _, c := range []struct {
		flags, words []string
		want         string
	}{
		{nil, []string{"a1", "2.5"}, `{"id":"a1","speed":2.5}`},
		{[]string{"--speed", "4", "--skip-idle", "2s"}, []string{"a1"}, `{"id":"a1","skip_idle":"2s","speed":4}`},
		{nil, []string{"a1", "fast"}, `{"id":"a1","speed":"fast"}`},
		{nil, []string{"a1", "NaN"}, `{"id":"a1","speed":"NaN"}`},
	} {
		table := control.Commands(&control.Backend{})
		table.Add(watchCommands(nil)...)
		command, _ := table.Find("playback-speed")
		one := &ctlCommand{ctl: &ctl{}, command: command, spec: ctlSpecs["playback-speed"], fields: control.Fields(command.Args), given: map[string]any{}}
		cmd := one.build()
		if err := cmd.ParseFlags(c.flags); err != nil {
			t.Fatal(err)
		}
		args, ids := one.arguments(cmd, c.words)
		if len(ids) == 1 {
			args["id"] = ids[0]
		}
		if got, err := json.Marshal(args); err != nil || string(got) != c.want {
			t.Errorf("%q %q: %s, %v; want %s", c.flags, c.words, got, err, c.want)
		}
	}
}

func TestCtlNamesItsOwnCommands(t *testing.T) {
	for said, want := range map[string]string{
		"query-sessions lists those there are": "'vncgate ctl sessions' lists those there are",
		"end it with session-kill":             "end it with 'vncgate ctl kill'",
		"query-nothing, set-class":             "query-nothing, set-class",
	} {
		err := inOurWords(control.NotFound("%s", said))
		if err.Error() != want || !isNotFound(err) {
			t.Errorf("%q: %v", said, err)
		}
	}
	plain := errors.New("query-sessions")
	if inOurWords(plain) != plain {
		t.Error("another's words were changed")
	}
	if err := unreachable("/x", control.Wrong("user 5 may not")); strings.Contains(err.Error(), "no gateway answers") {
		t.Error(err)
	}
}

// TestCtlKeys: q and Ctrl-C end what goes on, other keys do not.
func TestCtlKeys(t *testing.T) {
	for keys, ends := range map[string]bool{"abq": true, "Q": true, "x\x03": true, "abc": false, "": false} {
		quit := false
		awaitQuit(iotest.OneByteReader(strings.NewReader(keys)), func() { quit = true })
		if quit != ends {
			t.Errorf("%q: %t", keys, quit)
		}
	}
	ctx, stop := untilKey(context.Background(), strings.NewReader("q"))
	if ctx.Err() != nil {
		t.Error("what is no terminal has no keys")
	}
	stop()
	if ctx.Err() == nil {
		t.Error("it goes on")
	}
}

// TestControlVersion: clients of QEMU read numbers, and those of a commit are none.
func TestControlVersion(t *testing.T) {
	for text, want := range map[string]bool{
		"v1.2.3": true, "v1.2.3-rc1+dirty": true, "9809492": false, "1.2.3": false, "v1.2": false, "v1.2.3x": false, "v1234567.0.0": false, "dev": false,
	} {
		if got := release.FindStringSubmatch(text) != nil; got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestFromText(t *testing.T) {
	for from, want := range map[string]string{
		"unix": "unix socket", "@": "unix socket", "@abstract": "unix socket", "127.0.0.1:0": "127.0.0.1", "[::1]:0": "::1", "2001:db8:1:2:3:4:5:0": "2001:db8:1:2:3:4:5:0",
		"192.0.2.1:5900": "192.0.2.1:5900", "192.0.2.1:50": "192.0.2.1:50", "": "",
	} {
		if got := fromText(from); got != want {
			t.Errorf("%q: %q, want %q", from, got, want)
		}
	}
}
