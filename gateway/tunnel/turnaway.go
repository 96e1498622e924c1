package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"vncgate/layers"
)

// turnAwayWindow is what an agent that is turned away may send, in bytes: a hello.
const turnAwayWindow = maxControl

// TurnAway tells an agent that is not wanted not to come again, and closes c. It
// is for one that has proved who it is and is to have nothing of a Hub: its hello
// is read and thrown away, and whatever it says or does, c is closed within a few
// seconds. An error says that the agent has not been told.
func TurnAway(ctx context.Context, c net.Conn, reason string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, helloPatience, errors.New("the agent has not said hello in time"))
	defer cancel()
	m, err := layers.NewMux(c, false, layers.MuxConfig{
		Streams: 1, Window: turnAwayWindow, MaxWindow: turnAwayWindow, Memory: layers.NewMuxMemory(turnAwayWindow, nil),
	})
	if err != nil {
		return errors.Join(err, c.Close())
	}
	defer m.Close()
	stream, err := m.Accept(ctx)
	if err != nil {
		return fmt.Errorf("tunnel: turn away: %w", orCause(ctx, err))
	}
	err = layers.Interrupt(ctx, stream, func() error {
		if err := readMessage(stream, maxControl, &message{}); err != nil {
			return err
		}
		return writeMessage(stream, message{Refused: &refused{Reason: reason, Never: true}}, maxControl)
	})
	if err != nil {
		return fmt.Errorf("tunnel: turn away: %w", err)
	}
	patience := time.NewTimer(farewellPatience) // to read that
	defer patience.Stop()
	select {
	case <-m.Done():
	case <-patience.C:
	}
	return nil
}
