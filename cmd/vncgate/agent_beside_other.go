//go:build !unix

package main

import (
	"os"
	"os/exec"
)

// passedOn are the signals that the command gets from us.
var passedOn = []os.Signal{os.Interrupt}

// endCommand asks a command to end, where there is no kinder way.
var endCommand = os.Kill

func exitCode(exit *exec.ExitError) int { return exit.ExitCode() }
