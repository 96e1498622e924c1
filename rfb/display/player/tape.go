package player

import (
	"errors"
	"io"
	"time"

	"vncgate/rfb/display/recording"
)

// TapeOf has r played, which stays open until the Player is closed.
func TapeOf(r *recording.Recording) Tape {
	return Tape{Duration: r.Duration(), Open: func(at time.Duration) (*Reel, error) {
		head, err := r.At(at)
		if err != nil {
			return nil, err
		}
		return reelOf(head), nil
	}}
}

func reelOf(head *recording.Playhead) *Reel {
	return &Reel{
		Follower: head.Follower(), Close: head.Close,
		Next: func() (time.Duration, error) {
			step, err := head.Peek()
			return step.At, err
		},
		Advance: func(to time.Duration) error { return advance(head, to) },
	}
}

// advance has all happen up to a moment.
func advance(head *recording.Playhead, to time.Duration) error {
	for {
		step, err := head.Peek()
		switch {
		case errors.Is(err, io.EOF), err == nil && step.At > to:
			return nil
		case err != nil:
			return err
		}
		if _, err := head.Next(); err != nil {
			return err
		}
	}
}
