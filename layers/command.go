package layers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxLogLine is the most of a command's line that reaches the log.
	maxLogLine = 1024
	// commandGrace is how long a command may take to end after its input was
	// closed and it was asked to (SIGTERM).
	commandGrace = 500 * time.Millisecond
)

// CommandConn is a running command: what is written is its standard input, what
// is read its standard output.
type CommandConn struct {
	cmd    *exec.Cmd
	name   string
	io     stdio
	log    *os.File
	ended  atomic.Bool   // by CloseWrite
	logged chan struct{} // closed when stderr's lines have all been passed on

	close sync.Once
	err   error
}

// stdio is our end of a command's standard input and output. Where the system
// has socket pairs it is one, which the command has as both, as inetd gives it:
// Xvnc -inetd speaks both ways on its standard input.
type stdio interface {
	io.ReadWriteCloser
	CloseWrite() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// DialCommand starts argv in a process group of its own and returns its standard
// input and output as a connection. They are one socket, as inetd would have it,
// so a command that ends its output alone has to shut that down, not close it. Each line of its standard error goes to
// stderr, cut at 1 KiB, if that is not nil. ctx bounds the start only. A Read
// returns io.EOF when nobody holds the command's output any more; Close ends the
// whole process group and waits, so until then an exited command stays a zombie,
// which keeps its process group's number from being given to others.
func DialCommand(ctx context.Context, argv []string, stderr func(line string)) (net.Conn, error) {
	if len(argv) == 0 || argv[0] == "" {
		return nil, errors.New("layers: command: no command given")
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("layers: command: %w", context.Cause(ctx))
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	ownGroup(cmd)
	c := &CommandConn{cmd: cmd, name: argv[0], logged: make(chan struct{})}
	if err := c.start(); err != nil {
		return nil, commandError(argv[0], err)
	}
	go c.passLines(stderr)
	return c, nil
}

// start makes the command's three files and the process. The child's ends are closed here
// in any case, ours only if there is no process.
func (c *CommandConn) start() (err error) {
	var childEnds []*os.File
	defer func() {
		closeAll(childEnds...)
		if err != nil {
			closeAll(c.log)
			if c.io != nil {
				_ = c.io.Close()
			}
		}
	}()
	ours, stdin, stdout, err := newStdio()
	if err != nil {
		return err
	}
	c.io, c.cmd.Stdin, c.cmd.Stdout, childEnds = ours, stdin, stdout, append(childEnds, stdin, stdout)
	log, stderr, err := os.Pipe()
	if err != nil {
		return err
	}
	c.log, c.cmd.Stderr, childEnds = log, stderr, append(childEnds, stderr)
	return c.cmd.Start()
}

func closeAll(files ...*os.File) {
	for _, f := range files {
		_ = f.Close() // of nil too
	}
}

// commandError says what to do about a command that cannot be started.
func commandError(name string, err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("layers: command %q: not found in PATH; install it or give its full path: %w", name, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("layers: command %q: no such file (or its interpreter is missing): %w", name, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("layers: command %q: may not be executed; check its mode and who runs vncgate: %w", name, err)
	}
	return fmt.Errorf("layers: command %q: %w", name, err)
}

// passLines reads standard error to its end, or until Close.
func (c *CommandConn) passLines(stderr func(string)) {
	defer close(c.logged)
	r := bufio.NewReaderSize(c.log, maxLogLine)
	for {
		line, cut, err := r.ReadLine()
		if err != nil {
			return
		}
		if stderr != nil {
			stderr(strings.ToValidUTF8(string(line), "\uFFFD"))
		}
		for cut && err == nil { // drop the rest of a long line
			_, cut, err = r.ReadLine()
		}
	}
}

// Read reads the command's standard output.
func (c *CommandConn) Read(b []byte) (int, error) {
	n, err := c.io.Read(b)
	return n, c.opError("read", err)
}

// Write writes to the command's standard input.
func (c *CommandConn) Write(b []byte) (int, error) {
	n, err := c.io.Write(b)
	return n, c.opError("write", err)
}

// CloseWrite closes the command's standard input.
func (c *CommandConn) CloseWrite() error {
	c.ended.Store(true)
	return c.opError("close", c.io.CloseWrite())
}

// Close closes the command's input and output, asks its process group to end,
// kills what is left of it after half a second, and waits, for its last words on
// standard error too. A command that had
// failed by itself is an error with its exit status.
func (c *CommandConn) Close() error {
	c.close.Do(func() {
		_ = c.io.Close()
		done := make(chan error, 1)
		terminate(c.cmd)
		go func() { done <- c.cmd.Wait() }()
		select {
		case c.err = <-done:
			kill(c.cmd) // its children
		case <-time.After(commandGrace):
			kill(c.cmd)
			c.err = <-done
		}
		select {
		case <-c.logged: // its last words
		case <-time.After(commandGrace): // a process that has left the group holds the other end
		}
		closeAll(c.log)
		<-c.logged
		c.err = c.exitError(c.err)
	})
	return c.err
}

// exitError leaves out the end that we brought about.
func (c *CommandConn) exitError(err error) error {
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.ExitCode() < 0 {
		return nil // ended well, or by a signal: ours
	}
	return fmt.Errorf("layers: command %q: %w", c.name, err)
}

// SetDeadline sets both deadlines.
func (c *CommandConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds Reads.
func (c *CommandConn) SetReadDeadline(t time.Time) error {
	return c.deadlineError(c.io.SetReadDeadline(t))
}

// SetWriteDeadline bounds Writes. After CloseWrite there are none to bound.
func (c *CommandConn) SetWriteDeadline(t time.Time) error {
	err := c.io.SetWriteDeadline(t)
	if c.ended.Load() {
		return nil
	}
	return c.deadlineError(err)
}

// deadlineError tells a closed connection from a system whose pipes have no
// deadlines; os has no error of its own for the former here.
func (c *CommandConn) deadlineError(err error) error {
	if err != nil && !errors.Is(err, os.ErrNoDeadline) {
		err = net.ErrClosed
	}
	return c.opError("set deadline", err)
}

// LocalAddr is of network "command" and without a name.
func (c *CommandConn) LocalAddr() net.Addr { return commandAddr("") }

// RemoteAddr is the command's name, without arguments: those may hold secrets.
func (c *CommandConn) RemoteAddr() net.Addr { return commandAddr(c.name) }

type commandAddr string

func (commandAddr) Network() string  { return "command" }
func (a commandAddr) String() string { return string(a) }

// opError gives an error of a pipe the form of a connection's: a net.Error with
// net.ErrClosed where os has its own.
func (c *CommandConn) opError(what string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	var path *fs.PathError
	var op *net.OpError
	if errors.As(err, &path) {
		err = path.Err
	} else if errors.As(err, &op) {
		err = op.Err
	}
	if errors.Is(err, os.ErrClosed) {
		err = net.ErrClosed
	}
	return &net.OpError{Op: what, Net: "command", Addr: c.RemoteAddr(), Err: err}
}
