package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// rebindLibrary is the library by which websockify moves a command's port
// (websockify:rebind.c), and the environment that it reads.
const (
	rebindLibrary = "rebind.so"
	rebindOldPort = "REBIND_OLD_PORT"
	rebindNewPort = "REBIND_NEW_PORT"
	preload       = "LD_PRELOAD"
)

// rebindFolders are where packages of websockify put it.
func rebindFolders() []string {
	folders := []string{"/usr/lib/websockify", "/usr/local/lib/websockify", "/usr/lib64/websockify", "/usr/local/lib", "/usr/lib"}
	if self, err := os.Executable(); err == nil {
		folders = append([]string{filepath.Dir(self)}, folders...)
	}
	return folders
}

func findRebindLibrary(folders []string) string {
	for _, dir := range folders {
		path := filepath.Join(dir, rebindLibrary)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// movesIPv4Only reports whether a command's port will be moved by the library,
// which leaves IPv6 as it is.
func movesIPv4Only() bool { return findRebindLibrary(rebindFolders()) != "" }

// preloader moves the port by that library.
type preloader struct {
	library string
	quiet   bool // attach
}

func (p preloader) start(command []string, from, to int) (*exec.Cmd, error) {
	cmd := exec.Command(command[0], command[1:]...)
	attach(cmd, p.quiet)
	library := p.library
	if before := os.Getenv(preload); before != "" {
		library += ":" + before
	}
	cmd.Env = append(os.Environ(), preload+"="+library,
		rebindOldPort+"="+strconv.Itoa(from), rebindNewPort+"="+strconv.Itoa(to))
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("cannot be started: %w", err)
	}
	return cmd, nil
}

// attach gives a command our terminal, unless it is to be quiet.
func attach(cmd *exec.Cmd, quiet bool) {
	if !quiet {
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	}
}
