package gateway_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"vncgate/auth"
	"vncgate/gateway"
	"vncgate/layers"
	"vncgate/rfb"
)

func TestDrainKeepsNewViewersOut(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	viewer := g.view(t)
	if _, ok := g.Draining(); ok || g.Undrain() {
		t.Error("it drains without having been asked to")
	}
	g.Drain(time.Time{}, "The house is closed today.")
	if _, err := g.Admit(gateway.Front{}); !errors.Is(err, gateway.ErrDraining) || !errors.Is(g.Ready(), gateway.ErrDraining) {
		t.Errorf("somebody is let in: %v, %v", err, g.Ready())
	}
	_, err := viewOver(g.dial(t))
	if told, ok := errors.AsType[*rfb.DisplayError](err); !ok || told.Reason != "The house is closed today." {
		t.Errorf("a newcomer is told %v", err)
	}
	if n := g.TurnedAway().Draining; n != 2 {
		t.Errorf("%d were turned away", n)
	}
	if d, ok := g.Draining(); !ok || d.Since.IsZero() || !d.Until.IsZero() {
		t.Errorf("%+v, %v", d, ok)
	}
	if _, err := viewer.Write(keyA); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(viewer, make([]byte, len(keyA))); err != nil {
		t.Errorf("who is in does not go on: %v", err)
	}
	if !g.Undrain() {
		t.Error("it did not drain")
	}
	g.view(t)
}

func TestDrainEndsWithWords(t *testing.T) {
	g := newGoverned(t, auth.Grant{}, overWS(gateway.Front{NoticeKey: noticeKey}))
	viewer := g.mustBrowse(t)
	notices := g.listen(t, noticeKey)
	next(t, notices) // the rights
	until := time.Now().Add(time.Hour)
	g.Drain(until, "Moving house.")
	if n := next(t, notices); n.Kind != gateway.NoticeWarning || n.Words != "Moving house." || !n.Until.Equal(until) {
		t.Errorf("%+v", n)
	}
	g.Undrain()
	if n := next(t, notices); n.Kind != gateway.NoticeWarning || !n.Until.IsZero() {
		t.Errorf("the warning is not taken back: %+v", n)
	}
	g.Drain(time.Now(), "Moving house.")
	next(t, notices) // the new warning
	if n := next(t, notices); n.Kind != gateway.NoticeEnding || n.Code != layers.CloseGoingAway || n.Words != "Moving house." {
		t.Errorf("%+v", n)
	}
	_, _ = io.Copy(io.Discard, viewer)
	eventually(t, "the session ends", func() bool { return strings.Contains(g.log.String(), "reason=drained") })
}

// A later call moves the deadline of an earlier one, and keeps its beginning.
func TestDrainTwice(t *testing.T) {
	display := newDisplay(t, []rfb.Security{rfb.None{}}, echo)
	g := newGateway(t, display.target(rfb.None{}), gateway.Front{})
	g.Drain(time.Now().Add(time.Hour), "")
	first, _ := g.Draining()
	g.Drain(time.Time{}, "")
	if d, _ := g.Draining(); !d.Since.Equal(first.Since) || !d.Until.IsZero() || d.Words == "" {
		t.Errorf("%+v after %+v", d, first)
	}
}
