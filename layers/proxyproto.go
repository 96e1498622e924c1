package layers

// Protocol flow (haproxy.org, proxy-protocol.txt): a proxy that connects to us
// first sends one header, v1 a line of text of at most 107 bytes, v2 sixteen
// bytes that tell the length of the rest. Then follows what its client sends.
//
// The header's bytes are collected here, exactly, and parsed by go-proxyproto:
// nothing behind the header is ever read, so the layer can step aside at once.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"

	"github.com/pires/go-proxyproto"
)

const (
	// proxyV1Max is the longest v1 header with its CRLF.
	proxyV1Max = 107
	// proxyV2Max bounds the addresses and TLVs of a v2 header.
	proxyV2Max = 4096
	// proxyV2Fixed is the length of signature, version, family and length.
	proxyV2Fixed = 16
)

// ProxyConn is a connection that began with a PROXY header. Its addresses are
// those the header states. It owns the connection below.
type ProxyConn struct {
	net.Conn
	source, destination net.Addr // nil: the socket's own
}

// ProxyConfig says from whom PROXY headers are taken.
type ProxyConfig struct {
	// Trusted accepts the socket addresses of peers whose header is believed;
	// the zero Addr stands for a peer without an IP address, as on a unix socket.
	// Such a peer is refused if it sends no header.
	Trusted func(netip.Addr) bool
	// Others takes all other peers as they are: no header of theirs is ever
	// read, so one they send is the next layer's to choke on. Else they are
	// refused.
	Others bool
}

// ProxyServer reads the header of a PROXY protocol v1 or v2 from peers that
// trusted accepts, and refuses all others: see ProxyConfig.
func ProxyServer(trusted func(netip.Addr) bool) Layer {
	return ProxyConfig{Trusted: trusted}.Server()
}

// Server reads the header of a PROXY protocol v1 or v2. A header that states no
// source (LOCAL, UNKNOWN: the proxy's own health check) keeps the socket's
// addresses.
func (config ProxyConfig) Server() Layer {
	return func(ctx context.Context, below net.Conn) (net.Conn, error) {
		if peer := peerAddr(below); config.Trusted == nil || !config.Trusted(peer) {
			if config.Others {
				return below, nil
			}
			return nil, fmt.Errorf("layers: proxy: %v is not a trusted proxy", below.RemoteAddr())
		}
		c := &ProxyConn{Conn: below}
		err := Interrupt(ctx, below, func() error { return c.readHeader() })
		if err != nil {
			return nil, fmt.Errorf("layers: proxy: %w", err)
		}
		return c, nil
	}
}

// ProxyClient sends the header of PROXY protocol version 1 or 2 that states
// source and destination. Addresses it cannot express (nil, of two kinds, a
// unix socket in v1) are sent as "no statement": LOCAL or UNKNOWN.
func ProxyClient(version int, source, destination net.Addr) Layer {
	return func(ctx context.Context, below net.Conn) (net.Conn, error) {
		if version != 1 && version != 2 {
			return nil, fmt.Errorf("layers: proxy: no version %d, only 1 and 2", version)
		}
		header, err := proxyHeader(version, source, destination)
		if err != nil {
			return nil, fmt.Errorf("layers: proxy: %w", err)
		}
		err = Interrupt(ctx, below, func() error {
			_, err := below.Write(header)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("layers: proxy: %w", err)
		}
		return &ProxyConn{Conn: below}, nil
	}
}

func proxyHeader(version int, source, destination net.Addr) ([]byte, error) {
	if _, unix := source.(*net.UnixAddr); unix && version == 1 {
		source = nil
	}
	return proxyproto.HeaderProxyFromAddrs(byte(version), source, destination).Format()
}

// NetConn returns the connection below.
func (c *ProxyConn) NetConn() net.Conn { return c.Conn }

// Bypass returns the connection below: it carries the same bytes.
func (c *ProxyConn) Bypass() net.Conn { return c.Conn }

// LayerName is "proxy".
func (c *ProxyConn) LayerName() string { return "proxy" }

// CloseWrite ends our direction as the connection below does it.
func (c *ProxyConn) CloseWrite() error { return CloseWrite(c.Conn) }

// RemoteAddr is the source the header states.
func (c *ProxyConn) RemoteAddr() net.Addr {
	if c.source != nil {
		return c.source
	}
	return c.Conn.RemoteAddr()
}

// LocalAddr is the destination the header states.
func (c *ProxyConn) LocalAddr() net.Addr {
	if c.destination != nil {
		return c.destination
	}
	return c.Conn.LocalAddr()
}

// peerAddr is the IP address of the peer's socket.
func peerAddr(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

func (c *ProxyConn) readHeader() error {
	raw, err := collectHeader(c.Conn)
	if err != nil {
		return err
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(raw), len(raw)))
	if err != nil {
		return err
	}
	if !h.Command.IsLocal() && !h.TransportProtocol.IsUnspec() {
		c.source, c.destination = h.SourceAddr, h.DestinationAddr
	}
	return nil
}

// collectHeader reads one header and not a byte more.
func collectHeader(r io.Reader) ([]byte, error) {
	raw := make([]byte, len(proxyproto.SIGV2), proxyV1Max+1)
	if err := readHeader(r, raw); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(raw, proxyproto.SIGV2):
		return collectV2(r, raw)
	case bytes.HasPrefix(raw, append(proxyproto.SIGV1, ' ')):
		return collectV1(r, raw)
	}
	return nil, errors.New("the connection does not begin with a PROXY header")
}

// collectV1 reads byte by byte: only the line's end tells its length.
func collectV1(r io.Reader, raw []byte) ([]byte, error) {
	for raw[len(raw)-1] != '\n' {
		if len(raw) == proxyV1Max {
			return nil, fmt.Errorf("v1 header longer than %d bytes", proxyV1Max)
		}
		raw = append(raw, 0)
		if err := readHeader(r, raw[len(raw)-1:]); err != nil {
			return nil, err
		}
	}
	return raw, nil
}

func collectV2(r io.Reader, raw []byte) ([]byte, error) {
	raw = raw[:proxyV2Fixed]
	if err := readHeader(r, raw[len(proxyproto.SIGV2):]); err != nil {
		return nil, err
	}
	length := int(binary.BigEndian.Uint16(raw[proxyV2Fixed-2:]))
	if length > proxyV2Max {
		return nil, fmt.Errorf("v2 header of %d bytes, at most %d", length, proxyV2Max)
	}
	raw = append(raw, make([]byte, length)...)
	return raw, readHeader(r, raw[proxyV2Fixed:])
}

func readHeader(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
