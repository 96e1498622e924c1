package rfbtest

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"vncgate/rfb"
)

// Display is a display for tests. It lets viewers in as its Config says,
// keeps what they send and answers as it is told.
type Display struct {
	// Config is what viewers are offered; the zero ServerConfig is None.
	Config rfb.ServerConfig
	// Init is what they are told; a zero one is 64×48 pixels in the usual
	// format.
	Init rfb.ServerInit
	// Answer returns what to send in answer to a message, nil for nothing. A
	// nil Answer sends a black rectangle for each FramebufferUpdateRequest.
	Answer func(msg []byte) []byte

	mu       sync.Mutex
	messages [][]byte
	arrived  chan struct{} // closed at each message and replaced
}

// Serve plays the display on c until the viewer leaves or the handshake fails,
// and closes c.
func (d *Display) Serve(ctx context.Context, c net.Conn) error {
	defer c.Close()
	conn, _, err := d.Handshake(ctx, c)
	if err != nil {
		return err
	}
	return d.Run(conn)
}

// Handshake takes a viewer as far as ServerInit.
func (d *Display) Handshake(ctx context.Context, c net.Conn) (conn *rfb.Conn, shared bool, err error) {
	cfg := d.Config
	if cfg.Security == nil {
		cfg.Security = []rfb.Security{rfb.None{}}
	}
	if conn, err = rfb.Server(ctx, c, &cfg); err != nil {
		return nil, false, err
	}
	if shared, err = conn.ReadClientInit(ctx); err != nil {
		return nil, false, err
	}
	return conn, shared, conn.WriteServerInit(ctx, d.init())
}

func (d *Display) init() rfb.ServerInit {
	init := d.Init
	if init.Width == 0 {
		init = rfb.ServerInit{Width: 64, Height: 48, Format: rfb.Format32(), Name: "rfbtest"}
	}
	return init
}

// Run answers messages until the viewer leaves.
func (d *Display) Run(conn net.Conn) error {
	answer := d.Answer
	if answer == nil {
		answer = blackScreen(d.init())
	}
	r := rfb.NewClientReader(conn)
	for {
		msg, err := r.Next()
		if err != nil {
			return err
		}
		d.record(msg)
		if b := answer(msg); len(b) > 0 {
			if _, err := conn.Write(b); err != nil {
				return err
			}
		}
	}
}

// blackScreen answers the first request and each one for a whole screen in
// raw, whatever pixel format the viewer has asked for.
func blackScreen(init rfb.ServerInit) func(msg []byte) []byte {
	pixel := int(init.Format.BitsPerPixel / 8)
	return func(msg []byte) []byte {
		switch msg[0] {
		case rfb.MsgSetPixelFormat:
			pixel = int(msg[4] / 8)
		case rfb.MsgFramebufferUpdateRequest:
			if msg[1] != 0 { // incremental: nothing ever changes
				return nil
			}
			b := rfb.AppendFramebufferUpdate(nil, 1)
			b = rfb.AppendRect(b, 0, 0, init.Width, init.Height, rfb.EncodingRaw)
			return append(b, make([]byte, int(init.Width)*int(init.Height)*pixel)...)
		}
		return nil
	}
}

func (d *Display) record(msg []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.messages = append(d.messages, slices.Clone(msg))
	if d.arrived != nil {
		close(d.arrived)
		d.arrived = nil
	}
}

// Messages returns what has arrived so far, of all viewers.
func (d *Display) Messages() [][]byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.messages)
}

// Wait returns once a message for which ok holds has arrived, with that
// message, or when ctx ends.
func (d *Display) Wait(ctx context.Context, ok func(msg []byte) bool) ([]byte, error) {
	for seen := 0; ; {
		d.mu.Lock()
		messages := d.messages[seen:]
		if d.arrived == nil {
			d.arrived = make(chan struct{})
		}
		arrived := d.arrived
		d.mu.Unlock()
		for _, msg := range messages {
			if ok(msg) {
				return msg, nil
			}
		}
		seen += len(messages)
		select {
		case <-arrived:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Listen serves viewers on a port of the loopback until the test ends, and
// returns its address. Every session has then ended.
func (d *Display) Listen(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.Attach(t, ln)
	return ln.Addr().String()
}

// Attach is Listen on a listener of the caller's, which it closes.
func (d *Display) Attach(t testing.TB, ln net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				defer context.AfterFunc(ctx, func() { c.Close() })()
				_ = d.Serve(ctx, c) // the viewer sees for itself
			})
		}
	})
	t.Cleanup(func() {
		cancel()
		ln.Close()
		sessions.Wait()
	})
}
