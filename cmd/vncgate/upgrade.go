package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"vncgate/layers"
)

// Protocol flow of an upgrade (SIGUSR2, 'vncgate ctl upgrade'): the process that
// serves starts the program anew, as its file is now, with its own listening
// sockets and one end of a socket pair, whose number is in the environment. Over it:
//
//	old → new   handedOver: which descriptor is which listener
//	new → old   answer: it serves, or why it cannot
//	old → new   commit: the old one has stopped accepting
//
// Each is one line of JSON. Both accept until the commit, from the same sockets,
// so that nobody is refused. A new process that fails leaves the old one as it
// was; one that gets no commit, because the old one is gone, goes on by itself.

const (
	// successorVariable is "FD PARENT": the channel's number and who has opened
	// it, so that nobody else's children believe it.
	successorVariable = "VNCGATE_SUCCESSOR"
	// successorTime is how long a new process may take until it serves.
	successorTime = time.Minute
	// commitTime is how long one that serves waits for the old one's last word.
	commitTime = 10 * time.Second
	// channelFD is the channel's number in the new process.
	channelFD = 3
	// maxHandedOver bounds a line of the channel.
	maxHandedOver = 1 << 20
)

// handedOver is what a new process is told first.
type handedOver struct {
	Sockets []handedSocket `json:"sockets"`
}

// handedSocket is one listener: Key as socketKey makes it, and its descriptors.
type handedSocket struct {
	Key string `json:"key"`
	FDs []int  `json:"fds"`
}

type heirAnswer struct {
	Error string `json:"error,omitempty"` // "": it serves
}

type commit struct{}

// socketKey is by what a listener is known to the next process: as it was
// configured.
func socketKey(address, network string) string { return strings.TrimSpace(network + " " + address) }

// heir is a process that another has started to go on in its place.
type heir struct {
	channel net.Conn
	lines   *json.Decoder
	sockets []handedSocket // not taken yet
}

// newHeir is nil for a process that starts by itself.
func newHeir() (*heir, error) {
	given := os.Getenv(successorVariable)
	_ = os.Unsetenv(successorVariable) // it is no business of the commands we start
	fd, parent, ok := strings.Cut(given, " ")
	if number, err := strconv.Atoi(parent); !ok || err != nil || number != os.Getppid() {
		return nil, nil
	}
	number, err := strconv.Atoi(fd)
	if err != nil {
		return nil, nil
	}
	c, err := layers.Inherited(number)
	if err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	h := &heir{channel: c, lines: json.NewDecoder(io.LimitReader(c, maxHandedOver))}
	var told handedOver
	_ = c.SetDeadline(time.Now().Add(successorTime))
	if err := h.lines.Decode(&told); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("upgrade: what the process before says: %w", err)
	}
	for _, s := range told.Sockets {
		keepFromChildren(s.FDs)
	}
	h.sockets = told.Sockets
	return h, nil
}

// take is the socket of a listener of the process before; nil if it had none such.
func (h *heir) take(key string) (net.Listener, error) {
	if h == nil {
		return nil, nil
	}
	for i, s := range h.sockets {
		if s.Key == key {
			h.sockets = append(h.sockets[:i:i], h.sockets[i+1:]...)
			return layers.Adopt(s.FDs)
		}
	}
	return nil, nil
}

// failed tells the process before why it has to go on. It is nothing to one that
// serves already.
func (h *heir) failed(err error) {
	if h == nil || h.channel == nil {
		return
	}
	if err == nil {
		err = errors.New("it ended at once")
	}
	_ = json.NewEncoder(h.channel).Encode(heirAnswer{Error: err.Error()})
	h.close()
}

// serves tells the process before that it may stop accepting, and returns once it
// has. Sockets that nobody has taken up are closed: the configuration has no such
// listener any more.
func (h *heir) serves() {
	if h == nil {
		return
	}
	for _, s := range h.sockets {
		layers.CloseSockets(s.FDs)
	}
	_ = h.channel.SetDeadline(time.Now().Add(commitTime))
	if json.NewEncoder(h.channel).Encode(heirAnswer{}) == nil {
		_ = h.lines.Decode(&commit{}) // an error says that it is gone: then all is ours
	}
	h.close()
}

func (h *heir) close() {
	_ = h.channel.Close()
	h.channel = nil
}

// successor is the process that goes on in our place.
type successor struct {
	pid     int
	channel net.Conn
	exited  <-chan struct{} // closed when it has ended
}

// ready waits until it serves. An error says why it does not.
func (s *successor) ready() error {
	_ = s.channel.SetDeadline(time.Now().Add(successorTime))
	var said heirAnswer
	err := json.NewDecoder(io.LimitReader(s.channel, maxHandedOver)).Decode(&said)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the new process does not serve after %v", successorTime)
	case err != nil:
		return errors.New("the new process ended at once; its last words are in the log")
	case said.Error != "":
		return errors.New("the new process cannot serve: " + said.Error)
	}
	return nil
}

// commit tells it that we have stopped accepting.
func (s *successor) commit() {
	_ = s.channel.SetDeadline(time.Now().Add(commitTime))
	_ = json.NewEncoder(s.channel).Encode(commit{})
	_ = s.channel.Close()
}

// ownProgram is the file to start anew: what we were called by, where that is us, so
// that a link that leads to another version now is followed; else our own file.
func ownProgram() (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", err
	}
	called, err := exec.LookPath(os.Args[0])
	if err == nil {
		called, err = filepath.Abs(called)
	}
	if err != nil || !sameFile(called, own) {
		return own, nil
	}
	return called, nil
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// withoutActivation is an environment without what systemd has told this process
// alone: numbers of descriptors and of the process.
func withoutActivation(environment []string) []string {
	var list []string
	for _, v := range environment {
		switch name, _, _ := strings.Cut(v, "="); name {
		case "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "WATCHDOG_PID", successorVariable:
		default:
			list = append(list, v)
		}
	}
	return list
}
