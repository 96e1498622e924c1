//go:build unix

package video

import (
	"os/exec"
	"syscall"
)

// ownGroup keeps what a terminal sends to us from the process, and lets killGroup
// reach what it starts.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
