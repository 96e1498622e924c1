package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// child is a process of the run: a gateway, the fake display or a load client.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Reader
	gone  chan struct{} // closed when it has ended
}

// start runs a program; what it writes to standard error goes to log.
func start(log string, pipes bool, name string, args ...string) (*child, error) {
	c := &child{cmd: exec.Command(name, args...), gone: make(chan struct{})}
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	c.cmd.Stderr = f
	c.cmd.SysProcAttr = ownGroup()
	if pipes {
		if err := c.connect(); err != nil {
			return nil, err
		}
	} else {
		c.cmd.Stdout = f
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	if !pipes { // else Wait would close what is still to be read
		go c.wait()
	}
	return c, nil
}

func (c *child) connect() error {
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	c.in, c.lines = in, bufio.NewReader(out)
	return nil
}

func (c *child) wait() {
	_ = c.cmd.Wait()
	close(c.gone)
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// stop ends it and all that it has started, and waits for it.
func (c *child) stop() {
	family := family(c.pid())
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	if c.lines != nil {
		go c.wait()
	}
	select {
	case <-c.gone:
	case <-time.After(3 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.gone
	}
	for _, pid := range family[1:] { // of a parent that leaves its children behind
		if p, err := os.FindProcess(pid); err == nil {
			_ = p.Kill()
		}
	}
}

// told returns the next line that it has printed.
func (c *child) told() (outcome, error) {
	line, err := c.lines.ReadBytes('\n')
	if err != nil {
		return outcome{}, fmt.Errorf("the load client said nothing: %w", err)
	}
	var o outcome
	if err := json.Unmarshal(line, &o); err != nil {
		return outcome{}, err
	}
	if o.Error != "" {
		return outcome{}, errors.New(o.Error)
	}
	return o, nil
}

// answers waits until somebody listens at each address.
func (c *child) answers(addresses ...string) error {
	for _, address := range addresses {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			conn, err := net.Dial("tcp", address)
			if err == nil {
				_ = conn.Close()
				break
			}
			select {
			case <-c.gone:
				return fmt.Errorf("%s has ended at once: see its log (-keep)", c.cmd.Args[0])
			default:
			}
			if time.Now().After(end) {
				return fmt.Errorf("%s does not listen on %s: %w", c.cmd.Args[0], address, err)
			}
		}
	}
	return nil
}

// freeAddresses returns addresses that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	var list []string
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		list = append(list, ln.Addr().String())
	}
	return list, nil
}

// find looks for a program where administrators' programs are, too.
func find(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(dir + "/" + name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", strings.TrimSpace(name))
}
