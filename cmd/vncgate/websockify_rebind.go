package main

import (
	"fmt"
	"log/slog"
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

// movesIPv4Only reports whether a command's port will be moved by the library.
func movesIPv4Only() bool {
	return canCopySockets() != nil && findRebindLibrary(rebindFolders()) != ""
}

// warnOfLibrary says what the library leaves open, which is taken for want of
// the filter.
func warnOfLibrary(log *slog.Logger, denied error) {
	log.Warn("the command's port is moved by "+rebindLibrary+", which leaves IPv6 as it is: if the command listens there, too, "+
		"viewers reach it past TLS and log-in; have it listen on IPv4 alone (Xvnc: -interface 0.0.0.0 or -localhost, x11vnc: -no6 -noipv6), "+
		"or start it yourself and give its HOST:PORT", "filter", denied)
}

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
