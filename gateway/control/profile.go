package control

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"time"
)

// ProfileArgs are the arguments of profile.
type ProfileArgs struct {
	Kind string   `json:"kind" doc:"what is looked at" enum:"cpu,heap,allocs,goroutine,block,mutex,threadcreate,trace"`
	Name string   `json:"fdname" doc:"of the descriptor that it is written to, from getfd"`
	Time Duration `json:"time,omitempty" doc:"for which cpu and trace look (10s)"`
	Text bool     `json:"text,omitempty" doc:"write text for people instead of what 'go tool pprof' reads"`
}

// maxProfile is how long a profile may take.
const maxProfile = 5 * time.Minute

// profile writes where the process spends its time and memory. It is for whoever
// can pass a descriptor: what it shows of the program's inside is for nobody
// beyond this machine.
func (b *Backend) profile(ctx context.Context, call *Call, a ProfileArgs) (struct{}, error) {
	length := cmp.Or(time.Duration(a.Time), 10*time.Second)
	if length < 0 || length > maxProfile {
		return struct{}{}, Wrong("Parameter 'time' is from 1s to %s", maxProfile)
	}
	file, err := call.Files.take(a.Name)
	if err != nil {
		return struct{}{}, err
	}
	defer file.Close()
	switch a.Kind {
	case "cpu":
		return struct{}{}, during(ctx, length, file, pprof.StartCPUProfile, pprof.StopCPUProfile)
	case "trace":
		return struct{}{}, during(ctx, length, file, trace.Start, trace.Stop)
	case "heap":
		runtime.GC() // so that it shows what is held, not what has been let go
	}
	text := 0
	if a.Text {
		text = 1
	}
	if err := pprof.Lookup(a.Kind).WriteTo(file, text); err != nil {
		return struct{}{}, fmt.Errorf("profile: %w", err)
	}
	return struct{}{}, nil
}

// during looks for a while, or until ctx ends.
func during(ctx context.Context, length time.Duration, w io.Writer, start func(io.Writer) error, stop func()) error {
	if err := start(w); err != nil {
		return fmt.Errorf("profile: one is under way already: %w", err)
	}
	defer stop()
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
