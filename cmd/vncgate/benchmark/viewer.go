package main

import (
	"crypto/des"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net"
	"slices"
	"time"
)

// Ways in that are measured.
const (
	viaTCP  = "tcp"  // RFB
	viaTLS  = "tls"  // RFB in TLS from the first byte
	viaX509 = "x509" // RFB that goes over to TLS by VeNCrypt
	viaWS   = "ws"   // RFB in WebSocket
	viaWSS  = "wss"  // RFB in WebSocket in TLS
)

// entrance is where and how the load client comes in.
type entrance struct {
	Via      string
	Address  string
	Path     string // of the WebSocket
	Password string // for VNC authentication, where it is asked for
}

// dialTimeout bounds one way in, from the connection to ServerInit.
const dialTimeout = 20 * time.Second

// viewer is one end of a session that the load client plays.
type viewer struct {
	*exact
	cipher  uint16 // of TLS
	resumed bool
}

// dialer makes viewers. TLS sessions are resumed if it keeps them.
type dialer struct {
	at     entrance
	tls    *tls.Config
	buffer int   // bytes that one read may bring
	block  bool  // reads and writes that block in the kernel, for latencies
	source uint8 // of the loopback address that connections come from; 0: any
}

func newDialer(at entrance, buffer int) *dialer {
	// The certificate is made for the run; who the gateway is was never in doubt.
	return &dialer{at: at, buffer: buffer, tls: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} //nolint:gosec
}

// dial opens a session as far as ServerInit.
func (d *dialer) dial() (*viewer, error) {
	v, err := d.open()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.at.Via, err)
	}
	return v, nil
}

func (d *dialer) open() (*viewer, error) {
	nd := net.Dialer{Timeout: dialTimeout}
	if d.source != 0 {
		nd.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, d.source)}
	}
	c, err := nd.Dial("tcp", d.at.Address)
	if err != nil {
		return nil, err
	}
	if d.block {
		c = blocking(c)
	}
	_ = c.SetDeadline(time.Now().Add(dialTimeout))
	v, err := d.enter(c)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	_ = c.SetDeadline(time.Time{})
	return v, nil
}

// enter stacks what the way in has, and runs the RFB handshake.
func (d *dialer) enter(c net.Conn) (*viewer, error) {
	v := &viewer{}
	if d.at.Via == viaTLS || d.at.Via == viaWSS {
		var err error
		if c, err = d.secure(v, c); err != nil {
			return nil, err
		}
	}
	if d.at.Via == viaWS || d.at.Via == viaWSS {
		ws := newWebSocketStream(c, true, d.buffer)
		if err := ws.askUpgrade(d.at.Path); err != nil {
			return nil, err
		}
		v.exact = &exact{stream: ws}
	} else {
		v.exact = &exact{stream: &plainStream{c, make([]byte, d.buffer)}}
	}
	return v, d.handshake(v)
}

func (d *dialer) secure(v *viewer, c net.Conn) (net.Conn, error) {
	cfg := d.tls
	if cfg.ClientSessionCache != nil {
		cfg = cfg.Clone()
		cfg.ServerName = "bench.example"
	}
	t := tls.Client(c, cfg)
	if err := t.Handshake(); err != nil {
		return nil, err
	}
	state := t.ConnectionState()
	v.cipher, v.resumed = state.CipherSuite, state.DidResume
	return t, nil
}

// handshake is the viewer's side of RFC 6143, 7.1 to 7.3.
func (d *dialer) handshake(v *viewer) error {
	var version [len(greeting)]byte
	if err := v.read(version[:]); err != nil {
		return err
	}
	if err := v.write([]byte(greeting)); err != nil {
		return err
	}
	var count [1]byte
	if err := v.read(count[:]); err != nil {
		return err
	}
	types := make([]byte, count[0])
	if err := v.read(types); err != nil {
		return err
	}
	if err := d.security(v, types); err != nil {
		return err
	}
	var result [4]byte
	if err := v.read(result[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(result[:]) != 0 {
		return v.refused()
	}
	return d.initialise(v)
}

// maxReason bounds the words of a refusal.
const maxReason = 1 << 10

// refused is an error with the words of a SecurityResult that is none
// (RFC 6143, 7.1.3).
func (v *viewer) refused() error {
	var length [4]byte
	if err := v.read(length[:]); err != nil {
		return fmt.Errorf("security failed: %w", err)
	}
	words := make([]byte, min(binary.BigEndian.Uint32(length[:]), maxReason))
	if err := v.read(words); err != nil {
		return fmt.Errorf("security failed: %w", err)
	}
	return fmt.Errorf("security failed: %s", words)
}

// security proves us by the first type offered that we know.
func (d *dialer) security(v *viewer, types []byte) error {
	for _, t := range types {
		switch {
		case t == secVeNCrypt && d.at.Via == viaX509:
			if err := v.write([]byte{t}); err != nil {
				return err
			}
			return d.veNCrypt(v)
		case t == secNone:
			return v.write([]byte{t})
		case t == secVNC:
			if err := v.write([]byte{t}); err != nil {
				return err
			}
			return d.provePassword(v)
		}
	}
	return fmt.Errorf("security types %v: none that we know", types)
}

// veNCrypt goes over to TLS.
func (d *dialer) veNCrypt(v *viewer) error {
	var head [3]byte
	if err := v.read(head[:2]); err != nil {
		return err
	}
	if err := v.write([]byte{0, 2}); err != nil {
		return err
	}
	if err := v.read(head[1:]); err != nil {
		return err
	}
	subtypes := make([]byte, 4*int(head[2]))
	if err := v.read(subtypes); err != nil {
		return err
	}
	var offered []uint32
	for b := subtypes; len(b) > 0; b = b[4:] {
		offered = append(offered, binary.BigEndian.Uint32(b))
	}
	want := uint32(subX509None)
	if slices.Contains(offered, subX509VNC) {
		want = subX509VNC
	}
	if err := v.write(binary.BigEndian.AppendUint32(nil, want)); err != nil {
		return err
	}
	if err := v.read(head[:1]); err != nil {
		return err
	}
	if head[0] != 1 {
		return fmt.Errorf("VeNCrypt subtypes %v: refused", offered)
	}
	t, err := d.secure(v, v.conn())
	if err != nil {
		return err
	}
	v.exact = &exact{stream: &plainStream{t, make([]byte, d.buffer)}}
	if want == subX509VNC {
		return d.provePassword(v)
	}
	return nil
}

// provePassword is VNC authentication (RFC 6143, 7.2.2).
func (d *dialer) provePassword(v *viewer) error {
	var challenge [16]byte
	if err := v.read(challenge[:]); err != nil {
		return err
	}
	var key [8]byte
	copy(key[:], d.at.Password)
	for i := range key {
		key[i] = bits.Reverse8(key[i])
	}
	block, err := des.NewCipher(key[:])
	if err != nil {
		return err
	}
	block.Encrypt(challenge[:8], challenge[:8])
	block.Encrypt(challenge[8:], challenge[8:])
	return v.write(challenge[:])
}

func (d *dialer) initialise(v *viewer) error {
	if err := v.write([]byte{1}); err != nil { // shared
		return err
	}
	var init [serverInitFixedLen]byte
	if err := v.read(init[:]); err != nil {
		return err
	}
	return v.skip(int(binary.BigEndian.Uint32(init[20:])))
}

// askFlood begins the flood.
func (v *viewer) askFlood() error {
	b := []byte{msgUpdateRequest, 0, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint16(b, framebufferWidth)
	return v.write(binary.BigEndian.AppendUint16(b, framebufferHeight))
}

// updateLen is the size of the display's answer to a PointerEvent.
const updateLen = updateHead + 16

// ask sends a PointerEvent and waits for the answer.
func (v *viewer) ask(x int) error {
	if err := v.write([]byte{msgPointerEvent, 0, byte(x >> 8 & 3), byte(x), 0, 1}); err != nil {
		return err
	}
	return v.skip(updateLen)
}

func (v *viewer) close() { _ = v.conn().Close() }
