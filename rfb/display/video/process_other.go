//go:build !unix

package video

import "os/exec"

func ownGroup(*exec.Cmd) {}

// killGroup ends the process alone; what it has started comes to the end of its
// input then.
func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
