package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vncgate/layers"
	"vncgate/rfb"
)

// streamBlock is what a streaming display sends at once, streamPause how long it
// rests then: so that some dozens of them leave the machine to others.
const (
	streamBlock = 4 << 10
	streamPause = 4 * time.Millisecond
)

// patternAt is the byte of the stream at an offset: none is like its neighbours,
// so that a byte too many or too few shows.
func patternAt(offset int64) byte {
	x := uint64(offset) * 0x9e3779b97f4a7c15
	return byte(x>>56) ^ byte(x>>24)
}

// streamDisplay sends the pattern without end, and sees to it that keys come in
// order. What is wrong it keeps.
type streamDisplay struct {
	address string
	mu      sync.Mutex
	wrong   []string
	keys    atomic.Int64
	slower  atomic.Int64 // by what the pauses are longer than usual
	open    sync.Map     // of net.Conn
}

func newStreamDisplay(t *testing.T) *streamDisplay {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	d := &streamDisplay{address: ln.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			d.open.Store(c, nil)
			serving.Go(func() {
				defer d.open.Delete(c)
				d.serve(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		d.die(1)
		serving.Wait()
	})
	return d
}

// die closes one in every n connections.
func (d *streamDisplay) die(n int) {
	i := 0
	d.open.Range(func(c, _ any) bool {
		if i++; i%n == 0 {
			_ = c.(net.Conn).Close()
		}
		return true
	})
}

func (d *streamDisplay) serve(c net.Conn) {
	defer c.Close()
	conn, _, err := displayNamed("stream").Handshake(context.Background(), c)
	if err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.takeKeys(conn)
	}()
	b := make([]byte, streamBlock)
	for offset := int64(0); ; offset += streamBlock {
		for i := range b {
			b[i] = patternAt(offset + int64(i))
		}
		if _, err := conn.Write(b); err != nil {
			break
		}
		time.Sleep(streamPause * time.Duration(1+d.slower.Load()))
	}
	_ = c.Close()
	<-done
}

// takeKeys looks at each key that goes down; those that go up may be ours, at the
// end.
func (d *streamDisplay) takeKeys(c io.Reader) {
	last := uint32(0)
	for b := make([]byte, 8); ; {
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		sym := binary.BigEndian.Uint32(b[4:])
		switch {
		case b[0] != rfb.MsgKeyEvent:
			d.note("message %d and not a key", b[0])
			return
		case b[1] == 1 && sym != last+1:
			d.note("key %d after %d", sym, last)
			return
		case b[1] == 1:
			last = sym
			d.keys.Add(1)
		}
	}
}

func (d *streamDisplay) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.wrong = append(d.wrong, fmt.Sprintf(format, args...))
}

// complaints are all that was wrong.
func (d *streamDisplay) complaints() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.wrong
}

// streamViewer looks at a streaming display and types.
type streamViewer struct {
	what  string
	pause time.Duration
	c     *rfb.Conn
	read  atomic.Int64
	typed atomic.Int64
	ended chan struct{}
	err   error // once ended is closed
}

// watchStream comes in over the stated layers.
func watchStream(ctx context.Context, what, address string, slower int64, stack ...layers.Layer) (*streamViewer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := layers.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	top, err := layers.Stack(ctx, c, stack...)
	if err == nil {
		v := &streamViewer{what: what, pause: 5 * streamPause * time.Duration(1+slower), ended: make(chan struct{})}
		if v.c, err = rfb.Client(ctx, top, &rfb.ClientConfig{Security: []rfb.Security{rfb.None{}}}); err == nil {
			err = v.c.WriteClientInit(ctx, true)
		}
		if err == nil {
			_, err = v.c.ReadServerInit(ctx)
		}
		if err == nil {
			go v.look()
			return v, nil
		}
	}
	_ = c.Close()
	return nil, err
}

// look reads until the end, and types all the while.
func (v *streamViewer) look() {
	defer close(v.ended)
	typing := make(chan struct{})
	go func() {
		defer close(typing)
		v.typeOn()
	}()
	v.err = v.verify()
	_ = v.c.Close()
	<-typing
}

func (v *streamViewer) verify() error {
	b := make([]byte, streamBlock)
	for offset := int64(0); ; {
		n, err := v.c.Read(b)
		for i := range n {
			if b[i] != patternAt(offset+int64(i)) {
				return fmt.Errorf("%w: %s, at %d", errWrongByte, v.what, offset+int64(i))
			}
		}
		offset += int64(n)
		v.read.Store(offset)
		if err != nil {
			return err
		}
	}
}

func (v *streamViewer) typeOn() {
	for sym := uint32(1); ; sym++ {
		b := rfb.AppendKeyEvent(rfb.AppendKeyEvent(nil, true, sym), false, sym)
		if _, err := v.c.Write(b); err != nil {
			return
		}
		v.typed.Add(1)
		time.Sleep(v.pause)
	}
}

// over reports whether it has ended.
func (v *streamViewer) over() bool {
	select {
	case <-v.ended:
		return true
	default:
		return false
	}
}

// leave ends it from its side.
func (v *streamViewer) leave() {
	_ = v.c.Close()
	<-v.ended
}

// goesOn waits until as much again has come as it may have in flight.
func (v *streamViewer) goesOn(t *testing.T) {
	t.Helper()
	want := v.read.Load() + 16*streamBlock
	eventually(t, v.what+" goes on", func() bool {
		if v.over() {
			t.Fatalf("%s ended after %d bytes: %v", v.what, v.read.Load(), v.err)
		}
		return v.read.Load() >= want
	})
}

var errWrongByte = errors.New("wrong byte")
