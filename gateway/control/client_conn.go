package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Protocol flow, one connection (docs/interop/qmp-spec.rst):
//
//	gateway → {"QMP": {"version": …, "capabilities": ["oob"]}}
//	client  → {"execute": "qmp_capabilities", "arguments": {"enable": ["oob"]}}
//	gateway → {"return": {}}
//	client  → {"execute": NAME, "arguments": {…}, "id": ANY}      in band: in order
//	client  → {"exec-oob": NAME, "arguments": {…}, "id": ANY}     at once
//	gateway → {"return": …, "id": ANY} or {"error": {"class": …, "desc": …}, "id": ANY}
//	gateway → {"timestamp": …, "event": NAME, "data": {…}}        at any time
//
// Up to maxInBand commands in band may be on their way; while there is one more
// nothing is read, be it out of band. Without oob it is one.

// maxInBand is how many commands in band one client may have on their way.
const maxInBand = 8

// hungUpLook is how often a client that is not read from is looked after.
const hungUpLook = 50 * time.Millisecond

const capabilityOOB = "oob"

// client is one connection to the control socket.
type client struct {
	s      *Server
	c      *net.UnixConn
	out    *outbox
	ctx    context.Context // ends with the connection; the commands' own
	cancel context.CancelFunc
	call   Call // who it is

	queue  chan *request
	places chan struct{} // one for each command in band on its way

	negotiated, oob atomic.Bool
}

// serve owns the connection. It reads and runs what is out of band; another
// goroutine runs what is in band, a third writes.
func (c *client) serve() {
	defer c.s.forget(c)
	defer c.call.Files.close()
	defer c.c.Close()
	defer context.AfterFunc(c.ctx, func() { _ = c.c.SetDeadline(time.Unix(1, 0)) })()
	defer c.cancel()
	written, worked := make(chan struct{}), make(chan struct{})
	go c.write(written)
	go c.work(worked)
	c.out.reply(greeting(c.s.Version))
	c.read()
	close(c.queue)
	c.await(worked) // what a client has asked for that only ends its own direction is still answered
	c.await(written)
	c.cancel()
	<-worked
	<-written
}

func (c *client) write(done chan<- struct{}) {
	defer close(done)
	if c.out.run() != nil {
		c.cancel()
	}
}

// work runs the commands in band, in order.
func (c *client) work(done chan<- struct{}) {
	defer close(done)
	defer close(c.out.replies)
	for r := range c.queue {
		if c.ctx.Err() == nil {
			c.answer(r)
		}
		<-c.places
		close(r.done)
	}
}

// read takes in what comes until the client's end, or ours.
func (c *client) read() {
	buf := make([]byte, 4<<10)
	control := make([]byte, unix.CmsgSpace(4*maxFiles))
	var s scanner
	for c.ctx.Err() == nil {
		n, nc, flags, _, err := c.c.ReadMsgUnix(buf, control)
		c.takeFiles(control[:nc], flags)
		if n == 0 || err != nil {
			return
		}
		s.scan(buf[:n], c.take)
	}
}

// takeFiles keeps the descriptors that came with some bytes.
func (c *client) takeFiles(control []byte, flags int) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || flags&unix.MSG_CTRUNC != 0 {
		c.s.log().Warn("control socket: descriptors were lost on the way", "peer", c.call.Actor)
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			c.call.Files.Put(os.NewFile(uintptr(fd), "passed"))
		}
	}
}

// take gets the next value of the client, or what is wrong with it. It returns
// when the one after may be looked at.
func (c *client) take(value []byte, err error) {
	if c.ctx.Err() != nil {
		return
	}
	oob := c.oob.Load() // nothing is on its way that could change it
	var r *request
	if err != nil {
		r = &request{err: generic(err.Error()), done: make(chan struct{})}
	} else {
		r = parseRequest(value, oob)
	}
	if r.err == nil && r.oob {
		c.answer(r)
		return
	}
	if !c.place() {
		return
	}
	c.queue <- r
	if !oob {
		c.await(r.done)
	}
}

// place waits for a place among the commands in band.
func (c *client) place() bool {
	tick := time.NewTicker(hungUpLook)
	defer tick.Stop()
	for {
		select {
		case c.places <- struct{}{}:
			return true
		case <-c.ctx.Done():
			return false
		case <-tick.C:
			c.lookAfter()
		}
	}
}

// await waits for done, or for the end of the client.
func (c *client) await(done <-chan struct{}) {
	tick := time.NewTicker(hungUpLook)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-c.ctx.Done():
			return
		case <-tick.C:
			c.lookAfter()
		}
	}
}

// lookAfter ends the commands of a client that is gone for good. One that has
// only ended its own direction still reads.
func (c *client) lookAfter() {
	raw, err := c.c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		list := []unix.PollFd{{Fd: int32(fd)}}
		if n, err := unix.Poll(list, 0); err == nil && n == 1 && list[0].Revents&unix.POLLHUP != 0 {
			c.cancel()
		}
	})
}

// answer runs a command and sends what it came to.
func (c *client) answer(r *request) {
	if r.err == nil && (r.name == "qmp_capabilities" || !c.negotiated.Load()) {
		err := c.negotiate(r)
		c.out.reply(answer(r.id, struct{}{}, err))
		if err == nil {
			c.out.subscribe()
		}
		return
	}
	result, err := c.run(r)
	c.out.reply(answer(r.id, result, err))
}

// run runs a command. A fault in it must not end every session.
func (c *client) run(r *request) (result any, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			c.s.log().Error("control socket: a command met a fault in the program", "command", r.name, "fault", faultOf(fault), "stack", string(debug.Stack()))
			err = generic("a fault in the gateway; its log has more")
		}
	}()
	if r.err != nil {
		return nil, r.err
	}
	call := c.call
	call.OOB = r.oob
	result, err = c.s.Table.Run(c.ctx, &call, r.name, r.args)
	if errors.Is(err, ErrForbidden) {
		c.s.log().Warn("control socket: refused", "peer", call.Actor, "command", r.name, "role", call.Role.String())
	}
	return result, err
}

// faultOf shows the runtime's own values alone: any other may have been put
// together from what a client has sent.
func faultOf(v any) string {
	if fault, ok := v.(runtime.Error); ok {
		return fault.Error()
	}
	return fmt.Sprintf("a panic with a %T", v)
}

// negotiate is qmp_capabilities, and whatever comes in its place.
func (c *client) negotiate(r *request) error {
	switch {
	case c.negotiated.Load():
		return &Error{Class: ClassCommand, Desc: "Capabilities negotiation is already complete, command ignored"}
	case r.name != "qmp_capabilities":
		return &Error{Class: ClassCommand, Desc: "Expecting capabilities negotiation with 'qmp_capabilities'"}
	}
	decoded, err := decodeArgs(capabilities{}, r.args)
	if err != nil {
		return err
	}
	for _, name := range decoded.(*capabilities).Enable {
		if name != capabilityOOB {
			return Wrong("Parameter 'enable' does not accept value '%s'; there is: oob", name)
		}
		c.oob.Store(true)
	}
	c.negotiated.Store(true)
	return nil
}

// capabilities are the arguments of qmp_capabilities.
type capabilities struct {
	Enable []string `json:"enable,omitempty" doc:"what to make use of" enum:"oob"`
}
