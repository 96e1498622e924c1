package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"vncgate/layers"
	"vncgate/rfb/display/player"
)

// recordingPlay are the flags of recording play.
type recordingPlay struct {
	recordingFlags
	listen string
	speed  float64
	skip   time.Duration
	from   time.Duration
}

func newRecordingPlayCommand() *cobra.Command {
	var f recordingPlay
	cmd := &cobra.Command{
		Use:   "play NAME",
		Short: "Play a recording to viewers on this machine",
		Long: `play is a display that shows a recording: point any viewer at it. It begins when the
first viewer is there, stands still while none is, and stays on the last picture.
All viewers see the same.`,
		Example: `  vncgate recording play NAME.fbs
  vncgate recording play NAME.fbs --speed 4 --skip-idle 2s
  vncviewer 127.0.0.1::5901`,
		Args: oneRecording,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), cmd.OutOrStdout(), args[0]) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.listen, "listen", "127.0.0.1:5901", "`ADDRESS` for viewers, or unix:PATH")
	flags.Float64Var(&f.speed, "speed", 1, "how many times as fast as it was, from 0.1 to 16")
	flags.DurationVar(&f.skip, "skip-idle", 0, "leave out where nothing happens for longer than that")
	flags.DurationVar(&f.from, "from", 0, "begin at that moment")
	f.identityFlag(cmd)
	return cmd
}

func (f *recordingPlay) run(ctx context.Context, out io.Writer, name string) error {
	if !(f.speed >= player.MinSpeed && f.speed <= player.MaxSpeed) {
		return usagef("--speed: from %v to %v", player.MinSpeed, player.MaxSpeed)
	}
	r, err := f.open(name)
	if err != nil {
		return err
	}
	defer r.Close()
	p, err := player.New(player.TapeOf(r), player.Options{Speed: f.speed, SkipIdle: f.skip})
	if err != nil {
		return err
	}
	defer p.Close()
	if f.from > 0 {
		p.Seek(f.from)
	}
	ln, err := layers.Listen(ctx, f.listen, layers.ListenConfig{})
	if err != nil {
		return portHint(err, "--listen")
	}
	fmt.Fprintf(out, "Playing %s, %s long, to viewers at %s; Ctrl-C ends it.\n", name, r.Duration().Round(time.Second), ln.Addr())
	return playTo(ctx, ln, p)
}

// playTo shows p to all who come, until ctx ends.
func playTo(ctx context.Context, ln net.Listener, p *player.Player) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
	defer stop()
	var viewers sync.WaitGroup
	defer viewers.Wait()
	for {
		c, err := ln.Accept()
		switch {
		case ctx.Err() != nil, errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return err
		}
		viewers.Go(func() { _ = p.ServeConn(ctx, c) }) // one that leaves is no concern of the others
	}
}
