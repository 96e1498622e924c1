package main

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"vncgate/gateway/control"
	"vncgate/web"
)

// TestPlaybackSteeredFromAnotherNode: a recording that one node plays is listed and
// steered at the other, by commands and by its page.
func TestPlaybackSteeredFromAnotherNode(t *testing.T) {
	r := startSharedRedis(t)
	folder := t.TempDir()
	recordSession(t, folder, "one", "desk", 1)
	a, b := r.pairOf(heldDisplay(t), nodeMore{settings: "playback: {directory: '" + folder + "'}"})
	link, err := b.recordingLink(visit(t), boss, recordingLinkArgs{Name: "one"})
	must(t, err)
	p, err := b.pageStay(1, "/?notices&token="+link.Token, nil)
	must(t, err)
	key := p.told("rights", func(n pageNotice) bool { return n.Key != "" }).Key

	run := func(name string, args any) any {
		text, err := json.Marshal(args)
		must(t, err)
		result, err := a.controls.server.Table.Run(visit(t), boss, name, text)
		must(t, err)
		return result
	}
	list := run("playback-status", control.Paging{}).(playbackList)
	if len(list.Playbacks) != 1 || list.Playbacks[0].Node != "b" || list.Playbacks[0].Recording != "one" {
		t.Fatalf("%+v", list)
	}
	id := playbackID{ID: list.Playbacks[0].Session}
	if e := run("playback-pause", id).(playbackEntry); e.Playing || e.Session != id.ID {
		t.Errorf("paused: %+v", e)
	}
	answer, err := a.steerAnywhere(visit(t), key, web.PlayRequest{Do: "play"})
	must(t, err)
	var e playbackEntry
	must(t, json.Unmarshal(answer.(json.RawMessage), &e))
	if !e.Playing || e.Recording != "one" {
		t.Errorf("played: %+v", e)
	}
	waits := make(chan time.Duration, 1)
	b.cluster.hops.page = func(ctx context.Context, args json.RawMessage) hopAnswer {
		if end, ok := ctx.Deadline(); ok && strings.Contains(string(args), "timeline") {
			waits <- time.Until(end)
		}
		return b.pageHere(ctx, args)
	}
	ctx, cancel := context.WithTimeout(visit(t), pageLookTime/2) // as of a question that is short
	defer cancel()
	answer, err = a.steerAnywhere(ctx, key, web.PlayRequest{Do: "timeline"})
	must(t, err)
	if left := <-waits; left <= pageLookTime/2 || !strings.Contains(string(answer.(json.RawMessage)), `"duration":`) {
		t.Errorf("a look into it may take %v: %s", left, answer)
	}
	var told *web.Refusal
	if _, err := a.steerAnywhere(visit(t), key, web.PlayRequest{Do: "dance"}); !errors.As(err, &told) || told.Words != errPlayHow.Words {
		t.Errorf("what there is not: %v", err)
	}
	if _, err := a.steerAnywhere(visit(t), "nosuch", web.PlayRequest{Do: "play"}); !errors.Is(err, errNotPlayed) {
		t.Errorf("a session that is nowhere: %v", err)
	}
	_, err = a.controls.server.Table.Run(visit(t), boss, "playback-pause", []byte(`{"id":"nosuch"}`))
	if err == nil || !strings.Contains(err.Error(), "playback-status") {
		t.Errorf("a session that is nowhere: %v", err)
	}
}
