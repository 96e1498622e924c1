package rfbtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"vncgate/rfb"
	"vncgate/rfb/rfbtest"
)

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func TestDisplayAndViewer(t *testing.T) {
	ctx := within(t)
	d := &rfbtest.Display{}
	v, err := rfbtest.DialViewer(ctx, t, d.Listen(t), rfb.None{})
	if err != nil {
		t.Fatal(err)
	}
	if v.Init.Width != 64 || v.Init.Height != 48 || v.Init.Name != "rfbtest" {
		t.Errorf("init %+v", v.Init)
	}
	key := rfb.AppendKeyEvent(nil, true, 0x61)
	if err := v.Send(key, rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 64, 48)); err != nil {
		t.Fatal(err)
	}
	rects, err := v.ReadUpdate()
	if err != nil || len(rects) != 1 || len(rects[0].Pixels) != 64*48*4 || rects[0].W != 64 {
		t.Fatalf("%d rectangles, %v", len(rects), err)
	}
	got, err := d.Wait(ctx, func(msg []byte) bool { return msg[0] == rfb.MsgKeyEvent })
	if err != nil || !bytes.Equal(got, key) {
		t.Errorf("%x, %v", got, err)
	}
	if n := len(d.Messages()); n != 2 {
		t.Errorf("%d messages", n)
	}
}

func TestDisplayAnswers(t *testing.T) {
	ctx := within(t)
	d := &rfbtest.Display{Answer: func(msg []byte) []byte {
		b := rfb.AppendServerCutText(rfb.AppendBell(nil), "cut")
		b = rfb.AppendFramebufferUpdate(b, 2)
		b = append(rfb.AppendRect(b, 0, 0, 1, 1, rfb.EncodingRaw), 1, 2, 3, 4)
		return rfb.AppendRect(b, 1, 0, 0, 0, rfb.EncodingRaw)
	}}
	v, err := rfbtest.DialViewer(ctx, t, d.Listen(t), rfb.None{})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Send(rfb.AppendFramebufferUpdateRequest(nil, true, 0, 0, 1, 1)); err != nil {
		t.Fatal(err)
	}
	rects, err := v.ReadUpdate()
	if err != nil || len(rects) != 2 || !bytes.Equal(rects[0].Pixels, []byte{1, 2, 3, 4}) || rects[1].X != 1 {
		t.Errorf("%v, %v", rects, err)
	}
}

func TestViewerRefusesOtherEncodings(t *testing.T) {
	for _, b := range [][]byte{
		rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 1, 1, rfb.EncodingTight),
		rfb.AppendRect(rfb.AppendFramebufferUpdate(nil, 1), 0, 0, 65535, 65535, rfb.EncodingRaw),
		{99},
		{rfb.MsgFramebufferUpdate, 0},
	} {
		v := &rfbtest.Viewer{Conn: &rfb.Conn{Conn: rfbtest.NewScript(b)}, Init: smallInit}
		if rects, err := v.ReadUpdate(); err == nil {
			t.Errorf("%x: %v", b, rects)
		}
	}
}

func TestDisplayRefuses(t *testing.T) {
	d := &rfbtest.Display{Config: rfb.ServerConfig{Security: []rfb.Security{ourVncAuth()}}}
	_, err := rfbtest.DialViewer(within(t), t, d.Listen(t), theirVncAuth("wrong"))
	var said *rfb.DisplayError
	if !errors.As(err, &said) {
		t.Error(err)
	}
}

func TestWaitEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	d := &rfbtest.Display{}
	if _, err := d.Wait(ctx, func([]byte) bool { return true }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

const someTranscript = `about
-- session --
D 0102  |..|
V 03  |.|
= tls
D 04  |.|
-- result --
fine
`

func TestTranscriptRoundTrip(t *testing.T) {
	tr, err := rfbtest.ParseTranscript([]byte(someTranscript))
	if err != nil {
		t.Fatal(err)
	}
	if tr.About != "about\n" || tr.Result != "fine\n" || string(tr.Format()) != someTranscript {
		t.Errorf("%q, %q,\n%s", tr.About, tr.Result, tr.Format())
	}
	if got := tr.Said(rfbtest.ByDisplay); !bytes.Equal(got, []byte{1, 2, 4}) {
		t.Errorf("the display said %x", got)
	}
	for _, bad := range []string{"-- session --\nX 00\n", "-- session --\nV 0\n", "-- other --\n"} {
		if _, err := rfbtest.ParseTranscript([]byte(bad)); err == nil {
			t.Errorf("%q is a transcript", bad)
		}
	}
}

// step is something our side does on a tape.
type step func(t rfbtest.Tape) error

func read(n int) step {
	return func(c rfbtest.Tape) error { _, err := io.ReadFull(c, make([]byte, n)); return err }
}

func write(b ...byte) step {
	return func(c rfbtest.Tape) error { _, err := c.Write(b); return err }
}

func upgrade(c rfbtest.Tape) error {
	_, err := c.TLS(nil)(context.Background(), nil)
	return err
}

// TestReplayIsStrict: what is not as it was is an error.
func TestReplayIsStrict(t *testing.T) {
	for _, tt := range []struct {
		name  string
		steps []step
		err   string // of the last step
	}{
		{"as it was", []step{read(2), write(3), upgrade, read(1), read(1)}, "EOF"},
		{"byte by byte", []step{read(1), read(1), write(3), upgrade, read(1)}, ""},
		{"writes early", []step{read(1), write(3)}, "02 was to be read"},
		{"writes something else", []step{read(2), write(9)}, "wrote 09, want 03"},
		{"writes on", []step{read(2), write(3, 4)}, "wrote 04 where tls was to begin"},
		{"reads early", []step{read(2), read(1)}, "03 was to be written"},
		{"reads on", []step{read(2), write(3), read(1)}, "where tls was to begin"},
		{"TLS early", []step{read(2), upgrade}, "03 was to come"},
		{"writes behind the end", []step{read(2), write(3), upgrade, read(1), write(1)}, "behind the end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tr, err := rfbtest.ParseTranscript([]byte(someTranscript))
			if err != nil {
				t.Fatal(err)
			}
			tape := tr.Replay(rfbtest.ByViewer)
			for i, s := range tt.steps {
				err = s(tape)
				if err != nil && i < len(tt.steps)-1 {
					t.Fatal(err)
				}
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
		})
	}
}

// TestRecord records one end of a session and replays it to itself.
func TestRecord(t *testing.T) {
	s := session{security: plain(ourVncAuth())}
	front, back := net.Pipe()
	defer front.Close()
	tr := &rfbtest.Transcript{}
	done := make(chan error, 1)
	go func() {
		v, err := rfbtest.NewViewer(context.Background(), back, theirVncAuth(secret))
		if err == nil {
			err = v.Send(rfb.AppendKeyEvent(nil, true, 1))
		}
		back.Close()
		done <- err
	}()
	tr.Result = s.serve(tr.Record(front, rfbtest.ByDisplay), nil, new(rfbtest.Display))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	again, err := rfbtest.ParseTranscript(tr.Format())
	if err != nil {
		t.Fatal(err)
	}
	if got := s.serve(again.Replay(rfbtest.ByDisplay), nil, new(rfbtest.Display)); got != tr.Result {
		t.Errorf("recorded\n%s, replayed\n%s", tr.Result, got)
	}
}

func ExampleDisplay() {
	front, back := net.Pipe()
	d := &rfbtest.Display{Init: rfb.ServerInit{Width: 2, Height: 1, Format: rfb.Format32(), Name: "tiny"}}
	go d.Serve(context.Background(), front)

	v, err := rfbtest.NewViewer(context.Background(), back, rfb.None{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer v.Close()
	_ = v.Send(rfb.AppendFramebufferUpdateRequest(nil, false, 0, 0, 2, 1))
	rects, err := v.ReadUpdate()
	fmt.Println(v.Init.Name, len(rects), len(rects[0].Pixels), err)
	// Output: tiny 1 8 <nil>
}
