package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// openTerminal makes a pseudo-terminal: what we hold and what a program gets
// (pts(4)).
func openTerminal() (ours, theirs *os.File, err error) {
	ours, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	fd := int(ours.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		ours.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// runOnTerminal runs cmd on a terminal and answers its prompts. It returns
// what the terminal showed.
func runOnTerminal(cmd *exec.Cmd, prompts map[string]string) (string, error) {
	s := new(scope)
	defer s.close()
	ours, theirs, err := openTerminal()
	if err != nil {
		return "", err
	}
	defer ours.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	p, err := start(s, cmd.Args[0], cmd)
	theirs.Close()
	if err != nil {
		return "", err
	}
	go answerPrompts(ours, &p.log, prompts)
	return p.log.String(), p.finish()
}

// answerPrompts ends when the terminal has no program any more.
func answerPrompts(terminal *os.File, log *logBuffer, prompts map[string]string) {
	answered := 0
	buf := make([]byte, 4096)
	for {
		n, err := terminal.Read(buf)
		if err != nil {
			return // EIO: the program has gone
		}
		log.Write(buf[:n])
		for prompt, answer := range prompts {
			if strings.Contains(log.String()[answered:], prompt) {
				answered = log.len()
				if prompt == "Password:" {
					_ = poll("the echo is off", func() error { return silent(terminal) })
				}
				fmt.Fprintln(terminal, answer)
			}
		}
	}
}

// silent is an error while a terminal shows what is typed. A program that
// turns this off throws away what was typed before.
func silent(terminal *os.File) error {
	mode, err := unix.IoctlGetTermios(int(terminal.Fd()), unix.TCGETS)
	if err == nil && mode.Lflag&unix.ECHO != 0 {
		err = errors.New("the terminal echoes")
	}
	return err
}
