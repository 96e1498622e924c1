package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Client is one connection to a control socket, from the other side. Its methods
// are for any goroutine.
type Client struct {
	// Greeting is the version that the gateway told.
	Greeting Version

	c      *net.UnixConn
	events chan ClientEvent

	mu      sync.Mutex // writes, and the fields below
	last    int
	waiting map[string]chan reply
	err     error // why nothing comes any more
}

// ClientEvent is an event as it came.
type ClientEvent struct {
	Name string
	Time time.Time
	Data json.RawMessage
	// Line is the whole, for scripts.
	Line json.RawMessage
}

type reply struct {
	result json.RawMessage
	err    error
}

// message is any line that a gateway sends.
type message struct {
	QMP *struct {
		Version VersionInfo `json:"version"`
	} `json:"QMP"`
	Return    json.RawMessage `json:"return"`
	Error     *Error          `json:"error"`
	ID        json.RawMessage `json:"id"`
	Event     string          `json:"event"`
	Data      json.RawMessage `json:"data"`
	Timestamp timestamp       `json:"timestamp"`
}

// clientEvents is how many events a Client keeps for a caller who does not take
// them; then the oldest is lost.
const clientEvents = 1024

// Dial connects to a control socket and negotiates, with commands out of band.
func Dial(ctx context.Context, path string) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	cl := &Client{c: conn.(*net.UnixConn), events: make(chan ClientEvent, clientEvents), waiting: map[string]chan reply{}}
	lines := bufio.NewReaderSize(conn, 64<<10)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := cl.greeted(lines); err != nil {
		_ = conn.Close()
		return nil, err
	}
	go cl.read(lines)
	if _, err := cl.Run(ctx, "qmp_capabilities", map[string][]string{"enable": {capabilityOOB}}); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return cl, nil
}

// greeted reads the first line: a greeting, or why there is none.
func (cl *Client) greeted(lines *bufio.Reader) error {
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("control: no greeting: %w", err)
	}
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return errors.New("control: what answers there is no control socket")
	}
	switch {
	case m.Error != nil:
		return m.Error
	case m.QMP == nil:
		return errors.New("control: what answers there is no control socket")
	}
	v := m.QMP.Version
	cl.Greeting = Version{v.QEMU.Major, v.QEMU.Minor, v.QEMU.Micro, v.Package}
	return nil
}

// Events returns what happens from now on. The channel is closed when the
// connection ends.
func (cl *Client) Events() <-chan ClientEvent { return cl.events }

// Close ends the connection; commands that are on their way are given up.
func (cl *Client) Close() error { return cl.c.Close() }

// Run runs a command in band, with arguments that marshal to a JSON object; nil
// is none. The error is an *Error if the gateway said so.
func (cl *Client) Run(ctx context.Context, name string, args any) (json.RawMessage, error) {
	return cl.run(ctx, "execute", name, args, nil)
}

// RunOOB runs a command out of band.
func (cl *Client) RunOOB(ctx context.Context, name string, args any) (json.RawMessage, error) {
	return cl.run(ctx, "exec-oob", name, args, nil)
}

// Pass hands a descriptor over and gives it a name there (getfd). The caller
// keeps file.
func (cl *Client) Pass(ctx context.Context, name string, file *os.File) error {
	_, err := cl.run(ctx, "execute", "getfd", FDName{name}, syscall.UnixRights(int(file.Fd())))
	return err
}

func (cl *Client) run(ctx context.Context, how, name string, args any, rights []byte) (json.RawMessage, error) {
	request := map[string]any{how: name}
	if args != nil {
		request["arguments"] = args
	}
	got := make(chan reply, 1)
	id, err := cl.send(request, rights, got)
	if err != nil {
		return nil, err
	}
	select {
	case r := <-got:
		return r.result, r.err
	case <-ctx.Done():
		cl.mu.Lock()
		delete(cl.waiting, id)
		cl.mu.Unlock()
		return nil, context.Cause(ctx)
	}
}

// send writes a request under the next id.
func (cl *Client) send(request map[string]any, rights []byte, got chan reply) (id string, err error) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.err != nil {
		return "", cl.err
	}
	cl.last++
	id = strconv.Itoa(cl.last)
	request["id"] = cl.last
	line, err := encode(request)
	if err != nil {
		return "", fmt.Errorf("control: %w", err)
	}
	cl.waiting[id] = got
	if _, _, err = cl.c.WriteMsgUnix(append(line, '\n'), rights, nil); err != nil {
		delete(cl.waiting, id)
		return "", fmt.Errorf("control: %w", err)
	}
	return id, nil
}

// read takes in lines until the end of the connection, which ends all that
// waits.
func (cl *Client) read(lines *bufio.Reader) {
	var err error
	for err == nil {
		var line []byte
		if line, err = lines.ReadBytes('\n'); err == nil {
			err = cl.take(line)
		}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		err = errors.New("the gateway has closed the control connection")
	}
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.err = fmt.Errorf("control: %w", err)
	for _, got := range cl.waiting {
		got <- reply{err: cl.err}
	}
	cl.waiting = nil
	close(cl.events)
	_ = cl.c.Close()
}

func (cl *Client) take(line []byte) error {
	var m message
	if err := json.Unmarshal(line, &m); err != nil {
		return errors.New("a line that is no JSON")
	}
	if m.Event != "" {
		cl.takeEvent(&m, line)
		return nil
	}
	cl.mu.Lock()
	got := cl.waiting[string(m.ID)]
	delete(cl.waiting, string(m.ID))
	cl.mu.Unlock()
	switch {
	case got != nil && m.Error != nil:
		got <- reply{err: m.Error}
	case got != nil:
		got <- reply{result: m.Return}
	}
	return nil
}

func (cl *Client) takeEvent(m *message, line []byte) {
	e := ClientEvent{m.Event, time.Unix(m.Timestamp.Seconds, m.Timestamp.Microseconds*1000), m.Data, line}
	for {
		select {
		case cl.events <- e:
			return
		default:
		}
		select {
		case <-cl.events:
		default:
		}
	}
}
