package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"
)

// besideFarewell is how long the command may take to end when the agent ends.
const besideFarewell = 10 * time.Second

// beside is the command that an agent was started with: a display, mostly.
type beside struct {
	cmd     *exec.Cmd
	signals chan os.Signal
	ended   chan error
	log     *slog.Logger
}

// besideEnded is how the command has ended.
type besideEnded struct {
	name string
	err  error // of exec.Cmd.Wait
}

func (b *besideEnded) Error() string {
	return fmt.Sprintf("%s has ended: %s", b.name, exitWords(b.err))
}

// exit is what the program ends with: as the command did.
func (b *besideEnded) exit() error {
	if b.err == nil {
		return nil
	}
	if exit, ok := errors.AsType[*exec.ExitError](b.err); ok {
		return &exitStatus{exitCode(exit)}
	}
	return b
}

// startBeside starts the command with our standard streams. It does not see the
// agent's variables, of which one may be a token.
func startBeside(command []string, log *slog.Logger) (*beside, error) {
	b := &beside{cmd: exec.Command(command[0], command[1:]...), signals: make(chan os.Signal, 8), ended: make(chan error, 1), log: log}
	b.cmd.Stdin, b.cmd.Stdout, b.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, agentVariables) && !strings.HasPrefix(v, "NOTIFY_SOCKET=") {
			b.cmd.Env = append(b.cmd.Env, v)
		}
	}
	signal.Notify(b.signals, passedOn...)
	if err := b.cmd.Start(); err != nil {
		signal.Stop(b.signals)
		return nil, fmt.Errorf("the command: %w", err)
	}
	log.Info("command started", "command", command[0], "pid", b.cmd.Process.Pid)
	go func() { b.ended <- b.cmd.Wait() }()
	return b, nil
}

// wait passes signals on until the command has ended, which the end of ctx sees
// to.
func (b *beside) wait(ctx context.Context) *besideEnded {
	defer signal.Stop(b.signals)
	stop, kill := ctx.Done(), (<-chan time.Time)(nil)
	for {
		select {
		case s := <-b.signals:
			_ = b.cmd.Process.Signal(s)
		case <-stop:
			stop = nil
			_ = b.cmd.Process.Signal(endCommand)
			timer := time.NewTimer(besideFarewell)
			defer timer.Stop()
			kill = timer.C
		case <-kill:
			b.log.Warn("the command does not end and is killed", "command", b.cmd.Args[0])
			_ = b.cmd.Process.Kill()
		case err := <-b.ended:
			b.log.Info("command ended", "command", b.cmd.Args[0], "status", exitWords(err))
			return &besideEnded{b.cmd.Args[0], err}
		}
	}
}
