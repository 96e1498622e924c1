package main

import (
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
)

// Messages of a viewer (RFC 6143, 7.5) that the fake display knows.
const (
	msgSetPixelFormat  = 0
	msgSetEncodings    = 2
	msgUpdateRequest   = 3
	msgKeyEvent        = 4
	msgPointerEvent    = 5
	msgClientCutText   = 6
	idleBuffer         = 512
	clipboardBuffer    = 256 << 10
	greeting           = "RFB 003.008\n"
	secNone, secVNC    = 1, 2
	secVeNCrypt        = 19
	subX509None        = 260
	subX509VNC         = 261
	framebufferName    = "bench"
	framebufferWidth   = 1024
	framebufferHeight  = 768
	serverInitFixedLen = 24
)

// display is the fake one. It does what its viewer's messages ask for: a
// PointerEvent is answered by a small update, a ClientCutText likewise once its
// text is there, and a FramebufferUpdateRequest that is not incremental begins a
// flood. Whoever asks for nothing idles.
type display struct {
	webSocket bool
	cert      *tls.Config // nil: no TLS
}

// runDisplay serves displays on the stated listeners until it is ended; ready is
// told once all are open.
func runDisplay(addresses displayAddresses, cert *tls.Config, ready func()) error {
	failed := make(chan error)
	for _, l := range []struct {
		address        string
		tls, webSocket bool
	}{
		{addresses.TCP, false, false}, {addresses.TLS, true, false},
		{addresses.WS, false, true}, {addresses.WSS, true, true},
	} {
		ln, err := net.Listen("tcp", l.address)
		if err != nil {
			return err
		}
		d := display{webSocket: l.webSocket}
		if l.tls {
			d.cert = cert
		}
		go func() { failed <- serveDisplay(ln, d) }()
	}
	ready()
	return <-failed
}

// displayAddresses are where the fake display is reached.
type displayAddresses struct{ TCP, TLS, WS, WSS string }

func serveDisplay(ln net.Listener, d display) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go d.serve(c)
	}
}

// serve plays one display. Ends of its viewers are not its concern.
func (d display) serve(c net.Conn) {
	below := &switchable{c}
	defer func() { _ = below.Close() }()
	c = below
	if d.cert != nil {
		c = tls.Server(c, d.cert)
	}
	var s stream = &plainStream{c, make([]byte, idleBuffer)}
	if d.webSocket {
		if acceptUpgrade(c) != nil {
			return
		}
		s = newWebSocketStream(c, false, idleBuffer)
	}
	e := &exact{stream: s}
	if displayHandshake(e) != nil {
		return
	}
	_ = answer(e, below)
}

// switchable is a connection that can begin to block in the kernel: a session
// that is busy is worth a thread of its own.
type switchable struct{ net.Conn }

func (s *switchable) block() { s.Conn = blocking(s.Conn) }

// displayHandshake is RFC 6143, 7.1 to 7.3, with the security type None.
func displayHandshake(e *exact) error {
	if err := e.write([]byte(greeting)); err != nil {
		return err
	}
	var version [len(greeting)]byte
	if err := e.read(version[:]); err != nil {
		return err
	}
	if err := e.write([]byte{1, secNone}); err != nil {
		return err
	}
	var one [1]byte
	if err := e.read(one[:]); err != nil {
		return err
	}
	if one[0] != secNone {
		return fmt.Errorf("viewer chose %d", one[0])
	}
	if err := e.write([]byte{0, 0, 0, 0}); err != nil {
		return err
	}
	if err := e.read(one[:]); err != nil { // ClientInit
		return err
	}
	return e.write(serverInit())
}

func serverInit() []byte {
	b := binary.BigEndian.AppendUint16(nil, framebufferWidth)
	b = binary.BigEndian.AppendUint16(b, framebufferHeight)
	b = append(b, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(framebufferName)))
	return append(b, framebufferName...)
}

// answer takes messages until the viewer leaves.
func answer(e *exact, below *switchable) error {
	busy := sync.OnceFunc(func() { below.block(); e.grow(clipboardBuffer) })
	update := append(appendUpdate(nil, 4, 1), make([]byte, 16)...)
	var head [20]byte
	for {
		if err := e.read(head[:1]); err != nil {
			return err
		}
		switch head[0] {
		case msgSetPixelFormat:
			if err := e.skip(19); err != nil {
				return err
			}
		case msgSetEncodings:
			if err := e.read(head[:3]); err != nil {
				return err
			}
			if err := e.skip(4 * int(binary.BigEndian.Uint16(head[1:]))); err != nil {
				return err
			}
		case msgUpdateRequest:
			if err := e.read(head[:9]); err != nil {
				return err
			}
			if head[0] == 0 {
				busy()
				return sendFlood(e.stream)
			}
		case msgKeyEvent:
			if err := e.skip(7); err != nil {
				return err
			}
		case msgPointerEvent:
			busy()
			if err := e.skip(5); err != nil {
				return err
			}
			if err := e.write(update); err != nil {
				return err
			}
		case msgClientCutText:
			busy()
			if err := clipboardTo(e, update); err != nil {
				return err
			}
		default:
			return fmt.Errorf("message of type %d", head[0])
		}
	}
}

// clipboardTo takes one text and says that it is there.
func clipboardTo(e *exact, update []byte) error {
	var head [7]byte
	if err := e.read(head[:]); err != nil {
		return err
	}
	if err := takeClipboard(e, int(binary.BigEndian.Uint32(head[3:]))); err != nil {
		return err
	}
	return e.write(update)
}
